//! Bodies of requests that nobody asked for: each request gets one answer, and what follows it is
//! the next request, whatever the method, the path, the framing and the pieces.

use super::*;

const METHODS: [&str; 10] = [
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "SHOUT",
];

const PATHS: [&str; 14] = [
    "/topics/t",
    "/topics/t?mode=poll&after=1:3",
    "/topics/t?mode=longpoll&timeout=0s",
    "/topics/a//b",
    "/",
    "/compare",
    "/altavoz.js",
    "/page.js",
    "/healthz",
    "/readyz?drain=404",
    "/metrics",
    "/echo",
    "/nowhere",
    "*",
];

/// What a careless reader would take for the next request.
const SMUGGLED: &str = "POST /topics/smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";

const NEXT: &str = "GET /healthz HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn request(method: &str, target: &str, version: &str, lines: &str) -> String {
    format!("{method} {target} HTTP/{version}\r\nHost: a.test\r\n{lines}\r\n")
}

fn sized(body: &str) -> (String, String) {
    (
        format!("Content-Length: {}\r\n", body.len()),
        body.to_owned(),
    )
}

fn chunked(body: &str) -> (String, String) {
    let half = body.len() / 2;
    let (a, b) = body.split_at(half);
    let text = format!(
        "{:x};name=\"a b\"\r\n{a}\r\n{:X}\r\n{b}\r\n000\r\nExpires: never\r\nX: y\r\n\r\n",
        a.len(),
        b.len()
    );
    ("Transfer-Encoding: Chunked\r\n".to_owned(), text)
}

/// Header lines and the bytes that belong to them.
fn framings() -> Vec<(String, String)> {
    let long = SMUGGLED.repeat(300);
    assert!(long.len() > Limits::default().head_bytes_max);
    vec![
        sized("hello"),
        sized("\r\n\r\n"),
        sized(SMUGGLED),
        sized(&long),
        chunked("hello"),
        chunked(SMUGGLED),
        chunked(&long),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            "0\r\n\r\n".to_owned(),
        ),
        ("Content-Length: 0\r\n".to_owned(), String::new()),
        ("Content-Length: 005\r\n".to_owned(), "hello".to_owned()),
    ]
}

/// What became of a connection.
#[derive(PartialEq, Eq, Debug)]
struct Ending {
    statuses: Vec<u16>,
    /// Why it ended, if it did.
    finish: Option<String>,
}

impl Ending {
    fn stays(statuses: &[u16]) -> Self {
        Self {
            statuses: statuses.to_vec(),
            finish: None,
        }
    }

    fn closes(status: u16, reason: &str) -> Self {
        Self {
            statuses: vec![status],
            finish: Some(format!("Finish({reason})")),
        }
    }
}

/// Gives a session these bytes in pieces and answers whatever it asks for.
fn serve(bytes: &str, size: usize) -> (Ending, String) {
    let mut pair = SessionPair::new();
    let mut ending = Ending::stays(&[]);
    for piece in bytes.as_bytes().chunks(size) {
        if ending.finish.is_some() {
            break;
        }
        pair.read(piece);
        while let Some(wish) = (!pair.wishes.is_empty()).then(|| pair.wishes.remove(0)) {
            meet(&mut pair, &wish, &mut ending);
        }
    }
    (ending, pair.text())
}

/// Does what a shard would.
fn meet(pair: &mut SessionPair, wish: &str, ending: &mut Ending) {
    let is_smuggled = wish.starts_with("publish smuggled");
    assert!(!is_smuggled, "a body became a request");
    let nothing = Recovery {
        position: position(3),
        recovered: true,
        publications: Vec::new(),
    };
    match wish.split([' ', '(']).next().unwrap_or_default() {
        "answered" => ending.statuses.push(wish[9..].parse().expect("a status")),
        "Finish" | "Abort" => ending.finish = Some(wish.to_owned()),
        "Ask" => {
            let reply = Reply::Text(200, "ok\n".to_owned());
            pair.handle(|session, cx, out| session.handle_reply(cx, &reply, out));
        }
        "read" => pair.tell(&nothing),
        "subscribe" => pair.subscribe(3, true),
        "publish" => pair.publish(published(4)),
        "Polled" | "Upgraded" | "Reads" => {}
        _ => panic!("{wish}"),
    }
    // What it could not take before.
    pair.read(b"");
}

