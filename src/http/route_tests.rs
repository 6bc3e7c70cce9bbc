//! Tests of `route`, by tables: a request, a policy, a door, and the status or route.

use super::*;
use crate::base::After;
use crate::config::{Anonymous, ForeignTokens, Secret};
use crate::metrics::Format;
use crate::wire::http::tests::head;

const PUBLIC: Door = Door {
    admin: false,
    loopback: false,
    unix: false,
    proxy: false,
};
const LOOPBACK: Door = Door {
    loopback: true,
    ..PUBLIC
};
const ADMIN: Door = Door {
    admin: true,
    ..PUBLIC
};
const UNIX: Door = Door {
    unix: true,
    ..PUBLIC
};

/// Open for all, no key: what a node on loopback starts with.
fn open() -> Policy {
    Policy {
        publish_key: None,
        anonymous: Anonymous::Publish,
        foreign_tokens: ForeignTokens::Ignore,
        subprotocols: Vec::new(),
        allow_origins: vec!["https://app.example.com".parse().expect("an origin")],
        echo: false,
        admin_elsewhere: false,
    }
}

/// The key is `KEY`.
fn keyed(anonymous: Anonymous) -> Policy {
    Policy {
        publish_key: Secret::parse("KEY").ok(),
        anonymous,
        ..open()
    }
}

