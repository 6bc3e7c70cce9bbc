//! A histogram with fixed buckets, one writer and any number of readers.
//!
//! It holds whole numbers (nanoseconds, bytes), so that observing is a search in a constant table
//! and two plain stores, and so that histograms of several shards add up exactly.

use std::time::Duration;

use super::value::Counter;

/// Upper bounds of time buckets, in nanoseconds: 1, 2.5 and 5 of each decade from 1 us to 10 s.
pub const DURATION_BOUNDS: &[u64] = &[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Upper bounds of size buckets, in bytes: each fourth power of two from 256 B to 16 MiB.
pub const BYTES_BOUNDS: &[u64] = &[
    1 << 8,
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    1 << 24,
];

/// Observations, counted by size.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// Observations within each bound and above the one before it; the last holds what is above
    /// all of them. Invariant: one more than `bounds`.
    counts: Box<[Counter]>,
    sum: Counter,
}

impl Histogram {
    /// An empty histogram of durations.
    #[must_use]
    pub fn durations() -> Self {
        Self::with_bounds(DURATION_BOUNDS)
    }

    /// An empty histogram of sizes in bytes.
    #[must_use]
    pub fn bytes() -> Self {
        Self::with_bounds(BYTES_BOUNDS)
    }

    /// Counts a duration; only for the one writer.
    pub fn observe(&self, duration: Duration) {
        self.observe_value(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts a value in the histogram's own unit, nanoseconds or bytes; only for the one writer.
    pub fn observe_value(&self, value: u64) {
        self.observe_many(value, 1);
    }

    /// Counts `times` observations of the same value; only for the one writer.
    pub fn observe_many(&self, value: u64, times: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].add(times);
        self.sum.add(value.wrapping_mul(times));
    }

    /// The upper bounds of all buckets but the last, in the histogram's own unit.
    #[must_use]
    pub fn bounds(&self) -> &'static [u64] {
        self.bounds
    }

    /// How many observations fell into each bucket; one more bucket than bounds.
    #[must_use]
    pub fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(Counter::get).collect()
    }

    /// How many observations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().map(Counter::get).sum()
    }

    /// All observations together, in the histogram's own unit.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum.get()
    }

    fn with_bounds(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| Counter::default()).collect(),
            sum: Counter::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise() {
        for bounds in [DURATION_BOUNDS, BYTES_BOUNDS] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn a_value_falls_into_the_bucket_whose_bound_it_does_not_pass() {
        let bytes = Histogram::bytes();
        for value in [0, 256, 257, 1024, 1 << 24, (1 << 24) + 1] {
            bytes.observe_value(value);
        }
        assert_eq!(bytes.counts(), [2, 2, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(bytes.count(), 6);
        assert_eq!(bytes.sum(), 256 + 257 + 1024 + (1 << 25) + 1);
    }

    #[test]
    fn durations_are_counted_in_nanoseconds() {
        let durations = Histogram::durations();
        durations.observe(Duration::from_micros(1));
        durations.observe(Duration::from_secs(60));
        assert_eq!(durations.counts().first(), Some(&1));
        assert_eq!(durations.counts().last(), Some(&1));
        assert_eq!(durations.sum(), 60_000_001_000);
    }

    #[test]
    fn many_at_once_are_as_many_as_one_by_one() {
        let (many, single) = (Histogram::bytes(), Histogram::bytes());
        many.observe_many(700, 3);
        (0..3).for_each(|_| single.observe_value(700));
        assert_eq!(many.counts(), single.counts());
        assert_eq!(many.sum(), single.sum());
    }
}