#[test]
fn a_body_is_no_request_whatever_method_path_framing_and_pieces() {
    for method in METHODS {
        for path in PATHS {
            for version in ["1.1", "1.0"] {
                check_bodies(method, path, version);
            }
        }
    }
}

fn check_bodies(method: &str, path: &str, version: &str) {
    let kept = "Connection: keep-alive\r\n";
    let publishes = method == "POST" && path.starts_with("/topics/t");
    let (without, _) = serve(&(request(method, path, version, kept) + NEXT), 10_000);
    let expected = match without.statuses[..] {
        [411, 200] if publishes => vec![200, 200],
        _ => without.statuses.clone(),
    };
    assert_eq!(expected.len(), 2, "{method} {path}");
    for (lines, body) in framings() {
        if version == "1.0" && lines.starts_with("Transfer") {
            continue;
        }
        let head = request(method, path, version, &format!("{kept}{lines}"));
        for size in [1, 7, 10_000_000] {
            if size == 1 && body.len() > 1_000 && path != "/topics/t" {
                continue;
            }
            let (with, _) = serve(&format!("{head}{body}{NEXT}"), size);
            let what = format!("{head} with {} bytes in pieces of {size}", body.len());
            assert_eq!(with, Ending::stays(&expected), "{what}");
        }
    }
}

#[test]
fn framing_that_nobody_can_be_sure_of_is_refused_on_every_method_and_path() {
    for lines in [
        "Content-Length: abc\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        check_refused(lines, "hello");
    }
    for body in [
        "fffffffffffffffff\r\n",
        "-1\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\nhello\n0\n\n",
        "x\r\n\r\n",
        "\r\n\r\n",
    ] {
        check_refused("Transfer-Encoding: chunked\r\n", body);
    }
}

fn check_refused(lines: &str, body: &str) {
    for method in METHODS {
        for path in PATHS {
            let request = request(method, path, "1.1", lines);
            for size in [1, 10_000] {
                let (ending, text) = serve(&format!("{request}{body}{NEXT}"), size);
                assert_eq!(ending, Ending::closes(400, "Protocol"), "{request}{body:?}");
                let (head, body) = text.split_once("\r\n\r\n").expect("a head");
                assert!(head.contains("\r\nConnection: close"), "{text}");
                assert_eq!(body.is_empty(), method == "HEAD", "{method}: {text}");
            }
        }
    }
    let old = request("GET", "/healthz", "1.0", "Transfer-Encoding: chunked\r\n");
    let (ending, _) = serve(&format!("{old}{body}"), 1);
    assert_eq!(ending, Ending::closes(400, "Protocol"));
}

#[test]
fn a_version_that_is_not_ours_is_the_clients_mistake() {
    let (ending, _) = serve("GET / HTTP/2.0\r\n\r\n", 3);
    assert_eq!(ending, Ending::closes(505, "Protocol"));
}

#[test]
fn a_body_over_the_bound_is_not_read_and_the_answer_is_the_last() {
    let max = Limits::default().body_bytes_max;
    let chunk = format!("{max:x}\r\n{}\r\n1\r\n", "x".repeat(max));
    for (method, path, status, reason) in [
        ("GET", "/healthz", 413, "TooBig"),
        ("POST", "/topics/t", 413, "TooBig"),
        ("OPTIONS", "*", 413, "TooBig"),
        ("GET", "/nowhere", 404, "Protocol"),
        ("POST", "/healthz", 405, "Protocol"),
        ("SHOUT", "/", 501, "Protocol"),
    ] {
        let too_long = format!("Content-Length: {}\r\n", max + 1);
        let declared = request(method, path, "1.1", &too_long);
        let (ending, _) = serve(&declared, 1_000);
        assert_eq!(ending, Ending::closes(status, reason), "{method} {path}");
        let head = request(method, path, "1.1", "Transfer-Encoding: chunked\r\n");
        let (ending, _) = serve(&format!("{head}{chunk}"), 100_000);
        assert_eq!(ending, Ending::closes(status, reason), "{method} {path}");
    }
}

