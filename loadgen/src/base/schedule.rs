//! When publications are due: moments that do not depend on the server.
//!
//! A late publisher sends what is due with the moments at which it was due, so that a stall
//! shows in the latency of everything that had to wait behind it (coordinated omission).

use altavoz::base::Time;

use crate::base::num::{index, whole};

/// The most publications of a round at random distances: their moments are drawn beforehand.
pub const RANDOM_MAX: u64 = 1_000_000;

/// The open loop's timetable.
#[derive(Clone, Debug)]
pub struct Schedule {
    start: Time,
    spacing: Spacing,
    limit: u64,
    next: u64,
}

/// How far apart the moments are.
#[derive(Clone, Debug)]
enum Spacing {
    /// All equally.
    Even { interval_nanos: f64 },
    /// The rate goes from one to another, all at once or little by little.
    Ramp { from: f64, to: f64, seconds: f64 },
    /// As listed, in nanoseconds from the start.
    Listed(Vec<u64>),
}

impl Schedule {
    /// `limit` publications from `start` on, `rate` a second.
    #[must_use]
    pub fn new(start: Time, rate: f64, limit: u64) -> Self {
        let interval_nanos = 1e9 / rate;
        Self::with(start, Spacing::Even { interval_nanos }, limit)
    }

    /// At a rate that rises or falls evenly from `from` to `to` a second.
    #[must_use]
    pub fn ramp(start: Time, from: f64, to: f64, nanos: u64) -> Self {
        let seconds = nanos as f64 / 1e9;
        let limit = whole((f64::midpoint(from, to) * seconds).floor()).max(1);
        Self::with(start, Spacing::Ramp { from, to, seconds }, limit)
    }

    /// `limit` publications at random distances, as those of a Poisson process, but each part of
    /// their distribution drawn exactly once: a round of a few publications then has the same
    /// mean and the same share of long gaps as an endless one, and only their order is left to
    /// chance. What comes in the `lead` before them is the end of the same round: whoever looks
    /// from then on sees one that goes round for ever.
    #[must_use]
    pub fn random(start: Time, rate: f64, limit: u64, lead: u64, seed: u64) -> Self {
        let mut gaps = gaps(rate, limit.min(RANDOM_MAX));
        fastrand::Rng::with_seed(seed).shuffle(&mut gaps);
        let offsets = gaps.iter().scan(0.0, |offset, gap| {
            let at = whole(*offset);
            *offset += gap;
            Some(at)
        });
        let offsets: Vec<u64> = offsets.collect();
        let cycle = whole(gaps.iter().sum()).max(1);
        let mut all = Vec::new();
        for back in (0..=lead.div_ceil(cycle)).rev() {
            // Moments of the round that lies so many rounds back, counted from the lead's start.
            let shifted = offsets
                .iter()
                .map(|offset| (offset + lead).checked_sub(back * cycle));
            all.extend(shifted.flatten());
        }
        all.truncate(index(RANDOM_MAX));
        let count = all.len() as u64;
        Self::with(start, Spacing::Listed(all), count)
    }

    fn with(start: Time, spacing: Spacing, limit: u64) -> Self {
        Self {
            start,
            spacing,
            limit,
            next: 0,
        }
    }

    /// The moment of the next publication, if it has come.
    pub fn poll_due(&mut self, now: Time) -> Option<Time> {
        let at = self.next_at().filter(|at| *at <= now)?;
        self.next += 1;
        Some(at)
    }

    /// The moment of the next publication; `None` when all have been handed out.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        (self.next < self.limit).then(|| self.moment(self.next))
    }

    /// How many there are in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.limit
    }

    /// How many moments lie before `now`, handed out or not.
    #[must_use]
    pub fn offered(&self, now: Time) -> u64 {
        if now < self.start {
            return 0;
        }
        let elapsed = now.as_nanos() - self.start.as_nanos();
        let count = match &self.spacing {
            Spacing::Even { interval_nanos } => {
                whole((elapsed as f64 / interval_nanos).floor()) + 1
            }
            Spacing::Ramp { from, to, seconds } => {
                let time = (elapsed as f64 / 1e9).min(*seconds);
                whole((from * time + (to - from) * time * time / (2.0 * seconds)).floor()) + 1
            }
            Spacing::Listed(offsets) => offsets.partition_point(|offset| *offset <= elapsed) as u64,
        };
        count.min(self.limit)
    }

    fn moment(&self, i: u64) -> Time {
        let offset = match &self.spacing {
            Spacing::Even { interval_nanos } => whole(i as f64 * interval_nanos),
            Spacing::Ramp { from, to, seconds } => {
                whole(1e9 * ramp_moment(*from, *to, *seconds, i as f64))
            }
            Spacing::Listed(offsets) => offsets[index(i)],
        };
        Time::from_nanos(self.start.as_nanos() + offset)
    }
}

/// When a ramp has brought `count` publications: the root of from·t + (to − from)·t²/2s = count.
fn ramp_moment(from: f64, to: f64, seconds: f64, count: f64) -> f64 {
    let half_slope = (to - from) / (2.0 * seconds);
    if half_slope.abs() < f64::EPSILON {
        return count / from;
    }
    let root = (from * from + 4.0 * half_slope * count).max(0.0).sqrt();
    // This form of the root does not cancel where the slope is small.
    2.0 * count / (from + root)
}

