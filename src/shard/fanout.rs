//! One publication, or a turn's worth of them, to every subscriber of this shard.
//!
//! A flush of very many subscribers goes on over several turns, [`Budget`] sends in each.
//!
//! The hottest loop of the program. For a subscriber whose socket takes the bytes at once it
//! costs one send and nothing else: no allocation, no copy, no reference counted.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::Core;
use super::groups::{Member, Pending, UnderWay};
use super::offer::{Offer, Taken, Tally, offer_tail};
use crate::base::{Chunk, Offset, Part};
use crate::io::driver::Driver;
use crate::session::Manner;
use crate::wire::prepared::{self, PreparedMessage, WireForm};

/// How many subscribers a turn may still write to: so many for what is new, and as many for what
/// is under way, so that neither waits for the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    fresh: usize,
    under_way: usize,
}

impl Budget {
    pub(super) fn new(sends: usize) -> Self {
        Self {
            fresh: sends,
            under_way: sends,
        }
    }

    /// Whether nothing more can be written in this turn.
    pub(super) fn is_spent(self) -> bool {
        self.fresh == 0 || self.under_way == 0
    }
}

impl<S> Core<S> {
    /// Whether collected publications are to be written now.
    pub(super) fn is_flush_due(&self) -> bool {
        self.groups.is_dirty() && self.now >= self.flush_at
    }