#[test]
fn who_asks_before_it_sends_is_told_to_or_told_why_not() {
    let asks = "Content-Length: 5\r\nExpect: 100-Continue\r\n";
    for (method, path) in [
        ("GET", "/healthz"),
        ("HEAD", "/"),
        ("OPTIONS", "*"),
        ("GET", "/topics/t?mode=longpoll&timeout=0s"),
        ("POST", "/topics/t"),
    ] {
        let head = request(method, path, "1.1", asks);
        let mut pair = SessionPair::new();
        pair.read(head.as_bytes());
        assert_eq!(pair.text(), "HTTP/1.1 100 Continue\r\n\r\n", "{head}");
        assert!(pair.wishes().is_empty(), "it is not whole");
        let (ending, text) = serve(&format!("{head}hello{NEXT}"), 3);
        assert_eq!(ending, Ending::stays(&[200, 200]), "{head}");
        assert_eq!(text.matches("100 Continue").count(), 1, "{text}");
    }
    for (method, path, status) in [("GET", "/nowhere", 404), ("POST", "/healthz", 405)] {
        let (ending, text) = serve(&request(method, path, "1.1", asks), 1_000);
        assert_eq!(ending, Ending::closes(status, "Protocol"), "{path}");
        assert!(!text.contains("100 Continue"), "{text}");
    }
}

#[test]
fn an_expectation_without_a_body_or_of_http_1_0_is_not_answered() {
    let head = request(
        "GET",
        "/healthz",
        "1.1",
        "Expect: 100-continue\r\nContent-Length: 0\r\n",
    );
    let old = request(
        "GET",
        "/healthz",
        "1.0",
        "Connection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 2\r\n",
    );
    for request in [head, format!("{old}ab")] {
        let (ending, text) = serve(&format!("{request}{NEXT}"), 5);
        assert_eq!(ending, Ending::stays(&[200, 200]));
        assert!(!text.contains("100 Continue"), "{text}");
    }
}

#[test]
fn another_expectation_is_417_on_every_method_and_the_last_if_a_body_may_follow() {
    for method in METHODS {
        let coffee = "Expect: coffee\r\n";
        let head = request(method, "/topics/t", "1.1", coffee);
        let (ending, _) = serve(&format!("{head}{NEXT}"), 10);
        assert_eq!(ending, Ending::stays(&[417, 200]), "{method}");
        let head = request(
            method,
            "/",
            "1.1",
            &format!("{coffee}Content-Length: 2\r\n"),
        );
        let (ending, _) = serve(&format!("{head}ab{NEXT}"), 10);
        assert_eq!(ending, Ending::closes(417, "Protocol"), "{method}");
    }
}

#[test]
fn a_handshake_with_a_body_is_refused_and_its_body_is_no_frame() {
    for lines in [
        "Content-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 6\r\nExpect: 100-continue\r\n",
    ] {
        for path in ["/topics/t", "/echo"] {
            let head = upgrade(path).replacen("\r\n", &format!("\r\n{lines}"), 1);
            let body = if lines.starts_with("Transfer") {
                "2\r\n\u{1}a\r\n0\r\n\r\n"
            } else {
                "\u{1}abcde"
            };
            let (ending, text) = serve(&format!("{head}{body}"), 1);
            assert_eq!(ending.statuses, [400], "{head}");
            assert!(text.contains("bad_handshake"), "{text}");
        }
    }
    let head = upgrade("/topics/t").replacen("\r\n", "\r\nContent-Length: 0\r\n", 1);
    let (ending, text) = serve(&head, 1);
    assert_eq!(ending, Ending::stays(&[]));
    assert!(text.starts_with("HTTP/1.1 101"), "{text}");
}

