//! Topics read by HTTP: polls, long polls that are held, event streams and streams of lines.

use super::*;
use crate::session::Manner;
use crate::wire::prepared::{PayloadKind, PreparedMessage, Publication, WireForm};

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n{headers}\r\n")
}

pub(super) fn message(offset: u64) -> Arc<PreparedMessage> {
    let Position { epoch, offset } = position(offset);
    PreparedMessage::new(Publication {
        epoch,
        offset,
        kind: PayloadKind::Text,
        payload: b"hi".to_vec(),
    })
}

/// A topic at `last` that kept the newest `kept`.
fn recovery(last: u64, kept: u64, recovered: bool) -> Recovery {
    Recovery {
        position: position(last),
        recovered,
        publications: (last - kept + 1..=last).map(message).collect(),
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a whole head").1
}

impl SessionPair {
    fn told(&mut self, recovery: &Recovery) -> String {
        self.tell(recovery);
        self.text()
    }
}

#[test]
fn a_poll_is_answered_with_what_follows_and_the_connection_stays() {
    for (headers, recovery, code, end) in [
        (
            "",
            recovery(9, 0, true),
            "200",
            r#"{"position":"1:9","recovered":true,"publications":[]}"#,
        ),
        (
            "",
            recovery(9, 2, false),
            "200",
            r#""recovered":false,"publications":[{"offset":8,"text":"hi"},{"offset":9,"text":"hi"}]}"#,
        ),
        (
            "If-None-Match: \"1:9\"\r\n",
            recovery(9, 0, true),
            "304",
            "",
        ),
        (
            "If-None-Match: W/\"1:8\"\r\n",
            recovery(9, 1, true),
            "200",
            "\"hi\"}]}",
        ),
        (
            "If-None-Match: \"2:9\"\r\n",
            recovery(9, 0, false),
            "200",
            "[]}",
        ),
    ] {
        let mut pair = SessionPair::new();
        pair.read(get("/topics/t?mode=poll", headers).as_bytes());
        assert!(pair.wishes()[0].starts_with("read t"), "{headers}");
        let answer = pair.told(&recovery);
        assert_eq!(status(&answer), code, "{headers}");
        assert!(body(&answer).ends_with(end), "{answer}");
        assert!(answer.contains("ETag: \"1:9\"\r\n"), "{answer}");
        assert!(answer.contains("Cache-Control: no-store\r\n"), "{answer}");
        assert!(pair.session.takes_bytes(&Limits::default()));
    }
}

#[test]
fn a_long_poll_that_has_something_to_say_is_not_held() {
    for (target, recovery) in [
        ("/topics/t?mode=longpoll", recovery(9, 1, true)),
        ("/topics/t?mode=longpoll&after=2:1", recovery(9, 0, false)),
        ("/topics/t?mode=longpoll&timeout=0s", recovery(9, 0, true)),
    ] {
        let mut pair = SessionPair::new();
        pair.read(get(target, "").as_bytes());
        assert_eq!(pair.join(&recovery), Joins::Answered, "{target}");
        let answer = pair.text();
        assert_eq!(status(&answer), "200", "{target}");
        assert!(pair.session.takes_bytes(&Limits::default()));
    }
}

#[test]
fn whose_a_subscription_is_the_session_says() {
    let (lines, second) = (WireForm::LINES, Duration::from_secs(1));
    for (mode, manner) in [
        ("sse", Manner::Each(WireForm::EVENTS)),
        ("stream&conflate=1s", Manner::Newest(lines, second)),
        ("longpoll", Manner::Once),
    ] {
        let mut pair = SessionPair::new();
        let target = format!("/topics/t?mode={mode}");
        pair.read(get(&target, "").as_bytes());
        let joins = pair.join(&recovery(9, 0, true));
        assert_eq!(joins, Joins::Member { manner }, "{mode}");

        let mut gone = SessionPair::new();
        gone.read(get(&target, "").as_bytes());
        gone.eof();
        assert_eq!(gone.join(&recovery(9, 0, true)), Joins::Gone, "{mode}");
        assert_eq!(gone.text(), "", "{mode}");
    }
}

#[test]
fn a_long_poll_is_held_until_something_comes_or_its_time_is_over() {
    let held = || {
        let mut pair = SessionPair::new();
        pair.read(get("/topics/t?mode=longpoll&timeout=3s", "").as_bytes());
        pair.join(&recovery(9, 0, true));
        assert_eq!(pair.text(), "");
        assert!(!pair.session.takes_bytes(&Limits::default()));
        assert!(pair.session.takes_shared_answer());
        pair.wishes();
        pair
    };
    let mut told = held();
    told.handle(|session, cx, out| session.handle_publications(cx, &[message(10)], out));
    let answer = told.text();
    assert!(
        body(&answer).starts_with(r#"{"position":"1:10","recovered":true"#),
        "{answer}"
    );
    assert_eq!(
        told.wishes(),
        ["Reads(None)", "Polled(News)", "answered 200"]
    );

    let mut quiet = held();
    let began = quiet.cx.now;
    quiet.time_out();
    assert_eq!(quiet.cx.now, began + Duration::from_secs(3));
    assert!(
        quiet
            .text()
            .ends_with(r#"{"position":"1:9","recovered":true,"publications":[]}"#)
    );
    assert_eq!(
        quiet.wishes(),
        ["Reads(None)", "Polled(Empty)", "answered 200"]
    );
    assert!(quiet.session.takes_bytes(&Limits::default()));

    let mut alike = held();
    alike.handle(|session, cx, out| session.was_answered(cx, out));
    assert_eq!(alike.text(), "", "the shard has sent it");
    assert!(alike.session.takes_bytes(&Limits::default()));

    let mut gone = held();
    gone.eof();
    assert_eq!(gone.wishes(), ["Finish(Eof)"]);
    assert_eq!(gone.session.deadline(), Time::NEVER);
}

#[test]
fn any_tag_of_a_list_makes_a_304_and_none_makes_an_answer() {
    for (tags, behind, code) in [
        ("\"foo\", \"1:9\"", 0, "304"),
        ("\"1:9\", \"2:3\"", 4, "304"),
        ("*", 1, "304"),
        ("\"foo\"", 1, "200"),
        ("1:9", 1, "200"),
        ("\"1:8\"", 1, "200"),
    ] {
        let mut pair = SessionPair::new();
        pair.read(get("/topics/t", &format!("If-None-Match: {tags}\r\n")).as_bytes());
        let answer = pair.told(&recovery(9, behind, true));
        assert_eq!(status(&answer), code, "{tags}");
        assert!(answer.contains("\r\nVary: Origin, Accept\r\n"), "{answer}");
    }
}

#[test]
fn a_long_poll_is_held_by_any_tag_that_is_true() {
    for (tags, behind, held, code) in [
        ("\"1:9\", \"2:3\"", 4, true, "304"),
        ("\"foo\", W/\"1:9-gzip\"", 0, true, "304"),
        ("*", 0, true, "304"),
        ("\"foo\"", 0, true, "200"),
        ("\"1:8\"", 1, false, "200"),
        ("\"1:8\", \"foo\"", 1, false, "200"),
    ] {
        let mut pair = SessionPair::new();
        let headers = format!("If-None-Match: {tags}\r\n");
        pair.read(get("/topics/t?mode=longpoll", &headers).as_bytes());
        pair.join(&recovery(9, behind, true));
        assert_eq!(pair.sent.is_empty(), held, "{tags}");
        if held {
            pair.time_out();
        }
        assert_eq!(status(&pair.text()), code, "{tags}");
    }
}

#[test]
fn what_comes_to_a_held_poll_is_no_304_whatever_tags_it_made_up() {
    for tags in ["\"1:9\", \"1:10\"", "*"] {
        let mut pair = SessionPair::new();
        let headers = format!("If-None-Match: {tags}\r\n");
        pair.read(get("/topics/t?mode=longpoll", &headers).as_bytes());
        pair.join(&recovery(9, 0, true));
        pair.handle(|session, cx, out| session.handle_publications(cx, &[message(10)], out));
        assert_eq!(status(&pair.text()), "200", "{tags}");
    }
}

#[test]
fn an_id_of_something_else_is_a_reset_and_no_error() {
    for id in ["42", "\"1:9\"", "1526919030474-55", "é"] {
        let mut pair = SessionPair::new();
        let headers = format!("Last-Event-ID: {id}\r\n");
        pair.read(get("/topics/t?mode=sse", &headers).as_bytes());
        assert_eq!(pair.wishes(), ["subscribe t after something"], "{id}");
        pair.join(&recovery(9, 1, false));
        assert!(pair.text().contains("event: reset\n"), "{id}");
    }
}

#[test]
fn a_held_poll_that_is_not_like_most_gets_an_answer_of_its_own() {
    for (target, headers, version, expected) in [
        (
            "/topics/t?mode=longpoll",
            "If-None-Match: \"1:9\"\r\n",
            "1.1",
            "HTTP/1.1 304",
        ),
        (
            "/topics/t?mode=longpoll",
            "Connection: close\r\n",
            "1.1",
            "Connection: close\r\n",
        ),
        (
            "/topics/t?mode=longpoll",
            "",
            "1.0",
            "Connection: close\r\n",
        ),
        (
            "/topics/t?mode=longpoll",
            "Origin: http://a.test\r\n",
            "1.1",
            "Access-Control-Allow-Origin",
        ),
    ] {
        let mut pair = SessionPair::new();
        let request = get(target, headers).replace("HTTP/1.1", &format!("HTTP/{version}"));
        pair.read(request.as_bytes());
        pair.join(&recovery(9, 0, true));
        let common = pair.session.takes_shared_answer();
        pair.time_out();
        let answer = pair.text();
        assert!(answer.contains(expected), "{answer}");
        assert!(!common, "{headers} {version}");
    }
}

#[test]
fn a_drain_answers_held_polls_and_ends_streams_with_a_reason() {
    let mut held = SessionPair::new();
    held.read(get("/topics/t?mode=longpoll", "").as_bytes());
    held.join(&recovery(9, 0, true));
    held.cx.is_draining = true;
    held.drain();
    let answer = held.text();
    assert!(
        answer.contains("Connection: close") && answer.ends_with("[]}"),
        "{answer}"
    );

    let mut events = SessionPair::new();
    events.read(get("/topics/t?mode=sse", "").as_bytes());
    events.join(&recovery(9, 0, true));
    events.sent();
    events.drain();
    let end = events.text();
    for part in [
        "\r\nretry: 1234\nevent: close\ndata: {\"code\":1001,\"reason\":\"retry=1234\"}\n\n\r\n",
        "0\r\n\r\n",
    ] {
        assert!(end.contains(part), "{end}");
    }
    assert_eq!(
        events.wishes().last().map(String::as_str),
        Some("Finish(Draining)")
    );
    assert_eq!(events.session.deadline(), Time::NEVER);
}

#[test]
fn a_stream_begins_with_where_the_reader_is() {
    for (target, version, recovery, expected) in [
        (
            "/topics/t?mode=sse",
            "1.1",
            recovery(9, 0, true),
            "43\r\nevent: position\ndata: {\"position\":\"1:9\",\"recovered\":true}\nid: 1:9\n\n\r\n",
        ),
        (
            "/topics/t?mode=sse",
            "1.0",
            recovery(9, 2, true),
            "event: position\ndata: {\"position\":\"1:9\",\"recovered\":true}\nid: 1:7\n\n",
        ),
        (
            "/topics/t?mode=sse",
            "1.0",
            recovery(9, 2, false),
            "event: reset\ndata: {\"position\":\"1:9\",\"recovered\":false}\nid: 1:7\n\n",
        ),
        (
            "/topics/t?mode=stream",
            "1.0",
            recovery(9, 0, true),
            "{\"position\":\"1:9\",\"recovered\":true}\n",
        ),
    ] {
        let mut pair = SessionPair::new();
        let request = get(target, "").replace("HTTP/1.1", &format!("HTTP/{version}"));
        pair.read(request.as_bytes());
        pair.join(&recovery);
        let answer = pair.text();
        assert_eq!(body(&answer), expected, "{target}");
        assert!(answer.contains("X-Accel-Buffering: no\r\n"), "{answer}");
        let cached = "Cache-Control: no-store, no-transform\r\n";
        assert!(answer.contains(cached), "{answer}");
        let is_chunked = version == "1.1";
        assert_eq!(answer.contains("Transfer-Encoding: chunked"), is_chunked);
        assert_eq!(answer.contains("Connection: close\r\n"), !is_chunked);
    }
}

#[test]
fn a_stream_gives_signs_of_life_unless_bytes_wait() {
    for (target, sign) in [
        ("/topics/t?mode=sse", "2\r\n:\n\r\n"),
        ("/topics/t?mode=stream", "3\r\n{}\n\r\n"),
    ] {
        let mut pair = SessionPair::new();
        pair.read(get(target, "").as_bytes());
        pair.join(&recovery(9, 0, true));
        pair.sent();
        pair.time_out();
        assert_eq!(pair.text(), sign);
        let first = pair.cx.now;
        pair.cx.is_backed_up = true;
        pair.time_out();
        assert_eq!(pair.text(), "");
        assert_eq!(pair.cx.now, first + Limits::default().ping_interval);
    }
}

#[test]
fn a_stream_ignores_what_follows_its_request_and_ends_with_its_client() {
    let mut pair = SessionPair::new();
    pair.read(get("/topics/t?mode=stream", "").as_bytes());
    pair.join(&recovery(9, 0, true));
    pair.sent();
    pair.wishes();
    pair.read(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(pair.text(), "");
    pair.eof();
    assert_eq!(pair.wishes(), ["Finish(Eof)"]);
}

#[test]
fn a_head_has_no_body_and_the_connection_stays() {
    for (mode, word) in [
        ("sse", "text/event-stream; charset=utf-8"),
        ("stream", "ndjson"),
        ("longpoll", "json"),
    ] {
        let mut pair = SessionPair::new();
        let request = get(&format!("/topics/t?mode={mode}"), "").replace("GET", "HEAD");
        pair.read(request.as_bytes());
        if mode == "longpoll" {
            pair.tell(&recovery(9, 1, true));
        }
        let answer = pair.text();
        assert!(
            answer.contains(word) && body(&answer).is_empty(),
            "{answer}"
        );
        assert!(pair.session.takes_bytes(&Limits::default()));
    }
}

#[test]
fn what_would_stay_is_refused_while_draining_and_a_poll_is_not() {
    for (mode, code) in [
        ("sse", "503"),
        ("stream", "503"),
        ("longpoll", "503"),
        ("poll", "200"),
    ] {
        let mut pair = SessionPair::new();
        pair.cx.takes_upgrades = false;
        pair.read(get(&format!("/topics/t?mode={mode}"), "").as_bytes());
        if mode == "poll" {
            pair.tell(&recovery(9, 0, true));
        }
        assert_eq!(status(&pair.text()), code, "{mode}");
    }
}
