//! Which pages may use the node: the rules of Origin and Host, and CORS answers.
//!
//! A browser lets any page open a WebSocket to anywhere and tells us only the page's origin, so
//! this check is what stands between a stranger's page and a user's node. A program that is no
//! browser sends no Origin and passes; keys are for those.

use super::authority::Authority;
use super::origin::{AllowedOrigin, RequestOrigin};
use super::{Door, Policy, bad_request};
use crate::config::{Anonymous, is_word};
use crate::wire::http::{HttpError, RequestHead, Response};

/// Lets the page of an allowed origin read an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cors {
    origin: String,
}

impl Cors {
    /// The answer with the headers that its page needs; the same answer if it has them already.
    #[must_use]
    pub fn apply(&self, response: Response) -> Response {
        if response.header_value(ALLOW_ORIGIN).is_some() {
            return response;
        }
        response
            .header(ALLOW_ORIGIN, &self.origin)
            .header("Access-Control-Expose-Headers", "ETag")
            .vary("Origin")
    }

    /// The answer to a preflight for a path with these methods. Its page may send what it asks
    /// for: readers of event streams send `Cache-Control`, tracing its own headers, and what the
    /// node does not read does nothing here.
    pub(super) fn preflight(&self, head: &RequestHead, methods: &str) -> Response {
        let response = Response::empty(204)
            .header("Access-Control-Allow-Methods", methods)
            .header("Access-Control-Allow-Headers", &allowed_headers(head))
            .header("Access-Control-Max-Age", "600");
        let response = [REQUEST_METHOD, REQUEST_HEADERS]
            .iter()
            .fold(self.apply(response), |response, name| response.vary(name));
        // A public page that asks for a private address is told apart by Chromium.
        if head.has_token(REQUEST_PRIVATE_NETWORK, "true") {
            return response
                .header("Access-Control-Allow-Private-Network", "true")
                .vary(REQUEST_PRIVATE_NETWORK);
        }
        response
    }

    /// For the origin of this request, if it has one that is allowed.
    pub(super) fn of(
        head: &RequestHead,
        host: Option<&Authority>,
        policy: &Policy,
        door: &Door,
    ) -> Option<Self> {
        let origin = single_origin(head).ok()??;
        is_allowed(origin, host, policy, door).then(|| Self {
            origin: origin.to_owned(),
        })
    }
}

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
/// The method of the request behind a preflight.
pub(super) const REQUEST_METHOD: &str = "Access-Control-Request-Method";
const REQUEST_HEADERS: &str = "Access-Control-Request-Headers";
const REQUEST_PRIVATE_NETWORK: &str = "Access-Control-Request-Private-Network";

/// What the node itself reads and a page may not send unasked.
const READ_HEADERS: &str = "Authorization, Content-Type, If-None-Match, Last-Event-ID";
/// The most further headers that a preflight is granted.
const GRANTED_HEADERS_MAX: usize = 64;

/// What the node reads, and what the page asks for besides; what is no name is left out.
fn allowed_headers(head: &RequestHead) -> String {
    let is_read = |name: &str| {
        let mut read = READ_HEADERS.split(", ");
        read.any(|read| read.eq_ignore_ascii_case(name))
    };
    let more = head
        .list(REQUEST_HEADERS)
        .filter(|name| is_word(name) && !is_read(name))
        .take(GRANTED_HEADERS_MAX);
    more.fold(READ_HEADERS.to_owned(), |all, name| all + ", " + name)
}

/// Refuses what a stranger's page could have sent: for upgrades, POSTs and event streams.
///
/// # Errors
/// 403 for an origin that is not allowed, and as [`check_host`].
pub(super) fn check(
    head: &RequestHead,
    host: Option<&Authority>,
    policy: &Policy,
    door: &Door,
) -> Result<(), HttpError> {
    check_host(host, policy, door)?;
    match single_origin(head)? {
        None => Ok(()),
        Some(origin) if is_allowed(origin, host, policy, door) => Ok(()),
        Some(_) => {
            let message = "pages of this Origin may not use this node: start it with \
                           --allow-origin and exactly that origin";
            Err(HttpError::new(403, "origin_not_allowed", message))
        }
    }
}

/// Refuses requests to a name that an open loopback node was not started for.
///
/// # Errors
/// 403 for a strange `Host`, which is how a page whose name was bound anew to 127.0.0.1 looks (DNS
/// rebinding).
pub(super) fn check_host(
    host: Option<&Authority>,
    policy: &Policy,
    door: &Door,
) -> Result<(), HttpError> {
    if !is_open(policy) || !door.loopback || is_known(host, policy) {
        return Ok(());
    }
    let message = "this node answers to localhost only: use http://127.0.0.1 or http://localhost, \
                   or start it with --allow-origin for this host";
    Err(HttpError::new(403, "host_not_allowed", message))
}