#[test]
fn a_stream_begins_behind_its_requests_body() {
    for mode in ["sse", "stream"] {
        for (lines, body) in [sized(SMUGGLED), chunked(SMUGGLED)] {
            let head = request("GET", &format!("/topics/t?mode={mode}"), "1.1", &lines);
            for size in [1, 10_000] {
                let mut pair = SessionPair::new();
                let (first, last) = body.split_at(body.len() - 1);
                for piece in format!("{head}{first}").as_bytes().chunks(size) {
                    pair.read(piece);
                }
                assert!(pair.wishes().is_empty(), "it is not whole");
                pair.read(last.as_bytes());
                assert_eq!(pair.wishes(), ["subscribe t"]);
                pair.subscribe(3, true);
                let text = pair.text();
                assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
            }
        }
    }
}

#[test]
fn a_client_that_goes_is_noticed_while_its_long_poll_with_a_body_is_held() {
    let (lines, body) = sized(SMUGGLED);
    let head = request("GET", "/topics/t?mode=longpoll", "1.1", &lines);
    let mut pair = SessionPair::new();
    pair.read(format!("{head}{body}").as_bytes());
    pair.subscribe(3, true);
    assert!(pair.unread.is_empty(), "nothing hides the client's end");
    pair.wishes();
    pair.eof();
    assert_eq!(pair.wishes(), ["Finish(Eof)"]);
}

#[test]
fn a_body_that_does_not_come_is_408_and_one_that_ends_early_is_let_go() {
    for (method, path) in [("GET", "/metrics"), ("HEAD", "/"), ("DELETE", "/topics/t")] {
        let head = request(method, path, "1.1", "Content-Length: 5\r\n");
        let mut pair = SessionPair::new();
        pair.read(format!("{head}hell").as_bytes());
        let limits = Limits::default();
        assert_eq!(pair.session.deadline(), pair.cx.now + limits.body_timeout);
        pair.time_out();
        let answer = pair.text();
        assert_eq!(status(&answer), "408");
        assert_eq!(answer.ends_with("\r\n\r\n"), method == "HEAD", "{answer}");
        assert_eq!(pair.wishes(), ["answered 408", "Finish(Timeout)"]);
        let mut pair = SessionPair::new();
        pair.read(format!("{head}hell").as_bytes());
        pair.eof();
        assert_eq!(pair.wishes(), ["Finish(Eof)"]);
    }
}

#[test]
fn a_full_node_waits_for_no_body() {
    for (path, status) in [("/topics/t", 503), ("/healthz", 200)] {
        let mut pair = SessionPair::new();
        pair.cx.is_full = true;
        let head = request("GET", path, "1.1", "Content-Length: 5\r\n");
        pair.read(head.as_bytes());
        let mut ending = Ending::stays(&[]);
        while let Some(wish) = (!pair.wishes.is_empty()).then(|| pair.wishes.remove(0)) {
            meet(&mut pair, &wish, &mut ending);
        }
        assert_eq!(ending.statuses, [status]);
        assert!(ending.finish.is_some(), "the body may still come");
    }
}

#[test]
fn a_request_and_the_clients_end_behind_its_body_are_answered() {
    let (lines, body) = chunked("hello");
    let head = request("GET", "/metrics", "1.1", &lines);
    let mut pair = SessionPair::new();
    pair.read(format!("{head}{body}").as_bytes());
    pair.eof();
    let reply = Reply::Metrics(crate::metrics::Format::Text, "a 1\n".to_owned());
    pair.handle(|session, cx, out| session.handle_reply(cx, &reply, out));
    let text = pair.text();
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("a 1\n"));
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
}
