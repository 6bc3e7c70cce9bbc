//! The answers to polls and long polls: what follows a position, as one JSON object.

use std::sync::Arc;

use serde::Serialize;

use super::http::{Date, Response, Version};
use super::prepared::PreparedMessage;
use crate::base::{Chunk, FrameEnd, Position};

/// 200 with the publications, and where the topic is behind them.
#[must_use]
pub fn publications(
    position: Position,
    recovered: bool,
    publications: &[Arc<PreparedMessage>],
) -> Response {
    let objects: usize = publications.iter().map(|p| p.json().len() + 1).sum();
    let mut body = String::with_capacity(objects + 80);
    body.push_str(&format!(
        r#"{{"position":"{position}","recovered":{recovered},"publications":["#
    ));
    for (i, publication) in publications.iter().enumerate() {
        if i > 0 {
            body.push(',');
        }
        body.push_str(publication.json());
    }
    body.push_str("]}");
    tagged(Response::new(200, "application/json", body), position)
}

/// 304: nothing is new to a client that knows this position (RFC 9110 §15.4.5).
#[must_use]
pub fn not_modified(position: Position) -> Response {
    tagged(Response::empty(304), position)
}

/// The bytes of a 200 that many clients get alike: those of HTTP/1.1 whose connection stays open
/// and whose page is of our own origin. `None` without a publication.
#[must_use]
pub fn shared(date: &Date, run: &[Arc<PreparedMessage>]) -> Option<Chunk> {
    let last = run.last()?;
    let mut bytes = Vec::new();
    let response = publications(last.position(), true, run);
    response.write(&mut bytes, date, false, true, Version::Http11);
    let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let offset = last.offset();
    Some(Chunk::publications(bytes, vec![FrameEnd { offset, end }]))
}

/// Where a reader is told to be: the first message of a WebSocket with positions, the first line
/// of a stream, the data of an event `reset`.
#[must_use]
pub fn greeting(position: Position, recovered: bool) -> String {
    #[derive(Serialize)]
    struct Greeting {
        position: String,
        recovered: bool,
    }
    let position = position.to_string();
    serde_json::to_string(&Greeting {
        position,
        recovered,
    })
    .unwrap_or_default()
}

/// Neither a cache may keep it nor a proxy hold it back.
#[must_use]
pub fn unbuffered(response: Response) -> Response {
    // Who asks decides to whose pages it is given; where `Accept` decides as well, it is added.
    let response = response.uncached().header("Vary", "Origin");
    response.header("X-Accel-Buffering", "no")
}

/// The same for an answer without end, which nobody shall compress either (RFC 9110 §7.7): HAProxy
/// does so whole blocks at a time, and holds each update back for those that come behind it.
pub(crate) fn untransformed(response: Response) -> Response {
    response
        .header("Cache-Control", "no-store, no-transform")
        .header("X-Accel-Buffering", "no")
}

fn tagged(response: Response, position: Position) -> Response {
    unbuffered(response.header("ETag", &format!("\"{position}\"")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::{Epoch, Offset};
    use crate::wire::prepared::{PayloadKind, Publication};

    fn message(offset: u64) -> Arc<PreparedMessage> {
        PreparedMessage::new(Publication {
            epoch: Epoch::new(36),
            offset: Offset(offset),
            kind: PayloadKind::Text,
            payload: b"a".to_vec(),
        })
    }

    #[test]
    fn an_answer_lists_its_publications() {
        let (a, b) = (message(7), message(8));
        let response = publications(b.position(), true, &[a, b]);
        assert_eq!(
            str::from_utf8(response.body()).unwrap(),
            r#"{"position":"10:8","recovered":true,"publications":[{"offset":7,"text":"a"},{"offset":8,"text":"a"}]}"#
        );
        assert_eq!(response.header_value("ETag"), Some("\"10:8\""));
        assert_eq!(response.header_value("Cache-Control"), Some("no-store"));
    }

    #[test]
    fn a_shared_answer_is_one_unit_with_the_last_offset() {
        let date = Date::at(Duration::ZERO);
        let chunk = shared(&date, &[message(7), message(8)]).unwrap();
        assert_eq!(chunk.frames().len(), 1);
        assert_eq!(chunk.frames()[0].offset, Offset(8));
        assert!(chunk.bytes().starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert!(shared(&date, &[]).is_none());
    }
}
