//! Every transport against a server that does well, one that does not, and a node of our own.

use serde_json::Value;

use support::server::{Fault, server};
use support::{certificate, loadgen, report, tls_in_front_of};

mod support;

const ALL: [&str; 5] = ["ws", "sse", "longpoll", "stream", "poll --interval 50ms"];

/// Twenty publications to five subscribers by one transport, without a warm-up.
fn twenty(fault: Fault, transport: &str, more: &str) -> Value {
    let pace = format!("--rate 200 --messages 20 --drain 800ms{more}");
    run(fault, transport, &pace)
}

/// The same at another pace.
fn run(fault: Fault, transport: &str, pace: &str) -> Value {
    let address = server(fault);
    let (report, _) = report(&format!(
        "fanout --target ws://{address} --transports {transport} --clients 5 --warmup 0 {pace}"
    ));
    report
}

fn count(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name}: {value}"))
}

/// Expected, received, lost, duplicated, reordered: of the one arm, and of all.
fn ledger(report: &Value) -> [u64; 5] {
    let names = ["expected", "received", "lost", "duplicated", "reordered"];
    let of = |part: &Value| names.map(|name| count(part, name));
    let arms = report["arms"].as_array().expect("arms");
    assert_eq!(arms.len(), 1);
    let ledger = of(&report["total"]);
    assert_eq!(of(&arms[0]["deliveries"]), ledger);
    ledger
}

fn traffic(report: &Value) -> &Value {
    &report["arms"][0]["traffic"]
}

#[test]
fn a_server_that_does_well_reaches_everybody_once_in_every_transport() {
    for transport in ALL {
        let report = twenty(Fault::None, transport, "");
        assert_eq!(ledger(&report), [100, 100, 0, 0, 0], "{transport}");
        let arm = &report["arms"][0];
        assert_eq!(count(&arm["connect"], "connected"), 5, "{transport}");
        assert_eq!(count(&arm["deliveries"], "unrecovered"), 0, "{transport}");
        assert_eq!(count(traffic(&report), "broken_requests"), 0, "{transport}");
    }
}

#[test]
fn a_server_that_loses_repeats_and_reorders_is_found_out_in_every_transport() {
    for transport in ALL {
        let report = twenty(Fault::LoseRepeatReorder, transport, "");
        assert_eq!(ledger(&report), [100, 98, 2, 2, 2], "{transport}");
    }
    for more in [" --etag", " --no-keep-alive", " --etag --no-keep-alive"] {
        for transport in ["longpoll", "poll --interval 50ms"] {
            let report = twenty(Fault::LoseRepeatReorder, transport, more);
            assert_eq!(ledger(&report), [100, 98, 2, 2, 2], "{transport}{more}");
        }
    }
}

#[test]
fn several_workers_count_the_same_in_every_transport() {
    for transport in ALL {
        let report = twenty(Fault::LoseRepeatReorder, transport, " --workers 3");
        assert_eq!(ledger(&report), [100, 98, 2, 2, 2], "{transport}");
    }
}

#[test]
fn wrapped_and_joined_messages_are_understood_in_every_transport() {
    for transport in ["sse", "longpoll", "poll --interval 50ms"] {
        let report = twenty(Fault::WrapPairs, transport, "");
        assert_eq!(ledger(&report), [100, 100, 0, 0, 0], "{transport}");
    }
}

#[test]
fn a_stream_that_is_closed_is_counted_with_its_code() {
    for transport in ["ws", "sse", "stream"] {
        let report = twenty(Fault::Close(4008), transport, "");
        assert_eq!(report["closes"]["4008"], 1, "{transport}");
        let [expected, received, lost, ..] = ledger(&report);
        assert_eq!((expected, received + lost), (100, 100), "{transport}");
        assert!(lost >= 16, "{transport}: {lost}");
    }
}

#[test]
fn refusals_are_counted_and_asked_again() {
    let report = twenty(Fault::Refuse, "poll --interval 50ms", "");
    assert_eq!(ledger(&report), [100, 100, 0, 0, 0]);
    let pace = "--rate 200 --messages 20 --drain 5s";
    let report = run(Fault::Refuse, "longpoll", pace);
    assert_eq!(ledger(&report), [100, 100, 0, 0, 0]);
    assert!(report["arms"][0]["traffic"]["refused_answers"]["503"].is_u64());
}

#[test]
fn an_answer_that_is_cut_is_broken_and_asked_for_again() {
    for (transport, drain) in [("poll --interval 50ms", "800ms"), ("longpoll", "9s")] {
        let pace = format!("--rate 50 --messages 50 --drain {drain}");
        let report = run(Fault::Cut, transport, &pace);
        assert_eq!(ledger(&report), [250, 250, 0, 0, 0], "{transport}");
        let broken = count(traffic(&report), "broken_requests");
        assert!(broken > 0, "{transport}");
    }
}

