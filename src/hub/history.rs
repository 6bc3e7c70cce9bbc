//! What a topic keeps: its newest publications, bounded by number, bytes and age.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Bounds, HubUsage};
use crate::base::{Offset, Time};
use crate::wire::prepared::PreparedMessage;

/// The newest publications of a topic, oldest first, without a gap.
#[derive(Debug, Default)]
pub(super) struct History {
    kept: VecDeque<HistoryEntry>,
    /// Invariant: the sum of the payloads' lengths.
    bytes: usize,
}

#[derive(Debug)]
struct HistoryEntry {
    message: Arc<PreparedMessage>,
    published: Time,
}

impl History {
    pub(super) fn push(&mut self, message: Arc<PreparedMessage>, published: Time) {
        debug_assert!(
            self.kept
                .back()
                .is_none_or(|k| k.message.offset().next() == message.offset())
        );
        self.bytes += message.payload().len();
        self.kept.push_back(HistoryEntry { message, published });
    }

    /// Forgets the oldest until every bound holds.
    pub(super) fn trim(&mut self, bounds: &Bounds, now: Time) {
        while let Some(oldest) = self.kept.front() {
            let too_old = now.since(oldest.published) > bounds.age_max;
            let too_many = self.kept.len() > bounds.publications_max;
            if !too_old && !too_many && self.bytes <= bounds.bytes_max {
                break;
            }
            self.bytes -= oldest.message.payload().len();
            self.kept.pop_front();
        }
        self.give_back();
    }

    /// Returns memory after most of the history has gone, not at each publication.
    fn give_back(&mut self) {
        if self.kept.capacity() > 16 && self.kept.len() * 4 < self.kept.capacity() {
            self.kept.shrink_to(self.kept.len() * 2);
        }
    }

    /// The offset of the oldest publication that is kept.
    pub(super) fn first(&self) -> Option<Offset> {
        self.kept.front().map(|kept| kept.message.offset())
    }

    /// When the oldest publication that is kept was published.
    pub(super) fn oldest(&self) -> Option<Time> {
        self.kept.front().map(|kept| kept.published)
    }

    /// Everything behind `offset`, oldest first.
    pub(super) fn behind(&self, offset: Offset) -> Vec<Arc<PreparedMessage>> {
        let known = self
            .kept
            .partition_point(|kept| kept.message.offset() <= offset);
        self.kept
            .range(known..)
            .map(|kept| Arc::clone(&kept.message))
            .collect()
    }

    pub(super) fn held(&self) -> HubUsage {
        HubUsage {
            publications: self.kept.len(),
            bytes: self.bytes,
        }
    }

    pub(super) fn check_invariants(&self, last: Offset) {
        let bytes: usize = self
            .kept
            .iter()
            .map(|kept| kept.message.payload().len())
            .sum();
        assert_eq!(bytes, self.bytes, "bytes is the sum of the payloads");
        if let Some(newest) = self.kept.back() {
            assert_eq!(
                newest.message.offset(),
                last,
                "history ends with the newest publication"
            );
        }
    }
}
