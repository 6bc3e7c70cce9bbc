//! What a publisher is told.

use crate::base::Position;

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
