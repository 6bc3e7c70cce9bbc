//! Going away without a herd: closes are spread, and each tells its client when to come back.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Core;
use crate::base::{ConnId, Time};

/// Clients come back after a random time within this. RFC 6455 §7.2.3 proposes 5 s at most for a
/// first attempt; an EventSource keeps `retry` for all that follow as well, and with next to
/// nothing it would never rest while a node is away.
const RETRY_MS: RangeInclusive<u64> = 1_000..=5_000;

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
    pub(super) fn takes_upgrades(&self, now: Time) -> bool {
        now < self.grace_ends
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        let next = self.schedule.last().map(|(at, _)| *at);
        next.or_else(|| (!self.swept).then_some(self.ends))
    }
}

impl<S> Core<S> {
    /// Begins to drain: readiness is withdrawn at once, newcomers are taken for `grace`, and the
    /// closes are spread over the `window` behind it.
    pub(super) fn begin_drain(&mut self, grace: Duration, window: Duration) {
        if self.drain.is_some() {
            return;
        }
        self.metrics.draining.set(1);
        let grace_ends = self.now + grace;
        let ends = grace_ends + window;
        let drain = Drain {
            grace_ends,
            ends,
            schedule: Vec::new(),
            swept: false,
        };
        let drain = self.drain.insert(drain);
        let Self {
            conns,
            generations,
            random,
            ..
        } = self;
        for (slot, _) in conns {
            let id = ConnId {
                slot: super::slot_number(slot),
                generation: generations[slot],
            };
            drain.schedule.push((within(random, grace_ends, ends), id));
        }
        drain
            .schedule
            .sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        self.close_drained();
    }

    /// A WebSocket that came during the grace gets its turn as well.
    pub(super) fn schedule_drain(&mut self, id: ConnId) {
        let Some(drain) = &mut self.drain else { return };
        let at = within(&mut self.random, drain.grace_ends.max(self.now), drain.ends);
        let place = drain.schedule.partition_point(|(other, _)| *other > at);
        drain.schedule.insert(place, (at, id));
    }

    /// Tells those whose time has come, and at the end everybody who is left.
    pub(super) fn close_drained(&mut self) {
        let now = self.now;
        while let Some(drain) = &mut self.drain
            && let Some((_, id)) = drain.schedule.pop_if(|(at, _)| *at <= now)
        {
            self.send_away(id);
        }
        let Some(drain) = self.drain.as_mut().filter(|drain| drain.ends <= now) else {
            return;
        };
        if !std::mem::replace(&mut drain.swept, true) {
            for slot in 0..self.generations.len() {
                let generation = self.generations[slot];
                self.send_away(ConnId {
                    slot: super::slot_number(slot),
                    generation,
                });
            }
        }
    }

    fn send_away(&mut self, id: ConnId) {
        let retry = self.random.u64(RETRY_MS);
        self.with_session(id, |session, cx, out| session.handle_drain(cx, retry, out));
    }
}

fn within(random: &mut fastrand::Rng, from: Time, to: Time) -> Time {
    let width = u64::try_from(to.since(from).as_nanos()).unwrap_or(u64::MAX);
    from + Duration::from_nanos(if width == 0 { 0 } else { random.u64(0..width) })
}
