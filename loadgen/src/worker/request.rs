//! The requests of clients that read over plain HTTP, and where WebSockets are opened.
//!
//! A server of ours is asked in its own words, `?mode=` and `after=`; any other is asked for its
//! path, and by `If-None-Match` for what is new there.

use crate::base::transport::Transport;
use crate::plan::Plan;
use crate::plan::arms::ArmPlan;
use crate::speak::target::topic_path;

use super::cursor::Cursor;

/// Where a server of ours answers every message with itself.
const ECHO: &str = "/echo";

/// What a header costs besides its value, in bytes.
const PADDING: &[u8] = b"X-Padding: ";

/// Whether a client's first request only asks where its topic is, so that it misses nothing from
/// there on: a long poll says that it is there by what it is answered, and a held one is silent.
#[must_use]
pub fn asks_where_first(plan: &Plan, arm: &ArmPlan) -> bool {
    arm.transport == Transport::LongPoll && plan.paths.has_modes(Transport::LongPoll)
}

/// Where a WebSocket of an arm is opened, or one that publishes.
#[must_use]
pub fn upgrade_path(plan: &Plan, arm: &ArmPlan, publishes: bool, topic: &str) -> String {
    let is_asking = arm.transport == Transport::Ask && !publishes;
    let transport = if is_asking {
        Transport::Ask
    } else {
        Transport::Ws
    };
    if let Some(path) = plan.paths.reading(transport, transport, topic) {
        return path;
    }
    match arm.conflate_ms.filter(|_| !publishes) {
        _ if is_asking => ECHO.to_owned(),
        Some(ms) => format!("{}?conflate={ms}ms", topic_path(topic)),
        None => topic_path(topic),
    }
}

