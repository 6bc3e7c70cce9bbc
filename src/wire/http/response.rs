//! An HTTP answer and its bytes.
//!
//! Owns status line, headers and framing of whole answers, and the heads of those that are streamed.

use serde::Serialize;

use super::{Date, Version};

/// A whole answer, not yet bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// The body follows in pieces.
    streamed: bool,
}

impl Response {
    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            streamed: false,
        }
    }

    /// The head of an answer whose body follows in pieces of its own, until the connection ends.
    #[must_use]
    pub fn stream(content_type: &str) -> Self {
        let mut response = Self::empty(200).header("Content-Type", content_type);
        response.streamed = true;
        response
    }

    /// An answer with a body of this media type.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut response = Self::empty(status).header("Content-Type", content_type);
        response.body = body.into();
        response
    }

    /// A JSON answer. A value that cannot be JSON, which none of ours is, becomes 500.
    #[must_use]
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::new(status, "application/json", body),
            Err(e) => Self::error(500, "internal", &format!("the answer is not JSON: {e}")),
        }
    }

    /// Plain text in UTF-8.
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// `{"error":{"code":"…","message":"…"}}`; the message says what to do.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"error": {"code": code, "message": message}});
        Self::new(status, "application/json", body.to_string())
    }

    /// Adds a header.
    ///
    /// Bytes that would end the line are left out of the value, so that nothing a client sent can
    /// begin a header of its own.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = value.chars().filter(|c| !c.is_control()).collect();
        self.headers.push((name, value));
        self
    }

    /// The same answer, not to be kept by anybody (RFC 9111 §5.2.2.5).
    #[must_use]
    pub fn uncached(self) -> Self {
        self.header("Cache-Control", "no-store")
    }

    /// The same answer, which depends on this header of the request besides those named before
    /// (RFC 9110 §12.5.5).
    #[must_use]
    pub fn vary(mut self, name: &str) -> Self {
        let mut headers = self.headers.iter_mut();
        match headers.find(|(header, _)| *header == VARY) {
            Some((_, names)) if names.split(", ").any(|n| n == name) => {}
            Some((_, names)) => *names = format!("{names}, {name}"),
            None => self.headers.push((VARY, name.to_owned())),
        }
        self
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The first header of this name, whatever its letter case.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        all.find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Appends the answer's bytes to `out`.
    ///
    /// `date` is the present moment. `head_only` answers a HEAD: the length of the body, but not
    /// the body. `version` is the request's: 1.0 is told when the connection stays, 1.1 when it
    /// does not (RFC 9112 §9.3), but for chunks: the last one says where they end, and there are
    /// clients that take chunks which were cut off for whole once they have read
    /// `Connection: close`.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        date: &Date,
        head_only: bool,
        keep_alive: bool,
        version: Version,
    ) {
        out.reserve(320 + self.body.len());
        push_all(out, &["HTTP/1.1 "]);
        out.extend_from_slice(self.status.to_string().as_bytes());
        push_all(out, &[" ", reason(self.status), "\r\n"]);
        out.extend_from_slice(date.line());
        for (name, value) in &self.headers {
            push_all(out, &[name, ": ", value, "\r\n"]);
        }
        self.write_framing(out, version);
        let is_chunked = self.streamed && !head_only && version == Version::Http11;
        push_all(
            out,
            &[self.connection(keep_alive || is_chunked, version), "\r\n"],
        );
        if !head_only && !bodiless(self.status) {
            out.extend_from_slice(&self.body);
        }
    }

    /// How long the body is, if this answer may say so.
    fn write_framing(&self, out: &mut Vec<u8>, version: Version) {
        // RFC 9110 §8.6: no Content-Length in 1xx and 204; in 304 it would be another body's.
        if self.streamed {
            // HTTP/1.0 knows no chunks (RFC 9112 §6.1); the body ends with the connection.
            if version == Version::Http11 {
                push_all(out, &["Transfer-Encoding: chunked\r\n"]);
            }
        } else if !bodiless(self.status) {
            push_all(out, &["Content-Length: ", &self.body.len().to_string()]);
            push_all(out, &["\r\n"]);
        }
    }

    /// The line that says what becomes of the connection, if it needs one. RFC 9110 §7.8: who
    /// sends `Upgrade` names it there as well.
    fn connection(&self, keep_alive: bool, version: Version) -> &'static str {
        let offers_upgrade = self.header_value("Upgrade").is_some();
        match (keep_alive, version, offers_upgrade) {
            (false, _, false) => "Connection: close\r\n",
            (false, _, true) => "Connection: close, Upgrade\r\n",
            (true, Version::Http10, false) => "Connection: keep-alive\r\n",
            (true, Version::Http10, true) => "Connection: keep-alive, Upgrade\r\n",
            (true, Version::Http11, false) => "",
            (true, Version::Http11, true) => "Connection: Upgrade\r\n",
        }
    }
}

