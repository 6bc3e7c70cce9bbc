//! A request's head: method, target, version, headers.
//!
//! Owns one copy of the head's bytes, with the places of its parts in it, and the questions that
//! only need headers: keep-alive, `Expect`, lists of tokens. Leaves the target's meaning to
//! `crate::http`. A header's value may hold any bytes above 7F, which are opaque (RFC 9110 §5.5):
//! nothing is refused for a value that nobody here reads.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::{HttpError, Version};

/// What a client is told that waits with its body (RFC 9110 §10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request's method; they are case-sensitive (RFC 9110 §9.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// OPTIONS
    Options,
    /// Any other token.
    Other(String),
}

impl Method {
    /// The method of this token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "OPTIONS" => Self::Options,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The token of this method.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Options => "OPTIONS",
            Self::Other(other) => other,
        }
    }
}

/// What a request expects before it sends its body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expectation {
    /// Nothing: the body comes by itself.
    Nothing,
    /// [`CONTINUE`], unless the request is refused at once.
    Continue,
}

/// What a header's value that is not UTF-8 reads as where text is asked for, so that it is there
/// and nothing that any header means.
pub const OPAQUE: &str = "\u{fffd}";

/// A request's head, checked against the grammar of RFC 9112; names and target are UTF-8.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHead {
    bytes: Box<[u8]>,
    method: Method,
    version: Version,
    target: HeadSpan,
    headers: Box<[(HeadSpan, HeadSpan)]>,
}

/// A range of the head's bytes. Invariant: `start <= end <= bytes.len()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct HeadSpan {
    start: u32,
    end: u32,
}

impl RequestHead {
    /// Takes over what the parser found: target and headers are slices of `bytes`.
    pub(super) fn from_parts(
        bytes: &[u8],
        (method, target, version): (&str, &str, Version),
        headers: &[httparse::Header<'_>],
    ) -> Result<Self, HttpError> {
        let spans = headers
            .iter()
            .map(|h| {
                let name = HeadSpan::of(bytes, h.name.as_bytes())?;
                Some((name, HeadSpan::of_value(bytes, h.value)?))
            })
            .collect::<Option<Box<[_]>>>();
        let (Some(target), Some(headers)) = (HeadSpan::of(bytes, target.as_bytes()), spans) else {
            return Err(super::error::malformed("the request head is too long"));
        };
        Ok(Self {
            bytes: bytes.into(),
            method: Method::of(method),
            version,
            target,
            headers,
        })
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The request's version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The request target as it was sent. It may hold a token: log [`Self::loggable_target`].
    #[must_use]
    pub fn target(&self) -> &str {
        text(self.slice(self.target))
    }

    /// The value of the first header of this name, whatever its letter case; [`OPAQUE`] where it
    /// is not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    /// The values of all headers of this name, in their order; [`OPAQUE`] for one that is not
    /// UTF-8.
    pub fn headers<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.values(name).map(text)
    }

    /// The values of all headers of this name as they came, in their order.
    pub fn values<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.headers
            .iter()
            .filter(move |(n, _)| self.slice(*n).eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| self.slice(*value))
    }

