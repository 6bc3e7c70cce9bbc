//! Outboxes as a bench needs them: what the shard does with them, without the shard around it.
//!
//! They are private to `shard`; this shows no more of them than can be measured.

use crate::base::{Chunk, Part};
use crate::shard::conns::outbox::{Outbox, Usage};

/// The outboxes of a shard's connections, side by side.
#[derive(Debug)]
pub struct Outboxes {
    outboxes: Vec<Outbox>,
    usage: Usage,
    /// Kept for its memory, as the shard keeps its own.
    batch: Vec<Part>,
}

impl Outboxes {
    /// So many empty ones.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            outboxes: (0..count).map(|_| Outbox::default()).collect(),
            usage: Usage::default(),
            batch: Vec::new(),
        }
    }

    /// Puts a chunk behind what waits in each of them; its memory is charged once.
    pub fn push(&mut self, chunk: &Chunk) {
        let charged = self.usage.charge(chunk.clone());
        for outbox in &mut self.outboxes {
            outbox.push(charged.clone(), 0);
        }
    }

    /// Offers each outbox's batch to a system that takes so many bytes of it; says how many were
    /// taken of all.
    pub fn send(&mut self, bytes_max: usize) -> usize {
        let mut sent = 0;
        for outbox in &mut self.outboxes {
            outbox.batch(&mut self.batch);
            let offered: usize = self.batch.iter().map(|part| part.len() as usize).sum();
            let taken = offered.min(bytes_max);
            outbox.advance(taken);
            sent += taken;
        }
        self.batch.clear();
        sent
    }

    /// Drops what is not sent, as for a slow consumer; says how many publications that were.
    pub fn drop_unsent(&mut self) -> u64 {
        let outboxes = self.outboxes.iter_mut();
        outboxes.map(|outbox| outbox.drop_unsent(0)).sum()
    }

    /// Real memory behind all of them, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.usage.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{FrameEnd, Offset};

    #[test]
    fn what_is_measured_is_what_happens() {
        let frames = vec![FrameEnd {
            offset: Offset(1),
            end: 5,
        }];
        let chunk = Chunk::publications(b"hello".to_vec(), frames);
        let mut outboxes = Outboxes::new(3);
        outboxes.push(&chunk);
        outboxes.push(&chunk);
        assert_eq!(outboxes.bytes(), 10, "each push is charged once");
        assert_eq!(outboxes.send(7), 21);
        assert_eq!(outboxes.drop_unsent(), 0, "partly sent is sent whole");
        assert_eq!(outboxes.send(100), 9);
        assert_eq!(outboxes.bytes(), 0);
    }
}
