//! One publication, or a turn's worth of them, to every subscriber of this shard.
//!
//! The hottest loop of the program. For a subscriber whose socket takes the bytes at once it
//! costs one send and nothing else: no allocation, no copy, no reference counted.

use std::sync::Arc;

use super::connection::Connection;
use super::groups::{Member, Pending};
use super::outbox::{Charged, Usage};
use super::{Core, State};
use crate::base::{Chunk, ConnId, Offset, Part, ShardId};
use crate::io::driver::{Driver, SEND_BATCH_BYTES_MAX, SendStatus};
use crate::mesh::Delivered;
use crate::session::Manner;
use crate::wire::prepared::{self, PreparedMessage, WireForm};

/// What became of a publication on this shard in this turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnCount {
    pub(super) home: ShardId,
    pub(super) delivery: u32,
    pub(super) queued: u32,
    pub(super) dropped: u32,
}

impl TurnCount {
    pub(super) fn delivered(&self) -> Delivered {
        Delivered {
            delivery: self.delivery,
            queued: self.queued,
            dropped: self.dropped,
        }
    }
}

/// What one chunk's way through a group has come to.
#[derive(Default)]
pub(super) struct Tally {
    /// Subscribers that were given the whole chunk.
    pub(super) whole: u32,
    /// Subscribers for whom the policy dropped the whole chunk.
    dropped: u32,
    /// Bytes that the system took at once, and in how many sends.
    pub(super) sent_bytes: u64,
    pub(super) sends: u64,
    /// Publications and bytes given to subscribers who joined in the middle of the turn.
    late: u64,
    late_bytes: u64,
}

/// A chunk on its way through a group.
pub(super) struct Offer<'a> {
    part: &'a Part,
    /// Made when the first subscriber has to wait.
    charged: Option<Charged>,
    usage: &'a Usage,
    outbox_bytes_max: usize,
}

/// What became of an offer to one subscriber.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It was sent, or waits.
    Queued,
    /// The subscriber has too much waiting.
    TooSlow,
}

impl<S> Core<S> {
    /// Whether collected publications are to be written now.
    pub(super) fn is_flush_due(&self) -> bool {
        self.groups.is_dirty() && self.now >= self.flush_at
    }

