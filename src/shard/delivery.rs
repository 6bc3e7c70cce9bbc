//! A publication on its way from its topic's home to the subscribers of one shard.

use std::sync::Arc;

use crate::base::{ShardId, Time, TopicName};
use crate::wire::prepared::PreparedMessage;

/// A publication that is to be put before this shard's subscribers.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Where to report what became of it.
    pub(super) home: ShardId,
    /// The home's name for its count.
    pub(super) number: u32,
    pub(super) topic: TopicName,
    pub(super) message: Arc<PreparedMessage>,
    /// When it came into the node.
    pub(super) received: Time,
}