/// Whether strangers may do anything here, so that their browsers could be used for it.
fn is_open(policy: &Policy) -> bool {
    policy.anonymous != Anonymous::None
}

/// Whether a `Host` is one that the node was started for; only HTTP/1.0 has none, and no browser
/// speaks it.
pub(super) fn is_known(host: Option<&Authority>, policy: &Policy) -> bool {
    let Some(host) = host else { return true };
    let configured = |allowed: &AllowedOrigin| {
        let origin = RequestOrigin::parse(allowed.as_str());
        origin.is_some_and(|o| o.authority.is_same_host(host, o.default_port()))
    };
    host.is_loopback() || policy.allow_origins.iter().any(configured)
}

fn single_origin(head: &RequestHead) -> Result<Option<&str>, HttpError> {
    let mut origins = head.headers("Origin");
    match (origins.next(), origins.next()) {
        (origin, None) => Ok(origin),
        _ => Err(bad_request("there are several Origin headers")),
    }
}

fn is_allowed(origin: &str, host: Option<&Authority>, policy: &Policy, door: &Door) -> bool {
    if policy.allow_origins.iter().any(|o| o.as_str() == origin) {
        return true;
    }
    let Some(origin) = RequestOrigin::parse(origin).filter(RequestOrigin::is_web) else {
        return false;
    };
    let local = is_open(policy) && (door.loopback || door.unix);
    host.is_some_and(|host| origin.is_at(host)) || local && origin.authority.is_loopback()
}

#[cfg(test)]
mod tests {
    use super::super::target;
    use super::*;
    use crate::config::ForeignTokens;
    use crate::http::AllowedOriginError;
    use crate::wire::http::tests::head;

    fn policy(anonymous: Anonymous, allow: &[&str]) -> Policy {
        Policy {
            publish_key: None,
            anonymous,
            foreign_tokens: ForeignTokens::Ignore,
            subprotocols: Vec::new(),
            allow_origins: allow
                .iter()
                .map(|o| o.parse().expect("an origin"))
                .collect(),
            echo: false,
            admin_elsewhere: false,
        }
    }

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
    const UNIX: Door = Door {
        unix: true,
        ..PUBLIC
    };

    /// The status that a request of this origin to this host gets: 200 or a refusal.
    fn check_origin(policy: &Policy, door: &Door, host: &str, origin: Option<&str>) -> u16 {
        let origin = origin
            .map(|o| format!("Origin: {o}\r\n"))
            .unwrap_or_default();
        let head = head(&format!("POST / HTTP/1.1\r\nHost: {host}\r\n{origin}\r\n"));
        let target = target::Target::parse("/").expect("a path");
        let host = target::host(&head, &target).expect("a host");
        let cors = Cors::of(&head, host.as_ref(), policy, door);
        let status =
            check(&head, host.as_ref(), policy, door).map_or_else(|e| e.status(), |()| 200);
        if status == 200 {
            assert_eq!(cors.is_some(), !origin.is_empty());
        }
        status
    }

    #[test]
    fn the_same_origin_is_host_and_port_whatever_the_scheme() {
        let policy = policy(Anonymous::Subscribe, &[]);
        for (host, origin, status) in [
            ("h:8000", "http://h:8000", 200),
            ("h:8000", "https://h:8000", 200),
            ("H:8000", "http://h:8000", 200),
            ("h", "http://h", 200),
            ("h", "https://h", 200),
            ("h:80", "http://h", 200),
            ("h:443", "https://h", 200),
            ("h", "http://h:80", 200),
            ("[2001:db8::1]:8000", "http://[2001:db8::1]:8000", 200),
            ("h:443", "http://h", 403),
            ("h:80", "https://h", 403),
            ("h:8000", "http://h:8001", 403),
            ("h:8000", "http://h", 403),
            ("h", "http://h:8000", 403),
            ("h", "http://h.evil.com", 403),
            ("h", "http://evilh", 403),
            ("h", "http://evil.com/h", 403),
            ("h", "http://h/", 403),
            ("h", "http://h@evil.com", 403),
            ("h", "http://evil.com#h", 403),
            ("h", "HTTP://h", 403),
            ("h", "http://H", 403),
            ("h", "ftp://h", 403),
            ("h", "h", 403),
            ("h", "//h", 403),
            ("h", "null", 403),
            ("h", "", 403),
            ("h", "http://h:", 403),
            ("h", "http://h http://h", 403),
            ("", "http://", 403),
            ("h", "http://localhost", 403),
        ] {
            assert_eq!(
                check_origin(&policy, &PUBLIC, host, Some(origin)),
                status,
                "{host} {origin}"
            );
        }
        assert_eq!(check_origin(&policy, &PUBLIC, "h", None), 200);
    }

