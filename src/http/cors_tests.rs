//! OPTIONS, preflights, and what a page of another origin may read.

use super::*;

fn options(text: &str) -> Response {
    match ask_text(&open(), &PUBLIC, text) {
        Ok(RoutedRequest {
            route: Route::Options(response),
            ..
        }) => response,
        Ok(other) => panic!("{other:?}"),
        Err(response) => response,
    }
}

#[test]
fn options_answers_health_checks_and_preflights() {
    let bare = options("OPTIONS / HTTP/1.0\r\n\r\n");
    assert_eq!(
        (bare.status(), bare.header_value("Allow")),
        (200, Some(PAGE_METHODS))
    );
    let star = options("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(
        (star.status(), star.header_value("Allow")),
        (200, Some(TOPIC_METHODS))
    );

    let preflight = |origin: &str| {
        options(&format!(
            "OPTIONS /topics/a HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\n\r\n"
        ))
    };
    let allowed = preflight("https://app.example.com");
    assert_eq!(allowed.status(), 204);
    for (name, value) in [
        ("Access-Control-Allow-Origin", "https://app.example.com"),
        ("Access-Control-Allow-Methods", TOPIC_METHODS),
        (
            "Access-Control-Allow-Headers",
            "Authorization, Content-Type, If-None-Match, Last-Event-ID",
        ),
        (
            "Vary",
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        ),
    ] {
        assert_eq!(allowed.header_value(name), Some(value), "{name}");
    }
    assert_eq!(allowed.header_value(PRIVATE), None);
    for origin in ["https://evil.com", "null"] {
        let refused = preflight(origin);
        assert_eq!(refused.status(), 403);
        assert_eq!(refused.header_value("Access-Control-Allow-Origin"), None);
    }
}

const PRIVATE: &str = "Access-Control-Allow-Private-Network";

#[test]
fn a_preflight_is_granted_what_it_asks_for() {
    let base = "Authorization, Content-Type, If-None-Match, Last-Event-ID";
    let ask = |lines: &str| {
        options(&format!(
            "OPTIONS /topics/a HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example.com\r\n\
             Access-Control-Request-Method: GET\r\n{lines}\r\n"
        ))
    };
    for (asked, more) in [
        ("", ""),
        ("authorization,LAST-EVENT-ID", ""),
        (
            "authorization,cache-control,last-event-id",
            ", cache-control",
        ),
        (
            "traceparent , baggage,, x-requested-with",
            ", traceparent, baggage, x-requested-with",
        ),
        (
            "pragma\r\nAccess-Control-Request-Headers: x-a",
            ", pragma, x-a",
        ),
        ("a b, \"c\", d:e, é, x-a", ", x-a"),
        ("*", ", *"),
    ] {
        let granted = ask(&format!("Access-Control-Request-Headers: {asked}\r\n"));
        let headers = granted.header_value("Access-Control-Allow-Headers");
        assert_eq!(headers, Some(format!("{base}{more}").as_str()), "{asked}");
    }
    let many = (0..1000).map(|n| format!("x{n},")).collect::<String>();
    let granted = ask(&format!("Access-Control-Request-Headers: {many}\r\n"));
    let headers = granted.header_value("Access-Control-Allow-Headers");
    assert_eq!(headers.map(|h| h.split(", ").count()), Some(4 + 64));
    let granted = ask("Access-Control-Request-Private-Network: true\r\n");
    assert_eq!(granted.header_value(PRIVATE), Some("true"));
}

#[test]
fn an_allowed_page_can_read_answers_and_refusals() {
    let origin = "Origin: https://app.example.com\r\n";
    let routed = ask(
        &open(),
        &PUBLIC,
        "POST /topics/a",
        &format!("{BODY}{origin}"),
    )
    .expect("fine");
    let response = routed.dress.apply(Response::text(200, ""));
    let refusal = ask(&open(), &PUBLIC, "GET /topics/a?mode=x", origin).expect_err("400");
    assert_eq!(refusal.status(), 400);
    for response in [response, refusal] {
        let header = |name| response.header_value(name);
        assert_eq!(
            header("Access-Control-Allow-Origin"),
            Some("https://app.example.com")
        );
        assert_eq!(header("Access-Control-Expose-Headers"), Some("ETag"));
    }
    let stranger = ask(
        &open(),
        &PUBLIC,
        "GET /healthz",
        "Origin: https://evil.com\r\n",
    );
    assert_eq!(stranger.expect("fine").dress, Dress::PLAIN);
}
