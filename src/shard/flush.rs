//! Outboxes to the driver: one gather write a connection and turn; slow consumers; the budget.

use std::mem;

use super::Core;
use super::connection::{Gate, State};
use crate::base::ConnId;
use crate::io::driver::{Driver, SendStatus};
use crate::io::{Close, Peer};
use crate::metrics::DropReason;

impl<S> Core<S> {
    pub(super) fn mark_dirty(&mut self, id: ConnId) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(id);
        }
    }

    /// Writes what waits, once for each connection that can be written to.
    pub(super) fn flush_outboxes<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        let mut dirty = mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.flush_outbox(driver, id);
        }
        // What was not written whole is dirty again, for the next turn.
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    fn flush_outbox<D: Driver<Socket = S>>(&mut self, driver: &mut D, id: ConnId) {
        let mut parts = mem::take(&mut self.parts);
        let Some(conn) = self.conn_mut(id) else {
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
            self.metrics.sends.add(1);
            if depth > 0 && !pauses {
                self.metrics.outbox_depth_bytes.observe_value(depth);
            }
            self.after_send(id, offered, status);
        }
        parts.clear();
        self.parts = parts;
    }

    fn after_send(&mut self, id: ConnId, offered: usize, status: SendStatus) {
        match status {
            SendStatus::Sent(bytes) => self.was_sent(id, bytes, offered),
            SendStatus::Pending => {
                if let Some(conn) = self.conn_mut(id) {
                    conn.in_flight = u32::try_from(offered).unwrap_or(u32::MAX);
                }
            }
            SendStatus::Gone => {}
        }
    }

    /// A send that was pending has come back.
    pub(super) fn sent(&mut self, id: ConnId, bytes: usize) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        let offered = mem::take(&mut conn.in_flight) as usize;
        self.was_sent(id, bytes, offered);
    }

    fn was_sent(&mut self, id: ConnId, bytes: usize, offered: usize) {
        self.metrics.sent_bytes.add(bytes as u64);
        let (now, linger) = (self.now, self.settings.rules.limits.close_linger);
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        let pauses = conn.advance(bytes, offered);
        if bytes > 0 && conn.state == State::Finishing {
            // An answer that is long for its link is still read.
            conn.finish_by = now + linger;
        }
        let (is_empty, goes_on) = (conn.outbox.is_none(), conn.gate == Gate::Open);
        if pauses {
            self.begin_pause(id);
        }
        if is_empty {
            self.drained(id);
        } else if goes_on && !pauses {
            self.mark_dirty(id);
        }
        self.may_resume(id);
    }

    /// Nothing waits any more.
    fn drained(&mut self, id: ConnId) {
        let Some(conn) = self.conn(id) else { return };
        if conn.state == State::Finishing {
            self.close(id, Close::Graceful);
        }
    }

    pub(super) fn writable(&mut self, id: ConnId) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.gate == Gate::Blocked {
            conn.gate = Gate::Open;
        }
        if conn.outbox.is_some() {
            self.mark_dirty(id);
        }
    }

    /// Closes those whose outbox had no room in this turn's fan-out.
    pub(super) fn close_slow<D: Driver<Socket = S>>(&mut self, driver: &D) {
        for id in mem::take(&mut self.slow) {
            self.cut_off(driver, id, DropReason::SlowConsumer);
        }
    }

    /// Over the node's budget, the largest outbox goes.
    pub(super) fn close_over_budget<D: Driver<Socket = S>>(&mut self, driver: &D) {
        let (before, after) = (self.usage_reported, self.usage.bytes());
        self.usage_reported = after;
        if !self.node.outbox_changed(before, after) {
            return;
        }
        let open = self
            .conns
            .iter()
            .filter(|(_, conn)| conn.state == State::Open && conn.can_be_cut_off());
        let largest = open
            .max_by_key(|(_, conn)| conn.pending())
            .map(|(slot, _)| slot);
        if let Some(slot) = largest.filter(|slot| self.conns[*slot].pending() > 0) {
            let id = ConnId {
                slot: super::slot_number(slot),
                generation: self.generations[slot],
            };
            self.cut_off(driver, id, DropReason::NodeBudget);
        }
    }

    /// Drops whole unsent frames, finishes the one partly written, says 4008, and gives the peer
    /// `close_linger` to read that.
    fn cut_off<D: Driver<Socket = S>>(&mut self, driver: &D, id: ConnId, reason: DropReason) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.state != State::Open || !conn.can_be_cut_off() {
            return;
        }
        let pending_bytes = conn.pending();
        let in_flight = conn.in_flight as usize;
        let dropped = conn
            .outbox
            .as_mut()
            .map_or(0, |outbox| outbox.drop_unsent(in_flight));
        if conn.outbox.as_ref().is_some_and(|outbox| outbox.is_empty()) {
            conn.outbox = None;
        }
        let behind = conn.behind.as_deref();
        let client = behind.map(|behind| Peer::Inet(behind.client.unwrap_or(behind.sender)));
        let topic = conn.membership.map(|at| self.groups.topic(at).clone());
        let peer = client.or_else(|| driver.peer(id));
        tracing::warn!(
            shard = self.id.0,
            topic = topic.map(tracing::field::display),
            peer = peer.map(tracing::field::display),
            pending_bytes,
            kernel_bytes = driver.unsent(id),
            reason = crate::metrics::Label::name(reason),
            "closed a slow consumer",
        );
        self.metrics.dropped(
            reason,
            dropped + u64::from(reason == DropReason::SlowConsumer),
        );
        self.with_session(id, |session, context, outputs| {
            session.handle_slow(context, outputs)
        });
    }

    /// Ends every connection at once.
    pub(super) fn reset_all(&mut self) {
        for slot in 0..self.generations.len() {
            let id = ConnId {
                slot: super::slot_number(slot),
                generation: self.generations[slot],
            };
            self.leave_group(id);
            self.close(id, Close::Reset);
        }
    }
}
