//! In which form a reader gets its publications: what is written, and what it is wrapped in.

use std::io::Write as _;

use super::frame::{self, Opcode};
use super::http;

/// How a subscriber wants its publications.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WireForm {
    /// One WebSocket message with the payload unchanged.
    Plain,
    /// One WebSocket text message with the JSON object of the publication.
    Json,
    /// Server-sent events with the payload, chunked.
    Events,
    /// Server-sent events with the JSON object, chunked.
    JsonEvents,
    /// One JSON object a line, chunked.
    Lines,
    /// As [`WireForm::Events`], for clients that know no chunks (HTTP/1.0).
    BareEvents,
    /// As [`WireForm::JsonEvents`], for clients that know no chunks.
    BareJsonEvents,
    /// As [`WireForm::Lines`], for clients that know no chunks.
    BareLines,
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
enum Envelope {
    /// A WebSocket frame.
    Frame,
    /// A chunk of an HTTP body.
    Chunk,
    /// Nothing.
    Bare,
}

impl WireForm {
    /// How many forms there are.
    pub const COUNT: usize = 8;

    /// The form's place in a table of all forms.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The form of server-sent events.
    #[must_use]
    pub fn events(json: bool, chunked: bool) -> Self {
        match (json, chunked) {
            (false, true) => Self::Events,
            (true, true) => Self::JsonEvents,
            (false, false) => Self::BareEvents,
            (true, false) => Self::BareJsonEvents,
        }
    }

    /// The form of a stream of JSON lines.
    #[must_use]
    pub fn lines(chunked: bool) -> Self {
        if chunked {
            Self::Lines
        } else {
            Self::BareLines
        }
    }

    /// What is written of a publication.
    #[must_use]
    pub fn content(self) -> Content {
        match self {
            Self::Plain => Content::Payload,
            Self::Json => Content::Json,
            Self::Events | Self::BareEvents => Content::Event,
            Self::JsonEvents | Self::BareJsonEvents => Content::JsonEvent,
            Self::Lines | Self::BareLines => Content::Line,
        }
    }

    /// Whether a publication's JSON object is written.
    #[must_use]
    pub fn is_json(self) -> bool {
        !matches!(self.content(), Content::Payload | Content::Event)
    }

    /// Whether its bytes are chunks of an HTTP body.
    #[must_use]
    pub fn is_chunked(self) -> bool {
        self.envelope() == Envelope::Chunk
    }

    /// Appends `content` as one unit; as a text message if it is a WebSocket's.
    pub fn wrap(self, out: &mut Vec<u8>, content: &[u8]) {
        match self.envelope() {
            Envelope::Frame => frame::encode(out, Opcode::Text, content),
            Envelope::Chunk => http::push_chunk(out, content),
            // Writing into a vector does not fail.
            Envelope::Bare => drop(out.write_all(content)),
        }
    }

    fn envelope(self) -> Envelope {
        match self {
            Self::Plain | Self::Json => Envelope::Frame,
            Self::Events | Self::JsonEvents | Self::Lines => Envelope::Chunk,
            Self::BareEvents | Self::BareJsonEvents | Self::BareLines => Envelope::Bare,
        }
    }
}
