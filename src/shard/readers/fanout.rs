//! One publication, or a turn's worth of them, to every subscriber of this shard.
//!
//! A flush of very many subscribers goes on over several turns, [`Budget`] sends in each.
//!
//! The hottest loop of the program. For a subscriber whose socket takes the bytes at once it
//! costs one send and nothing else: no allocation, no copy, no reference counted.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::Readers;
use super::budget::{Budget, Share};
use super::group::{Pending, UnderWay};
use crate::base::{Chunk, ConnId, Offset, Part, Time};
use crate::session::Manner;
use crate::shard::member::Member;
use crate::shard::surroundings::Surroundings;
use crate::shard::tally::Tally;
use crate::wire::prepared::{self, PreparedMessage, WireForm};

/// What a group has to do in this turn.
#[derive(Debug)]
pub(crate) struct Flush {
    group: u32,
    pub(crate) share: Share,
    pub(crate) under_way: UnderWay,
}

/// A chunk, and to which members of its group it is offered next.
#[derive(Debug)]
pub(crate) struct Wave {
    pub(crate) part: Part,
    group: u32,
    members: Range<usize>,
}

impl Flush {
    pub(super) fn fresh(group: u32, under_way: UnderWay) -> Self {
        Self {
            group,
            share: Share::Fresh,
            under_way,
        }
    }
}

impl Readers {
    /// Whether collected publications are to be written now.
    pub(crate) fn is_flush_due(&self, now: Time) -> bool {
        self.groups.is_dirty() && now >= self.flush_at
    }

    /// Whether nothing more can be written in this turn.
    pub(crate) fn is_spent(&self) -> bool {
        self.budget.fresh == 0 || self.budget.under_way == 0
    }

    /// Another turn may write to so many.
    pub(crate) fn renew_budget(&mut self, sends: usize) {
        self.budget = Budget::new(sends);
    }

    /// A group with something pending that the budget reaches, and how its members get it.
    pub(crate) fn pop_dirty(&mut self) -> Option<(u32, Manner)> {
        if self.budget.fresh == 0 {
            return None;
        }
        let group = self.groups.pop_dirty()?;
        Some((group, self.groups.get(group).manner))
    }

    /// A flush that goes on, if the budget reaches it.
    pub(crate) fn pop_under_way(&mut self) -> Option<Flush> {
        if self.budget.under_way == 0 {
            return None;
        }
        let (group, under_way) = self.groups.pop_under_way()?;
        Some(Flush {
            group,
            share: Share::UnderWay,
            under_way,
        })
    }

    /// All that is pending in a group, as chunks.
    pub(crate) fn begin_fan_out(
        &mut self,
        around: &Surroundings,
        group: u32,
        form: WireForm,
    ) -> Flush {
        let pending = std::mem::take(&mut self.groups.get_mut(group).pending);
        let chunks = chunks(form, pending, around.limits().turn_chunk_bytes_max);
        Flush::fresh(group, UnderWay::FanOut { chunks, cursor: 0 })
    }

    /// The newest publication of an interval, for all that there were. Who joined within the
    /// interval is named to `give` with a chunk of its own.
    pub(crate) fn begin_newest(
        &mut self,
        around: &Surroundings,
        group: u32,
        form: WireForm,
        give: impl FnMut(ConnId, Chunk),
    ) -> Flush {
        let pending = std::mem::take(&mut self.groups.get_mut(group).pending);
        let conflated = self.groups.begin_interval(group, around.now).unwrap_or(1);
        let mut chunks = VecDeque::new();
        if let Some(newest) = pending.last() {
            if form.is_json() {
                self.give_to_late(group, form, newest, conflated, give);
            }
            let chunk = newest.message.conflated_chunk(form, conflated);
            chunks.push_back((chunk, pending));
        }
        Flush::fresh(group, UnderWay::FanOut { chunks, cursor: 0 })
    }

    /// Who joined within the interval has the front of it by recovery: for them the newest
    /// publication stands for fewer.
    fn give_to_late(
        &mut self,
        group: u32,
        form: WireForm,
        newest: &Pending,
        conflated: u32,
        mut give: impl FnMut(ConnId, Chunk),
    ) {
        let offset = newest.message.offset();
        let first = Offset((offset.0 + 1).saturating_sub(u64::from(conflated)));
        let members = self.groups.get_mut(group).members.iter_mut();
        for member in members.filter(|m| m.from > first && m.from <= offset) {
            let conflated = u32::try_from(offset.next().0 - member.from.0).unwrap_or(u32::MAX);
            give(member.conn, newest.message.conflated_chunk(form, conflated));
            if let Some(count) = newest.count {
                self.counts.add(count, 1, 0);
            }
            // It is given its own, and not offered the others'.
            member.from = offset.next();
        }
    }

