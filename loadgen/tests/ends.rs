//! Publishers whose connections a server ends as it pleases, names with several addresses,
//! headers of a user's own, and runs in which there is nothing to measure.

use std::net::{TcpListener, ToSocketAddrs};

use serde_json::Value;

use closing::{Ending, serve, server};
use program::{loadgen, report};

#[path = "support/closing.rs"]
mod closing;
#[path = "support/peek.rs"]
mod peek;
#[path = "support/program.rs"]
mod program;

/// Twenty publications to five subscribers, and what is said besides.
fn twenty(ending: Ending, more: &str) -> Value {
    let address = server(ending);
    let line = format!(
        "fanout --target ws://{address} --clients 5 --rate 50 --messages 20 --warmup 0 \
         --drain 800ms {more}"
    );
    report(&line).0
}

fn count(report: &Value, name: &str) -> u64 {
    let total = &report["total"];
    total[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name}: {total}"))
}

fn ledger(report: &Value) -> [u64; 4] {
    ["expected", "received", "lost", "duplicated"].map(|name| count(report, name))
}

/// What a command says when it fails, and its exit code.
fn failure(line: &str) -> (String, Option<i32>) {
    let output = loadgen(line);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (words, output.status.code())
}

#[test]
fn a_publisher_by_post_comes_back_however_its_connection_ends() {
    for ending in [
        Ending::Announced,
        Ending::Silent,
        Ending::Reset,
        Ending::Half,
        Ending::Delimited,
        Ending::Impatient,
        Ending::OldKept,
        Ending::Old,
        Ending::Unread,
    ] {
        let report = twenty(ending, "--publish http");
        assert_eq!(ledger(&report), [100, 100, 0, 0], "{ending:?}");
        assert!(count(&report, "reconnects") >= 6, "{ending:?}");
        assert_eq!(count(&report, "unanswered"), 0, "{ending:?}");
    }
}

#[test]
fn answers_of_every_form_are_understood_on_one_connection() {
    for ending in [Ending::Interim, Ending::Trailers, Ending::NoContent] {
        let report = twenty(ending, "--publish http");
        assert_eq!(ledger(&report), [100, 100, 0, 0], "{ending:?}");
        assert_eq!(count(&report, "reconnects"), 0, "{ending:?}");
    }
}

#[test]
fn what_was_refused_is_not_posted_again() {
    let report = twenty(Ending::Refusing, "--publish http");
    assert_eq!(report["total"]["refused"]["503"], 6);
    assert_eq!(ledger(&report), [100, 70, 30, 0]);
}

#[test]
fn what_was_sent_twice_or_never_answered_is_told() {
    let report = twenty(Ending::Unread, "--publish http");
    assert!(count(&report, "retried") >= 5);
    // The server took each of these, and said nothing.
    let report = twenty(Ending::Unanswered, "--publish http");
    let retried = count(&report, "retried");
    assert!(retried >= 5, "{report}");
    assert_eq!(ledger(&report), [100, 100, 0, 5 * retried]);
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("sent a second time"), "{warnings}");
}

#[test]
fn a_server_that_takes_no_post_leaves_nothing_to_measure() {
    for (ending, words) in [
        (Ending::Redirect, "redirects"),
        (Ending::Forbidding, "--token"),
    ] {
        let address = server(ending);
        let (report, code) = report(&format!(
            "fanout --target ws://{address} --clients 2 --rate 50 --messages 5 --warmup 0 \
             --drain 100ms --publish http --fail lost==0"
        ));
        let limits = report["limits"].to_string();
        assert!(limits.contains("nothing was measured"), "{limits}");
        assert!(limits.contains(words), "{limits}");
        assert_eq!(code, Some(3), "{ending:?}");
    }
}

