//! A chunk offered to one subscriber after the other.
//!
//! For a subscriber whose socket takes the bytes at once an offer is one send and nothing else.

use super::Conns;
use super::connection::{Connection, ConnectionState};
use super::outbox::{ChargedChunk, Usage};
use crate::base::{ConnId, Part};
use crate::io::driver::{Driver, SEND_BATCH_BYTES_MAX};
use crate::shard::member::Member;
use crate::shard::tally::Tally;

/// A chunk on its way through a group.
struct Offer<'a> {
    part: &'a Part,
    /// Made when the first subscriber has to wait.
    charged: Option<ChargedChunk>,
    usage: &'a Usage,
    outbox_bytes_max: usize,
}

/// What became of an offer to one subscriber.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OfferOutcome {
    /// It was sent, or waits.
    Queued,
    /// The subscriber has too much waiting.
    TooSlow,
}

impl Conns {
    /// Offers publications to members, one after the other. Whose outbox has no room is noted
    /// as slow.
    pub(crate) fn offer<D: Driver>(
        &mut self,
        driver: &mut D,
        outbox_bytes_max: usize,
        part: &Part,
        members: &[Member],
    ) -> Tally {
        let mut tally = Tally::default();
        let Some(first) = part.chunk.frames().first().map(|frame| frame.offset) else {
            return tally;
        };
        let mut offer = Offer::new(part, &self.usage, outbox_bytes_max);
        for member in members {
            let conn = &mut self.slab[member.conn.index()];
            if member.from > first {
                offer.tail(driver, conn, *member, &mut tally);
            } else if offer.to(driver, conn, member.conn, 0, &mut tally) == OfferOutcome::Queued {
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
        tally
    }

    /// Gives the same bytes to these, whatever waits for them.
    pub(crate) fn give<D: Driver>(
        &mut self,
        driver: &mut D,
        outbox_bytes_max: usize,
        part: &Part,
        conns: &[ConnId],
    ) -> Tally {
        let mut offer = Offer::new(part, &self.usage, outbox_bytes_max);
        let mut tally = Tally::default();
        for id in conns {
            let conn = &mut self.slab[id.index()];
            offer.whole(driver, conn, *id, &mut tally);
            if conn.outbox.is_some() && !conn.dirty {
                conn.dirty = true;
                self.dirty.push(*id);
            }
        }
        tally
    }
}

impl<'a> Offer<'a> {
    fn new(part: &'a Part, usage: &'a Usage, outbox_bytes_max: usize) -> Self {
        Self {
            part,
            charged: None,
            usage,
            outbox_bytes_max,
        }
    }

    /// A subscriber who joined in the middle of the turn has the front of the chunk already, by
    /// recovery. Its outbox cannot be full: it has just begun.
    fn tail<D: Driver>(
        &mut self,
        driver: &mut D,
        conn: &mut Connection,
        member: Member,
        tally: &mut Tally,
    ) {
        let (start, frames) = self.part.chunk.seek(member.from);
        if frames == 0 {
            return;
        }
        if self.to(driver, conn, member.conn, start, tally) == OfferOutcome::TooSlow {
            conn.push(self.charged(), start);
        }
        tally.tails.push(frames);
        tally.tail_bytes += u64::from(self.part.len() - start);
    }

    /// The whole chunk to one subscriber, whatever waits for it.
    fn whole<D: Driver>(
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
    ) -> OfferOutcome {
        debug_assert_eq!(
            conn.state,
            ConnectionState::Open,
            "only open connections are subscribed"
        );
        let len = (self.part.len() - start) as usize;
        if conn.is_clear() && len <= SEND_BATCH_BYTES_MAX {
            self.send(driver, conn, id, start, tally);
            return OfferOutcome::Queued;
        }
        self.make_room(driver, conn, id, len, tally);
        if self.is_too_much(conn, len) {
            return OfferOutcome::TooSlow;
        }
        conn.push(self.charged(), start);
        OfferOutcome::Queued
    }

    /// An empty outbox takes one chunk, whatever its size.
    fn is_too_much(&self, conn: &Connection, len: usize) -> bool {
        let pending = conn.pending();
        pending > 0 && pending + len > self.outbox_bytes_max
    }

    /// Too slow is only whose socket has not taken what it was offered. What came into the
    /// outbox in this turn (a 101 with its recovery, a publication longer than one send) was not
    /// offered yet, and who waits behind a 101 does so no longer.
    fn make_room<D: Driver>(
        &self,
        driver: &mut D,
        conn: &mut Connection,
        id: ConnId,
        len: usize,
        tally: &mut Tally,
    ) {
        let mut parts = Vec::new();
        if self.is_too_much(conn, len) {
            conn.skip_pause();
        }
        while self.is_too_much(conn, len) && conn.can_send() {
            let Some(outbox) = &conn.outbox else { return };
            outbox.batch(&mut parts);
            let offered: usize = parts.iter().map(|part| part.len() as usize).sum();
            tally.sends += 1;
            let status = driver.send(id, &parts);
            let Some(sent) = conn.took(status, offered).sent else {
                return;
            };
            tally.sent_bytes += sent as u64;
            // Without a pause, since that was skipped.
            let _ = conn.advance(sent);
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
        let took = conn.took(status, (self.part.len() - start) as usize);
        let sent = took.sent.unwrap_or(0);
        tally.sent_bytes += sent as u64;
        if took.is_short {
            conn.push(
                self.charged(),
                start + u32::try_from(sent).unwrap_or(u32::MAX),
            );
        }
    }

    fn charged(&mut self) -> ChargedChunk {
        let part = self.part;
        let usage = self.usage;
        self.charged
            .get_or_insert_with(|| usage.charge(part.chunk.clone()))
            .clone()
    }
}
