//! What every answer says in its head, and that HEAD's says what GET's does.

use super::*;

const DATE: &str = "\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

fn request(line: &str, lines: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n")
}

fn recovery(offset: u64) -> Recovery {
    Recovery {
        position: position(offset),
        recovered: true,
        publications: Vec::new(),
    }
}

/// The head of the answer to this request, whatever the node has to be asked for it.
fn head(request: &str) -> String {
    let mut pair = SessionPair::new();
    pair.read(request.as_bytes());
    for wish in pair.wishes() {
        match wish.split([' ', '(']).next().unwrap_or_default() {
            "Ask" if wish.contains("Client") => {
                let reply = Reply::Script("1");
                pair.handle(|session, cx, out| session.handle_reply(cx, &reply, out));
            }
            "Ask" if wish.contains("Page") => {
                let reply = Reply::Page("<p>");
                pair.handle(|session, cx, out| session.handle_reply(cx, &reply, out));
            }
            "Ask" => {
                let reply = Reply::Text(200, "ok\n".to_owned());
                pair.handle(|session, cx, out| session.handle_reply(cx, &reply, out));
            }
            "read" => pair.tell(&recovery(3)),
            "subscribe" => pair.subscribe(3, true),
            "publish" => pair.publish(published(4)),
            _ => {}
        }
    }
    if pair.sent.is_empty() {
        // A long poll, which is answered when its time is over.
        pair.time_out();
    }
    let text = String::from_utf8_lossy(&pair.sent()).into_owned();
    let (head, _) = text.split_once("\r\n\r\n").expect("a whole head");
    format!("{head}\r\n")
}

#[test]
fn every_answer_says_its_date_once() {
    for request in [
        request("GET /healthz", ""),
        request("HEAD /", ""),
        request("OPTIONS *", ""),
        request("GET /nowhere", ""),
        request("PUT /", ""),
        request("SHOUT /", ""),
        request("GET /topics/t", ""),
        request("GET /topics/t", "If-None-Match: \"1:3\"\r\n"),
        request("GET /topics/t?mode=longpoll", ""),
        request("GET /topics/t?mode=sse", ""),
        request("GET /topics/t?mode=stream", ""),
        request("HEAD /topics/t?mode=sse", ""),
        request("GET /topics/t?mode=x", ""),
        request("GET /healthz", "Content-Length: x\r\n"),
        "GET / HTTP/2.0\r\n\r\n".to_owned(),
        "\x16\x03".to_owned(),
        post("a"),
        upgrade("/topics/t"),
        upgrade("/echo"),
        upgrade("/topics/t").replace("Version: 13", "Version: 8"),
    ] {
        let head = head(&request);
        assert_eq!(head.matches("\r\nDate: ").count(), 1, "{request}{head}");
        assert!(head.contains(DATE), "{head}");
    }
}

#[test]
fn a_shared_answer_says_its_date_and_is_like_one_that_is_not_shared() {
    let date = Date::at(Duration::from_secs(784_111_777));
    let publication = reading::message(3);
    let chunk = crate::wire::answer::shared(&date, &[Arc::clone(&publication)]);
    let shared = chunk.expect("a publication");
    let mut pair = SessionPair::new();
    pair.read(request("GET /topics/t?mode=longpoll&after=1:2", "").as_bytes());
    pair.subscribe(2, true);
    pair.handle(|session, cx, out| session.handle_publications(cx, &[publication], out));
    let text = pair.text();
    assert_eq!(text.as_bytes(), shared.bytes());
    assert!(text.contains(DATE), "{text}");
}

#[test]
fn head_is_answered_with_the_head_that_get_would_get() {
    for target in [
        "/",
        "/compare",
        "/altavoz.js",
        "/page.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/echo",
        "/nowhere",
        "/topics/t",
        "/topics/t?mode=poll&after=1:1",
        "/topics/t?mode=sse",
        "/topics/t?mode=stream",
        "/topics/t?mode=x",
        "/topics/",
    ] {
        for lines in ["", "Accept: text/html\r\n", "If-None-Match: \"1:3\"\r\n"] {
            let of = |method: &str| {
                let head = head(&request(&format!("{method} {target}"), lines));
                // What becomes of the connection is not the answer's.
                let said = |line: &&str| !line.starts_with("Connection:");
                head.lines().filter(said).collect::<Vec<_>>().join("\n")
            };
            assert_eq!(of("HEAD"), of("GET"), "{target} {lines}");
        }
    }
}

#[test]
fn an_answer_says_which_headers_of_the_request_decided_it() {
    for (target, lines, expected) in [
        ("/topics/t", "", "Origin, Accept"),
        ("/topics/t", "Accept: text/html\r\n", "Origin, Accept"),
        ("/topics/t", "If-None-Match: \"1:3\"\r\n", "Origin, Accept"),
        (
            "/topics/t",
            "Accept: text/event-stream\r\n",
            "Origin, Accept",
        ),
        ("/topics/t?mode=longpoll", "", "Origin"),
        ("/healthz", "", "Origin"),
        ("/altavoz.js", "", "Origin"),
        ("/page.js", "", "Origin"),
        ("/nowhere", "", "Origin"),
    ] {
        for origin in ["", "Origin: http://a.test\r\n"] {
            let head = head(&request(
                &format!("GET {target}"),
                &format!("{lines}{origin}"),
            ));
            let vary = format!("\r\nVary: {expected}\r\n");
            assert_eq!(head.matches("\r\nVary: ").count(), 1, "{head}");
            assert!(head.contains(&vary), "{target}: {head}");
        }
    }
}

#[test]
fn a_426_says_to_what_and_names_it_beside_the_connection() {
    let wrong = upgrade("/topics/t").replace("Version: 13", "Version: 8");
    for (request, connection) in [
        (wrong.clone(), "\r\nConnection: Upgrade\r\n"),
        (request("GET /echo", ""), "\r\nConnection: Upgrade\r\n"),
        (
            request("GET /echo", "Connection: close\r\n"),
            "\r\nConnection: close, Upgrade\r\n",
        ),
    ] {
        let head = head(&request);
        assert!(head.starts_with("HTTP/1.1 426"), "{head}");
        assert!(head.contains("\r\nUpgrade: websocket\r\n"), "{head}");
        assert!(head.contains(connection), "{head}");
    }
    assert!(head(&wrong).contains("\r\nSec-WebSocket-Version: 13\r\n"));
}

#[test]
fn bytes_above_7f_in_headers_that_nobody_reads_change_nothing() {
    let lines = b"X-City: M\xfcnchen\r\nUser-Agent: \xff\xfe\r\nCookie: a=\xe9; b=\x80\r\n\
        Referer: http://a.test/\xf6\r\nX-Forwarded-For: \xff\r\n";
    let requests = [
        request("GET /healthz", ""),
        request("GET /topics/t", ""),
        post("a"),
        upgrade("/topics/t"),
    ];
    for request in requests {
        let expected = head(&request);
        let (line, rest) = request.split_once("\r\n").expect("a request line");
        let bytes = [line.as_bytes(), b"\r\n", lines, rest.as_bytes()].concat();
        let mut pair = SessionPair::new();
        pair.read(&bytes);
        let mut plain = SessionPair::new();
        plain.read(request.as_bytes());
        assert_eq!(pair.wishes(), plain.wishes(), "{line}");
        assert_eq!(pair.sent(), plain.sent(), "{line}");
        assert!(!expected.starts_with("HTTP/1.1 4"), "{expected}");
    }
}
