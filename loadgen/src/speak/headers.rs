//! The headers that a user adds to every request: `--header`, `--origin` and `--token`.
//!
//! One that the generator sends itself is either replaced by the user's or refused before the
//! run: a request never carries both, since servers answer that with 400 (RFC 9112 §3.2 of
//! `Host`) or take the one that was not meant.

use serde::{Deserialize, Serialize};

use crate::base::failure::Failure;
use crate::speak::target::Target;

/// What a request's framing or the switch to a WebSocket hangs on, and why it is not a user's.
const REFUSED: &[(&str, &str)] = &[
    (
        "connection",
        "whether a connection is kept is --no-keep-alive",
    ),
    ("content-length", "it follows from --size"),
    ("expect", "a body is sent at once, nobody waits for 100"),
    (
        "keep-alive",
        "whether a connection is kept is --no-keep-alive",
    ),
    (
        "proxy-connection",
        "whether a connection is kept is --no-keep-alive",
    ),
    ("sec-websocket-accept", "it is the server's answer"),
    (
        "sec-websocket-extensions",
        "loadgen reads no extensions of WebSockets",
    ),
    ("sec-websocket-key", "each connection draws its own"),
    (
        "sec-websocket-version",
        "it is 13, the only one that there is",
    ),
    ("te", "trailers are read away"),
    ("trailer", "bodies have a length, and nothing behind it"),
    (
        "transfer-encoding",
        "bodies have a length: it follows from --size",
    ),
    ("upgrade", "which protocol is spoken is --transports"),
];

/// What stands in a request once at most (RFC 9110 §5.3: a field that is no list).
const ONCE: &[&str] = &[
    "authorization",
    "content-encoding",
    "content-type",
    "host",
    "if-modified-since",
    "last-event-id",
    "origin",
    "referer",
    "user-agent",
];

/// What a client that polls says of itself, from the last answer.
const CONDITIONS: &[&str] = &["if-none-match", "if-modified-since"];

/// The headers of a run, checked: legal, and none twice that may stand there once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Headers {
    /// The `Host` that replaces the target's own.
    host: Option<String>,
    /// All others, in their order.
    others: Vec<(String, String)>,
}

impl Headers {
    /// Reads `Name: value`, and the headers behind `--origin` and `--token`.
    ///
    /// # Errors
    /// When one is no header, is not for a user to say, or stands there twice.
    pub fn new(
        lines: &[String],
        origin: Option<&str>,
        token: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut headers = Self::default();
        for line in lines {
            let (name, value) = split(line)?;
            headers.add(name, value, line)?;
        }
        if let Some(origin) = origin {
            headers.add("Origin", legal_value("--origin", origin)?, "--origin")?;
        }
        if let Some(token) = token {
            let token = legal_value("--token", token)?;
            headers.add("Authorization", &format!("Bearer {token}"), "--token")?;
        }
        Ok(headers)
    }

    /// The `Host` of requests to a server: the user's at the target, its own at any other.
    #[must_use]
    pub fn host<'a>(&'a self, target: &'a Target, of: &'a Target) -> &'a str {
        let is_target = target.authority == of.authority;
        let own = self.host.as_deref().filter(|_| is_target);
        own.unwrap_or(&of.host_header)
    }

    /// All but `Host`, in their order.
    #[must_use]
    pub fn others(&self) -> &[(String, String)] {
        &self.others
    }

    /// Whether one of this name stands in the place of the generator's own.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        let mut names = self.others.iter().map(|(name, _)| name);
        names.any(|it| it.eq_ignore_ascii_case(name))
    }

    /// The first one that clients who poll say themselves.
    #[must_use]
    pub fn condition(&self) -> Option<&'static str> {
        CONDITIONS.iter().find(|name| self.has(name)).copied()
    }

    /// Appends all but `Host`.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.others {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }

    fn add(&mut self, name: &str, value: &str, said: &str) -> Result<(), Failure> {
        let known = name.to_ascii_lowercase();
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == known) {
            return Err(Failure::usage(format!(
                "--header '{said}': loadgen says {name} itself, leave it out: {why}"
            )));
        }
        let is_there = self.has(name) || (known == "host" && self.host.is_some());
        if is_there && ONCE.contains(&known.as_str()) {
            return Err(Failure::usage(format!(
                "{name} is there twice, by --header, --origin or --token: a request has it once"
            )));
        }
        match known.as_str() {
            "host" if value.is_empty() => {
                return Err(Failure::usage("--header Host: it needs a value"));
            }
            "host" => self.host = Some(value.to_owned()),
            // RFC 6265 §5.4: all cookies of a request stand in one header.
            "cookie" if is_there => self.join_cookie(value),
            _ => self.others.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    fn join_cookie(&mut self, value: &str) {
        let is_it = |(name, _): &&mut (String, String)| name.eq_ignore_ascii_case("cookie");
        if let Some((_, cookies)) = self.others.iter_mut().find(is_it) {
            cookies.push_str("; ");
            cookies.push_str(value);
        }
    }
}