#[test]
fn a_publisher_on_a_websocket_comes_back_unless_it_is_refused() {
    for ending in [
        Ending::Code(1001),
        Ending::Code(1012),
        Ending::Code(4008),
        Ending::SocketReset,
    ] {
        let report = twenty(ending, "--publish ws");
        assert!(count(&report, "reconnects") >= 3, "{ending:?}: {report}");
        assert_eq!(count(&report, "unsent"), 0, "{ending:?}");
        assert_eq!(count(&report, "published"), 20, "{ending:?}");
        // What was on its way when the server closed is lost, and nothing else.
        assert!(count(&report, "received") >= 75, "{ending:?}: {report}");
    }
    let report = twenty(Ending::Code(1008), "--publish ws");
    assert_eq!(count(&report, "reconnects"), 0);
    assert_eq!(report["publisher_closes"]["1008"], 1);
    assert!(!report["limits"].as_array().expect("a list").is_empty());
}

#[test]
fn a_header_of_ones_own_stands_there_once() {
    let more = "--publish http --header host:v.example --header Authorization:Basic \
                --header CONTENT-TYPE:text/plain --header Accept:a/b --origin http://o";
    let report = twenty(Ending::NoContent, more);
    assert_eq!(ledger(&report), [100, 100, 0, 0]);
    for (header, words) in [
        ("content-length:5", "leave it out"),
        ("Upgrade:h2c", "leave it out"),
        ("nonsense", "Name: value"),
        (":x", "Name: value"),
        ("Host:a --header HOST:b", "twice"),
        ("Origin:a --origin http://b", "twice"),
        ("If-None-Match:* --transports poll", "--etag"),
    ] {
        let (said, code) = failure(&format!("fanout --header {header}"));
        assert!(said.contains(words), "{header}: {said}");
        assert_eq!(code, Some(2), "{header}");
    }
}

#[test]
fn every_address_of_a_name_is_tried() {
    let of_name = ("localhost", 1).to_socket_addrs().expect("it is known");
    let families: Vec<bool> = of_name.map(|address| address.is_ipv4()).collect();
    for place in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(place) else {
            continue; // this host has no such family
        };
        let address = serve(Ending::NoContent, listener);
        if !families.contains(&address.is_ipv4()) {
            continue;
        }
        let here = format!("localhost:{}", address.port());
        let (report, code) = report(&format!(
            "fanout --target ws://{here} --publish-url http://{here}/x --clients 2 --rate 50 \
             --messages 5 --warmup 0 --drain 300ms"
        ));
        assert_eq!(ledger(&report), [10, 10, 0, 0], "{place}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn where_nobody_listens_every_address_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let (said, code) = failure(&format!(
        "fanout --target ws://localhost:{port} --clients 2 --quiet"
    ));
    assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
    assert!(said.contains("refused"), "{said}");
    assert_eq!(code, Some(3));
    let (said, code) = failure("fanout --target ws://no-such-name.invalid --clients 2 --quiet");
    assert!(said.contains("no-such-name.invalid: no address"), "{said}");
    assert_eq!(code, Some(2));
}

#[test]
fn results_that_cannot_be_written_are_refused_before_the_run() {
    let folder = std::env::temp_dir().display().to_string();
    for (files, words) in [
        (format!("--json {folder}"), "folder"),
        (format!("--hlog {folder}/no/such/file"), "cannot be written"),
        ("--hgrm x --json x".to_owned(), "the same file"),
        ("--hgrm - --json -".to_owned(), "only one of"),
    ] {
        // Nobody listens there, and nobody is asked.
        let (said, code) = failure(&format!("fanout --target ws://127.0.0.1:1 {files}"));
        assert!(said.contains(words), "{files}: {said}");
        assert_eq!(code, Some(2), "{files}");
    }
}

#[test]
fn a_full_disk_takes_one_file_and_not_the_others() {
    let address = server(Ending::NoContent);
    let name = format!("loadgen-test-{}-kept.hgrm", std::process::id());
    let kept = std::env::temp_dir().join(name);
    let output = loadgen(&format!(
        "fanout --target ws://{address} --clients 2 --rate 50 --messages 5 --warmup 0 --quiet \
         --drain 300ms --publish http --json /dev/full --hgrm {}",
        kept.display()
    ));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("/dev/full") && said.contains("space"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("delivered / expected       10 / 10"),
        "{text}"
    );
    let hgrm = std::fs::read_to_string(&kept).expect("written all the same");
    assert!(hgrm.contains("Total count    =           10]"), "{hgrm}");
    std::fs::remove_file(kept).expect("ours");
}