#[test]
fn a_poll_that_meets_the_end_of_its_connection_is_asked_again() {
    for transport in ["poll --interval 50ms", "longpoll"] {
        let pace = "--rate 50 --messages 50 --drain 800ms";
        let report = run(Fault::Leave, transport, pace);
        assert_eq!(ledger(&report), [250, 250, 0, 0, 0], "{transport}");
        let traffic = traffic(&report);
        assert_eq!(
            count(traffic, "broken_requests"),
            0,
            "{transport}: {traffic}"
        );
        assert!(
            count(traffic, "connections_opened") > 5,
            "{transport}: {traffic}"
        );
    }
}

#[test]
fn polls_that_come_due_before_the_answer_are_late() {
    let pace = "--rate 50 --messages 50 --drain 2s";
    let report = run(Fault::Dawdle, "poll --interval 50ms", pace);
    assert_eq!(ledger(&report), [250, 250, 0, 0, 0]);
    assert!(count(traffic(&report), "late_polls") > 0);
    let pace = "--rate 200 --messages 1 --drain 0";
    let report = run(Fault::None, "poll --interval 1h", pace);
    assert_eq!(count(traffic(&report), "late_polls"), 0);
}

#[test]
fn a_poll_that_is_never_answered_is_given_up() {
    let pace = "--rate 5 --duration 14s --drain 12s";
    let report = run(Fault::Swallow, "poll --interval 500ms", pace);
    assert_eq!(ledger(&report), [360, 360, 0, 0, 0]);
    let traffic = traffic(&report);
    assert!(count(traffic, "broken_requests") >= 5, "{traffic}");
    assert!(count(traffic, "late_polls") >= 5, "{traffic}");
    assert_eq!(count(&traffic["wire"], "unseen_connections"), 0);
}

#[test]
fn a_stream_that_nobody_reads_is_closed_and_counted() {
    let (report, _) = report(
        "fanout --transports sse,stream --clients 8 --slow-readers 4 --size 16384 --rate 200 \
         --duration 3s --warmup 0 --resume-after 2500ms",
    );
    assert_eq!(report["slow_closes"]["4008"], 4);
    assert!(count(&report, "slow_messages") > 0);
    for arm in report["arms"].as_array().expect("arms") {
        let got = &arm["deliveries"];
        assert_eq!(count(got, "expected"), 2 * 600, "{arm}");
        assert_eq!(count(got, "lost"), 0, "{arm}");
    }
}

#[test]
fn gaps_that_the_server_owns_to_are_counted() {
    for transport in ["longpoll", "poll --interval 50ms"] {
        let report = twenty(Fault::Gap, transport, "");
        let gaps = count(&report["arms"][0]["deliveries"], "unrecovered");
        assert!(gaps > 0, "{transport}");
    }
}

#[test]
fn a_client_that_knows_only_http_is_answered_304() {
    let pace = "--etag --rate 10 --messages 20 --drain 800ms";
    let report = run(Fault::None, "poll --interval 50ms", pace);
    assert_eq!(ledger(&report), [100, 100, 0, 0, 0]);
    let traffic = traffic(&report);
    let (empty, not_modified) = (
        count(traffic, "empty_answers"),
        count(traffic, "not_modified_answers"),
    );
    assert!(empty > 0 && empty == not_modified, "{traffic}");
}

#[test]
fn each_request_has_its_connection_if_none_is_kept() {
    for transport in ["longpoll", "poll --interval 50ms"] {
        let pace = "--no-keep-alive --rate 20 --messages 20 --drain 800ms";
        let report = run(Fault::None, transport, pace);
        assert_eq!(ledger(&report), [100, 100, 0, 0, 0], "{transport}");
        let traffic = traffic(&report);
        let (requests, opened) = (
            count(traffic, "requests"),
            count(traffic, "connections_opened"),
        );
        // The last ones may be on their way when the window ends.
        assert!(requests > 0 && requests.abs_diff(opened) <= 5, "{traffic}");
        let segments = count(&traffic["wire"], "segments_up");
        assert!(
            segments >= 3 * (requests - 5),
            "a handshake each: {traffic}"
        );
    }
}

#[test]
fn every_transport_goes_through_tls() {
    for transport in ALL {
        let address = tls_in_front_of(server(Fault::LoseRepeatReorder));
        let (report, _) = report(&format!(
            "fanout --target wss://localhost:{} --ca {} --transports {transport} --clients 5 \
             --rate 100 --messages 20 --warmup 0 --drain 800ms",
            address.port(),
            certificate("cert.pem")
        ));
        assert_eq!(ledger(&report), [100, 98, 2, 2, 2], "{transport}");
    }
}

