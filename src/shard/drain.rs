//! Going away without a herd: closes are spread, and each tells its client when to come back.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::{ConnId, Time};

/// Clients come back after a random time within this. RFC 6455 §7.2.3 proposes 5 s at most for a
/// first attempt; an EventSource keeps `retry` for all that follow as well, and with next to
/// nothing it would never rest while a node is away.
pub(super) const RETRY_MS: RangeInclusive<u64> = 1_000..=5_000;

/// A drain that has begun.
#[derive(Debug)]
pub(super) struct Drain {
    /// Until then newcomers are still taken.
    grace_ends: Time,
    /// Then everybody has been told to go.
    ends: Time,
    /// Who is told when; the latest first.
    schedule: Vec<(Time, ConnId)>,
    /// Everybody was told, the late ones too.
    swept: bool,
}

impl Drain {
    /// Newcomers are taken for `grace`, and the closes are spread over the `window` behind it.
    pub(super) fn new(now: Time, grace: Duration, window: Duration) -> Self {
        let grace_ends = now + grace;
        Self {
            grace_ends,
            ends: grace_ends + window,
            schedule: Vec::new(),
            swept: false,
        }
    }

    /// Spreads the closes of all that are there.
    pub(super) fn spread(
        &mut self,
        conns: impl Iterator<Item = ConnId>,
        random: &mut fastrand::Rng,
    ) {
        let (from, to) = (self.grace_ends, self.ends);
        self.schedule
            .extend(conns.map(|id| (within(random, from, to), id)));
        self.schedule
            .sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
    }

    /// A reader that came during the grace gets its turn as well.
    pub(super) fn schedule(&mut self, id: ConnId, random: &mut fastrand::Rng, now: Time) {
        let at = within(random, self.grace_ends.max(now), self.ends);
        let place = self.schedule.partition_point(|(other, _)| *other > at);
        self.schedule.insert(place, (at, id));
    }

    /// One whose time has come.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<ConnId> {
        self.schedule.pop_if(|(at, _)| *at <= now).map(|(_, id)| id)
    }

    /// Whether everybody who is left has to be told now; once.
    pub(super) fn sweeps(&mut self, now: Time) -> bool {
        self.ends <= now && !std::mem::replace(&mut self.swept, true)
    }

    pub(super) fn takes_upgrades(&self, now: Time) -> bool {
        now < self.grace_ends
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        let next = self.schedule.last().map(|(at, _)| *at);
        next.or_else(|| (!self.swept).then_some(self.ends))
    }
}

fn within(random: &mut fastrand::Rng, from: Time, to: Time) -> Time {
    let width = u64::try_from(to.since(from).as_nanos()).unwrap_or(u64::MAX);
    from + Duration::from_nanos(if width == 0 { 0 } else { random.u64(0..width) })
}
