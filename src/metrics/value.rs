//! Counters and gauges with one writer and any number of readers.
//!
//! The writer is the shard that owns them: it adds by a load and a store, without a locked
//! instruction. Two writers of one value would lose counts, never more than that.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::reasons::Label;

/// A number that only rises.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`; only for the one writer.
    pub fn add(&self, n: u64) {
        // Relaxed, both: one thread writes, and a reader needs no more than some recent value.
        let value = self.0.load(Ordering::Relaxed);
        self.0.store(value.wrapping_add(n), Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        // Relaxed: a count guards nothing else.
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Default, Debug)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Replaces the value; only for the one writer.
    pub fn set(&self, value: i64) {
        // Relaxed: as for `Counter::add`.
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `n`, which may be negative; only for the one writer.
    pub fn add(&self, n: i64) {
        self.set(self.get().wrapping_add(n));
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> i64 {
        // Relaxed: as for `Counter::get`.
        self.0.load(Ordering::Relaxed)
    }
}

/// One counter for each value of a label.
#[derive(Debug)]
pub struct Family<L: Label> {
    /// Invariant: as many as `L::ALL`, in its order.
    counters: Box<[Counter]>,
    label: PhantomData<L>,
}

impl<L: Label> Default for Family<L> {
    fn default() -> Self {
        Self {
            counters: L::ALL.iter().map(|_| Counter::default()).collect(),
            label: PhantomData,
        }
    }
}

impl<L: Label> Family<L> {
    /// Adds `n` to the counter of `label`; only for the one writer.
    pub fn add(&self, label: L, n: u64) {
        self.counters[label.index()].add(n);
    }

    /// The present value of the counter of `label`.
    #[must_use]
    pub fn get(&self, label: L) -> u64 {
        self.counters[label.index()].get()
    }
}

#[cfg(test)]
mod tests {
    use super::super::reasons::DropReason;
    use super::*;

    #[test]
    fn a_counter_adds_and_a_gauge_falls_too() {
        let counter = Counter::default();
        counter.add(3);
        counter.add(4);
        assert_eq!(counter.get(), 7);

        let gauge = Gauge::default();
        gauge.add(3);
        gauge.add(-5);
        assert_eq!(gauge.get(), -2);
        gauge.set(9);
        assert_eq!(gauge.get(), 9);
    }

    #[test]
    fn a_family_counts_each_label_apart() {
        let family = Family::default();
        family.add(DropReason::Closed, 2);
        family.add(DropReason::SlowConsumer, 5);
        assert_eq!(family.get(DropReason::Closed), 2);
        assert_eq!(family.get(DropReason::SlowConsumer), 5);
        assert_eq!(family.get(DropReason::NodeBudget), 0);
    }
}