#[test]
fn a_node_of_our_own_serves_all_arms_at_once() {
    let (report, _) = report(
        "fanout --transports ws,sse,longpoll,stream,poll --interval 100ms --interval 250ms \
         --clients 30 --topics 2 --rate 40 --duration 2s --warmup 300ms --publish http \
         --header-preset 850",
    );
    let names = [
        "ws",
        "sse",
        "longpoll",
        "stream",
        "poll-100ms",
        "poll-250ms",
    ];
    let arms = report["arms"].as_array().expect("arms");
    assert_eq!(arms.len(), names.len());
    for (arm, name) in arms.iter().zip(names) {
        assert_eq!(arm["name"], name);
        let got = &arm["deliveries"];
        assert_eq!(count(got, "received"), count(got, "expected"), "{arm}");
        assert_eq!(count(got, "expected"), 5 * 45, "{arm}");
        for wrong in ["lost", "duplicated", "reordered", "unrecovered"] {
            assert_eq!(count(got, wrong), 0, "{wrong}: {arm}");
        }
        assert!(
            arm["traffic"]["wire"]["bytes_per_delivery"].is_number(),
            "{arm}"
        );
        assert_eq!(arm["request_head_bytes"], 850);
    }
    assert_eq!(count(&report["total"], "received"), 6 * 5 * 45);
    // A poll is one request of that size, and so is what TCP carried up.
    let polls = &arms[4]["traffic"];
    assert_eq!(count(polls, "app_up_bytes"), 850 * count(polls, "requests"));
}

#[test]
fn a_node_of_our_own_forgets_nothing_that_a_poll_asks_for() {
    for more in ["", " --etag", " --no-keep-alive"] {
        let (report, _) = report(&format!(
            "fanout --transports longpoll,poll --interval 200ms --clients 20 --rate 50 \
             --duration 2s --warmup 300ms{more}"
        ));
        for arm in report["arms"].as_array().expect("arms") {
            let got = &arm["deliveries"];
            assert_eq!(
                count(got, "received"),
                count(got, "expected"),
                "{more}: {arm}"
            );
            assert_eq!(
                count(got, "duplicated") + count(got, "reordered"),
                0,
                "{arm}"
            );
        }
    }
}

#[test]
fn connections_of_every_transport_are_held() {
    for transport in ["sse", "longpoll", "stream", "poll --interval 100ms"] {
        let (report, _) = report(&format!(
            "connect --transports {transport} --clients 50 --hold 400ms"
        ));
        assert_eq!(report["connect"]["connected"], 50, "{transport}");
        let arm = &report["arms"][0];
        assert!(
            arm["server"]["memory_per_client_bytes"].is_number(),
            "{arm}"
        );
        let requests = count(&arm["traffic"], "requests");
        // Whoever polls does so while it is held; all others are silent.
        assert_eq!(requests > 0, transport.starts_with("poll"), "{arm}");
    }
}

#[test]
fn a_storm_brings_readers_of_every_transport_back() {
    let (report, _) = report(
        "connect --transports ws,sse,longpoll,stream --clients 80 --hold 200ms --storm \
         --jitter 500ms --bystanders 4",
    );
    assert_eq!(report["connect"]["connected"], 84);
    assert_eq!(
        (&report["storm"]["cut"], &report["storm"]["back"]),
        (&80.into(), &80.into())
    );
}

#[test]
fn another_servers_path_is_asked_by_its_tags() {
    let address = server(Fault::None);
    let (report, _) = report(&format!(
        "fanout --target ws://{address} --transports sse,longpoll,poll --interval 50ms --clients 6 \
         --path /any/{{topic}} --path-for longpoll=/any?mode=longpoll --publish http \
         --path-for publish=/pub --rate 100 --messages 20 --warmup 0 --drain 800ms"
    ));
    for arm in report["arms"].as_array().expect("arms") {
        let got = &arm["deliveries"];
        assert_eq!(
            (count(got, "expected"), count(got, "lost")),
            (40, 0),
            "{arm}"
        );
    }
}

/// Every name of a JSON object, and of those below it.
fn names(value: &Value, into: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        into.push(name.clone());
        names(value, into);
    }
}

#[test]
fn the_document_knows_every_field_of_an_arm_and_every_flag() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/loadgen.md");
    let document = std::fs::read_to_string(path).expect("the document");
    let report = twenty(Fault::None, "poll --interval 50ms", "");
    let mut fields = Vec::new();
    names(&report["arms"][0], &mut fields);
    fields.extend(
        report
            .as_object()
            .into_iter()
            .flatten()
            .map(|it| it.0.clone()),
    );
    let unknown = |field: &&String| !document.contains(&format!("`{field}`"));
    assert_eq!(fields.iter().filter(unknown).collect::<Vec<_>>(), [""; 0]);
    for (command, least) in [
        ("fanout", 20),
        ("connect", 20),
        ("compare", 20),
        ("capacity", 20),
        ("report", 4),
        ("diff", 2),
        ("merge", 4),
    ] {
        let help = loadgen(&format!("{command} --help"));
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        let flags = help
            .split_whitespace()
            .filter(|it| it.starts_with("--") && it.len() > 2);
        let bare = |flag: &str| flag.trim_end_matches([';', ',', '.', ']', ')']).to_owned();
        let flags: Vec<_> = flags.map(bare).filter(|it| it != "--help").collect();
        let unknown = |flag: &&String| !document.contains(flag.as_str());
        assert!(flags.len() >= least, "{command}: {flags:?}");
        assert_eq!(flags.iter().filter(unknown).collect::<Vec<_>>(), [""; 0]);
    }
}
