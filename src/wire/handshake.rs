//! The server's side of the WebSocket opening handshake (RFC 6455 §4.2).
//!
//! Owns the check of the request and the bytes of the 101. Leaves Origin, keys and topics to
//! `crate::http`. Of tungstenite only the accept key is used: its `create_response` refuses what
//! real clients send (two `Connection` headers, a tab in a list, `Upgrade: websocket, foo`).

use base64::Engine;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use tungstenite::handshake::derive_accept_key;

use super::http::{Date, Framing, HttpError, Method, RequestHead, Version};

/// What proves to the client that we read its key (RFC 6455 §4.2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptKey(String);

impl AcceptKey {
    /// The value of `Sec-WebSocket-Accept`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the request asks for a WebSocket, rightly or not: [`check`] tells.
///
/// An `Upgrade` to something else, such as `h2c`, is ignored (RFC 9110 §7.8). A request with a key
/// but without `Upgrade` lost it on its way, so that it gets an answer that says so.
#[must_use]
pub fn is_upgrade(head: &RequestHead) -> bool {
    head.has_token("Upgrade", "websocket") || head.header("Sec-WebSocket-Key").is_some()
}

/// Checks an opening handshake. Extensions and subprotocols that it offers are not looked at:
/// none is taken.
///
/// # Errors
/// 405 for another method, 426 for another WebSocket version, 400 for the rest, each naming the
/// header that is wrong.
pub fn check(head: &RequestHead) -> Result<AcceptKey, HttpError> {
    if head.method() != &Method::Get {
        let message = "a WebSocket begins with GET";
        return Err(HttpError::new(405, "method_not_allowed", message).with_header("Allow", "GET"));
    }
    if head.version() != Version::Http11 {
        return Err(refused(
            "a WebSocket needs HTTP/1.1: behind nginx, set 'proxy_http_version 1.1'",
        ));
    }
    if !head.has_token("Upgrade", "websocket") {
        return Err(refused(
            "the header 'Upgrade: websocket' is missing: a proxy in between must pass it on",
        ));
    }
    if !head.has_token("Connection", "upgrade") {
        return Err(refused(
            "the header 'Connection: Upgrade' is missing: a proxy in between must pass it on",
        ));
    }
    check_version(head)?;
    check_no_body(head)?;
    accept_key(head)
}

/// Appends the 101 to `out`. What the client sent behind its request are frames.
pub fn write_response(out: &mut Vec<u8>, date: &Date, key: &AcceptKey, protocol: Option<&str>) {
    out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
    out.extend_from_slice(date.line());
    out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    out.extend_from_slice(key.0.as_bytes());
    if let Some(protocol) = protocol {
        debug_assert!(!protocol.contains(char::is_control));
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        out.extend_from_slice(protocol.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
}

/// 426, which says to what (RFC 9110 §15.5.22).
#[must_use]
pub fn upgrade_required(message: &'static str) -> HttpError {
    HttpError::new(426, "upgrade_required", message).with_header("Upgrade", "websocket")
}

fn refused(message: &'static str) -> HttpError {
    HttpError::new(400, "bad_handshake", message)
}

/// RFC 6455 §4.4: a server that does not speak the version answers with those that it does.
fn check_version(head: &RequestHead) -> Result<(), HttpError> {
    let mut versions = head.headers("Sec-WebSocket-Version");
    match (versions.next(), versions.next()) {
        (Some("13"), None) => Ok(()),
        (None, _) => Err(refused("the header 'Sec-WebSocket-Version: 13' is missing")),
        _ => {
            let message = "the only WebSocket version is 13";
            Err(upgrade_required(message).with_header("Sec-WebSocket-Version", "13"))
        }
    }
}

/// `Content-Length: 0` is no body: the JDK's client sends it.
fn check_no_body(head: &RequestHead) -> Result<(), HttpError> {
    if Framing::of(head)?.is_empty() {
        return Ok(());
    }
    Err(refused("a WebSocket handshake has no body"))
}

/// RFC 6455 §4.2.1: sixteen bytes in base64. What is in them does not matter, so neither do the
/// bits of the last character that no byte uses.
fn accept_key(head: &RequestHead) -> Result<AcceptKey, HttpError> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
    );
    let mut keys = head.headers("Sec-WebSocket-Key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) => key,
        (None, _) => return Err(refused("the header Sec-WebSocket-Key is missing")),
        _ => return Err(refused("there are several Sec-WebSocket-Key headers")),
    };
    match BASE64.decode(key) {
        Ok(bytes) if bytes.len() == 16 => Ok(AcceptKey(derive_accept_key(key.as_bytes()))),
        _ => Err(refused("Sec-WebSocket-Key is not 16 bytes in base64")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::http::tests::head;
    use super::*;

    /// The example of RFC 6455 §1.3.
    const HEADERS: [&str; 5] = [
        "Host: server.example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];

    fn request(line: &str, headers: &[&str]) -> RequestHead {
        head(&format!("{line}\r\n{}\r\n\r\n", headers.join("\r\n")))
    }

    /// The status for the example with one header (by its beginning) replaced.
    fn with(replaced: &str, by: &[&str]) -> u16 {
        let mut headers: Vec<_> = HEADERS
            .into_iter()
            .filter(|h| replaced.is_empty() || !h.starts_with(replaced))
            .collect();
        headers.extend(by);
        match check(&request("GET /chat HTTP/1.1", &headers)) {
            Ok(_) => 101,
            Err(e) => e.status(),
        }
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let key = check(&request("GET /chat HTTP/1.1", &HEADERS)).expect("fine");
        let date = Date::at(Duration::from_secs(784_111_777));
        let mut out = Vec::new();
        write_response(&mut out, &date, &key, None);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "HTTP/1.1 101 Switching Protocols\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        out.clear();
        write_response(&mut out, &date, &key, Some("chat"));
        assert!(out.ends_with(b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n"));
    }

    #[test]
    fn what_real_clients_send_is_accepted() {
        for (replaced, by) in [
            ("Upgrade", &["UPGRADE: WebSocket"][..]),
            ("Upgrade", &["Upgrade: foo,\twebsocket , bar"]),
            ("Upgrade", &["Upgrade: foo", "Upgrade: websocket"]),
            ("Connection", &["connection: keep-alive, Upgrade"]),
            (
                "Connection",
                &["Connection: keep-alive", "Connection:\tupgrade"],
            ),
            ("", &["Content-Length: 0"]),
            ("", &["Content-Length: 00"]),
            ("", &["TE: trailers", "Cookie: a=\u{e9}"]),
            ("Connection", &["Connection: Upgrade, HTTP2-Settings"]),
            (
                "Upgrade",
                &["Upgrade: h2c, websocket", "HTTP2-Settings: AAMAAABk"],
            ),
            ("", &["Sec-WebSocket-Protocol: chat, superchat"]),
            (
                "",
                &["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
            ),
            (
                "Sec-WebSocket-Key",
                &["Sec-WebSocket-Key:  AAAAAAAAAAAAAAAAAAAAAB== "],
            ),
        ] {
            assert_eq!(with(replaced, by), 101, "{by:?}");
        }
    }

    #[test]
    fn each_header_is_missed() {
        for name in [
            "Upgrade",
            "Connection",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
        ] {
            assert_eq!(with(name, &[]), 400, "{name}");
            assert_eq!(with(name, &[&format!("{name}:")]) / 100, 4, "{name}");
            assert_eq!(with(name, &[&format!("{name}: x")]) / 100, 4, "{name}");
        }
    }

    #[test]
    fn wrong_handshakes_are_refused() {
        for (replaced, by, status) in [
            (
                "Sec-WebSocket-Version",
                &["Sec-WebSocket-Version: 8"][..],
                426,
            ),
            (
                "Sec-WebSocket-Version",
                &["Sec-WebSocket-Version: 13, 8"],
                426,
            ),
            ("", &["Sec-WebSocket-Version: 13"], 426),
            ("", &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="], 400),
            (
                "Sec-WebSocket-Key",
                &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"],
                400,
            ),
            (
                "Sec-WebSocket-Key",
                &["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"],
                400,
            ),
            (
                "Sec-WebSocket-Key",
                &["Sec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ=="],
                400,
            ),
            ("Upgrade", &["Upgrade: websockets"], 400),
            ("Connection", &["Connection: keep-alive"], 400),
            ("", &["Content-Length: 5"], 400),
            ("", &["Content-Length: 0", "Content-Length: 0"], 400),
            ("", &["Transfer-Encoding: chunked"], 400),
        ] {
            assert_eq!(with(replaced, by), status, "{by:?}");
        }
        for (line, status) in [
            ("POST /chat HTTP/1.1", 405),
            ("HEAD /chat HTTP/1.1", 405),
            ("GET /chat HTTP/1.0", 400),
        ] {
            let error = check(&request(line, &HEADERS)).expect_err(line);
            assert_eq!(error.status(), status, "{line}");
        }
    }

    #[test]
    fn another_version_is_told_ours() {
        let mut headers = HEADERS;
        headers[4] = "Sec-WebSocket-Version: 25";
        let error = check(&request("GET / HTTP/1.1", &headers)).expect_err("25");
        let response = error.to_response();
        assert_eq!(response.header_value("Sec-WebSocket-Version"), Some("13"));
        assert_eq!(response.header_value("Upgrade"), Some("websocket"));
    }

    #[test]
    fn only_websockets_are_upgrades() {
        assert!(is_upgrade(&request("GET / HTTP/1.1", &HEADERS)));
        assert!(is_upgrade(&request("GET / HTTP/1.1", &HEADERS[3..])));
        assert!(!is_upgrade(&request("GET / HTTP/1.1", &["Upgrade: h2c"])));
        assert!(!is_upgrade(&request("GET / HTTP/1.1", &HEADERS[..1])));
    }

    #[test]
    fn a_long_protocol_header_takes_linear_time() {
        let blanks = format!("Sec-WebSocket-Protocol: {}", " ,".repeat(4096));
        assert_eq!(with("", &[&blanks]), 101);
        let upgrade = format!("Upgrade: {}websocket", "a ,".repeat(4096));
        assert_eq!(with("Upgrade", &[&upgrade]), 101);
    }
}
