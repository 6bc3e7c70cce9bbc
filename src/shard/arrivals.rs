//! Accepted sockets that no shard has opened yet.

use crate::base::ShardId;

/// Sockets by the door they came in by, and whose turn it is to take one.
#[derive(Debug)]
pub(super) struct Arrivals<S> {
    /// Accepted in this turn, and not handed around.
    accepted: Vec<(u16, S)>,
    /// To be opened here.
    here: Vec<(u16, S)>,
    adopt_next: u16,
}

impl<S> Arrivals<S> {
    pub(super) fn new() -> Self {
        Self {
            accepted: Vec::new(),
            here: Vec::new(),
            adopt_next: 0,
        }
    }

    pub(super) fn accepted(&mut self, door: u16, socket: S) {
        self.accepted.push((door, socket));
    }

    pub(super) fn take_accepted(&mut self) -> Vec<(u16, S)> {
        std::mem::take(&mut self.accepted)
    }

    /// Which of so many shards takes the next one of a listener that they share.
    pub(super) fn next_adopter(&mut self, shards: usize) -> ShardId {
        let shards = u16::try_from(shards).unwrap_or(u16::MAX);
        self.adopt_next = (self.adopt_next + 1) % shards;
        ShardId(self.adopt_next)
    }

    pub(super) fn adopt(&mut self, door: u16, socket: S) {
        self.here.push((door, socket));
    }

    pub(super) fn take_here(&mut self) -> Vec<(u16, S)> {
        std::mem::take(&mut self.here)
    }

    /// Whether none waits to be handed around.
    pub(super) fn is_empty(&self) -> bool {
        self.accepted.is_empty()
    }
}
