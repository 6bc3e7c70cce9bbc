//! The program against somebody else's server: what it counts, writes and returns.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use loadgen::server::node::ChildServer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use support::server::{Fault, server};
use support::{certificate, loadgen, report, tls_in_front_of};

mod support;

/// Twenty publications to five subscribers, without a warm-up.
fn twenty(fault: Fault, more: &str) -> (Value, Option<i32>) {
    let address = server(fault);
    report(&format!(
        "fanout --target ws://{address} --clients 5 --rate 200 --messages 20 --warmup 0 \
         --drain 500ms{more}"
    ))
}

fn bare() -> ChildServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.arg("bare");
    ChildServer::start_with(command).expect("it listens")
}

fn ledger(report: &Value) -> [u64; 5] {
    let total = &report["total"];
    ["expected", "received", "lost", "duplicated", "reordered"].map(|name| {
        total[name]
            .as_u64()
            .unwrap_or_else(|| panic!("{name}: {total}"))
    })
}

/// What a run whose thresholds hold returns: a crowded host may make the generator the limit.
fn expected_code(report: &Value) -> i32 {
    let thresholds = report["thresholds"].as_array().expect("a list");
    assert!(
        thresholds.iter().all(|t| t["passed"] == true),
        "{thresholds:?}"
    );
    if is_limited(report) { 3 } else { 0 }
}

fn is_limited(report: &Value) -> bool {
    report["limits"]
        .as_array()
        .is_some_and(|limits| !limits.is_empty())
}

#[test]
fn a_server_that_does_well_reaches_everybody_once() {
    let (report, code) = twenty(Fault::None, " --fail reach>=100% --fail p99<2s");
    assert_eq!(ledger(&report), [100, 100, 0, 0, 0]);
    assert_eq!(code, Some(expected_code(&report)));
    for row in ["first", "median", "last", "spread"] {
        assert_eq!(report["total"][row]["count"], 20, "{row}");
    }
    let at = |row: &str| report["total"][row]["p50_us"].as_f64().expect("measured");
    assert!(at("first") <= at("median") && at("median") <= at("last"));
    assert!(at("latency_uncorrected") <= at("latency"));
}

#[test]
fn a_server_that_loses_repeats_and_reorders_is_found_out() {
    let (report, code) = twenty(Fault::LoseRepeatReorder, "");
    assert_eq!(ledger(&report), [100, 98, 2, 2, 2]);
    assert_eq!(report["total"]["incomplete"], 2);
    assert_eq!(code, Some(0));
    let (report, code) = twenty(Fault::LoseRepeatReorder, " --fail lost==0");
    assert_eq!(report["thresholds"][0]["passed"], false);
    assert_eq!(code, Some(if is_limited(&report) { 3 } else { 1 }));
}

#[test]
fn several_workers_count_the_same() {
    let (report, _) = twenty(Fault::LoseRepeatReorder, " --workers 3");
    assert_eq!(ledger(&report), [100, 98, 2, 2, 2]);
    assert_eq!(report["total"]["last"]["count"], 20);
}

