//! What the simulated server reads and writes: requests, answers, frames, chunks.

use altavoz::wire::client::expected_accept;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What stands in the place of a topic where messages are answered with themselves.
pub(crate) const ECHO: &str = "/echo";

/// A request whose head, and body if it has one, is there.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) is_post: bool,
    /// Path and query.
    pub(crate) target: String,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Takes the first whole request out of `bytes`.
    pub(crate) fn take(bytes: &mut Vec<u8>) -> Option<Self> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let mut words = head.split(' ');
        let (method, target) = (
            words.next().expect("a method"),
            words.next().expect("a target"),
        );
        let mut request = Self {
            is_post: method == "POST",
            target: target.to_owned(),
            head: head.clone(),
            body: Vec::new(),
        };
        let length: usize = request
            .header("Content-Length")
            .map_or(0, |n| n.parse().expect(n));
        if bytes.len() < end + length {
            return None;
        }
        request.body = bytes[end..end + length].to_vec();
        bytes.drain(..end + length);
        Some(request)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The topic's name, or [`ECHO`].
    pub(crate) fn topic(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.strip_prefix("/topics/").unwrap_or(path)
    }

    /// A value in the query.
    pub(crate) fn query(&self, key: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(k, value)| (k == key).then_some(value))
    }

    /// Up to where the client says that it knows the topic.
    pub(crate) fn known(&self) -> Option<u64> {
        let tag = self
            .header("If-None-Match")
            .map(|tag| tag.trim_matches('"'));
        let position = self.query("after").or(tag)?;
        position.strip_prefix("x:").and_then(|n| n.parse().ok())
    }

    /// The 101 to it.
    pub(crate) fn switch(&self) -> Vec<u8> {
        let key = self.header("Sec-WebSocket-Key").expect("a key");
        let key = STANDARD.decode(key).expect("base64");
        let accept = expected_accept(key.try_into().expect("16 bytes"));
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
        format!("{head}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").into_bytes()
    }
}

/// An answer with a body of known length.
pub(crate) fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = match status {
        304 => format!("HTTP/1.1 304 Not Modified\r\n{headers}\r\n"),
        _ => format!("HTTP/1.1 {status} So\r\n{headers}Content-Length: {length}\r\n\r\n"),
    };
    [head.as_bytes(), body].concat()
}

/// The head of an answer that goes on.
pub(crate) fn endless(content_type: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: ";
    format!("{head}{content_type}\r\n\r\n").into_bytes()
}

/// A piece of an answer that goes on.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", bytes.len()).into_bytes();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    out
}

/// One frame of a WebSocket, the last of its message or not.
pub(crate) fn frame(is_last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![u8::from(is_last) << 7 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => out.push(length),
        _ => {
            out.push(126);
            let length = u16::try_from(payload.len()).expect("a short message");
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}