/// The means of `count` equally likely parts of the exponential distribution, in nanoseconds.
/// Together they have its mean.
fn gaps(rate: f64, count: u64) -> Vec<f64> {
    // The integral of the quantile −ln(1 − u), from the top: v·ln(v) − v with v = 1 − u.
    let below = |v: f64| if v <= 0.0 { 0.0 } else { v - v * v.ln() };
    let parts = count as f64;
    let mean = |i: u64| {
        let (from, to) = (1.0 - i as f64 / parts, 1.0 - (i + 1) as f64 / parts);
        parts * (below(from) - below(to)) * 1e9 / rate
    };
    (0..count).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Time {
        Time::from_nanos(n * 1_000_000)
    }

    #[test]
    fn moments_are_evenly_spaced_and_end() {
        let mut schedule = Schedule::new(ms(100), 10.0, 3);
        assert_eq!(schedule.poll_due(ms(99)), None);
        assert_eq!(schedule.poll_due(ms(100)), Some(ms(100)));
        assert_eq!(schedule.poll_due(ms(199)), None);
        assert_eq!(schedule.next_at(), Some(ms(200)));
        assert_eq!(schedule.poll_due(ms(200)), Some(ms(200)));
        assert_eq!(schedule.poll_due(ms(300)), Some(ms(300)));
        assert_eq!(schedule.poll_due(ms(9999)), None);
        assert_eq!(schedule.next_at(), None);
    }

    #[test]
    fn a_late_publisher_still_gets_the_intended_moments() {
        let mut schedule = Schedule::new(ms(0), 1000.0, 10);
        let due: Vec<_> = std::iter::from_fn(|| schedule.poll_due(ms(4))).collect();
        assert_eq!(due, [ms(0), ms(1), ms(2), ms(3), ms(4)]);
    }

    #[test]
    fn what_was_offered_does_not_depend_on_what_was_taken() {
        let schedule = Schedule::new(ms(100), 1000.0, 10);
        assert_eq!(schedule.offered(ms(99)), 0);
        assert_eq!(schedule.offered(ms(100)), 1);
        assert_eq!(schedule.offered(ms(104)), 5);
        assert_eq!(schedule.offered(ms(900)), 10);
    }

    #[test]
    fn an_odd_rate_does_not_drift() {
        let mut schedule = Schedule::new(ms(0), 3.0, 3001);
        let last = std::iter::from_fn(|| schedule.poll_due(Time::NEVER)).last();
        assert_eq!(last, Some(ms(1_000_000)));
    }

    #[test]
    fn random_distances_have_the_mean_and_the_long_gaps_of_poisson() {
        for count in [6, 24, 1000] {
            let gaps = gaps(0.1, count);
            let seconds = gaps.iter().sum::<f64>() / 1e9;
            assert!(
                (seconds / (10.0 * count as f64) - 1.0).abs() < 1e-9,
                "{seconds}"
            );
            // The share of time that is more than 10 s behind a publication: e^-1.
            let over = gaps.iter().map(|gap| (gap / 1e9 - 10.0).max(0.0));
            let share = over.sum::<f64>() / seconds;
            let error = (share / (-1f64).exp() - 1.0).abs();
            let bound = if count < 10 { 0.05 } else { 0.01 };
            assert!(error < bound, "{count}: {share}");
        }
    }

    #[test]
    fn random_moments_rise_and_follow_from_the_seed() {
        let all = |seed| {
            let mut schedule = Schedule::random(ms(5), 10.0, 50, 0, seed);
            std::iter::from_fn(|| schedule.poll_due(Time::NEVER)).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        assert!(all(1).is_sorted());
        assert_eq!((all(1)[0], all(1).len()), (ms(5), 50));
        let schedule = Schedule::random(ms(5), 10.0, 50, 0, 1);
        assert_eq!(
            (schedule.offered(ms(4)), schedule.offered(all(1)[9])),
            (0, 10)
        );
    }

    #[test]
    fn what_comes_in_the_lead_is_the_end_of_the_round() {
        let moments = |lead: u64| {
            let mut schedule = Schedule::random(ms(0), 1.0, 10, lead, 7);
            let all = std::iter::from_fn(|| schedule.poll_due(Time::NEVER));
            all.map(Time::as_nanos).collect::<Vec<_>>()
        };
        let (round, cycle) = (moments(0), 10_000_000_000);
        for lead in [3_000_000_000, 25_000_000_000] {
            let all = moments(lead);
            assert!(all.is_sorted());
            let (before, after): (Vec<u64>, Vec<u64>) = all.iter().partition(|at| **at < lead);
            assert_eq!(after.iter().map(|at| at - lead).collect::<Vec<_>>(), round);
            let in_round = |at: &u64| round.contains(&((at + 10 * cycle - lead) % cycle));
            assert!(before.iter().all(in_round));
            let whole_rounds = 10 * index(lead / cycle);
            assert!((whole_rounds..whole_rounds + 10).contains(&before.len()));
        }
    }

    #[test]
    fn a_ramp_publishes_its_mean_rate_and_ever_faster() {
        let mut schedule = Schedule::ramp(ms(0), 10.0, 30.0, 10_000_000_000);
        assert_eq!(schedule.count(), 200);
        let moments: Vec<f64> = std::iter::from_fn(|| schedule.poll_due(Time::NEVER))
            .map(|at| at.as_nanos() as f64 / 1e9)
            .collect();
        // Half of the time brings 75 of 200.
        let half = moments.partition_point(|at| *at < 5.0);
        assert_eq!(half, 75);
        assert!(
            moments
                .windows(3)
                .all(|m| m[2] - m[1] <= m[1] - m[0] + 1e-6)
        );
        assert!(moments.last().is_some_and(|last| *last < 10.0));
        assert_eq!(schedule.offered(ms(5000)), 76);
        let mut level = Schedule::ramp(ms(0), 10.0, 10.0, 1_000_000_000);
        assert_eq!(level.poll_due(ms(0)), Some(ms(0)));
        assert_eq!(level.next_at(), Some(ms(100)));
    }
}
