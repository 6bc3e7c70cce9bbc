//! In which form a reader gets its publications: what is written, and what it is wrapped in.

use super::frame::{self, Opcode};
use super::http;

/// How a subscriber wants its publications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireForm {
    content: Content,
    envelope: Envelope,
}

/// What a form writes of a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Its payload.
    Payload,
    /// Its JSON object.
    Json,
    /// A server-sent event with its payload.
    Event,
    /// A server-sent event with its JSON object.
    JsonEvent,
    /// Its JSON object and a line's end.
    Line,
}

/// What a form wraps each publication in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Envelope {
    /// A WebSocket frame.
    Frame,
    /// A chunk of an HTTP body.
    Chunk,
    /// Nothing: a body without chunks, for clients that know none (HTTP/1.0).
    Bare,
}

/// All forms that there are. Of the other pairs a client could make nothing.
impl WireForm {
    /// One WebSocket message with the payload unchanged.
    pub const PLAIN: Self = Self::new(Content::Payload, Envelope::Frame);
    /// One WebSocket text message with the JSON object of the publication.
    pub const JSON: Self = Self::new(Content::Json, Envelope::Frame);
    /// Server-sent events with the payload, chunked.
    pub const EVENTS: Self = Self::new(Content::Event, Envelope::Chunk);
    /// Server-sent events with the JSON object, chunked.
    pub const JSON_EVENTS: Self = Self::new(Content::JsonEvent, Envelope::Chunk);
    /// One JSON object a line, chunked.
    pub const LINES: Self = Self::new(Content::Line, Envelope::Chunk);
    /// Server-sent events with the payload.
    pub const BARE_EVENTS: Self = Self::new(Content::Event, Envelope::Bare);
    /// Server-sent events with the JSON object.
    pub const BARE_JSON_EVENTS: Self = Self::new(Content::JsonEvent, Envelope::Bare);
    /// One JSON object a line.
    pub const BARE_LINES: Self = Self::new(Content::Line, Envelope::Bare);

    const fn new(content: Content, envelope: Envelope) -> Self {
        Self { content, envelope }
    }
}

impl WireForm {
    /// The form of a WebSocket's messages.
    #[must_use]
    pub fn messages(json: bool) -> Self {
        if json { Self::JSON } else { Self::PLAIN }
    }

    /// The form of server-sent events.
    #[must_use]
    pub fn events(json: bool, chunked: bool) -> Self {
        match (json, chunked) {
            (false, true) => Self::EVENTS,
            (true, true) => Self::JSON_EVENTS,
            (false, false) => Self::BARE_EVENTS,
            (true, false) => Self::BARE_JSON_EVENTS,
        }
    }

    /// The form of a stream of JSON lines.
    #[must_use]
    pub fn lines(chunked: bool) -> Self {
        if chunked {
            Self::LINES
        } else {
            Self::BARE_LINES
        }
    }

    /// What is written of a publication.
    #[must_use]
    pub fn content(self) -> Content {
        self.content
    }

    /// Whether a publication's JSON object is written.
    #[must_use]
    pub fn is_json(self) -> bool {
        !matches!(self.content, Content::Payload | Content::Event)
    }

    /// Whether its bytes are chunks of an HTTP body.
    #[must_use]
    pub fn is_chunked(self) -> bool {
        self.envelope == Envelope::Chunk
    }

    /// Appends `content` as one unit; as a message of this kind if it is a WebSocket's.
    pub fn wrap(self, out: &mut Vec<u8>, opcode: Opcode, content: &[u8]) {
        match self.envelope {
            Envelope::Frame => frame::encode(out, opcode, content),
            Envelope::Chunk => http::push_chunk(out, content),
            Envelope::Bare => out.extend_from_slice(content),
        }
    }
}