/// RFC 9112 §5: a name is a token, and a colon follows at once.
fn split(line: &str) -> Result<(&str, &str), Failure> {
    let wrong = |why: &str| Failure::usage(format!("--header '{}': {why}", line.escape_debug()));
    let (name, value) = line
        .split_once(':')
        .ok_or_else(|| wrong("use 'Name: value'"))?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(wrong(
            "use 'Name: value', where a name has letters, digits and -, and no spaces",
        ));
    }
    let value = value.trim_matches([' ', '\t']);
    if !is_legal(value) {
        return Err(wrong("a value is one line, without control characters"));
    }
    Ok((name, value))
}

fn legal_value<'a>(option: &str, value: &'a str) -> Result<&'a str, Failure> {
    let value = value.trim_matches([' ', '\t']);
    if value.is_empty() || !is_legal(value) {
        return Err(Failure::usage(format!(
            "{option}: it is one line, without control characters, and not empty"
        )));
    }
    Ok(value)
}

/// RFC 9110 §5.5: no control character but the tabulator.
fn is_legal(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || !b.is_ascii_control())
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> Result<Headers, String> {
        let lines: Vec<_> = lines.iter().map(|it| (*it).to_owned()).collect();
        Headers::new(&lines, Some("http://o"), None).map_err(|failure| failure.message)
    }

    fn written(headers: &Headers) -> String {
        let mut out = Vec::new();
        headers.write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_host_replaces_the_targets_own_and_no_other_servers() {
        let headers = headers(&["hOsT: v.example"]).expect("headers");
        let target = Target::parse("ws://127.0.0.1:9").expect("a target");
        let other = Target::parse("ws://127.0.0.1:8").expect("a target");
        assert_eq!(headers.host(&target, &target), "v.example");
        assert_eq!(headers.host(&target, &other), "127.0.0.1:8");
        assert_eq!(written(&headers), "Origin: http://o\r\n");
    }

    #[test]
    fn what_frames_a_request_is_refused_whatever_its_letters() {
        for (name, _) in REFUSED {
            for name in [name.to_string(), name.to_uppercase()] {
                let why = headers(&[&format!("{name}: x")]).expect_err(&name);
                assert!(why.contains("leave it out"), "{why}");
            }
        }
    }

    #[test]
    fn a_header_may_stand_there_twice_where_that_is_legal() {
        let both = headers(&["X: 1", "x: 2", "Accept: a/b", "accept: c/d"]).expect("headers");
        let lines = "X: 1\r\nx: 2\r\nAccept: a/b\r\naccept: c/d\r\nOrigin: http://o\r\n";
        assert_eq!(written(&both), lines);
        let cookies = headers(&["Cookie: a=1", "cookie: b=2"]).expect("headers");
        assert!(written(&cookies).starts_with("Cookie: a=1; b=2\r\n"));
        for name in ONCE {
            let lines = [format!("{name}: 1"), format!("{}: 2", name.to_uppercase())];
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let why = headers(&lines).expect_err(name);
            assert!(why.contains("twice"), "{why}");
        }
        let why = headers(&["origin: http://p"]).expect_err("--origin is there");
        assert!(why.contains("twice"), "{why}");
    }

    #[test]
    fn what_is_no_header_says_what_is() {
        for line in [
            "nonsense", "", ":", ": value", " X: y", "X : y", "X Y: z", "é: x", "X\t: y", "(X): y",
        ] {
            let why = headers(&[line]).expect_err(line);
            assert!(why.contains("Name: value"), "{line}: {why}");
        }
        for value in ["a\r\nb", "a\nb", "a\rb", "\0", "a\x7f", "\u{1b}[0m"] {
            let why = headers(&[&format!("X: {value}")]).expect_err(value);
            assert!(why.contains("one line"), "{why}");
            assert!(Headers::new(&[], Some(value), None).is_err(), "{value:?}");
            assert!(Headers::new(&[], None, Some(value)).is_err(), "{value:?}");
        }
        let legal = headers(&["X-City:  Zürich\tE\u{a0}", "X-Empty:"]).expect("headers");
        let lines = "X-City: Zürich\tE\u{a0}\r\nX-Empty: \r\nOrigin: http://o\r\n";
        assert_eq!(written(&legal), lines);
    }
}
