//! Who got what: the next expected sequence number of every subscriber and stream.
//!
//! Exact at four bytes a subscriber and stream: only gaps cost memory, and only while they are
//! open. It knows sequence numbers and nothing of time.

use altavoz::base::{HashKey, Map};
use serde::{Deserialize, Serialize};

/// What one delivery was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// For the first time, with nothing after it yet.
    Fresh,
    /// For the first time, but something after it was there before.
    Reordered,
    /// It was there already.
    Duplicate,
}

/// The deliveries of a round.
#[derive(Debug)]
pub struct Ledger {
    /// Streams a subscriber.
    streams: usize,
    /// One above the highest sequence number that arrived, by subscriber and stream.
    next: Vec<u32>,
    /// Where each cell begins; all zero unless the run joins streams that others began.
    first: Vec<u32>,
    /// Ranges below `next` that have not arrived, by cell.
    gaps: Map<usize, Vec<Gap>>,
    passive: bool,
    counts: Counts,
}

/// Sums over all subscribers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Deliveries for the first time.
    pub received: u64,
    /// Deliveries of what was there already.
    pub duplicated: u64,
    /// Deliveries after a later one of the same stream; they are in `received` too.
    pub reordered: u64,
}

impl Counts {
    /// Counts one delivery.
    pub fn note(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Fresh => self.received += 1,
            Arrival::Reordered => {
                self.received += 1;
                self.reordered += 1;
            }
            Arrival::Duplicate => self.duplicated += 1,
        }
    }
}

/// Invariant: `start < end`.
#[derive(Clone, Copy, Debug)]
struct Gap {
    start: u32,
    end: u32,
}

impl Ledger {
    /// A ledger for `subscribers` with `streams` each. A passive one begins with the first
    /// sequence number that it sees, since others publish and began earlier.
    #[must_use]
    pub fn new(subscribers: usize, streams: usize, passive: bool) -> Self {
        let cells = subscribers * streams;
        Self {
            streams,
            next: vec![0; cells],
            first: vec![if passive { u32::MAX } else { 0 }; cells],
            gaps: Map::with_hasher(HashKey(0, 0)),
            passive,
            counts: Counts::default(),
        }
    }

    /// Enters one delivery.
    pub fn record(&mut self, subscriber: usize, stream: usize, seq: u32) -> Arrival {
        let cell = subscriber * self.streams + stream;
        if self.first[cell] == u32::MAX {
            self.first[cell] = seq;
            self.next[cell] = seq;
        }
        let arrival = self.arrival(cell, seq);
        self.counts.note(arrival);
        arrival
    }

    /// Forgets everything before the next round.
    pub fn clear(&mut self) {
        self.next.fill(0);
        self.first.fill(if self.passive { u32::MAX } else { 0 });
        self.gaps.clear();
        self.counts = Counts::default();
    }

    /// The sums.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether a subscriber has a certain publication.
    #[must_use]
    pub fn has(&self, subscriber: usize, stream: usize, seq: u32) -> bool {
        let cell = subscriber * self.streams + stream;
        let in_gap = || {
            let gaps = self.gaps.get(&cell);
            gaps.is_some_and(|gaps| gaps.iter().any(|g| (g.start..g.end).contains(&seq)))
        };
        seq < self.next[cell] && !in_gap()
    }

    /// Whether a subscriber has everything of a stream up to `published`.
    #[must_use]
    pub fn is_complete(&self, subscriber: usize, stream: usize, published: u32) -> bool {
        let cell = subscriber * self.streams + stream;
        self.next[cell] >= published && !self.gaps.contains_key(&cell)
    }

    /// How many publications a subscriber of a stream is owed when `published` were sent.
    #[must_use]
    pub fn owed(&self, subscriber: usize, stream: usize, published: u32) -> u64 {
        let first = self.first[subscriber * self.streams + stream];
        u64::from(published.saturating_sub(first))
    }

    /// One above the highest sequence number of a stream that any of its subscribers has.
    #[must_use]
    pub fn highest(&self, subscribers: impl Iterator<Item = usize>, stream: usize) -> u32 {
        let next = subscribers.map(|s| self.next[s * self.streams + stream]);
        next.max().unwrap_or(0)
    }

