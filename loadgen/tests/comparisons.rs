//! Comparisons, searches for a capacity and stages against a node, and what is made of their
//! files: drawn again, compared, joined.

#[path = "support/program.rs"]
mod program;

use std::fs;

use serde_json::Value;

use program::{loadgen, report};

/// A file of this test, removed in the end.
struct File(String);

impl File {
    fn new(name: &str) -> Self {
        let name = format!("loadgen-test-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name).display().to_string())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).expect("written")
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text()).expect("JSON")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Runs the program; its text and exit code.
fn run(line: &str) -> (String, Option<i32>) {
    let output = loadgen(line);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!text.is_empty(), "{line}: {words}");
    (text, output.status.code())
}

/// Every field stands in the document, but those of the histograms, which others know.
fn is_documented(result: &Value) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/loadgen.md");
    let document = fs::read_to_string(path).expect("the document");
    let short = |name: &str| match name.strip_prefix("staleness_") {
        Some(rest) => format!("`{}`", rest.trim_end_matches("_us")),
        None => format!("`{name}`"),
    };
    let unknown: Vec<String> = names(result)
        .into_iter()
        .filter(|name| !document.contains(&format!("`{name}`")) && !document.contains(&short(name)))
        .collect();
    assert_eq!(unknown, [""; 0]);
}

/// The names in an object and in all that it holds.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let below = fields.iter().filter(|(name, _)| *name != "closes");
            let of = |(name, value): (&String, &Value)| [vec![name.clone()], names(value)].concat();
            below.flat_map(of).collect()
        }
        Value::Array(items) => items.iter().flat_map(names).collect(),
        _ => Vec::new(),
    }
}

const COMPARE: &str = "compare --transports ws,sse,longpoll,stream,poll --interval 200ms --rate 20 \
    --clients 10 --duration 1s --repeats 2 --seed 1 --side-by-side --quiet";

#[test]
fn a_comparison_is_complete_and_its_page_needs_nothing_else() {
    let (json, html) = (File::new("compare.json"), File::new("compare.html"));
    let (text, code) = run(&format!(
        "{COMPARE} --fail reach>=100% --fail ws.lost==0 --json {} --html {}",
        json.0, html.0
    ));
    let comparison = json.json();
    let is_limited = comparison["limits"]
        .as_array()
        .is_some_and(|limits| !limits.is_empty());
    assert_eq!(code, Some(if is_limited { 3 } else { 0 }), "{text}");
    let arms = comparison["cells"][0]["arms"].as_array().expect("arms");
    let names: Vec<_> = arms.iter().filter_map(|arm| arm["name"].as_str()).collect();
    assert_eq!(names, ["ws", "sse", "longpoll", "stream", "poll-200ms"]);
    is_documented(&comparison);
    for arm in arms {
        assert_eq!(
            arm["figures"]["reach_percent"]["min"], 100.0,
            "{}",
            arm["name"]
        );
        assert!(
            text.contains(arm["name"].as_str().expect("a name")),
            "{text}"
        );
    }
    let poll = &arms[4]["figures"];
    for figure in [
        "staleness_p50_us",
        "staleness_p95_us",
        "staleness_max_us",
        "requests_per_second",
        "empty_percent",
    ] {
        assert!(poll[figure]["predicted"].is_number(), "{figure}: {poll}");
        assert!(
            poll[figure]["error_percent"].is_number(),
            "{figure}: {poll}"
        );
    }
    let page = html.text();
    assert!(
        page.starts_with("<!doctype html>") && page.contains("<svg"),
        "a page with plots"
    );
    for other in [" src=", "@import", "url(", "<link", "<script"] {
        assert!(!page.contains(other), "{other} in the page");
    }
}

#[test]
fn a_result_is_drawn_again_as_it_was_and_is_no_different_from_itself() {
    let (json, html, again) = (
        File::new("a.json"),
        File::new("a.html"),
        File::new("b.html"),
    );
    run(&format!("{COMPARE} --json {} --html {}", json.0, html.0));
    run(&format!("report {} --quiet --html {}", json.0, again.0));
    assert_eq!(html.text(), again.text());
    let (text, code) = run(&format!("diff --strict {} {}", json.0, json.0));
    assert!(text.contains("no difference found"), "{text}");
    assert_eq!(code, Some(0));
}