const VARY: &str = "Vary";

fn push_all(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// The reason phrases of the statuses that the node sends (RFC 9110 §15, RFC 6585).
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn written(response: &Response, head_only: bool, keep_alive: bool, version: Version) -> String {
        let date = Date::at(Duration::from_secs(784_111_777));
        let mut out = Vec::new();
        response.write(&mut out, &date, head_only, keep_alive, version);
        String::from_utf8(out).expect("ours is UTF-8")
    }

    #[test]
    fn an_answer_has_status_headers_length_and_body() {
        let response = Response::text(200, "ok\n").header("Allow", "GET");
        assert_eq!(
            written(&response, false, true, Version::Http11),
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: text/plain; charset=utf-8\r\nAllow: GET\r\n\
             Content-Length: 3\r\n\r\nok\n"
        );
    }

    #[test]
    fn a_head_answer_has_the_length_but_not_the_body() {
        let text = written(&Response::text(200, "ok\n"), true, true, Version::Http11);
        assert!(text.ends_with("Content-Length: 3\r\n\r\n"), "{text}");
    }

    #[test]
    fn the_connection_header_says_what_the_version_does_not_imply() {
        let response = Response::text(200, "");
        for (keep_alive, version, expected) in [
            (true, Version::Http11, None),
            (false, Version::Http11, Some("Connection: close\r\n")),
            (true, Version::Http10, Some("Connection: keep-alive\r\n")),
            (false, Version::Http10, Some("Connection: close\r\n")),
        ] {
            let text = written(&response, false, keep_alive, version);
            match expected {
                Some(line) => assert!(text.contains(line), "{text}"),
                None => assert!(!text.contains("Connection"), "{text}"),
            }
        }
    }

    #[test]
    fn who_offers_an_upgrade_names_it_beside_the_connection() {
        let response = Response::empty(426).header("Upgrade", "websocket");
        for (keep_alive, version, expected) in [
            (true, Version::Http11, "Connection: Upgrade\r\n"),
            (false, Version::Http11, "Connection: close, Upgrade\r\n"),
            (true, Version::Http10, "Connection: keep-alive, Upgrade\r\n"),
            (false, Version::Http10, "Connection: close, Upgrade\r\n"),
        ] {
            let text = written(&response, false, keep_alive, version);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn chunks_that_follow_say_themselves_where_they_end() {
        let stream = Response::stream("text/event-stream");
        for (head_only, version, is_told) in [
            (false, Version::Http11, false),
            (true, Version::Http11, true),
            (false, Version::Http10, true),
        ] {
            let text = written(&stream, head_only, false, version);
            assert_eq!(text.contains("Connection: close\r\n"), is_told, "{text}");
        }
    }

    #[test]
    fn a_204_and_a_304_have_neither_length_nor_body() {
        for status in [204, 304] {
            let text = written(&Response::empty(status), false, true, Version::Http11);
            assert!(!text.contains("Content-Length"), "{text}");
            assert!(text.ends_with("\r\n\r\n"), "{text}");
        }
    }

    #[test]
    fn a_header_value_cannot_begin_another_header() {
        let response = Response::empty(200).header("Vary", "a\r\nSet-Cookie: b");
        let text = written(&response, false, true, Version::Http11);
        assert!(!text.contains("\r\nSet-Cookie"), "{text}");
    }

    #[test]
    fn what_an_answer_depends_on_stands_in_one_line() {
        let response = Response::empty(200).vary("Accept").vary("Origin");
        let response = response.vary("Accept");
        let text = written(&response, false, true, Version::Http11);
        assert!(text.contains("\r\nVary: Accept, Origin\r\n"), "{text}");
    }

    #[test]
    fn every_status_of_the_interface_has_a_reason() {
        for status in [
            200, 204, 304, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 426, 429, 431,
            500, 501, 503, 505,
        ] {
            assert_ne!(reason(status), "", "{status}");
        }
    }
}