    /// Writes what was collected to every group.
    pub(super) fn flush_groups<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        if !self.is_flush_due() {
            return;
        }
        while let Some(group) = self.groups.pop_dirty() {
            match self.groups.get_mut(group).manner {
                Manner::Each(form) => self.flush_group(driver, group, form),
                Manner::Newest(form, _) => self.flush_newest(driver, group, form),
                Manner::Once => self.answer_held(driver, group),
            }
            self.groups.settle(group);
        }
        self.close_slow(driver);
    }

    fn flush_group<D: Driver<Socket = S>>(&mut self, driver: &mut D, id: u32, form: WireForm) {
        let group = self.groups.get_mut(id);
        let mut pending = std::mem::take(&mut group.pending);
        let bytes_max = self.settings.rules.limits.turn_chunk_bytes_max;
        let messages: Vec<Arc<PreparedMessage>> = pending
            .iter()
            .map(|pending| Arc::clone(&pending.message))
            .collect();
        let mut rest = pending.as_slice();
        for chunk in prepared::contiguous(&messages, form, bytes_max) {
            let (run, behind) = rest.split_at(chunk.frames().len());
            self.fan_out(driver, id, chunk, run);
            rest = behind;
        }
        self.observe(&pending);
        pending.clear();
        self.groups.get_mut(id).pending = pending;
    }

    /// The newest publication of an interval, for all that there were.
    fn flush_newest<D: Driver<Socket = S>>(&mut self, driver: &mut D, id: u32, form: WireForm) {
        let conflated = self.groups.begin_interval(id, self.now).unwrap_or(1);
        let run = std::mem::take(&mut self.groups.get_mut(id).pending);
        if let [newest] = run.as_slice() {
            if form.is_json() {
                self.flush_to_late(driver, id, newest, form, conflated);
            }
            let chunk = newest.message.conflated_chunk(form, conflated);
            self.fan_out(driver, id, chunk, &run);
        }
    }

    /// Members who joined within the interval have the front of it by recovery: for them the
    /// publication stands for fewer.
    fn flush_to_late<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        id: u32,
        newest: &Pending,
        form: WireForm,
        conflated: u32,
    ) {
        let offset = newest.message.offset();
        let first = Offset(offset.0.saturating_sub(u64::from(conflated)) + 1);
        let members = &mut self.groups.get_mut(id).members;
        let is_late = |member: &&mut Member| member.from > first && member.from <= offset;
        let mut late = Vec::new();
        for member in members.iter_mut().filter(is_late) {
            late.push(*member);
            // It is given its own, and not offered the others'.
            member.from = offset.next();
        }
        for member in late {
            let conflated = u32::try_from(offset.next().0 - member.from.0).unwrap_or(u32::MAX);
            let chunk = newest.message.conflated_chunk(form, conflated);
            self.offer_alone(driver, member.conn, chunk, std::slice::from_ref(newest));
        }
    }

    /// One subscriber's own chunk.
    fn offer_alone<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        id: ConnId,
        chunk: Chunk,
        run: &[Pending],
    ) {
        let part = Part::whole(chunk);
        let bytes_max = self.settings.rules.limits.outbox_bytes_max;
        let mut offer = Offer::new(&part, &self.usage, bytes_max);
        let mut tally = Tally::default();
        let conn = &mut self.conns[id.index()];
        if offer.to(driver, conn, id, 0, &mut tally) == Taken::Queued {
            tally.whole += 1;
        } else {
            tally.dropped += 1;
            self.slow.push(id);
        }
        if conn.outbox.is_some() && !conn.dirty {
            conn.dirty = true;
            self.dirty.push(id);
        }
        self.count_turn(run, &tally);
        self.record(&part, run.len(), &tally);
    }

    pub(super) fn observe(&self, pending: &[Pending]) {
        let now = (self.clock)();
        for pending in pending {
            self.metrics
                .fanout_seconds
                .observe(now.since(pending.received));
        }
    }

    fn fan_out<D: Driver<Socket = S>>(
        &mut self,
        driver: &mut D,
        id: u32,
        chunk: Chunk,
        run: &[Pending],
    ) {
        let Some(first) = chunk.frames().first().map(|frame| frame.offset) else {
            return;
        };
        let part = Part::whole(chunk);
        let bytes_max = self.settings.rules.limits.outbox_bytes_max;
        let mut offer = Offer::new(&part, &self.usage, bytes_max);
        let mut tally = Tally::default();
        for member in &self.groups.get_mut(id).members {
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
        self.count_turn(run, &tally);
        self.record(&part, run.len(), &tally);
    }

    /// Adds what became of a turn's publications to their counts.
    fn count_turn(&mut self, run: &[Pending], tally: &Tally) {
        for count in run.iter().filter_map(|pending| pending.count) {
            let count = &mut self.counts[count as usize];
            count.queued += tally.whole;
            count.dropped += tally.dropped;
        }
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

/// A subscriber who joined in the middle of the turn has the front of the chunk already, by
/// recovery. Its outbox cannot be full: it has just begun.
fn offer_tail<D: Driver>(
    driver: &mut D,
    offer: &mut Offer<'_>,
    conn: &mut Connection,
    member: Member,
    run: &[Pending],
    counts: &mut [TurnCount],
    tally: &mut Tally,
) {
    let (start, frames) = offer.part.chunk.seek(member.from);
    if frames == 0 {
        return;
    }
    if offer.to(driver, conn, member.conn, start, tally) == Taken::TooSlow {
        conn.push(offer.charged(), start);
    }
    let tail = run[run.len() - frames..].iter();
    for count in tail.filter_map(|pending| pending.count) {
        counts[count as usize].queued += 1;
    }
    tally.late += frames as u64;
    tally.late_bytes += u64::from(offer.part.len() - start);
}

impl<'a> Offer<'a> {
    pub(super) fn new(part: &'a Part, usage: &'a Usage, outbox_bytes_max: usize) -> Self {
        Self {
            part,
            charged: None,
            usage,
            outbox_bytes_max,
        }
    }

    /// The whole chunk to one subscriber, whatever waits for it.
    pub(super) fn whole<D: Driver>(
        &mut self,
        driver: &mut D,
        conn: &mut Connection,
        id: ConnId,
        tally: &mut Tally,
    ) {
        if conn.is_clear() && self.part.len() as usize <= SEND_BATCH_BYTES_MAX {
            self.send(driver, conn, id, 0, tally);
        } else {
            conn.push(self.charged(), 0);
        }
        tally.whole += 1;
    }

    /// Offers the chunk from `start` on to one subscriber.
    #[inline]
    fn to<D: Driver>(
        &mut self,
        driver: &mut D,
        conn: &mut Connection,
        id: ConnId,
        start: u32,
        tally: &mut Tally,
    ) -> Taken {
        debug_assert_eq!(
            conn.state,
            State::Open,
            "only open connections are subscribed"
        );
        let len = (self.part.len() - start) as usize;
        if conn.is_clear() && len <= SEND_BATCH_BYTES_MAX {
            self.send(driver, conn, id, start, tally);
            return Taken::Queued;
        }
        self.make_room(driver, conn, id, len, tally);
        if self.is_too_much(conn, len) {
            return Taken::TooSlow;
        }
        conn.push(self.charged(), start);
        Taken::Queued
    }

    /// An empty outbox takes one chunk, whatever its size.
    fn is_too_much(&self, conn: &Connection, len: usize) -> bool {
        let pending = conn.pending();
        pending > 0 && pending + len > self.outbox_bytes_max
    }

    /// Too slow is only whose socket has not taken what it was offered. What came into the
    /// outbox in this turn (a 101 with its recovery, a publication longer than one send) was not
    /// offered yet.
    fn make_room<D: Driver>(
        &self,
        driver: &mut D,
        conn: &mut Connection,
        id: ConnId,
        len: usize,
        tally: &mut Tally,
    ) {
        let mut parts = Vec::new();
        while self.is_too_much(conn, len) && conn.can_send() {
            let Some(outbox) = &conn.outbox else { return };
            outbox.batch(&mut parts);
            let offered: usize = parts.iter().map(|part| part.len() as usize).sum();
            tally.sends += 1;
            match driver.send(id, &parts) {
                SendStatus::Sent(sent) => {
                    tally.sent_bytes += sent as u64;
                    conn.advance(sent);
                    conn.blocked = sent < offered;
                }
                SendStatus::Pending => conn.in_flight = u32::try_from(offered).unwrap_or(u32::MAX),
                SendStatus::Gone => return,
            }
        }
    }

    fn send<D: Driver>(
        &mut self,
        driver: &mut D,
        conn: &mut Connection,
        id: ConnId,
        start: u32,
        tally: &mut Tally,
    ) {
        let status = if start == 0 {
            driver.send(id, std::slice::from_ref(self.part))
        } else {
            driver.send(
                id,
                &[Part {
                    start,
                    ..self.part.clone()
                }],
            )
        };
        tally.sends += 1;
        let len = self.part.len() - start;
        match status {
            SendStatus::Sent(sent) => {
                tally.sent_bytes += sent as u64;
                let sent = u32::try_from(sent).unwrap_or(u32::MAX);
                if sent < len {
                    conn.blocked = true;
                    conn.push(self.charged(), start + sent);
                }
            }
            SendStatus::Pending => {
                conn.in_flight = len;
                conn.push(self.charged(), start);
            }
            SendStatus::Gone => {}
        }
    }

    fn charged(&mut self) -> Charged {
        let part = self.part;
        let usage = self.usage;
        self.charged
            .get_or_insert_with(|| usage.charge(part.chunk.clone()))
            .clone()
    }
}
