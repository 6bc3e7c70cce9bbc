//! The client's side, for the load generator: the opening handshake of a WebSocket (RFC 6455
//! §4.1), and in the modules below answers, server-sent events and lines.
//!
//! Of the handshake it owns the head of the response until it is whole. The nonce comes from outside, and so does
//! the decision when to give up waiting. Redirects and challenges are not followed: any answer
//! but the switch is an error that says what the server said.

use std::error::Error;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tungstenite::handshake::derive_accept_key;

pub use answer::{AnswerHead, AnswerReader, AnswerStep, Piece};
pub use error::AnswerError;
pub use events::{EventReader, ServerEvent};
pub use lines::{LineReader, TooLong};

mod answer;
mod error;
mod events;
mod framing;
mod lines;

/// The longest head of a response, in bytes; the same as a server takes for a request.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 16 * 1024;

/// The most headers of a response.
pub const RESPONSE_HEADERS_MAX: usize = 64;

/// How much of a refusal's body is kept for the error, in bytes: enough for one JSON error.
pub const REFUSAL_BODY_BYTES_MAX: usize = 512;

/// How much of a redirect's `Location` is kept for the error.
const LOCATION_CHARS_MAX: usize = 256;

/// Appends the request that asks for a WebSocket.
///
/// `target` is path and query, `host` the authority that was connected to, `key` 16 random
/// bytes. The caller has checked that none of the strings holds a line break.
pub fn request(
    out: &mut Vec<u8>,
    target: &str,
    host: &str,
    key: [u8; 16],
    extra_headers: &[(String, String)],
) {
    let extra = extra_headers
        .iter()
        .flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    debug_assert!([target, host].into_iter().chain(extra).all(is_one_line));
    let key = STANDARD.encode(key);
    for part in ["GET ", target, " HTTP/1.1\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    header(out, "Host", host);
    header(out, "Upgrade", "websocket");
    header(out, "Connection", "Upgrade");
    header(out, "Sec-WebSocket-Version", "13");
    header(out, "Sec-WebSocket-Key", &key);
    extra_headers
        .iter()
        .for_each(|(name, value)| header(out, name, value));
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn is_one_line(part: &str) -> bool {
    !part.contains(['\r', '\n', '\0'])
}

/// The value of `Sec-WebSocket-Accept` that proves that the server read this nonce (§4.2.2).
#[must_use]
pub fn expected_accept(key: [u8; 16]) -> String {
    derive_accept_key(STANDARD.encode(key).as_bytes())
}

/// Reads the answer to one [`request`].
#[derive(Debug)]
pub struct ResponseParser {
    expected_accept: String,
    /// Subprotocols that the request offered.
    protocols: Vec<String>,
    /// What has arrived of the head, and of a refusal's body.
    /// Invariant: at most [`RESPONSE_HEAD_BYTES_MAX`] plus [`REFUSAL_BODY_BYTES_MAX`].
    bytes: Vec<u8>,
    /// Where the body of a refusal is, once its head is whole.
    refusal: Option<Refusal>,
    /// Where a refusal leads to instead.
    location: Option<String>,
}

/// An answer that is no switch, whose body may not be there yet.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    status: u16,
    /// Invariant: body_start <= body_end, where we stop to wait for more.
    body_start: usize,
    body_end: usize,
}

impl ResponseParser {
    /// For the request that was made of the same `key` and `extra_headers`.
    #[must_use]
    pub fn new(key: [u8; 16], extra_headers: &[(String, String)]) -> Self {
        let offers = extra_headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Protocol"));
        let protocols = offers
            .flat_map(|(_, value)| tokens(value))
            .map(str::to_owned)
            .collect();
        Self {
            expected_accept: expected_accept(key),
            protocols,
            bytes: Vec::new(),
            refusal: None,
            location: None,
        }
    }

    /// Takes the next bytes of the answer.
    ///
    /// `None` means that more are needed. `Some(consumed)` means that the server has switched,
    /// and that `bytes[consumed..]` are frames already.
    ///
    /// # Errors
    /// When the server did not switch, or not as §4.1 demands. The start of a refusal's body is
    /// waited for if its length was announced; see [`ResponseParser::handle_eof`].
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let mut taken = 0;
        loop {
            taken += self.keep(&bytes[taken..]);
            if let Some(refusal) = self.refusal {
                let is_whole = self.bytes.len() >= refusal.body_end;
                return if is_whole {
                    Err(self.refused(refusal))
                } else {
                    Ok(None)
                };
            }
            if let Some(head_len) = self.parse_heads()? {
                // What is behind the head was taken just now: before, the head was not whole.
                return Ok(Some(taken - (self.bytes.len() - head_len)));
            }
            // Go on with the body of a refusal, or with what had no room before an interim
            // answer was dropped.
            if self.refusal.is_none() && self.bytes.len() >= RESPONSE_HEAD_BYTES_MAX {
                return Err(HandshakeError::TooLong);
            }
            if self.refusal.is_none() && taken == bytes.len() {
                return Ok(None);
            }
        }
    }

    /// What it means that the server closed the connection before the answer was whole.
    #[must_use]
    pub fn handle_eof(&self) -> HandshakeError {
        self.refusal
            .map_or(HandshakeError::Eof, |refusal| self.refused(refusal))
    }

    /// Copies what there is room for, and says how much that was.
    fn keep(&mut self, bytes: &[u8]) -> usize {
        let bytes_max = self
            .refusal
            .map_or(RESPONSE_HEAD_BYTES_MAX, |it| it.body_end);
        let len = bytes.len().min(bytes_max.saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(&bytes[..len]);
        len
    }

    /// The length of the head of a right switch. Interim answers before it are skipped
    /// (RFC 9110 §15.2); a refusal is noted.
    fn parse_heads(&mut self) -> Result<Option<usize>, HandshakeError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; RESPONSE_HEADERS_MAX];
            let mut response = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(head_len) = response.parse(&self.bytes)? else {
                return Ok(None);
            };
            match response.code.unwrap_or(0) {
                101 => {
                    self.check_switch(&response)?;
                    return Ok(Some(head_len));
                }
                100..=199 => drop(self.bytes.drain(..head_len)),
                status => {
                    let body_len = content_length(&response).min(REFUSAL_BODY_BYTES_MAX);
                    let body_end = head_len + body_len;
                    self.location = location(status, &response);
                    self.refusal = Some(Refusal {
                        status,
                        body_start: head_len,
                        body_end,
                    });
                    return Ok(None);
                }
            }
        }
    }

    /// RFC 6455 §4.1, the client's checks 2 to 6.
    fn check_switch(&self, response: &httparse::Response<'_, '_>) -> Result<(), HandshakeError> {
        if response.version != Some(1) {
            return Err(HandshakeError::WrongVersion);
        }
        if !values(response, "Upgrade").any(|value| value.eq_ignore_ascii_case("websocket")) {
            return Err(HandshakeError::WrongUpgrade);
        }
        let mut options = values(response, "Connection").flat_map(tokens);
        if !options.any(|option| option.eq_ignore_ascii_case("upgrade")) {
            return Err(HandshakeError::WrongConnection);
        }
        if !values(response, "Sec-WebSocket-Accept").eq([self.expected_accept.as_str()]) {
            return Err(HandshakeError::WrongAccept);
        }
        // We cannot read any extension, so even one that a user offered by hand is an error.
        if values(response, "Sec-WebSocket-Extensions")
            .flat_map(tokens)
            .next()
            .is_some()
        {
            return Err(HandshakeError::UnknownExtension);
        }
        let offered = |value: &str| self.protocols.iter().any(|protocol| protocol == value);
        if !values(response, "Sec-WebSocket-Protocol").all(offered) {
            return Err(HandshakeError::UnknownProtocol);
        }
        Ok(())
    }

    fn refused(&self, refusal: Refusal) -> HandshakeError {
        let end = refusal.body_end.min(self.bytes.len());
        let body = self.bytes.get(refusal.body_start..end).unwrap_or_default();
        let body = String::from_utf8_lossy(body).trim().to_owned();
        HandshakeError::Refused {
            status: refusal.status,
            body,
            location: self.location.clone(),
        }
    }
}

