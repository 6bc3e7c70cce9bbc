//! The hub's two answers, as values: what a publisher is told, and what a reader is.

use std::sync::Arc;

use crate::base::Position;
use crate::wire::prepared::PreparedMessage;

/// What became of a publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PublishOutcome {
    /// It has a position and is on its way.
    Published {
        /// Its position.
        position: Position,
        /// How many were subscribed on this node.
        subscribers: u32,
        /// Into how many outboxes it was put.
        queued: u32,
        /// For how many of them a policy dropped it.
        dropped: u32,
        /// Whether all shards have reported their counts.
        complete: bool,
    },
    /// A shard has more to do than it may have: nothing was sequenced, try again later.
    Busy,
    /// There is no room for another topic.
    TopicsFull,
}

/// The answer to a reader that comes back.
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