    /// What is offered next of a fan-out, as far as the budget reaches.
    pub(crate) fn next_wave(&mut self, flush: &Flush) -> Option<Wave> {
        let UnderWay::FanOut { chunks, cursor } = &flush.under_way else {
            return None;
        };
        let (chunk, _) = chunks.front()?;
        let left = self.budget.left(flush.share);
        if *left == 0 {
            return None;
        }
        let end = self.groups.get(flush.group).members.len();
        let end = end.min(*cursor + *left);
        // A chunk costs something even where nobody wants it.
        *left -= (end - *cursor).max(1);
        Some(Wave {
            part: Part::whole(chunk.clone()),
            group: flush.group,
            members: *cursor..end,
        })
    }

    /// To whom it is offered.
    pub(crate) fn members_of(&self, wave: &Wave) -> &[Member] {
        &self.groups.get(wave.group).members[wave.members.clone()]
    }

    /// What became of that.
    pub(crate) fn was_offered(
        &mut self,
        around: &Surroundings,
        flush: &mut Flush,
        wave: &Wave,
        tally: &Tally,
    ) {
        let UnderWay::FanOut { chunks, cursor } = &mut flush.under_way else {
            return;
        };
        let Some((_, run)) = chunks.front() else {
            return;
        };
        self.count(run, tally);
        record(around, &wave.part, run.len(), tally);
        *cursor = wave.members.end;
        if *cursor == self.groups.get(flush.group).members.len() {
            self.was_given(around, run);
            chunks.pop_front();
            *cursor = 0;
        }
    }

    fn count(&mut self, run: &[Pending], tally: &Tally) {
        for count in run.iter().filter_map(|pending| pending.count) {
            self.counts.add(count, tally.whole, tally.dropped);
        }
        for tail in &tally.tails {
            let tail = run[run.len() - tail..].iter();
            for count in tail.filter_map(|pending| pending.count) {
                self.counts.add(count, 1, 0);
            }
        }
    }

    /// A group was given these publications.
    pub(crate) fn was_given(&mut self, around: &Surroundings, run: &[Pending]) {
        let now = around.clock();
        for pending in run {
            let Some(count) = pending.count else { continue };
            self.counts.close(count);
            let took = now.since(pending.received);
            around.metrics.fanout_seconds.observe(took);
        }
    }

    /// A flush is over for this turn, or altogether.
    pub(crate) fn end_flush(&mut self, now: Time, flush: Flush) {
        if flush.under_way.is_over() {
            self.groups.flushed(flush.group, now);
        } else {
            self.groups.go_on_later(flush.group, flush.under_way);
        }
    }
}

fn chunks(
    form: WireForm,
    pending: Vec<Pending>,
    bytes_max: usize,
) -> VecDeque<(Chunk, Vec<Pending>)> {
    if let [only] = pending.as_slice() {
        return VecDeque::from([(only.message.chunk(form).clone(), pending)]);
    }
    let messages: Vec<Arc<PreparedMessage>> = pending
        .iter()
        .map(|pending| Arc::clone(&pending.message))
        .collect();
    let mut rest = pending.into_iter();
    let chunks = prepared::contiguous(&messages, form, bytes_max).into_iter();
    chunks
        .map(|chunk| {
            let run = rest.by_ref().take(chunk.frames().len()).collect();
            (chunk, run)
        })
        .collect()
}

/// Counts what so many publications in one part have come to.
pub(super) fn record(around: &Surroundings, part: &Part, publications: usize, tally: &Tally) {
    let metrics = &around.metrics;
    let whole = u64::from(tally.whole);
    let late: usize = tally.tails.iter().sum();
    metrics
        .deliveries
        .add(whole * publications as u64 + late as u64);
    metrics
        .deliveries_bytes
        .add(whole * u64::from(part.len()) + tally.tail_bytes);
    metrics.sent_bytes.add(tally.sent_bytes);
    metrics.sends.add(tally.sends);
}