    /// Writes what was collected to every group; of very many subscribers, to as many as a turn
    /// may, and to the others in the next turns, so that nobody else waits for all of them.
    pub(super) fn flush_groups<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        if !self.is_flush_due() {
            return;
        }
        while self.budget.fresh > 0
            && let Some(id) = self.groups.pop_dirty()
        {
            let begun = self.begin_flush(id);
            let mut left = self.budget.fresh;
            self.go_on(driver, id, begun, &mut left);
            self.budget.fresh = left;
        }
        while self.budget.under_way > 0
            && let Some((id, under_way)) = self.groups.pop_under_way()
        {
            let mut left = self.budget.under_way;
            self.go_on(driver, id, under_way, &mut left);
            self.budget.under_way = left;
        }
        self.close_slow(driver);
    }

    /// What a group has to do about all that is pending.
    fn begin_flush(&mut self, id: u32) -> UnderWay {
        let group = self.groups.get_mut(id);
        let manner = group.manner;
        let pending = std::mem::take(&mut group.pending);
        let chunks = match manner {
            Manner::Each(form) => self.chunks(form, pending),
            Manner::Newest(form, _) => self.newest(id, form, pending),
            Manner::Once => return self.begin_answers(id, pending),
        };
        UnderWay::FanOut { chunks, cursor: 0 }
    }

    fn chunks(&self, form: WireForm, pending: Vec<Pending>) -> VecDeque<(Chunk, Vec<Pending>)> {
        let bytes_max = self.settings.rules.limits.turn_chunk_bytes_max;
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

    /// The newest publication of an interval, for all that there were.
    fn newest(
        &mut self,
        id: u32,
        form: WireForm,
        pending: Vec<Pending>,
    ) -> VecDeque<(Chunk, Vec<Pending>)> {
        let conflated = self.groups.begin_interval(id, self.now).unwrap_or(1);
        let Some(newest) = pending.last() else {
            return VecDeque::new();
        };
        if form.is_json() {
            self.give_to_late(id, form, newest, conflated);
        }
        let chunk = newest.message.conflated_chunk(form, conflated);
        VecDeque::from([(chunk, pending)])
    }

    /// Who joined within the interval has the front of it by recovery: for them the newest
    /// publication stands for fewer.
    fn give_to_late(&mut self, id: u32, form: WireForm, newest: &Pending, conflated: u32) {
        let offset = newest.message.offset();
        let first = Offset((offset.0 + 1).saturating_sub(u64::from(conflated)));
        let members = self.groups.get_mut(id).members.iter_mut();
        let mut late = Vec::new();
        for member in members.filter(|m| m.from > first && m.from <= offset) {
            late.push(*member);
            // It is given its own, and not offered the others'.
            member.from = offset.next();
        }
        for Member { conn, from } in late {
            let conflated = u32::try_from(offset.next().0 - from.0).unwrap_or(u32::MAX);
            self.send_missed(conn, newest.message.conflated_chunk(form, conflated));
            if let Some(count) = newest.count {
                self.counts.add(count, 1, 0);
            }
        }
    }

    /// Goes on with a flush until it is over or as many sends as are left are done.
    fn go_on<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        id: u32,
        mut under_way: UnderWay,
        left: &mut usize,
    ) {
        let over = match &mut under_way {
            UnderWay::FanOut { chunks, cursor } => {
                self.fan_out_some(driver, id, chunks, cursor, left)
            }
            UnderWay::Answers { pending, waiting } => {
                self.answer_some(driver, pending, waiting, left)
            }
        };
        if over {
            self.groups.flushed(id, self.now);
        } else {
            self.groups.go_on_later(id, under_way);
        }
    }

    fn fan_out_some<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        id: u32,
        chunks: &mut VecDeque<(Chunk, Vec<Pending>)>,
        cursor: &mut usize,
        left: &mut usize,
    ) -> bool {
        while let Some((chunk, run)) = chunks.front() {
            let members = self.groups.get_mut(id).members.len();
            let end = members.min(*cursor + *left);
            // A chunk costs something even where nobody wants it.
            *left -= (end - *cursor).max(1);
            self.fan_out(driver, id, chunk, run, *cursor..end);
            *cursor = end;
            if end == members {
                self.was_given(run);
                chunks.pop_front();
                *cursor = 0;
            }
            if *left == 0 {
                break;
            }
        }
        chunks.is_empty()
    }

    /// A group was given these publications.
    pub(super) fn was_given(&mut self, run: &[Pending]) {
        let now = (self.clock)();
        for pending in run {
            let Some(count) = pending.count else { continue };
            self.counts.close(count);
            let took = now.since(pending.received);
            self.metrics.fanout_seconds.observe(took);
        }
    }

    fn fan_out<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        id: u32,
        chunk: &Chunk,
        run: &[Pending],
        members: Range<usize>,
    ) {
        let Some(first) = chunk.frames().first().map(|frame| frame.offset) else {
            return;
        };
        let part = Part::whole(chunk.clone());
        let bytes_max = self.settings.rules.limits.outbox_bytes_max;
        let mut offer = Offer::new(&part, &self.usage, bytes_max);
        let mut tally = Tally::default();
        for member in &self.groups.get_mut(id).members[members] {
            let conn = &mut self.conns[member.conn.index()];
            if member.from > first {
                offer_tail(
                    driver,
                    &mut offer,
                    conn,
                    *member,
                    run,
                    &mut self.counts,
                    &mut tally,
                );
            } else if offer.to(driver, conn, member.conn, 0, &mut tally) == Taken::Queued {
                tally.whole += 1;
            } else {
                tally.dropped += 1;
                self.slow.push(member.conn);
            }
            if conn.outbox.is_some() && !conn.dirty {
                conn.dirty = true;
                self.dirty.push(member.conn);
            }
        }
        for count in run.iter().filter_map(|pending| pending.count) {
            self.counts.add(count, tally.whole, tally.dropped);
        }
        self.record(&part, run.len(), &tally);
    }

    pub(super) fn record(&self, part: &Part, publications: usize, tally: &Tally) {
        let metrics = &self.metrics;
        let whole = u64::from(tally.whole);
        metrics
            .deliveries
            .add(whole * publications as u64 + tally.late);
        metrics
            .deliveries_bytes
            .add(whole * u64::from(part.len()) + tally.late_bytes);
        metrics.sent_bytes.add(tally.sent_bytes);
        metrics.sends.add(tally.sends);
    }
}
