//! How GET of a topic is read: by which transport, from where, and how long.

use super::*;
use crate::http::Known;

/// How a request reads the topic, in a line.
fn reading(line: &str, headers: &str) -> String {
    let routed = ask(&open(), &LOOPBACK, line, headers).expect("allowed");
    let from = |after: Option<After>| match after {
        None => "now".to_owned(),
        Some(After::Earliest) => "earliest".to_owned(),
        Some(After::Position(position)) => position.to_string(),
        Some(After::Unknown) => "unknown".to_owned(),
    };
    match routed.route {
        Route::Stream(Reading {
            form,
            after,
            conflate,
            ..
        }) => {
            assert!(form.is_chunked(), "a request of HTTP/1.1");
            format!("{:?}s {} {conflate:?}", form.content(), from(after))
        }
        Route::LongPoll {
            after,
            known,
            timeout,
            ..
        } => format!(
            "hold {} {} {timeout:?}",
            from(after),
            known != Known::NOTHING
        ),
        Route::Poll { after, known, .. } => {
            format!("poll {} {}", from(after), known != Known::NOTHING)
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_topic_is_read_by_the_transport_that_is_asked_for() {
    let sse = "Accept: text/event-stream\r\n";
    for (line, headers, expected) in [
        ("GET /topics/a", "", "poll now false"),
        (
            "GET /topics/a?mode=poll",
            "Accept: text/html\r\n",
            "poll now false",
        ),
        (
            "GET /topics/a",
            "Accept: application/json, text/html\r\n",
            "poll now false",
        ),
        (
            "GET /topics/a",
            "Accept: text/html, */*\r\n",
            "Page(Dashboard)",
        ),
        ("GET /topics/a", sse, "Events now 0ns"),
        ("GET /topics/a?format=json", sse, "JsonEvents now 0ns"),
        ("GET /topics/a?mode=poll", sse, "poll now false"),
        (
            "GET /topics/a?mode=sse&conflate=11ms",
            "",
            "Events now 20ms",
        ),
        (
            "GET /topics/a?mode=stream&after=earliest",
            "",
            "Lines earliest 0ns",
        ),
        ("GET /topics/a?mode=longpoll", "", "hold now false 25s"),
        (
            "GET /topics/a?mode=longpoll&timeout=0s",
            "",
            "hold now false 0ns",
        ),
        ("HEAD /topics/a?mode=longpoll", "", "poll now false"),
        ("GET /topics/a?after=x7f3:17", "", "poll x7f3:17 false"),
        (
            "GET /topics/a?after=x7f3:17",
            "If-None-Match: W/\"x7f3:18\"\r\n",
            "poll x7f3:18 true",
        ),
        (
            "GET /topics/a",
            "If-None-Match: \"x7f3:18-gzip\"\r\n",
            "poll x7f3:18 true",
        ),
        ("GET /topics/a", "If-None-Match: *\r\n", "poll now true"),
        (
            "GET /topics/a",
            "If-None-Match: \"foo\"\r\n",
            "poll now false",
        ),
        (
            "GET /topics/a?after=x7f3:3",
            "If-None-Match: \"foo\"\r\n",
            "poll x7f3:3 false",
        ),
        (
            "GET /topics/a",
            "If-None-Match: \"foo\", \"a:5\", W/\"a:4\"\r\n",
            "poll a:5 true",
        ),
        (
            "GET /topics/a",
            "Last-Event-ID: 42\r\n",
            "poll unknown false",
        ),
        (
            "GET /topics/a",
            "Last-Event-ID: \"a:1\"\r\n",
            "poll unknown false",
        ),
        (
            "GET /topics/a?mode=sse",
            "Last-Event-ID: é\r\n",
            "Events unknown 0ns",
        ),
        (
            "GET /topics/a?after=garbage",
            "Last-Event-ID: \r\nLast-Event-ID: a:1\r\n",
            "poll a:1 false",
        ),
        (
            "GET /topics/a?after=a:1&lastEventId=a:2",
            "",
            "poll a:2 false",
        ),
        (
            "GET /topics/a?lastEventId=a:2&after=a:1",
            "",
            "poll a:2 false",
        ),
        ("GET /topics/a?after=&lastEventId=", "", "poll now false"),
        (
            "GET /topics/a?mode=longpoll",
            "Last-Event-ID: x7f3:19\r\nIf-None-Match: \"x7f3:18\"\r\n",
            "hold x7f3:19 false 25s",
        ),
    ] {
        assert_eq!(reading(line, headers), expected, "{line} {headers}");
    }
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let text = "GET /topics/a?mode=stream HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let routed = ask_text(&open(), &LOOPBACK, text).expect("allowed");
    let Route::Stream(Reading { form, .. }) = routed.route else {
        panic!("{routed:?}");
    };
    assert_eq!(form, WireForm::BARE_LINES);
}
