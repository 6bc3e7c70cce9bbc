//! The few numbers that all shards share: permits for connections, and the outbox budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Counters of the whole node, shared by its shards.
#[derive(Debug)]
pub struct NodeState {
    connections_max: usize,
    reserve: usize,
    connections: AtomicUsize,
    outbox_bytes_max: usize,
    outbox_bytes: AtomicUsize,
    draining: AtomicBool,
}

/// What a newcomer may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permit {
    /// Everything.
    Full,
    /// The node is full: health checks and a 503, from the reserve.
    Reserve,
    /// Nothing; the reserve is used up as well.
    None,
}

impl NodeState {
    /// A node without connections.
    #[must_use]
    pub fn new(connections_max: usize, reserve: usize, outbox_bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            reserve,
            connections: AtomicUsize::new(0),
            outbox_bytes_max,
            outbox_bytes: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
        })
    }

    /// Counts a newcomer and says what it may do. Give the permit back with
    /// [`NodeState::leave`], unless it is [`Permit::None`].
    #[must_use]
    pub fn enter(&self) -> Permit {
        // Relaxed throughout: a counter that orders nothing else.
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        if before < self.connections_max {
            return Permit::Full;
        }
        if before < self.connections_max + self.reserve {
            return Permit::Reserve;
        }
        self.connections.fetch_sub(1, Ordering::Relaxed);
        Permit::None
    }

    /// Gives a permit back.
    pub fn leave(&self) {
        let before = self.connections.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a permit was given back twice");
    }

    /// Connections of the node, those from the reserve included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many connections the node takes.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// Whether a newcomer would be turned away.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.connections() >= self.connections_max
    }

    /// Reports how a shard's outbox memory changed, and says whether the node is over its budget.
    pub fn outbox_changed(&self, before: usize, after: usize) -> bool {
        // Wraps below zero by the same amount that it wraps back; the sum is right.
        let delta = after.wrapping_sub(before);
        let old = self.outbox_bytes.fetch_add(delta, Ordering::Relaxed);
        old.wrapping_add(delta) > self.outbox_bytes_max
    }

    /// Real memory of what waits in outboxes, in bytes.
    #[must_use]
    pub fn outbox_bytes(&self) -> usize {
        self.outbox_bytes.load(Ordering::Relaxed)
    }

    /// Whether the node was asked to stop: it is not ready any more.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Says that the node was asked to stop.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_node_answers_from_its_reserve_and_then_not_at_all() {
        let node = NodeState::new(2, 1, 100);
        let permits: Vec<Permit> = (0..4).map(|_| node.enter()).collect();
        assert_eq!(
            permits,
            [Permit::Full, Permit::Full, Permit::Reserve, Permit::None]
        );
        assert_eq!(node.connections(), 3);
        node.leave();
        node.leave();
        assert_eq!(node.enter(), Permit::Full);
    }

    #[test]
    fn the_budget_is_the_sum_over_shards() {
        let node = NodeState::new(1, 0, 100);
        assert!(!node.outbox_changed(0, 60));
        assert!(node.outbox_changed(0, 41));
        assert!(!node.outbox_changed(60, 0));
        assert_eq!(node.outbox_bytes(), 41);
    }
}