    #[test]
    fn other_origins_are_compared_letter_by_letter() {
        let policy = policy(
            Anonymous::Subscribe,
            &["https://app.example.com", "http://x:3000", "app://desk"],
        );
        for (origin, status) in [
            ("https://app.example.com", 200),
            ("http://x:3000", 200),
            ("app://desk", 200),
            ("http://app.example.com", 403),
            ("https://app.example.com:443", 403),
            ("https://app.example.com:8443", 403),
            ("https://app.example.com.evil.com", 403),
            ("https://evil-app.example.com", 403),
            ("https://sub.app.example.com", 403),
            ("https://App.example.com", 403),
            ("https://app.example.com/", 403),
            ("https://app.example.co", 403),
            ("http://x", 403),
            ("null", 403),
        ] {
            assert_eq!(
                check_origin(&policy, &PUBLIC, "node:8000", Some(origin)),
                status,
                "{origin}"
            );
        }
    }

    #[test]
    fn an_open_loopback_node_takes_loopback_pages_and_refuses_strange_hosts() {
        let open = policy(Anonymous::Publish, &["https://app.example.com"]);
        for (host, origin, status) in [
            ("localhost:8000", Some("http://localhost:3000"), 200),
            ("127.0.0.1:8000", Some("http://localhost:5173"), 200),
            ("127.0.0.1:8000", Some("https://127.9.9.9"), 200),
            ("[::1]:8000", Some("http://[::1]:1"), 200),
            ("127.0.0.1:8000", None, 200),
            ("app.example.com", Some("https://app.example.com"), 200),
            ("App.example.com.", None, 200),
            ("127.0.0.1:8000", Some("https://app.example.com"), 200),
            ("localhost.:8000", Some("http://localhost.:3000"), 200),
            ("a.localhost:8000", Some("https://b.localhost"), 200),
            (
                "[::ffff:127.0.0.1]:8000",
                Some("http://[::ffff:7f00:1]"),
                200,
            ),
            ("localhost.evil.com.", None, 403),
            ("127.0.0.1", Some("http://localhost..:3000"), 403),
            ("evil.com:8000", Some("http://evil.com:8000"), 403),
            ("evil.com:8000", None, 403),
            ("", None, 403),
            ("127.0.0.1.evil.com", None, 403),
            ("app.example.com:8000", None, 403),
            ("127.0.0.1:8000", Some("http://evil.com"), 403),
            ("127.0.0.1:8000", Some("http://localhost.evil.com"), 403),
            ("127.0.0.1:8000", Some("null"), 403),
        ] {
            assert_eq!(
                check_origin(&open, &LOOPBACK, host, origin),
                status,
                "{host} {origin:?}"
            );
        }
    }

    #[test]
    fn a_closed_loopback_node_takes_its_own_pages_only() {
        let closed = policy(Anonymous::None, &[]);
        for (host, origin, status) in [
            ("127.0.0.1:8000", "http://127.0.0.1:8000", 200),
            ("proxied.example.com", "https://proxied.example.com", 200),
            ("127.0.0.1:8000", "http://localhost:3000", 403),
        ] {
            assert_eq!(
                check_origin(&closed, &LOOPBACK, host, Some(origin)),
                status,
                "{host}"
            );
        }
    }

    #[test]
    fn a_unix_socket_takes_loopback_pages_and_any_host() {
        let open = policy(Anonymous::Subscribe, &[]);
        for (host, origin, status) in [
            ("app.example.com", Some("https://app.example.com"), 200),
            ("app.example.com", Some("http://localhost:3000"), 200),
            ("app.example.com", None, 200),
            ("app.example.com", Some("https://evil.com"), 403),
        ] {
            assert_eq!(
                check_origin(&open, &UNIX, host, origin),
                status,
                "{host} {origin:?}"
            );
        }
    }

    #[test]
    fn several_origins_are_no_origin() {
        let head = head("POST / HTTP/1.1\r\nOrigin: http://h\r\nOrigin: http://h\r\n\r\n");
        let error = check(&head, None, &policy(Anonymous::Publish, &[]), &PUBLIC);
        assert_eq!(error.map_err(|e| e.status()), Err(400));
    }

    #[test]
    fn what_is_configured_must_be_what_a_browser_sends() {
        for text in [
            "https://a.b",
            "http://localhost:3000",
            "http://[::1]:1",
            "app://x",
        ] {
            assert!(text.parse::<AllowedOrigin>().is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "null",
            "a.b",
            "https://",
            "https://a/",
            "https://A",
            "Https://a",
            "https://*.a",
            "https://a/b",
            "https://a:x",
        ] {
            assert_eq!(
                text.parse::<AllowedOrigin>(),
                Err(AllowedOriginError),
                "{text}"
            );
        }
    }
}
