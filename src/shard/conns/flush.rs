//! Outboxes to the driver: one gather write a connection and turn.

use std::mem;

use super::Conns;
use super::connection::{ConnectionState, Gate};
use crate::base::{Chunk, ConnId};
use crate::io::Close;
use crate::io::driver::{Driver, SendStatus};
use crate::shard::surroundings::Surroundings;

impl Conns {
    /// Bytes of a session for its client: what leaves by itself, if there is such, and the rest.
    pub(crate) fn send_bytes(
        &mut self,
        around: &Surroundings,
        id: ConnId,
        [apart, rest]: [Vec<u8>; 2],
    ) {
        if !apart.is_empty() {
            self.send_private(id, Chunk::private(apart));
            self.pause_behind(around, id);
        }
        if !rest.is_empty() {
            self.send_private(id, Chunk::private(rest));
        }
    }

    /// Publications for one reader alone, that it missed.
    pub(crate) fn send_missed(&mut self, around: &Surroundings, id: ConnId, chunk: Chunk) {
        let metrics = &around.metrics;
        metrics.deliveries.add(chunk.frames().len() as u64);
        metrics.deliveries_bytes.add(u64::from(chunk.len()));
        self.send_private(id, chunk);
    }

    /// Bytes for one connection alone. They are never dropped for their number: while more than
    /// half of the bound waits, nothing is read that could cause more.
    fn send_private(&mut self, id: ConnId, chunk: Chunk) {
        let charged = self.usage.charge(chunk);
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        if conn.state == ConnectionState::Closed {
            return;
        }
        conn.push(charged, 0);
        self.mark_dirty(id);
    }

    pub(super) fn mark_dirty(&mut self, id: ConnId) {
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Writes what waits, once for each connection that can be written to.
    pub(crate) fn flush<D: Driver>(&mut self, driver: &mut D, around: &Surroundings) {
        let mut dirty = mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.flush_outbox(driver, around, id);
        }
        // What was not written whole is dirty again, for the next turn.
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    fn flush_outbox<D: Driver>(&mut self, driver: &mut D, around: &Surroundings, id: ConnId) {
        let mut parts = mem::take(&mut self.parts);
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        conn.dirty = false;
        if conn.can_send()
            && let Some(outbox) = &conn.outbox
        {
            outbox.batch(&mut parts);
            let offered = parts.iter().map(|part| part.len() as usize).sum();
            let depth = (outbox.pending() - offered) as u64;
            let pauses = outbox.is_before_pause();
            let status = driver.send(id, &parts);
            around.metrics.sends.add(1);
            if depth > 0 && !pauses {
                around.metrics.outbox_depth_bytes.observe_value(depth);
            }
            if let Some(bytes) = conn.took(status, offered).sent {
                self.was_sent(around, id, bytes);
            }
        }
        parts.clear();
        self.parts = parts;
    }

    /// A send that was pending has come back.
    pub(crate) fn sent(&mut self, around: &Surroundings, id: ConnId, bytes: usize) {
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        let offered = mem::take(&mut conn.in_flight) as usize;
        if let Some(bytes) = conn.took(SendStatus::Sent(bytes), offered).sent {
            self.was_sent(around, id, bytes);
        }
    }

    fn was_sent(&mut self, around: &Surroundings, id: ConnId, bytes: usize) {
        around.metrics.sent_bytes.add(bytes as u64);
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        let pauses = conn.advance(bytes);
        if bytes > 0 && conn.state == ConnectionState::Finishing {
            // An answer that is long for its link is still read.
            conn.finish_by = around.now + around.limits().close_linger;
        }
        let (is_empty, goes_on) = (conn.outbox.is_none(), conn.gate == Gate::Open);
        if pauses {
            self.begin_pause(around, id);
        }
        if is_empty {
            self.drained(id);
        } else if goes_on && !pauses {
            self.mark_dirty(id);
        }
        self.may_resume(id, around.limits());
    }

    /// Nothing waits any more.
    fn drained(&mut self, id: ConnId) {
        let Some(conn) = self.get(id) else { return };
        if conn.state == ConnectionState::Finishing {
            self.close(id, Close::Graceful);
        }
    }

    /// The system takes bytes again.
    pub(crate) fn writable(&mut self, id: ConnId) {
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        if conn.gate == Gate::Blocked {
            conn.gate = Gate::Open;
        }
        if conn.outbox.is_some() {
            self.mark_dirty(id);
        }
    }
}
