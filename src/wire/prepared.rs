//! A publication, encoded once for each form in which somebody wants it.
//!
//! Owns the payload and its wire bytes; knows nothing of who receives them.

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::frame::{self, Opcode};
use crate::base::{Chunk, Epoch, FrameEnd, Offset, Position};

/// As what a payload was published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PayloadKind {
    /// Valid UTF-8.
    Text,
    /// Valid JSON, which is valid UTF-8 too; on a plain WebSocket the same as text.
    Json,
    /// Any bytes.
    Binary,
}

/// How a subscriber wants its publications.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WireForm {
    /// One WebSocket message with the payload unchanged.
    Plain,
    /// One WebSocket text message with the JSON object of the publication.
    Json,
}

impl WireForm {
    /// How many forms there are.
    pub const COUNT: usize = 2;

    /// The form's place in a table of all forms.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What a topic's home shard decided of a publication, before anything was done with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sequenced {
    /// The topic's life.
    pub epoch: Epoch,
    /// The publication's number in it.
    pub offset: Offset,
    /// As what it was published.
    pub kind: PayloadKind,
    /// What was published.
    pub payload: Vec<u8>,
}

/// A publication with its wire forms, each of which is made at most once.
#[derive(Debug)]
pub struct PreparedMessage {
    epoch: Epoch,
    offset: Offset,
    kind: PayloadKind,
    /// The WebSocket frame, whose tail is the payload.
    plain: Chunk,
    /// Where the payload begins in `plain`.
    payload_start: u32,
    json: OnceLock<Chunk>,
}

impl PreparedMessage {
    /// Encodes the plain form; the others follow when somebody asks.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a frame header has at most 10 bytes"
    )]
    pub fn new(sequenced: Sequenced) -> Arc<Self> {
        let Sequenced {
            epoch,
            offset,
            kind,
            payload,
        } = sequenced;
        let opcode = match kind {
            PayloadKind::Text | PayloadKind::Json => Opcode::Text,
            PayloadKind::Binary => Opcode::Binary,
        };
        let plain = framed(offset, opcode, &payload);
        let payload_start = (plain.bytes().len() - payload.len()) as u32;
        Arc::new(Self {
            epoch,
            offset,
            kind,
            plain,
            payload_start,
            json: OnceLock::new(),
        })
    }

    /// Its number in the topic's life.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Where a reader is that knows it.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            offset: self.offset,
        }
    }

    /// As what it was published.
    #[must_use]
    pub fn kind(&self) -> PayloadKind {
        self.kind
    }

    /// What was published.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.plain.bytes()[self.payload_start as usize..]
    }

    /// The wire bytes of a form: a chunk of one frame.
    pub fn chunk(&self, form: WireForm) -> &Chunk {
        match form {
            WireForm::Plain => &self.plain,
            WireForm::Json => self
                .json
                .get_or_init(|| framed(self.offset, Opcode::Text, self.to_json().as_bytes())),
        }
    }

    /// The JSON object of the publication, as interface.md describes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = JsonPublication {
            offset: self.offset.0,
            ..JsonPublication::default()
        };
        let payload = self.payload();
        match (self.kind, str::from_utf8(payload)) {
            (PayloadKind::Json, Ok(text)) => match serde_json::from_str::<&RawValue>(text) {
                Ok(value) => object.data = Some(value),
                Err(_) => object.text = Some(text),
            },
            (PayloadKind::Text, Ok(text)) => object.text = Some(text),
            (_, _) => object.base64 = Some(STANDARD.encode(payload)),
        }
        serde_json::to_string(&object).unwrap_or_default()
    }
}

#[derive(Serialize, Default)]
struct JsonPublication<'a> {
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

fn framed(offset: Offset, opcode: Opcode, payload: &[u8]) -> Chunk {
    let mut bytes = Vec::with_capacity(frame::header_len(payload.len()) + payload.len());
    frame::encode(&mut bytes, opcode, payload);
    let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Chunk::publications(bytes, vec![FrameEnd { offset, end }])
}

/// Publications of one turn as contiguous chunks of at most `bytes_max` each (a longer
/// publication is a chunk of its own), in their order; a chunk of one publication is that
/// publication's own, not a copy.
pub fn contiguous(
    messages: &[Arc<PreparedMessage>],
    form: WireForm,
    bytes_max: usize,
) -> Vec<Chunk> {
    let mut chunks = Vec::with_capacity(1);
    let mut rest = messages;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(run_len(rest, form, bytes_max));
        chunks.push(join(run, form));
        rest = behind;
    }
    chunks
}

/// How many publications from the front fit into one chunk; at least one.
fn run_len(messages: &[Arc<PreparedMessage>], form: WireForm, bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = messages.iter().take_while(|message| {
        bytes += message.chunk(form).bytes().len();
        bytes <= bytes_max
    });
    fits.count().max(1)
}

fn join(run: &[Arc<PreparedMessage>], form: WireForm) -> Chunk {
    if let [only] = run {
        return only.chunk(form).clone();
    }
    let len = run
        .iter()
        .map(|message| message.chunk(form).bytes().len())
        .sum();
    let mut bytes = Vec::with_capacity(len);
    let mut frames = Vec::with_capacity(run.len());
    for message in run {
        bytes.extend_from_slice(message.chunk(form).bytes());
        let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        frames.push(FrameEnd {
            offset: message.offset(),
            end,
        });
    }
    Chunk::publications(bytes, frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: u64, kind: PayloadKind, payload: &[u8]) -> Arc<PreparedMessage> {
        PreparedMessage::new(Sequenced {
            epoch: Epoch::new(1),
            offset: Offset(offset),
            kind,
            payload: payload.to_vec(),
        })
    }

    #[test]
    fn each_kind_has_its_json() {
        let json = |kind, payload: &[u8]| message(7, kind, payload).to_json();
        assert_eq!(
            json(PayloadKind::Json, b"{\"a\": 1}"),
            r#"{"offset":7,"data":{"a": 1}}"#
        );
        assert_eq!(
            json(PayloadKind::Text, b"a\"b"),
            r#"{"offset":7,"text":"a\"b"}"#
        );
        assert_eq!(
            json(PayloadKind::Binary, &[0, 255]),
            r#"{"offset":7,"base64":"AP8="}"#
        );
    }

    #[test]
    fn the_payload_is_the_tail_of_the_plain_frame() {
        for len in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let message = message(1, PayloadKind::Text, &payload);
            assert_eq!(message.payload(), payload);
            assert_eq!(message.chunk(WireForm::Plain).bytes()[0], 0x81);
        }
    }

    #[test]
    fn a_turn_becomes_chunks_that_keep_order_and_bound() {
        let messages: Vec<_> = (1..=5)
            .map(|i| message(i, PayloadKind::Text, &[b'a'; 8]))
            .collect();
        let chunks = contiguous(&messages, WireForm::Plain, 25);
        let offsets: Vec<Vec<u64>> = chunks
            .iter()
            .map(|c| c.frames().iter().map(|f| f.offset.0).collect())
            .collect();
        assert_eq!(offsets, [vec![1, 2], vec![3, 4], vec![5]]);
        assert!(chunks[2].is_same(messages[4].chunk(WireForm::Plain)));
        assert_eq!(contiguous(&messages, WireForm::Plain, 1).len(), 5);
    }
}