/// Refuses tokens that are not its key.
fn strict(policy: Policy) -> Policy {
    let foreign_tokens = ForeignTokens::Refuse;
    Policy {
        foreign_tokens,
        ..policy
    }
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const BODY: &str = "Content-Length: 1\r\n";

/// Routes `line` (without version) with `Host: localhost` and these headers.
fn ask(policy: &Policy, door: &Door, line: &str, headers: &str) -> Result<RoutedRequest, Response> {
    let text = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    ask_text(policy, door, &text)
}

/// Routes a head of a client that is on this host if its door is for this host only.
fn ask_text(policy: &Policy, door: &Door, text: &str) -> Result<RoutedRequest, Response> {
    let is_here = || door.loopback;
    route(&head(text), policy, &Limits::default(), door, &is_here)
}

/// The status of a refusal, or 200.
fn status(policy: &Policy, door: &Door, line: &str, headers: &str) -> u16 {
    match ask(policy, door, line, headers) {
        Ok(_) => 200,
        Err(response) => {
            let body: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
            assert!(body["error"]["code"].is_string() && body["error"]["message"].is_string());
            assert!(!format!("{response:?}").contains("KEY\""), "{response:?}");
            response.status()
        }
    }
}

fn websocket(policy: &Policy, door: &Door, query: &str, headers: &str) -> Result<Route, u16> {
    let line = format!("GET /topics/a{query}");
    match ask(policy, door, &line, &format!("{UPGRADE}{headers}")) {
        Ok(routed) => Ok(routed.route),
        Err(response) => Err(response.status()),
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a name")
}

#[test]
fn every_path_on_an_open_loopback_node() {
    let page = || Route::Page(Page::Dashboard);
    for (line, headers, expected) in [
        ("GET /", "", page()),
        ("GET /?topic=x", "", page()),
        ("GET /compare", "", Route::Page(Page::Compare)),
        ("GET /altavoz.js", "", Route::Page(Page::Client)),
        ("GET /page.js", "", Route::Page(Page::Common)),
        ("HEAD /", "", page()),
        ("GET /topics/a%2Fb", "Accept: text/html, */*\r\n", page()),
        ("GET /topics/a", "Accept: text/html;q=0.9\r\n", page()),
        ("GET /healthz", "", Route::Health),
        ("GET /healthz?x=y&x=z", "", Route::Health),
        ("GET http://localhost/healthz", "", Route::Health),
        ("GET ws://localhost/healthz", "", Route::Health),
        ("GET /readyz", "", Route::Ready { drain_404: false }),
        (
            "GET /readyz?drain=404",
            "",
            Route::Ready { drain_404: true },
        ),
        (
            "GET /metrics",
            "Upgrade: h2c\r\n",
            Route::Metrics(Format::Text),
        ),
        ("POST /topics/a", BODY, Route::Publish { topic: topic("a") }),
        (
            "POST /topics/a",
            "Content-Length: 0\r\n",
            Route::Publish { topic: topic("a") },
        ),
        (
            "POST /topics/a",
            "Transfer-Encoding: chunked\r\n",
            Route::Publish { topic: topic("a") },
        ),
    ] {
        let routed = ask(&open(), &LOOPBACK, line, headers).map_err(|r| r.status());
        assert_eq!(routed.map(|r| r.route), Ok(expected), "{line}");
    }
}

#[test]
fn every_refusal_has_its_status() {
    for (line, headers, expected) in [
        ("GET topics/a", "", 400),
        ("GET /topics/a#b", "", 400),
        ("GET *", "", 400),
        ("GET /", "Host: localhost\r\n", 400),
        ("GET /topics/", "", 400),
        ("GET /topics/%zz", "", 400),
        ("GET /topics/%ff", "", 400),
        ("GET /topics/../a", "", 400),
        ("POST /topics/a//b", BODY, 400),
        ("GET /topics/a?mode=poll&mode=poll", "", 400),
        ("GET /topics/a?mode=carrier-pigeon", "", 400),
        ("GET /?token=x&token=x", "", 400),
        (
            "POST /topics/a",
            "Content-Length: 1\r\nOrigin: null\r\n",
            403,
        ),
        ("GET /topics", "", 404),
        ("GET /Topics/a", "", 404),
        ("GET /api/publish", "", 404),
        ("GET /connection/websocket", "", 404),
        ("GET /echo", "", 404),
        ("GET //", "", 404),
        ("OPTIONS /nowhere", "", 404),
        ("GET /", UPGRADE, 404),
        ("GET /metrics", UPGRADE, 404),
        ("POST /", BODY, 405),
        ("POST /healthz", BODY, 405),
        ("DELETE /topics/a", "", 405),
        ("PUT /topics/a", BODY, 405),
        ("PATCH /topics/a", BODY, 405),
        ("TRACE /healthz", "", 405),
        ("DELETE /nowhere", "", 404),
        ("PUT *", "", 400),
        ("POST *", BODY, 400),
        ("OPTIONS *?x", "", 400),
        ("get /topics/a", "", 501),
        ("SHOUT /topics/a", BODY, 501),
        ("PROPFIND /nowhere", "", 501),
        ("CONNECT localhost:80", "", 501),
        ("CONNECT /topics/a", "", 501),
        ("POST /topics/a", "", 411),
        (
            "POST /topics/a",
            "Content-Length: 1\r\nContent-Encoding: gzip\r\n",
            415,
        ),
        ("GET /topics/a", "", 200),
        ("GET /topics/a?mode=", "", 400),
        ("GET /topics/a?mode=SSE", "", 400),
        ("GET /topics/a?mode=poll&conflate=1s", "", 400),
        ("GET /topics/a?mode=longpoll&conflate=1s", "", 400),
        ("GET /topics/a?mode=sse&conflate=9ms", "", 400),
        ("GET /topics/a?mode=sse&conflate=61s", "", 400),
        ("GET /topics/a?mode=sse&conflate=1", "", 400),
        ("GET /topics/a?mode=longpoll&timeout=121s", "", 400),
        ("GET /topics/a?mode=longpoll&timeout=2m", "", 200),
        ("GET /topics/a?mode=longpoll&timeout=x", "", 400),
        ("GET /topics/a?after=17", "", 400),
        ("GET /topics/a?after=a:1&after=17", "", 400),
        ("GET /topics/a?lastEventId=17", "", 400),
        (
            "GET /topics/a?mode=sse",
            "Origin: https://evil.com\r\n",
            403,
        ),
        (
            "GET /topics/a",
            "Accept: text/event-stream\r\nOrigin: null\r\n",
            403,
        ),
    ] {
        assert_eq!(
            status(&open(), &LOOPBACK, line, headers),
            expected,
            "{line} {headers}"
        );
    }
}

#[test]
fn host_is_needed_in_1_1_only() {
    for (text, expected) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", Err(400)),
        ("GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", Ok(())),
        ("GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n", Err(400)),
        ("GET /healthz HTTP/1.1\r\nHost: a@b\r\n\r\n", Err(400)),
        ("GET http://localhost/healthz HTTP/1.1\r\n\r\n", Err(400)),
        (
            "GET http://a@b/healthz HTTP/1.1\r\nHost: b\r\n\r\n",
            Err(400),
        ),
        ("GET http:///healthz HTTP/1.1\r\nHost: b\r\n\r\n", Err(400)),
        ("GET /healthz HTTP/1.0\r\n\r\n", Ok(())),
        (
            "GET /healthz HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
            Err(400),
        ),
        (
            "POST /topics/a HTTP/1.0\r\nContent-Length: 1\r\n\r\n",
            Ok(()),
        ),
        (
            "POST http://localhost/topics/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n",
            Ok(()),
        ),
        (
            "POST http://evil.com/topics/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n",
            Err(403),
        ),
    ] {
        let routed = ask_text(&open(), &LOOPBACK, text);
        assert_eq!(
            routed.map(|_| ()).map_err(|r| r.status()),
            expected,
            "{text}"
        );
    }
}

#[test]
fn a_405_names_the_methods() {
    for (line, expected) in [
        ("DELETE /topics/a", "GET, HEAD, POST, OPTIONS"),
        ("TRACE /topics/a", "GET, HEAD, POST, OPTIONS"),
        ("POST /metrics", "GET, HEAD, OPTIONS"),
        ("PATCH /", "GET, HEAD, OPTIONS"),
    ] {
        let response = ask(&open(), &LOOPBACK, line, "").expect_err("405");
        assert_eq!(response.header_value("Allow"), Some(expected));
    }
}

#[test]
fn head_and_keep_alive_are_told() {
    let routed = ask(&open(), &LOOPBACK, "HEAD /healthz", "").expect("fine");
    assert!(routed.head_only && routed.keep_alive);
    let routed = ask(&open(), &LOOPBACK, "GET /healthz", "Connection: close\r\n").expect("fine");
    assert!(!routed.head_only && !routed.keep_alive);
}

#[test]
fn a_websocket_begins_where_it_asks() {
    let of = |query: &str, headers: &str| match websocket(&open(), &LOOPBACK, query, headers) {
        Ok(Route::WebSocket(reading, _)) => Ok((reading.form, reading.after)),
        Ok(other) => panic!("{other:?}"),
        Err(status) => Err(status),
    };
    let position = |text: &str| Some(After::Position(text.parse().expect("a position")));
    let id = "Last-Event-ID: x7f3:18\r\n";
    for (query, headers, expected) in [
        ("", "", Ok((WireForm::PLAIN, None))),
        ("?format=json", "", Ok((WireForm::JSON, None))),
        (
            "?after=earliest",
            "",
            Ok((WireForm::PLAIN, Some(After::Earliest))),
        ),
        (
            "?after=x7f3:17&x",
            "",
            Ok((WireForm::PLAIN, position("x7f3:17"))),
        ),
        (
            "?after=x7f3%3A17",
            "",
            Ok((WireForm::PLAIN, position("x7f3:17"))),
        ),
        ("", id, Ok((WireForm::PLAIN, position("x7f3:18")))),
        (
            "?after=x7f3:17",
            id,
            Ok((WireForm::PLAIN, position("x7f3:18"))),
        ),
        (
            "?after=x7f3:17",
            "Last-Event-ID:\r\n",
            Ok((WireForm::PLAIN, position("x7f3:17"))),
        ),
        (
            "?after=x7f3:16&after=x7f3:17",
            "",
            Ok((WireForm::PLAIN, position("x7f3:17"))),
        ),
        (
            "",
            "Last-Event-ID: a:1\r\nLast-Event-ID: a:1\r\n",
            Ok((WireForm::PLAIN, Some(After::Unknown))),
        ),
        ("?after=", "", Ok((WireForm::PLAIN, None))),
        ("?after=17", "", Err(400)),
        ("?after=X:17", "", Err(400)),
        ("?after=Earliest", "", Err(400)),
        ("?format=xml", "", Err(400)),
        ("?format=", "", Err(400)),
        ("?mode=sse", "", Err(400)),
        ("?conflate=500", "", Err(400)),
        ("?conflate=5ms", "", Err(400)),
        ("", "Origin: http://evil.com\r\n", Err(403)),
        ("", "Content-Length: 5\r\n", Err(400)),
        ("", "Content-Length: 0\r\n", Ok((WireForm::PLAIN, None))),
        ("", "Sec-WebSocket-Version: 8\r\n", Err(426)),
    ] {
        assert_eq!(of(query, headers), expected, "{query} {headers}");
    }
}

#[test]
fn a_websocket_may_be_asked_for_by_its_whole_url() {
    for (target, expected) in [
        ("ws://localhost/topics/a", 101),
        ("WS://127.0.0.1:8000/topics/a?format=json", 101),
        ("wss://localhost/topics/a", 101),
        ("http://localhost/topics/a", 101),
        ("HTTPS://localhost/topics/a", 101),
        ("ws://evil.com/topics/a", 403),
        ("ws:///topics/a", 400),
        ("ws://a@localhost/topics/a", 400),
        ("ftp://localhost/topics/a", 400),
    ] {
        let line = format!("GET {target}");
        let routed = ask(&open(), &LOOPBACK, &line, UPGRADE);
        let status = match routed {
            Ok(RoutedRequest {
                route: Route::WebSocket(reading, _),
                ..
            }) => {
                assert_eq!(reading.topic, topic("a"), "{target}");
                101
            }
            other => other.expect_err("no other route").status(),
        };
        assert_eq!(status, expected, "{target}");
    }
}

#[test]
fn a_websocket_of_http_1_0_is_refused() {
    let text = format!("GET /topics/a HTTP/1.0\r\n{UPGRADE}\r\n");
    let response = ask_text(&open(), &LOOPBACK, &text).expect_err("too old");
    assert_eq!(response.status(), 400);
}

#[test]
fn who_may_publish_and_who_may_subscribe() {
    use Anonymous::{None as Nothing, Publish, Subscribe};
    let key = "Authorization: Bearer KEY\r\n";
    // For each: the POST's status, then the WebSocket's status or whether it may publish.
    for (policy, headers, post, socket) in [
        (open(), "", 200, Ok(true)),
        (keyed(Publish), "", 200, Ok(true)),
        (keyed(Subscribe), "", 401, Ok(false)),
        (keyed(Nothing), "", 401, Err(401)),
        (keyed(Nothing), key, 200, Ok(true)),
        (
            keyed(Nothing),
            "Authorization: bearer  KEY\r\n",
            200,
            Ok(true),
        ),
        (
            keyed(Nothing),
            "Authorization: Basic KEY\r\n",
            401,
            Err(401),
        ),
        (
            keyed(Publish),
            "Authorization: Basic KEY\r\n",
            200,
            Ok(true),
        ),
        (
            keyed(Publish),
            "Authorization: Bearer KEy\r\n",
            200,
            Ok(true),
        ),
        (
            keyed(Publish),
            "Authorization: Bearer KEYS\r\n",
            200,
            Ok(true),
        ),
        (
            keyed(Subscribe),
            "Authorization: Bearer KEy\r\n",
            401,
            Ok(false),
        ),
        (
            keyed(Nothing),
            "Authorization: Bearer KEYS\r\n",
            401,
            Err(401),
        ),
        (
            keyed(Nothing),
            "Authorization: Bearer foreign\r\nAuthorization: Bearer KEY\r\n",
            200,
            Ok(true),
        ),
        (
            strict(keyed(Publish)),
            "Authorization: Bearer KEy\r\n",
            401,
            Err(401),
        ),
        (strict(keyed(Publish)), key, 200, Ok(true)),
        (strict(open()), key, 401, Err(401)),
        (
            strict(open()),
            "Authorization: Basic KEY\r\n",
            200,
            Ok(true),
        ),
        (keyed(Publish), "Authorization: Bearer \r\n", 200, Ok(true)),
        (open(), key, 200, Ok(true)),
        (
            Policy {
                anonymous: Subscribe,
                ..open()
            },
            "",
            403,
            Ok(false),
        ),
        (
            Policy {
                anonymous: Nothing,
                ..open()
            },
            "",
            403,
            Err(403),
        ),
    ] {
        let body = format!("{BODY}{headers}");
        assert_eq!(
            status(&policy, &LOOPBACK, "POST /topics/a", &body),
            post,
            "{policy:?} {headers}"
        );
        let found = websocket(&policy, &LOOPBACK, "", headers).map(|route| match route {
            Route::WebSocket(_, upgrade) => upgrade.may_speak,
            other => panic!("{other:?}"),
        });
        assert_eq!(found, socket, "{policy:?} {headers}");
    }
}

#[test]
fn a_token_in_the_query_is_a_key_too() {
    let policy = keyed(Anonymous::None);
    for (query, headers, expected) in [
        ("?token=KEY", "", 200),
        ("?token=K%45Y", "", 200),
        ("?token=key", "", 401),
        ("?token=", "", 401),
        ("?token=KEY", "Authorization: Bearer KEY\r\n", 200),
        ("?token=KEY", "Authorization: Bearer OTHER\r\n", 200),
        ("?token=OTHER", "Authorization: Bearer KEY\r\n", 200),
        ("?token=OTHER", "Authorization: Bearer OTHER\r\n", 401),
        ("?token=KEY&token=KEY", "", 400),
    ] {
        let line = format!("POST /topics/a{query}");
        let headers = format!("{BODY}{headers}");
        assert_eq!(
            status(&policy, &PUBLIC, &line, &headers),
            expected,
            "{query}"
        );
    }
}

#[test]
fn a_401_says_how_to_authenticate() {
    for headers in ["", "Authorization: Bearer wrong\r\n"] {
        let policy = keyed(Anonymous::None);
        let response = ask(&policy, &PUBLIC, "GET /metrics", headers).expect_err("401");
        assert_eq!(response.status(), 401);
        assert_eq!(response.header_value("WWW-Authenticate"), Some("Bearer"));
    }
}

#[test]
fn the_nodes_pages_ask_for_the_key_off_loopback() {
    let page = "Accept: text/html\r\n";
    let key = "Authorization: Bearer KEY\r\n";
    let subscribe_only = Policy {
        anonymous: Anonymous::Subscribe,
        ..open()
    };
    for (policy, door, line, headers, expected) in [
        (keyed(Anonymous::Publish), LOOPBACK, "GET /", "", 200),
        (keyed(Anonymous::None), LOOPBACK, "GET /metrics", "", 200),
        (keyed(Anonymous::Publish), PUBLIC, "GET /", "", 401),
        (keyed(Anonymous::Publish), PUBLIC, "GET /metrics", "", 401),
        (
            keyed(Anonymous::Publish),
            PUBLIC,
            "GET /topics/a",
            page,
            401,
        ),
        (keyed(Anonymous::None), PUBLIC, "GET /metrics", key, 200),
        (keyed(Anonymous::None), PUBLIC, "GET /?token=KEY", "", 200),
        (keyed(Anonymous::Publish), UNIX, "GET /metrics", "", 401),
        (open(), PUBLIC, "GET /metrics", "", 200),
        (subscribe_only, PUBLIC, "GET /metrics", "", 403),
        (keyed(Anonymous::None), PUBLIC, "GET /healthz", "", 200),
        (keyed(Anonymous::None), PUBLIC, "GET /readyz", "", 200),
        (
            keyed(Anonymous::None),
            PUBLIC,
            "GET /healthz?token=wrong",
            "",
            200,
        ),
    ] {
        assert_eq!(
            status(&policy, &door, line, headers),
            expected,
            "{line} {door:?}"
        );
    }
}

#[test]
fn with_an_admin_address_pages_and_publishing_are_there_only() {
    let page = "Accept: text/html\r\n";
    let policy = Policy {
        admin_elsewhere: true,
        ..keyed(Anonymous::Publish)
    };
    let public = Door {
        loopback: true,
        ..PUBLIC
    };
    for (door, line, headers, expected) in [
        (public, "GET /", "", 404),
        (public, "GET /metrics", "", 404),
        (public, "GET /metrics?token=KEY", "", 404),
        (public, "DELETE /metrics", "", 404),
        (public, "PUT /", BODY, 404),
        (public, "POST /compare", BODY, 404),
        (public, "GET /topics/a", page, 404),
        (public, "POST /topics/a", BODY, 403),
        (public, "POST /topics/a?token=KEY", BODY, 403),
        (public, "GET /healthz", "", 200),
        (public, "GET /readyz", "", 200),
        (public, "OPTIONS /", "", 200),
        (ADMIN, "GET /", "", 200),
        (ADMIN, "GET /metrics", "", 200),
        (ADMIN, "GET /topics/a", page, 200),
        (ADMIN, "POST /topics/a", BODY, 200),
        (ADMIN, "GET /healthz", "", 200),
        (ADMIN, "GET /readyz", "", 200),
    ] {
        assert_eq!(
            status(&policy, &door, line, headers),
            expected,
            "{line} {door:?}"
        );
    }
    for (door, expected) in [(public, false), (ADMIN, true)] {
        let route = websocket(&policy, &door, "", "").expect("may subscribe");
        assert!(matches!(route, Route::WebSocket(_, upgrade) if upgrade.may_speak == expected));
    }
}

#[test]
fn echo_is_there_only_if_asked_for() {
    let policy = Policy {
        echo: true,
        ..open()
    };
    let routed = ask(&policy, &LOOPBACK, "GET /echo", UPGRADE).expect("fine");
    assert!(matches!(routed.route, Route::Echo(_)));
    assert_eq!(status(&policy, &LOOPBACK, "GET /echo", ""), 426);
    assert_eq!(status(&policy, &LOOPBACK, "POST /echo", BODY), 405);
    let evil = format!("{UPGRADE}Origin: http://evil.com\r\n");
    assert_eq!(status(&policy, &LOOPBACK, "GET /echo", &evil), 403);
    assert_eq!(status(&open(), &LOOPBACK, "GET /echo", UPGRADE), 404);
}

mod any_head {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_target_is_an_answer_and_no_panic(target in "[!-~é]{1,40}", door in 0usize..4) {
            let door = [PUBLIC, LOOPBACK, ADMIN, UNIX][door];
            for target in [target.clone(), format!("/topics/{target}"), format!("/?{target}")] {
                let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
                let _ = ask_text(&keyed(Anonymous::Subscribe), &door, &text);
            }
        }

        #[test]
        fn any_origin_is_an_answer_and_only_equal_ones_pass(origin in "[!-~]{1,20}") {
            let text = format!("POST /topics/a HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\n{BODY}\r\n");
            let passed = ask_text(&open(), &PUBLIC, &text).is_ok();
            let same = ["http://h", "https://h", "http://h:80", "https://h:443"];
            prop_assert_eq!(passed, same.contains(&origin.as_str()));
        }
    }
}

#[path = "cors_tests.rs"]
mod cors;
#[path = "reading_tests.rs"]
mod reading;