    /// The names of all headers, in their order, as they were written: tokens.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.headers.iter().map(|(name, _)| self.slice(*name))
    }

    /// How many headers of this name there are.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.values(name).count()
    }

    /// How many headers there are of any name.
    #[must_use]
    pub fn headers_len(&self) -> usize {
        self.headers.len()
    }

    /// The members of a comma-separated list over all headers of this name (RFC 9110 §5.6.1),
    /// without blanks around them; empty members are left out, and one that is not UTF-8 is
    /// [`OPAQUE`] and leaves the others readable.
    pub fn list<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|member| text(without_blanks(member)))
            .filter(|member| !member.is_empty())
    }

    /// Whether the list of this name has this token, whatever its letter case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name)
            .any(|member| member.eq_ignore_ascii_case(token))
    }

    /// Whether the connection stays open behind this request (RFC 9112 §9.3).
    #[must_use]
    pub fn wants_keep_alive(&self) -> bool {
        let keep = match self.version {
            Version::Http11 => true,
            Version::Http10 => self.has_token("Connection", "keep-alive"),
        };
        keep && !self.has_token("Connection", "close")
    }

    /// What the client waits for before it sends its body.
    ///
    /// # Errors
    /// 417 for anything but `100-continue` (RFC 9110 §10.1.1). If there is a body the connection
    /// must close then, since the body may come or not.
    pub fn expectation(&self) -> Result<Expectation, HttpError> {
        let mut expectation = Expectation::Nothing;
        for member in self.list("Expect") {
            if !member.eq_ignore_ascii_case("100-continue") {
                let message = "only 'Expect: 100-continue' is understood: leave the header out";
                return Err(HttpError::new(417, "expectation_failed", message));
            }
            expectation = Expectation::Continue;
        }
        // A server must ignore it in an HTTP/1.0 request.
        if self.version == Version::Http10 {
            expectation = Expectation::Nothing;
        }
        Ok(expectation)
    }

    /// The target with every secret in it replaced, for logs: the value of `token`, and whatever
    /// stands before an `@` in the authority of an absolute target.
    #[must_use]
    pub fn loggable_target(&self) -> Cow<'_, str> {
        // What stands behind a '#' is nothing that a client should send, so nothing to log.
        let target = self.target().split('#').next().unwrap_or_default();
        let (before, query) = match target.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (target, None),
        };
        let before = without_user(before);
        match query {
            Some(query) => Cow::Owned(format!("{before}?{}", without_token(query))),
            None => before,
        }
    }

    fn slice(&self, span: HeadSpan) -> &[u8] {
        &self.bytes[span.start as usize..span.end as usize]
    }
}

impl std::fmt::Debug for RequestHead {
    /// Names of headers only: their values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.headers.iter().map(|(n, _)| text(self.slice(*n)));
        let names: Vec<_> = names.collect();
        f.debug_struct("RequestHead")
            .field("method", &self.method)
            .field("target", &self.loggable_target())
            .field("version", &self.version)
            .field("headers", &names)
            .finish()
    }
}

