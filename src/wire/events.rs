//! Server-sent events, as they are written (WHATWG HTML §9.2, "Server-sent events").
//!
//! Owns the lines of an event; what they are wrapped in is `wire::form`'s.
//!
//! Each event that has an `id` has data too, and the `id` is its last line. Many clients remember
//! an id only with an event that has data, and some remember it at its line: cut off behind it and
//! before the end of the data, they would come back behind what they never handed on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::kind::PayloadKind;
use crate::base::Position;

/// The media type. An event stream is UTF-8 without saying so; but there are clients that go by
/// the old rule for `text/*`, which was ISO 8859-1.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";

/// A line that a client ignores and that keeps proxies from closing an idle connection. No empty
/// line follows: for some clients that would be an event.
pub const HEARTBEAT: &[u8] = b":\n";

/// An event with a payload. Bytes, and text with a carriage return, which would end a line, are
/// an event `base64`.
#[must_use]
pub fn publication(position: Position, kind: PayloadKind, payload: &[u8]) -> Vec<u8> {
    match (kind, str::from_utf8(payload)) {
        (PayloadKind::Text | PayloadKind::Json, Ok(text)) if !text.contains('\r') => {
            event(Some(position), None, text)
        }
        _ => event(Some(position), Some("base64"), &STANDARD.encode(payload)),
    }
}

/// The event before the first publication. `begins` lies before all that follows; `greeting` says
/// where the topic is. Named, so that `onmessage` does not see it.
#[must_use]
pub fn greeting(begins: Position, greeting: &str, recovered: bool) -> Vec<u8> {
    let name = if recovered { "position" } else { "reset" };
    event(Some(begins), Some(name), greeting)
}

/// The last event, and how many milliseconds a client that reconnects by itself should wait. One
/// block and so one chunk, since there are clients that read the ends of chunks as empty lines.
#[must_use]
pub fn close(close: &str, retry_ms: Option<u64>) -> Vec<u8> {
    let retry = retry_ms.map(|retry| format!("retry: {retry}\n"));
    let event = event(None, Some("close"), close);
    [retry.unwrap_or_default().as_bytes(), &event].concat()
}

/// An event of this id and name, with this text, which has no carriage return.
#[must_use]
pub fn event(id: Option<Position>, name: Option<&str>, data: &str) -> Vec<u8> {
    debug_assert!(!data.contains('\r'), "a carriage return ends a line");
    let mut text = String::with_capacity(data.len() + 48);
    if let Some(name) = name {
        push_line(&mut text, "event", name);
    }
    for line in data.split('\n') {
        push_line(&mut text, "data", line);
    }
    if let Some(id) = id {
        push_line(&mut text, "id", &id.to_string());
    }
    text.push('\n');
    text.into_bytes()
}

fn push_line(text: &mut String, field: &str, value: &str) {
    for part in [field, ": ", value, "\n"] {
        text.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Epoch, Offset};

    fn written(kind: PayloadKind, payload: &[u8]) -> String {
        let position = Position {
            epoch: Epoch::new(36),
            offset: Offset(7),
        };
        String::from_utf8(publication(position, kind, payload)).unwrap()
    }

    #[test]
    fn each_line_of_a_text_is_a_line_of_data() {
        for (payload, expected) in [
            ("hello", "data: hello\nid: 10:7\n\n"),
            ("", "data: \nid: 10:7\n\n"),
            ("a\n\nb\n", "data: a\ndata: \ndata: b\ndata: \nid: 10:7\n\n"),
            (" a: b", "data:  a: b\nid: 10:7\n\n"),
        ] {
            assert_eq!(written(PayloadKind::Text, payload.as_bytes()), expected);
        }
        assert_eq!(
            written(PayloadKind::Json, b"{\"a\":\n1}"),
            "data: {\"a\":\ndata: 1}\nid: 10:7\n\n"
        );
    }

    #[test]
    fn what_a_line_cannot_hold_is_base64() {
        for (kind, payload, expected) in [
            (PayloadKind::Binary, &b"\x00\xff"[..], "AP8="),
            (PayloadKind::Binary, b"plain", "cGxhaW4="),
            (PayloadKind::Text, b"a\r\nb", "YQ0KYg=="),
            (PayloadKind::Json, b"[\r1]", "Ww0xXQ=="),
        ] {
            assert_eq!(
                written(kind, payload),
                format!("event: base64\ndata: {expected}\nid: 10:7\n\n")
            );
        }
    }
}