#[test]
fn what_is_no_result_is_no_result() {
    let file = File::new("no.json");
    fs::write(&file.0, "{\"command\":\"fanout\"}").expect("written");
    for line in [
        format!("report {}", file.0),
        format!("diff {0} {0}", file.0),
    ] {
        let output = loadgen(&line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains(&file.0), "{words}");
    }
}

#[test]
fn a_capacity_is_found_and_held() {
    let (found, code) = report(
        "capacity --of clients --start 4 --max 16 --bound reach>=100% --confirm 400ms \
         --rate 20 --duration 300ms --warmup 0 --drain 500ms",
    );
    let probes = found["probes"].as_array().expect("levels").iter();
    let levels: Vec<_> = probes
        .clone()
        .map(|it| it["probe"]["level"].clone())
        .collect();
    assert_eq!(levels[0], 4, "{found}");
    // A machine that is busy elsewhere makes the generator the limit, and that says nothing.
    if probes.clone().all(|it| it["verdict"] == "passed") {
        assert_eq!(levels[..3], [4, 8, 16].map(Value::from));
        assert_eq!((&found["capacity"], code), (&16.into(), Some(0)), "{found}");
    }
    let is_wrong = |it: &Value| it["verdict"] == "failed";
    assert!(!probes.clone().any(is_wrong), "{found}");

    let (found, code) = report(
        "capacity --of rate --start 10 --max 20 --bound p50<1ns --confirm 300ms --clients 2 \
         --duration 300ms --warmup 0 --drain 200ms",
    );
    assert_eq!(
        (&found["capacity"], code),
        (&Value::Null, Some(1)),
        "{found}"
    );
}

#[test]
fn stages_follow_one_another_and_bring_everybody_back() {
    let (report, _) = report(
        "fanout --clients 12 --slow-readers 2 --crowd 30 --rate 50 --warmup 0 --drain 1s \
         --stage ramp:1s:20..60 --stage hold:1s --stage spike:500ms:200 --stage churn:1s:20 \
         --stage reconnect-storm:1s --stage slow-readers:1s",
    );
    let stages = report["stages"].as_array().expect("stages");
    let names: Vec<_> = stages
        .iter()
        .filter_map(|stage| stage["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "ramp:1s:20..60",
            "hold:1s",
            "spike:500ms:200",
            "churn:1s:20",
            "reconnect-storm:1s",
            "slow-readers:1s"
        ]
    );
    // The rate rises evenly from 20 to 60, stays at 50, and jumps to 200 for half a second.
    let offered = |stage: usize| report["repeats"][stage]["offered"].as_u64();
    assert_eq!(
        [offered(0), offered(1), offered(2)],
        [Some(40), Some(50), Some(100)]
    );
    for (stage, cut) in [(3, None), (4, Some(30))] {
        let back = &stages[stage]["back"];
        assert_eq!(back["cut"], back["back"], "{back}");
        assert!(back["cut"].as_u64() > Some(0), "{back}");
        assert!(cut.is_none() || back["cut"].as_u64() == cut, "{back}");
    }
    for repeat in report["repeats"].as_array().expect("a repeat a stage") {
        assert_eq!(repeat["lost"], 0, "{repeat}");
    }
}

#[test]
fn runs_of_several_generators_are_joined_without_loss() {
    let (a, b, joined) = (
        File::new("1.json"),
        File::new("2.json"),
        File::new("3.json"),
    );
    for (file, clients) in [(&a, 3), (&b, 5)] {
        run(&format!(
            "fanout --clients {clients} --rate 100 --messages 20 --warmup 0 --json {}",
            file.0
        ));
    }
    run(&format!("merge {} {} --json {}", a.0, b.0, joined.0));
    let joined = joined.json();
    assert_eq!(joined["total"]["received"], (3 + 5) * 20);
    assert_eq!(joined["total"]["latency"]["count"], (3 + 5) * 20);
    assert_eq!(joined["options"]["clients"], 8);
}