#[test]
fn a_closed_loop_waits_for_everybody_in_every_process() {
    for workers in [1, 2] {
        let address = server(Fault::None);
        let (report, code) = report(&format!(
            "fanout --target ws://{address} --clients 4 --in-flight 3 --messages 50 --warmup 0 \
             --repeats 2 --workers {workers}"
        ));
        assert_eq!(ledger(&report), [400, 400, 0, 0, 0], "{workers}");
        assert_eq!(report["total"]["stalled"], 0);
        assert_eq!(report["repeats"].as_array().map(Vec::len), Some(2));
        assert!(report["over_repeats"]["p99_us"]["median"].is_number());
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_closed_loop_does_not_wait_for_who_is_closed() {
    let address = server(Fault::Close(4008));
    let (report, _) = report(&format!(
        "fanout --target ws://{address} --clients 3 --in-flight 1 --messages 10 --warmup 0 \
         --drain 300ms"
    ));
    assert_eq!(report["closes"]["4008"], 1);
    assert_eq!(ledger(&report), [30, 23, 7, 0, 0]);
    assert_eq!(report["total"]["stalled"], 0);
}

#[test]
fn wrapped_and_joined_messages_are_understood() {
    let (report, _) = twenty(Fault::WrapPairs, "");
    assert_eq!(ledger(&report), [100, 100, 0, 0, 0]);
}

#[test]
fn posts_are_published_and_refusals_counted() {
    let (report, _) = twenty(Fault::LoseRepeatReorder, " --publish http --publishers 1");
    assert_eq!(ledger(&report), [100, 98, 2, 2, 2]);
    // The server answers 503 to every tenth POST, and publishes it all the same.
    assert_eq!(report["total"]["refused"]["503"], 2);
}

#[test]
fn posts_go_to_another_server_in_their_envelope() {
    let address = server(Fault::None);
    let (with_path, _) = twenty(
        Fault::None,
        &format!(" --publish-url http://{address}/other?id={{topic}}"),
    );
    // Nobody is subscribed over there.
    assert_eq!(ledger(&with_path), [100, 0, 100, 0, 0]);
    let (report, _) = report(&format!(
        "fanout --target ws://{address} --publish-url http://{address} --clients 5 --rate 200 \
         --messages 20 --warmup 0 --drain 500ms --message {{\"to\":\"{{topic}}\",\"is\":\"{{payload}}\"}}"
    ));
    assert_eq!(ledger(&report), [100, 100, 0, 0, 0]);
}

#[test]
fn a_protocol_of_binary_messages_is_spoken() {
    let subscribe = " --on-open-hex 82016c --message-hex 3044{payload}00";
    let (report, _) = twenty(Fault::Subscribe(b"\x82\x01l"), subscribe);
    assert_eq!(ledger(&report), [100, 100, 0, 0, 0]);
    let (report, _) = twenty(Fault::Subscribe(b"other"), subscribe);
    assert_eq!(ledger(&report)[1], 0);
}

#[test]
fn topics_and_publishers_are_told_apart() {
    let bare = bare();
    let (report, _) = report(&format!(
        "fanout --target ws://{} --clients 6 --topics 1 --publishers 3 --rate 200 --messages 60 \
         --warmup 200ms",
        bare.authority
    ));
    assert_eq!(ledger(&report), [360, 360, 0, 0, 0]);
}

#[test]
fn the_bare_loop_over_io_uring_loses_nothing() {
    if let Err(reason) = altavoz::io::uring::probe() {
        let _ = writeln!(io::stderr(), "skipped: {reason}");
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(["bare", "--driver", "uring"]);
    let bare = ChildServer::start_with(command).expect("it listens");
    for _ in 0..2 {
        // Those of the first run are gone in the second one.
        let (report, _) = report(&format!(
            "fanout --target ws://{} --publish http --clients 300 --rate 100 --messages 30 \
             --warmup 200ms",
            bare.authority
        ));
        assert_eq!(ledger(&report), [9000, 9000, 0, 0, 0]);
    }
}

#[test]
fn tls_is_measured_the_same_way() {
    let address = tls_in_front_of(server(Fault::LoseRepeatReorder));
    let target = format!("wss://localhost:{}", address.port());
    let (report, _) = report(&format!(
        "fanout --target {target} --ca {} --clients 5 --rate 100 --messages 20 --warmup 0 \
         --drain 500ms",
        certificate("cert.pem")
    ));
    assert_eq!(ledger(&report), [100, 98, 2, 2, 2]);
    let output = loadgen(&format!("fanout --target {target} --clients 2 --quiet"));
    assert_ne!(
        output.status.code(),
        Some(0),
        "an unknown authority is not trusted"
    );
}

#[test]
fn slow_readers_are_not_in_the_ledger_and_read_again_when_told() {
    let bare = bare();
    let (report, _) = report(&format!(
        "fanout --target ws://{} --clients 6 --slow-readers 2 --size 16384 --rate 500 \
         --duration 1s --warmup 0 --resume-after 700ms",
        bare.authority
    ));
    assert_eq!(report["total"]["expected"], 4 * 500);
    assert!(
        report["slow_messages"].as_u64() >= Some(2),
        "{}",
        report["slow_messages"]
    );
    assert!(
        report["closes"]
            .as_object()
            .is_some_and(serde_json::Map::is_empty)
    );
}

#[test]
fn a_storm_brings_everybody_back() {
    let bare = bare();
    let (report, code) = report(&format!(
        "connect --target ws://{} --server-pid {} --clients 200 --hold 300ms --storm --jitter 1s \
         --bystanders 5 --fail connect_failures==0 --fail back_99<20s",
        bare.authority,
        bare.pid()
    ));
    assert_eq!(
        code,
        Some(expected_code(&report)),
        "{}",
        report["thresholds"]
    );
    assert_eq!(report["connect"]["connected"], 205);
    assert_eq!(
        (&report["storm"]["cut"], &report["storm"]["back"]),
        (&200.into(), &200.into())
    );
    assert!(report["storm"]["bystanders_storm"]["p99_us"].is_number());
    assert!(report["memory"]["server_per_connection_bytes"].is_number());
}

#[test]
fn the_files_can_be_read_by_others() {
    let address = server(Fault::None);
    let directory = std::env::temp_dir();
    let file = |end: &str| {
        let name = format!("loadgen-test-{}.{end}", std::process::id());
        directory.join(name).display().to_string()
    };
    let (hlog, hgrm) = (file("hlog"), file("hgrm"));
    let (report, _) = report(&format!(
        "fanout --target ws://{address} --clients 3 --rate 100 --duration 2s --warmup 0 \
         --hlog {hlog} --hgrm {hgrm}"
    ));
    let log = std::fs::read(&hlog).expect("written");
    let entries = IntervalLogIterator::new(&log).map(|entry| entry.expect("a legal line"));
    let deliveries: u64 = entries
        .filter_map(|entry| match entry {
            LogEntry::Interval(i) => {
                loadgen::measure::stats::Latency::decode(i.encoded_histogram()).ok()
            }
            _ => None,
        })
        .map(|latency| latency.len())
        .sum();
    assert_eq!(Some(deliveries), report["total"]["received"].as_u64());
    let text = std::fs::read_to_string(&hgrm).expect("written");
    assert!(
        text.contains(&format!("Total count    = {deliveries:>12}]")),
        "{text}"
    );
    for path in [hlog, hgrm] {
        std::fs::remove_file(path).expect("ours");
    }
}

#[test]
fn ctrl_c_ends_a_run_with_its_report() {
    let address = server(Fault::None);
    let line = format!(
        "fanout --target ws://{address} --clients 3 --rate 100 --duration 60s --warmup 0 --json - \
         --server-pid {}",
        std::process::id()
    );
    let mut child: Child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(line.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut progress = io::BufReader::new(child.stderr.take().expect("piped"));
    let mut words = String::new();
    while !words.contains("deliveries") {
        words.clear();
        let read = io::BufRead::read_line(&mut progress, &mut words);
        assert!(read.expect("it tells how it goes") > 0);
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), Signal::INT).expect("it runs");
    std::thread::spawn(move || io::copy(&mut progress, &mut io::sink()));
    let output = child.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(output.status.code(), Some(0));
    assert!(report["total"]["seconds"].as_f64() < Some(30.0));
    assert_eq!(report["total"]["lost"], 0);
}

#[test]
fn exit_codes_tell_a_slow_server_from_a_wrong_test() {
    let code = |line: &str| loadgen(line).status.code();
    assert_eq!(code("fanout --nonsense"), Some(2));
    assert_eq!(code("fanout --target ftp://x"), Some(2));
    assert_eq!(
        code("fanout --target ws://127.0.0.1:1 --fail latency<5ms"),
        Some(2)
    );
    assert_eq!(
        code("fanout --target ws://127.0.0.1:1 --json - --hlog -"),
        Some(2)
    );
    // Nobody listens there: the load was not reached.
    assert_eq!(
        code("fanout --target ws://127.0.0.1:1 --clients 2 --quiet"),
        Some(3)
    );
    let help = loadgen("--help");
    assert!(String::from_utf8_lossy(&help.stdout).contains("coordinated omission"));
}

#[test]
fn the_doctor_names_what_is_low_and_what_lifts_it() {
    let output = loadgen("doctor --clients 100000000");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.contains("LOW   descriptors, hard") && text.contains("ulimit -Hn"),
        "{text}"
    );
}
