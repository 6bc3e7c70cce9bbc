//! A request's target and its `Host` (RFC 9112 §3.2).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::authority::Authority;
use super::bad_request;
use crate::base::TopicName;
use crate::wire::http::{HttpError, RequestHead, Version};

/// The parts of a request target, still percent-encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Target<'a> {
    /// The authority of an absolute target.
    pub(super) authority: Option<&'a str>,
    /// `*`, or a path that begins with a slash.
    pub(super) path: &'a str,
    /// What stands behind the question mark.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Takes a target apart: a path, `*` alone, or an absolute URL of http or ws.
    pub(super) fn parse(target: &'a str) -> Result<Self, HttpError> {
        if target.contains('#') {
            return Err(bad_request("a request target has no '#': write it as %23"));
        }
        let (before, query) = match target.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (target, None),
        };
        let (authority, path) = if before.starts_with('/') || target == "*" {
            (None, before)
        } else {
            absolute(before).ok_or_else(|| bad_request("the request target is not a path"))?
        };
        Ok(Self {
            authority,
            path,
            query,
        })
    }
}

/// Authority and path of an absolute target; the path of `http://host` is `/`.
fn absolute(target: &str) -> Option<(Option<&str>, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    // Some clients and proxies write the URL of a WebSocket as they were given it: RFC 6455 §3
    // names the same resource by either.
    let schemes = ["http", "https", "ws", "wss"];
    if !schemes.iter().any(|ours| scheme.eq_ignore_ascii_case(ours)) {
        return None;
    }
    let path_start = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_start);
    Some((Some(authority), if path.is_empty() { "/" } else { path }))
}

/// The host that the request is for; `None` only in HTTP/1.0.
///
/// # Errors
/// 400 for no `Host` in HTTP/1.1, for several, and for what is none (RFC 9112 §3.2). An absolute
/// target's authority counts instead of the header, but the header must still be right.
pub(super) fn host(
    head: &RequestHead,
    target: &Target<'_>,
) -> Result<Option<Authority>, HttpError> {
    let mut hosts = head.headers("Host");
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(
            Authority::parse(host).ok_or_else(|| bad_request("the Host header is no host:port"))?,
        ),
        (None, _) if head.version() == Version::Http10 => None,
        (None, _) => return Err(bad_request("the Host header is missing")),
        _ => return Err(bad_request("there are several Host headers")),
    };
    match target.authority {
        None => Ok(host),
        Some(authority) => match Authority::parse(authority) {
            Some(authority) if !authority.is_empty() => Ok(Some(authority)),
            _ => Err(bad_request("the request target has no host:port")),
        },
    }
}

/// The topic whose percent-encoded name stands behind `/topics/`.
pub(super) fn topic_name(encoded: &str) -> Result<TopicName, HttpError> {
    let name = decode(encoded).ok_or_else(|| {
        bad_request("the topic's name is not percent-encoded UTF-8: write '%' as %25")
    })?;
    TopicName::new(&name).map_err(|e| bad_request(e.to_string()))
}

/// Percent-decodes strictly: each `%` has two hexadecimal digits, and the result is UTF-8. A `+`
/// is a plus.
pub(super) fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    let mut pieces = encoded.split('%');
    pieces.next();
    let escapes_are_whole = pieces.all(|piece| {
        let digits = piece.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !escapes_are_whole {
        return None;
    }
    percent_decode_str(encoded).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart() {
        for (text, authority, path, query) in [
            ("/", None, "/", None),
            ("*", None, "*", None),
            ("/a/b?c=d?e", None, "/a/b", Some("c=d?e")),
            ("/a?", None, "/a", Some("")),
            ("http://h:1/a?b", Some("h:1"), "/a", Some("b")),
            ("HTTPS://h", Some("h"), "/", None),
            ("http://h?q=/", Some("h"), "/", Some("q=/")),
            ("ws://h:1/topics/a?b", Some("h:1"), "/topics/a", Some("b")),
            ("WSS://h/%61", Some("h"), "/%61", None),
            ("http://h//a", Some("h"), "//a", None),
            ("/http://h", None, "/http://h", None),
        ] {
            let target = Target::parse(text).expect(text);
            assert_eq!(
                (target.authority, target.path, target.query),
                (authority, path, query)
            );
        }
        for text in [
            "a",
            "host:80",
            "ftp://h/a",
            "/a#b",
            "**",
            "?a",
            "*?a",
            "*/",
            "wsx://h/",
            "://h/",
            "http:/h/",
            "http:h",
            "",
        ] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_decoded_strictly_and_once() {
        for (text, expected) in [
            ("a", "a"),
            ("sport/scores", "sport/scores"),
            ("sport%2fscores", "sport/scores"),
            ("%C3%A9", "é"),
            ("é", "é"),
            ("a+b", "a+b"),
            ("%2541", "%41"),
        ] {
            assert_eq!(topic_name(text).expect(text).as_str(), expected);
        }
        for text in [
            "", "%", "a%2", "%zz", "%+1", "%é", "%ff", "%C3", "%00", "a%0a", "..", "%2e%2e/a",
            "a//b", "a%2F", "/a", "a/%2E/b",
        ] {
            assert_eq!(topic_name(text).map_err(|e| e.status()), Err(400), "{text}");
        }
    }
}