/// The values of all headers of this name; one that is not text is empty, and so never right.
fn values<'a>(
    response: &'a httparse::Response<'_, '_>,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    let named = response
        .headers
        .iter()
        .filter(move |it| it.name.eq_ignore_ascii_case(name));
    named.map(|it| str::from_utf8(it.value).unwrap_or_default().trim())
}

/// Where an answer redirects to (RFC 9110 §15.4); only said, never followed.
fn location(status: u16, response: &httparse::Response<'_, '_>) -> Option<String> {
    let is_redirect = matches!(status, 300..=303 | 305..=399);
    let mut places = values(response, "Location").filter(|_| is_redirect);
    places
        .next()
        .map(|place| place.chars().take(LOCATION_CHARS_MAX).collect())
}

fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// The announced length of the body; 0 if there is none to wait for.
fn content_length(response: &httparse::Response<'_, '_>) -> usize {
    let mut lengths = values(response, "Content-Length");
    lengths
        .next()
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
}

/// Why there is no WebSocket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HandshakeError {
    /// The server answered something else.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The start of the body, at most [`REFUSAL_BODY_BYTES_MAX`].
        body: String,
        /// Where a redirect leads to, as it stands there.
        location: Option<String>,
    },
    /// What came is not HTTP, or has more than [`RESPONSE_HEADERS_MAX`] headers.
    Malformed(httparse::Error),
    /// The head is longer than [`RESPONSE_HEAD_BYTES_MAX`].
    TooLong,
    /// The connection ended before the answer was whole.
    Eof,
    /// The switch is not HTTP/1.1.
    WrongVersion,
    /// `Upgrade` is missing or not `websocket`.
    WrongUpgrade,
    /// `Connection` does not say `Upgrade`.
    WrongConnection,
    /// `Sec-WebSocket-Accept` is missing, there twice, or does not belong to our nonce.
    WrongAccept,
    /// The server chose an extension; we speak none.
    UnknownExtension,
    /// The server chose a subprotocol that was not offered.
    UnknownProtocol,
}

