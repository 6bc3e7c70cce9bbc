//! What a reader is told that comes back: where the topic is, what it missed, and whether
//! that is all of it.

use std::sync::Arc;

use crate::base::Position;
use crate::wire::prepared::PreparedMessage;

/// The answer to a reader.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Where the topic is now: the reader is there once it has the publications.
    pub position: Position,
    /// Whether nothing is missing between the position asked for and the first publication.
    pub recovered: bool,
    /// What is kept behind the position asked for, oldest first; all that is kept if it was
    /// not recovered. If none was asked for: nothing to a subscriber, the newest to a poll.
    pub publications: Vec<Arc<PreparedMessage>>,
}