impl HeadSpan {
    /// Where `part`, a slice of `bytes`, lies in it.
    fn of(bytes: &[u8], part: &[u8]) -> Option<Self> {
        let start = (part.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
        let range: Range<usize> = start..start.checked_add(part.len())?;
        bytes.get(range.clone())?;
        Some(Self {
            start: u32::try_from(range.start).ok()?,
            end: u32::try_from(range.end).ok()?,
        })
    }

    /// The same for a header's value, without the blanks around it.
    fn of_value(bytes: &[u8], value: &[u8]) -> Option<Self> {
        // An empty value may point anywhere, as nothing of the head is in it.
        match without_blanks(value) {
            [] => Some(Self { start: 0, end: 0 }),
            value => Self::of(bytes, value),
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or(OPAQUE)
}

/// RFC 9110 §5.6.3: blanks are spaces and tabs, and nothing else.
fn without_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `http://user:secret@host/…` without what stands before the `@`.
fn without_user(target: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = target.split_once("://") else {
        return Cow::Borrowed(target);
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    match authority.rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}://***{}", &rest[at..])),
        None => Cow::Borrowed(target),
    }
}

/// The query with the values of `token` replaced, also where its name is written in escapes.
fn without_token(query: &str) -> String {
    let mut out = String::with_capacity(query.len());
    for (i, pair) in query.split('&').enumerate() {
        if i > 0 {
            out.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                out.push_str(name);
                out.push_str("=***");
            }
            _ => out.push_str(pair),
        }
    }
    out
}

/// Any letter case and any name that does not decode count too: rather a pair too many in hiding
/// than a token in a log.
fn is_secret(name: &str) -> bool {
    match percent_decode_str(name).decode_utf8() {
        Ok(name) => name.eq_ignore_ascii_case("token") || name.contains(['%', '\u{0}']),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parser::tests::{head, head_of};
    use super::*;

    #[test]
    fn headers_are_found_whatever_their_letter_case() {
        let head = head("GET / HTTP/1.1\r\nhOST: a \t\r\nX: 1\r\nx:2\r\nE:\r\n\r\n");
        assert_eq!(head.header("Host"), Some("a"));
        assert_eq!(head.headers("X").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((head.count("X"), head.count("Y")), (2, 0));
        assert_eq!(head.header("E"), Some(""));
        assert_eq!(head.headers_len(), 4);
    }

    #[test]
    fn bytes_that_are_no_text_are_opaque_and_counted() {
        let head = head_of(
            b"GET /\xc3\xa9 HTTP/1.1\r\nX-City: M\xfcnchen\r\nX-City: \xc3\xa9\r\n\
              Connection: \xff, Upgrade,\t\xfe\r\n\r\n",
        );
        assert_eq!(head.target(), "/\u{e9}");
        let values: Vec<_> = head.values("x-city").collect();
        assert_eq!(values, [&b"M\xfcnchen"[..], b"\xc3\xa9"]);
        let texts: Vec<_> = head.headers("X-City").collect();
        assert_eq!((texts, head.count("X-City")), (vec![OPAQUE, "\u{e9}"], 2));
        let members: Vec<_> = head.list("Connection").collect();
        assert_eq!(members, [OPAQUE, "Upgrade", OPAQUE]);
        assert!(head.has_token("Connection", "upgrade"));
    }

    #[test]
    fn lists_are_read_over_several_headers() {
        let head = head("GET / HTTP/1.1\r\nConnection: a,\tUpgrade\r\nConnection: ,,b\r\n\r\n");
        assert_eq!(
            head.list("connection").collect::<Vec<_>>(),
            ["a", "Upgrade", "b"]
        );
        assert!(head.has_token("Connection", "upgrade"));
        assert!(!head.has_token("Connection", "upgrad"));
    }

    #[test]
    fn keep_alive_follows_version_and_connection() {
        for (version, connection, expected) in [
            ("1.1", "", true),
            ("1.1", "Connection: keep-alive\r\n", true),
            ("1.1", "Connection: foo, CLOSE\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let head = head(&format!("GET / HTTP/{version}\r\n{connection}\r\n"));
            assert_eq!(head.wants_keep_alive(), expected, "{version} {connection}");
        }
    }

    #[test]
    fn expectations() {
        for (text, expected) in [
            ("POST / HTTP/1.1\r\n\r\n", Ok(Expectation::Nothing)),
            (
                "POST / HTTP/1.1\r\nExpect: 100-Continue\r\n\r\n",
                Ok(Expectation::Continue),
            ),
            (
                "POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n",
                Ok(Expectation::Nothing),
            ),
            ("POST / HTTP/1.1\r\nExpect: coffee\r\n\r\n", Err(417)),
            (
                "POST / HTTP/1.1\r\nExpect: 100-continue, x\r\n\r\n",
                Err(417),
            ),
        ] {
            let found = head(text).expectation().map_err(|e| e.status());
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_token_never_shows_in_what_is_logged() {
        for (target, expected) in [
            ("/a", "/a"),
            ("/a?b=c", "/a?b=c"),
            ("/a?token=S", "/a?token=***"),
            (
                "/a?x=1&token=S&y=2&token=S",
                "/a?x=1&token=***&y=2&token=***",
            ),
            ("/a?%74oken=S", "/a?%74oken=***"),
            ("/a?TOKEN=S=S", "/a?TOKEN=***"),
            ("/a?%ff=S", "/a?%ff=***"),
            ("/a?to%ken=S", "/a?to%ken=***"),
            ("/a?token", "/a?token"),
            ("http://u:S@h/a?token=S", "http://***@h/a?token=***"),
            ("http://u:S@S@h", "http://***@h"),
            ("/a?x=1#token=S", "/a?x=1"),
        ] {
            let head = head(&format!("GET {target} HTTP/1.1\r\n\r\n"));
            assert_eq!(head.loggable_target(), expected);
            assert!(!format!("{head:?}").contains('S'), "{head:?}");
        }
    }
}