/// Appends a request; `is_first` says that it is the client's first one.
pub fn write(
    out: &mut Vec<u8>,
    plan: &Plan,
    arm: &ArmPlan,
    topic: &str,
    cursor: &Cursor,
    is_first: bool,
) {
    let begin = out.len();
    let transport = arm.transport;
    let mode = if is_first && asks_where_first(plan, arm) {
        Transport::Poll
    } else {
        transport
    };
    let path = plan.paths.reading(transport, mode, topic);
    let is_newest = plan.newest && transport == Transport::Poll;
    let says_position = path.is_none() && !plan.etag && cursor.position().is_some();
    let target = path.unwrap_or_else(|| our_target(plan, arm, mode, topic, cursor));
    for part in [
        "GET ",
        &target,
        " HTTP/1.1\r\nHost: ",
        plan.headers.host(&plan.target, &plan.target),
        "\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    if transport == Transport::Sse && !plan.headers.has("Accept") {
        out.extend_from_slice(b"Accept: text/event-stream\r\n");
    }
    if !says_position && !is_newest {
        cursor.write_headers(out);
    }
    if !plan.keep_alive && !transport.is_push() {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    plan.headers.write(out);
    out.extend_from_slice(b"\r\n");
    fill_up(out, begin, plan.head_bytes);
}

/// Fills the head that begins at `begin` up to a length, as far as a header more can do that.
pub fn fill_up(out: &mut Vec<u8>, begin: usize, head_bytes: Option<u32>) {
    let Some(wanted) = head_bytes else {
        return;
    };
    let missing = (wanted as usize).saturating_sub(out.len() - begin);
    let Some(count) = missing.checked_sub(PADDING.len() + 2) else {
        return;
    };
    debug_assert!(out.ends_with(b"\r\n\r\n"));
    out.truncate(out.len() - 2);
    out.extend_from_slice(PADDING);
    out.resize(out.len() + count, b'.');
    out.extend_from_slice(b"\r\n\r\n");
}

/// Path and query on a server of ours.
fn our_target(plan: &Plan, arm: &ArmPlan, mode: Transport, topic: &str, cursor: &Cursor) -> String {
    let mut target = topic_path(topic);
    match mode {
        // The upgrade and the Accept header say it all.
        Transport::Ws | Transport::Sse | Transport::Ask => {}
        Transport::LongPoll | Transport::Stream | Transport::Poll => {
            target.push_str("?mode=");
            target.push_str(mode.name());
        }
    }
    if let Some(ms) = arm.conflate_ms {
        let joint = if target.contains('?') { '&' } else { '?' };
        target.push_str(&format!("{joint}conflate={ms}ms"));
    }
    let is_newest = plan.newest && mode == Transport::Poll;
    let says_position = !plan.etag && !is_newest;
    if let Some(position) = cursor.position().filter(|_| says_position) {
        target.push_str(&format!("&after={position}"));
    }
    if let Some(ms) = plan
        .longpoll_timeout_ms
        .filter(|_| mode == Transport::LongPoll)
    {
        target.push_str(&format!("&timeout={ms}ms"));
    }
    target
}

#[cfg(test)]
mod tests {
    use altavoz::wire::client::AnswerHead;
    use clap::Parser;

    use super::*;
    use crate::options::{Cli, Command};
    use crate::speak::target::Target;

    /// The requests that the arms of a command line send, first and later.
    fn requests(line: &str) -> Vec<(String, String)> {
        let words = ["loadgen", "fanout"].into_iter().chain(line.split(' '));
        let options = match Cli::try_parse_from(words).expect(line).command {
            Command::Fanout(options) => options,
            other => panic!("{other:?}"),
        };
        let target = Target::parse("ws://127.0.0.1:9").expect("a target");
        let plan = Plan::fanout(&options, target).expect("a plan");
        let request = |arm: &ArmPlan, cursor: &Cursor, is_first| {
            let mut out = Vec::new();
            write(&mut out, &plan, arm, "a b", cursor, is_first);
            String::from_utf8(out).expect("text")
        };
        let mut known = Cursor::default();
        known.advance(&AnswerHead {
            etag: Some("\"x7:3\"".to_owned()),
            ..AnswerHead::default()
        });
        let pair = |arm| {
            let first = request(arm, &Cursor::default(), true);
            (first, request(arm, &known, false))
        };
        plan.arms.iter().map(pair).collect()
    }

    fn get(target: &str, headers: &str) -> String {
        format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:9\r\n{headers}\r\n")
    }

    #[test]
    fn a_server_of_ours_is_asked_in_its_own_words() {
        let found = requests("--transports sse,longpoll,stream,poll");
        assert_eq!(
            found[0].0,
            get("/topics/a%20b", "Accept: text/event-stream\r\n")
        );
        let poll = get("/topics/a%20b?mode=poll", "");
        let held = get("/topics/a%20b?mode=longpoll&after=x7:3", "");
        assert_eq!(found[1], (poll.clone(), held));
        assert_eq!(found[2].0, get("/topics/a%20b?mode=stream", ""));
        let later = get("/topics/a%20b?mode=poll&after=x7:3", "");
        assert_eq!(found[3], (poll, later));
    }

    #[test]
    fn a_client_that_knows_only_http_sends_its_tag() {
        let line = "--transports longpoll,poll --etag --no-keep-alive --longpoll-timeout 5s";
        let found = requests(line);
        let headers = "If-None-Match: \"x7:3\"\r\nConnection: close\r\n";
        let held = get("/topics/a%20b?mode=longpoll&timeout=5000ms", headers);
        assert_eq!(found[0].1, held);
        assert_eq!(found[1].1, get("/topics/a%20b?mode=poll", headers));
    }

    #[test]
    fn who_wants_the_newest_does_not_say_where_it_is() {
        let found = requests("--transports longpoll,poll --newest");
        assert!(found[0].1.contains("&after=x7:3"), "a long poll needs it");
        assert_eq!(found[1].1, get("/topics/a%20b?mode=poll", ""));
    }

    #[test]
    fn conflation_stands_in_the_query() {
        let found = requests("--transports sse,stream --conflate 2s");
        let sse = "Accept: text/event-stream\r\n";
        assert_eq!(found[1].0, get("/topics/a%20b?conflate=2000ms", sse));
        assert_eq!(
            found[3].0,
            get("/topics/a%20b?mode=stream&conflate=2000ms", "")
        );
    }

    #[test]
    fn a_users_header_stands_in_the_place_of_the_generators_own() {
        let line = "--transports sse,stream --header Host:v.example --header accept:a/b";
        let found = requests(line);
        let sse = "GET /topics/a%20b HTTP/1.1\r\nHost: v.example\r\naccept: a/b\r\n\r\n";
        assert_eq!(found[0].0, sse);
        assert_eq!(found[1].0.matches("v.example").count(), 1);
    }

    #[test]
    fn another_server_is_asked_for_its_path() {
        let line = "--transports longpoll,poll --path /sub/{topic} --path-for poll=/{mode}";
        let found = requests(line);
        assert_eq!(found[0].0, get("/sub/a%20b", ""));
        let tag = "If-None-Match: \"x7:3\"\r\n";
        assert_eq!(found[0].1, get("/sub/a%20b", tag));
        assert_eq!(found[1].1, get("/poll", tag));
    }

    #[test]
    fn a_preset_fills_each_head_up_to_its_length() {
        let line = "--transports sse,longpoll,poll --header X:y --header-preset";
        for preset in [352, 850, 871] {
            for (first, later) in requests(&format!("{line} {preset}")) {
                assert_eq!((first.len(), later.len()), (preset, preset));
                assert!(first.contains("\r\nX: y\r\n") && later.ends_with("..\r\n\r\n"));
            }
        }
        assert!(requests(&format!("{line} minimal"))[0].0.len() < 120);
        let mut long = b"x\r\n\r\n".to_vec();
        fill_up(&mut long, 0, Some(10));
        assert_eq!(long, b"x\r\n\r\n");
    }
}