    fn arrival(&mut self, cell: usize, seq: u32) -> Arrival {
        let next = self.next[cell];
        if seq < next {
            return self.late(cell, seq);
        }
        if seq > next {
            let gap = Gap {
                start: next,
                end: seq,
            };
            self.gaps.entry(cell).or_default().push(gap);
        }
        self.next[cell] = seq + 1;
        Arrival::Fresh
    }

    /// Below the highest: it fills a gap, or it was there.
    fn late(&mut self, cell: usize, seq: u32) -> Arrival {
        let Some(gaps) = self.gaps.get_mut(&cell) else {
            return Arrival::Duplicate;
        };
        let Some(i) = gaps.iter().position(|g| (g.start..g.end).contains(&seq)) else {
            return Arrival::Duplicate;
        };
        let gap = gaps.swap_remove(i);
        let before = (gap.start, seq);
        let after = (seq + 1, gap.end);
        let rest = [before, after]
            .into_iter()
            .filter(|(start, end)| start < end);
        gaps.extend(rest.map(|(start, end)| Gap { start, end }));
        if gaps.is_empty() {
            self.gaps.remove(&cell);
        }
        Arrival::Reordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seqs: &[u32]) -> (Counts, bool) {
        let mut ledger = Ledger::new(2, 1, false);
        for seq in seqs {
            ledger.record(1, 0, *seq);
        }
        assert!(!ledger.is_complete(0, 0, 1));
        (ledger.counts(), ledger.is_complete(1, 0, 5))
    }

    fn counts(received: u64, duplicated: u64, reordered: u64) -> Counts {
        Counts {
            received,
            duplicated,
            reordered,
        }
    }

    #[test]
    fn everything_once_and_in_order_is_complete() {
        assert_eq!(check(&[0, 1, 2, 3, 4]), (counts(5, 0, 0), true));
    }

    #[test]
    fn a_lost_one_is_missing() {
        assert_eq!(check(&[0, 1, 3, 4]), (counts(4, 0, 0), false));
        assert_eq!(check(&[1, 2, 3, 4]), (counts(4, 0, 0), false));
        assert_eq!(check(&[0, 1, 2, 3]), (counts(4, 0, 0), false));
    }

    #[test]
    fn a_repeated_one_is_no_delivery() {
        assert_eq!(check(&[0, 1, 1, 0, 2, 3, 4]), (counts(5, 2, 0), true));
    }

    #[test]
    fn a_late_one_is_reordered_once_and_then_repeated() {
        assert_eq!(check(&[0, 4, 2, 2, 1, 3, 3]), (counts(5, 2, 3), true));
    }

    #[test]
    fn reordering_does_not_hide_a_loss() {
        assert_eq!(check(&[1, 0, 4, 2]), (counts(4, 0, 2), false));
    }

    #[test]
    fn it_agrees_with_a_plain_set_on_random_deliveries() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let seqs: Vec<u32> = (0..60).map(|_| random.u32(0..40)).collect();
            let mut ledger = Ledger::new(1, 1, false);
            let mut seen = std::collections::BTreeSet::new();
            for seq in seqs {
                let late = seen.last().is_some_and(|last| *last > seq);
                let expected = match (seen.insert(seq), late) {
                    (false, _) => Arrival::Duplicate,
                    (true, true) => Arrival::Reordered,
                    (true, false) => Arrival::Fresh,
                };
                assert_eq!(ledger.record(0, 0, seq), expected);
            }
            assert_eq!(ledger.counts().received, seen.len() as u64);
            assert!((0..40).all(|seq| ledger.has(0, 0, seq) == seen.contains(&seq)));
        }
    }

    #[test]
    fn a_passive_ledger_owes_from_the_first_it_saw() {
        let mut ledger = Ledger::new(1, 1, true);
        assert_eq!(ledger.owed(0, 0, 20), 0);
        ledger.record(0, 0, 10);
        assert_eq!(ledger.owed(0, 0, 20), 10);
        assert_eq!(ledger.highest(0..1, 0), 11);
        ledger.clear();
        assert_eq!(ledger.owed(0, 0, 20), 0);
    }
}
