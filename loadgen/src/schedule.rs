//! When publications are due: evenly spaced moments that do not depend on the server.
//!
//! A late publisher sends what is due with the moments at which it was due, so that a stall
//! shows in the latency of everything that had to wait behind it (coordinated omission).

use altavoz::base::Time;

use crate::num::whole;

/// The open loop's timetable.
#[derive(Clone, Debug)]
pub struct Schedule {
    start: Time,
    interval_nanos: f64,
    limit: u64,
    next: u64,
}

impl Schedule {
    /// `limit` publications from `start` on, `rate` a second.
    #[must_use]
    pub fn new(start: Time, rate: f64, limit: u64) -> Self {
        Self {
            start,
            interval_nanos: 1e9 / rate,
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

    /// How many moments lie before `now`, handed out or not.
    #[must_use]
    pub fn offered(&self, now: Time) -> u64 {
        if now < self.start {
            return 0;
        }
        let elapsed = now.as_nanos() - self.start.as_nanos();
        let passed = (elapsed as f64 / self.interval_nanos).floor();
        (whole(passed) + 1).min(self.limit)
    }

    fn moment(&self, i: u64) -> Time {
        Time::from_nanos(self.start.as_nanos() + whole(i as f64 * self.interval_nanos))
    }
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
}
