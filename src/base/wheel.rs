//! A coarse timer wheel: many deadlines, cheap to set, fired up to one tick late.
//!
//! It holds one entry for each thing that waits, and what fires may turn out to be early or
//! stale: the owner looks at its own deadline then and sets the wheel again.
//! A moved deadline therefore costs nothing until the old one fires.

use std::time::Duration;

use super::Time;

/// Slots of the wheel; deadlines further away than `SLOTS` ticks fire early and are set again.
const SLOTS: usize = 512;

/// Deadlines of things named `K`.
#[derive(Debug)]
pub struct TimerWheel<K> {
    slots: Box<[Vec<K>]>,
    tick: Duration,
    /// The tick that fires next, counted from the clock's origin.
    next: u64,
    /// The first tick that has entries; `u64::MAX` if there are none.
    first: u64,
    entries: usize,
}

impl<K> TimerWheel<K> {
    /// A wheel that fires each `tick`.
    #[must_use]
    pub fn new(now: Time, tick: Duration) -> Self {
        let slots = std::iter::repeat_with(Vec::new).take(SLOTS).collect();
        let mut wheel = Self {
            slots,
            tick,
            next: 0,
            first: u64::MAX,
            entries: 0,
        };
        wheel.next = wheel.tick_of(now) + 1;
        wheel
    }

    /// Asks for `key` at `at` or up to one tick later; earlier if it is over 512 ticks away.
    /// Says when that will be.
    pub fn set(&mut self, at: Time, key: K) -> Time {
        let furthest = self.next + SLOTS as u64 - 1;
        let tick = (self.tick_of(at) + 1).clamp(self.next, furthest);
        self.slots[Self::slot(tick)].push(key);
        self.entries += 1;
        self.first = self.first.min(tick);
        self.time_of(tick)
    }

    /// Hands out everything that is due.
    pub fn expire(&mut self, now: Time, mut fire: impl FnMut(K)) {
        let last = self.tick_of(now);
        // After a long sleep one round of the wheel holds all there is.
        let rounds = (last + 1).saturating_sub(self.next).min(SLOTS as u64);
        for i in 0..rounds {
            let slot = Self::slot(self.next + i);
            let due = std::mem::take(&mut self.slots[slot]);
            self.entries -= due.len();
            due.into_iter().for_each(&mut fire);
        }
        self.next = self.next.max(last + 1);
        if self.first < self.next {
            self.first = self.find_first();
        }
    }

    /// When to call [`TimerWheel::expire`] next; `None` if nothing waits.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        (self.entries > 0).then(|| self.time_of(self.first))
    }

    /// How many entries wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    fn tick_of(&self, at: Time) -> u64 {
        at.as_nanos()
            / u64::try_from(self.tick.as_nanos())
                .unwrap_or(u64::MAX)
                .max(1)
    }

    fn find_first(&self) -> u64 {
        let mut ticks = self.next..self.next + SLOTS as u64;
        let busy = ticks.find(|tick| !self.slots[Self::slot(*tick)].is_empty());
        busy.unwrap_or(u64::MAX)
    }

    fn time_of(&self, tick: u64) -> Time {
        let nanos = u64::try_from(self.tick.as_nanos()).unwrap_or(u64::MAX);
        Time::from_nanos(tick.saturating_mul(nanos))
    }

    fn slot(tick: u64) -> usize {
        usize::try_from(tick % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Time {
        Time::from_nanos(n * 1_000_000)
    }

    fn fired(wheel: &mut TimerWheel<u32>, now: Time) -> Vec<u32> {
        let mut keys = Vec::new();
        wheel.expire(now, |key| keys.push(key));
        keys
    }

    #[test]
    fn a_deadline_fires_once_never_early_and_at_most_one_tick_late() {
        let mut wheel = TimerWheel::new(ms(1000), Duration::from_millis(10));
        assert_eq!(wheel.set(ms(1025), 1), ms(1030));
        assert_eq!(wheel.next_deadline(), Some(ms(1030)));
        assert_eq!(fired(&mut wheel, ms(1029)), [0u32; 0]);
        assert_eq!(fired(&mut wheel, ms(1030)), [1]);
        assert_eq!(fired(&mut wheel, ms(2000)), [0u32; 0]);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn a_deadline_in_the_past_fires_at_the_next_tick() {
        let mut wheel = TimerWheel::new(ms(1000), Duration::from_millis(10));
        wheel.set(ms(5), 1);
        assert_eq!(fired(&mut wheel, ms(1010)), [1]);
    }

    #[test]
    fn a_deadline_beyond_the_wheel_fires_early_so_that_it_is_set_again() {
        let mut wheel = TimerWheel::new(ms(0), Duration::from_millis(10));
        assert_eq!(wheel.set(ms(60_000), 1), ms(5_120));
        assert_eq!(fired(&mut wheel, ms(5_110)), [0u32; 0]);
        assert_eq!(fired(&mut wheel, ms(5_120)), [1]);
    }

    #[test]
    fn the_next_deadline_is_the_first_of_those_that_wait() {
        let mut wheel = TimerWheel::new(ms(0), Duration::from_millis(10));
        for (at, first) in [(95, 100), (205, 100), (45, 50)] {
            wheel.set(ms(at), at);
            assert_eq!(wheel.next_deadline(), Some(ms(first)));
        }
        for (now, left) in [(50, Some(ms(100))), (100, Some(ms(210))), (210, None)] {
            wheel.expire(ms(now), drop);
            assert_eq!(wheel.next_deadline(), left);
        }
    }

    #[test]
    fn a_long_sleep_fires_everything() {
        let mut wheel = TimerWheel::new(ms(0), Duration::from_millis(10));
        (0..1000).for_each(|i| {
            wheel.set(ms(u64::from(i) * 4), i);
        });
        let mut keys = fired(&mut wheel, ms(1_000_000));
        keys.sort_unstable();
        assert_eq!(keys, (0..1000).collect::<Vec<_>>());
        assert!(wheel.is_empty());
    }
}