impl HandshakeError {
    /// The HTTP status that the server answered; `None` if it did not come so far.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Malformed(_) | Self::TooLong | Self::Eof => None,
            Self::WrongVersion
            | Self::WrongUpgrade
            | Self::WrongConnection
            | Self::WrongAccept
            | Self::UnknownExtension
            | Self::UnknownProtocol => Some(101),
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused {
                status,
                location: Some(location),
                ..
            } => {
                write!(
                    f,
                    "server answered {status} instead of 101, and redirects to {location}"
                )
            }
            Self::Refused { status, body, .. } if body.is_empty() => {
                write!(f, "server answered {status} instead of 101")
            }
            Self::Refused { status, body, .. } => {
                write!(f, "server answered {status} instead of 101: {body}")
            }
            Self::Malformed(error) => write!(f, "response is not http: {error}"),
            Self::TooLong => f.write_str("response head is longer than 16 KiB"),
            Self::Eof => f.write_str("connection ended before the response was whole"),
            Self::WrongVersion => f.write_str("switch is not http/1.1"),
            Self::WrongUpgrade => f.write_str("response does not upgrade to websocket"),
            Self::WrongConnection => f.write_str("response lacks connection: upgrade"),
            Self::WrongAccept => f.write_str("sec-websocket-accept does not match the key"),
            Self::UnknownExtension => f.write_str("server chose an extension, we speak none"),
            Self::UnknownProtocol => f.write_str("server chose a subprotocol not offered"),
        }
    }
}

