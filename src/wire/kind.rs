//! As what a payload was published.

use super::form::Content;
use super::frame::Opcode;

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

impl PayloadKind {
    /// Which kind of WebSocket message writes this of it.
    pub(super) fn opcode(self, content: Content) -> Opcode {
        match (content, self) {
            (Content::Payload, Self::Binary) => Opcode::Binary,
            _ => Opcode::Text,
        }
    }
}