impl Error for HandshakeError {}

impl From<httparse::Error> for HandshakeError {
    fn from(error: httparse::Error) -> Self {
        Self::Malformed(error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The nonce of RFC 6455 §1.3.
    const KEY: [u8; 16] = *b"the sample nonce";
    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    /// How the answer ends: at which byte it is right, or why it is not; whatever the pieces.
    fn check(answer: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let whole = in_pieces(answer, answer.len().max(1));
        for size in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(in_pieces(answer, size), whole, "in pieces of {size}");
        }
        whole
    }

    fn in_pieces(answer: &[u8], size: usize) -> Result<Option<usize>, HandshakeError> {
        let mut parser = ResponseParser::new(KEY, &protocols("chat, superchat"));
        let mut before = 0;
        for piece in answer.chunks(size) {
            if let Some(consumed) = parser.handle_bytes(piece)? {
                return Ok(Some(before + consumed));
            }
            before += piece.len();
        }
        Ok(None)
    }

    fn protocols(offered: &str) -> Vec<(String, String)> {
        vec![("sec-websocket-protocol".to_owned(), offered.to_owned())]
    }

    fn check_switch(change: impl FnOnce(String) -> String) -> Option<HandshakeError> {
        check((change(SWITCH.to_owned()) + "\r\n").as_bytes()).err()
    }

    #[test]
    fn the_accept_key_is_the_one_of_the_rfc() {
        assert_eq!(STANDARD.encode(KEY), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(expected_accept(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_request_says_what_the_rfc_asks_for() {
        let mut out = Vec::new();
        let extra = [("Origin".to_owned(), "http://a".to_owned())];
        request(&mut out, "/topics/a?b=c", "127.0.0.1:8000", KEY, &extra);
        let expected = "GET /topics/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\
            Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://a\r\n\r\n";
        assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
    }

    #[test]
    fn a_right_switch_is_taken_and_the_frames_behind_it_are_not() {
        let head = format!("{SWITCH}\r\n");
        assert_eq!(check(head.as_bytes()), Ok(Some(head.len())));
        let with_frames = [head.as_bytes(), b"\x81\x05Hello"].concat();
        assert_eq!(check(&with_frames), Ok(Some(head.len())));
        let with_many = [head.as_bytes(), &[0; 100_000]].concat();
        assert_eq!(check(&with_many), Ok(Some(head.len())));
    }

    #[test]
    fn letter_case_and_lists_do_not_matter_where_the_rfc_says_so() {
        let lists = |head: String| {
            head.replace("Connection: Upgrade", "connection: keep-alive, UPGRADE")
                .replace("Upgrade: websocket", "UPGRADE: WebSocket")
        };
        assert_eq!(check_switch(lists), None);
        assert_eq!(
            check_switch(|head| head + "Sec-WebSocket-Protocol: superchat\r\n"),
            None
        );
    }

    #[test]
    fn a_wrong_switch_is_refused_for_what_is_wrong() {
        let without = |line: &'static str| move |head: String| head.replace(line, "X: y");
        let wrong = check_switch(without("Upgrade: websocket"));
        assert_eq!(wrong, Some(HandshakeError::WrongUpgrade));
        let wrong = check_switch(without("Connection: Upgrade"));
        assert_eq!(wrong, Some(HandshakeError::WrongConnection));
        let wrong = check_switch(|head| head.replace("s3pP", "S3pP"));
        assert_eq!(wrong, Some(HandshakeError::WrongAccept));
        let wrong = check_switch(|head| head.replace("HTTP/1.1", "HTTP/1.0"));
        assert_eq!(wrong, Some(HandshakeError::WrongVersion));
        let wrong = check_switch(|head| head + "Sec-WebSocket-Extensions: permessage-deflate\r\n");
        assert_eq!(wrong, Some(HandshakeError::UnknownExtension));
        let wrong = check_switch(|head| head + "Sec-WebSocket-Protocol: other\r\n");
        assert_eq!(wrong, Some(HandshakeError::UnknownProtocol));
        assert_eq!(wrong.and_then(|error| error.status()), Some(101));
    }

    #[test]
    fn a_refusal_tells_its_status_and_the_start_of_its_body() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfullX";
        let refused = HandshakeError::Refused {
            status: 503,
            body: "full".into(),
            location: None,
        };
        assert_eq!(
            refused.to_string(),
            "server answered 503 instead of 101: full"
        );
        assert_eq!(check(answer), Err(refused));
        let long = [
            &b"HTTP/1.1 404 Not Found\r\nContent-Length: 90000\r\n\r\n"[..],
            &[b'x'; 90_000],
        ];
        let body = "x".repeat(REFUSAL_BODY_BYTES_MAX);
        assert_eq!(
            check(&long.concat()),
            Err(HandshakeError::Refused {
                status: 404,
                body,
                location: None
            })
        );
    }

    #[test]
    fn a_refusal_whose_body_never_comes_is_told_at_the_end() {
        let mut parser = ResponseParser::new(KEY, &[]);
        assert_eq!(parser.handle_eof(), HandshakeError::Eof);
        let head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno";
        assert_eq!(parser.handle_bytes(head), Ok(None));
        let refused = HandshakeError::Refused {
            status: 403,
            body: "no".into(),
            location: None,
        };
        assert_eq!(parser.handle_eof(), refused);
        assert_eq!(refused.status(), Some(403));
    }

    #[test]
    fn a_redirect_says_where_it_leads_to() {
        let answer = b"HTTP/1.1 302 Found\r\nLocation: https://b/c\r\nContent-Length: 2\r\n\r\nhi";
        let refused = check(answer).expect_err("it is no switch");
        assert_eq!(
            refused.to_string(),
            "server answered 302 instead of 101, and redirects to https://b/c"
        );
        let created = b"HTTP/1.1 201 Created\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n";
        let refused = check(created).expect_err("it is no switch");
        assert!(!refused.to_string().contains("/a"), "{refused}");
    }

    #[test]
    fn an_interim_answer_is_skipped() {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
        let answer = format!("{hints}{SWITCH}\r\n");
        assert_eq!(check(answer.as_bytes()), Ok(Some(answer.len())));
        // Together longer than what is kept at once.
        let hints = hints.replace("</a>", &"a".repeat(1000));
        let answer = format!("{}{SWITCH}\r\n", hints.repeat(17));
        assert_eq!(check(answer.as_bytes()), Ok(Some(answer.len())));
    }

    #[test]
    fn an_endless_head_and_too_many_headers_are_refused() {
        let endless = format!(
            "HTTP/1.1 101 x\r\nA: {}",
            "a".repeat(RESPONSE_HEAD_BYTES_MAX)
        );
        assert_eq!(check(endless.as_bytes()), Err(HandshakeError::TooLong));
        let many = format!("HTTP/1.1 101 x\r\n{}\r\n", "A: b\r\n".repeat(65));
        let error = HandshakeError::Malformed(httparse::Error::TooManyHeaders);
        assert_eq!(check(many.as_bytes()), Err(error));
        let error = HandshakeError::Malformed(httparse::Error::Version);
        assert_eq!(check(b"SSH-2.0-OpenSSH\r\n"), Err(error));
    }

    proptest! {
        #[test]
        fn nothing_that_a_server_says_is_a_panic(
            tail in proptest::collection::vec(any::<u8>(), 0..200),
            keep in 0usize..200,
            size in 1usize..50,
        ) {
            let answer = [&SWITCH.as_bytes()[..keep.min(SWITCH.len())], &tail].concat();
            prop_assert_eq!(in_pieces(&answer, size), in_pieces(&answer, answer.len().max(1)));
        }
    }
}
