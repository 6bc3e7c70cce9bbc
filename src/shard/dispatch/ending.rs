//! How connections end by the node's will: slow consumers, the budget, a drain, the end of all.

use std::io;
use std::time::Duration;

use super::Core;
use crate::base::ConnId;
use crate::io::{Close, Driver};
use crate::metrics::{DropReason, Label};
use crate::shard::drain::{Drain, RETRY_MS};

impl<S> Core<S> {
    /// The driver has let go of a connection.
    pub(crate) fn closed(&mut self, id: ConnId, error: Option<io::ErrorKind>) {
        if self.conns.closed(&self.around, id, error) {
            self.leave_group(id);
            self.conns.free(&self.around, id);
        }
    }

    /// Closes those whose outbox had no room in this turn's fan-out.
    pub(super) fn close_slow<D: Driver<Socket = S>>(&mut self, driver: &D) {
        for id in self.conns.take_slow() {
            self.cut_off(driver, id, DropReason::SlowConsumer);
        }
    }

    /// Over the node's budget, the largest outbox goes.
    pub(crate) fn close_over_budget<D: Driver<Socket = S>>(&mut self, driver: &D) {
        if let Some(id) = self.conns.over_budget(&self.around, driver.held()) {
            self.cut_off(driver, id, DropReason::NodeBudget);
        }
    }

    /// Drops whole unsent frames, finishes the one partly written, says 4008, and gives the peer
    /// `close_linger` to read that.
    fn cut_off<D: Driver<Socket = S>>(&mut self, driver: &D, id: ConnId, reason: DropReason) {
        let Some(cut) = self.conns.drop_unsent(id) else {
            return;
        };
        let topic = cut.membership.map(|at| self.readers.topic(at).clone());
        let peer = cut.client.or_else(|| driver.peer(id));
        tracing::warn!(
            shard = self.around.id.0,
            topic = topic.map(tracing::field::display),
            peer = peer.map(tracing::field::display),
            pending_bytes = cut.pending_bytes,
            kernel_bytes = driver.unsent(id),
            reason = Label::name(reason),
            "closed a slow consumer",
        );
        let dropped = cut.dropped + u64::from(reason == DropReason::SlowConsumer);
        self.around.metrics.dropped(reason, dropped);
        self.with_session(id, |session, context, outputs| {
            session.handle_slow(context, outputs)
        });
    }

    /// Begins to drain: readiness is withdrawn at once, newcomers are taken for `grace`, and the
    /// closes are spread over the `window` behind it.
    pub(crate) fn begin_drain(&mut self, grace: Duration, window: Duration) {
        if self.drain.is_some() {
            return;
        }
        self.around.metrics.draining.set(1);
        let mut drain = Drain::new(self.around.now, grace, window);
        drain.spread(self.conns.ids(), &mut self.random);
        self.drain = Some(drain);
        self.close_drained();
    }

    /// Tells those whose time has come, and at the end everybody who is left.
    pub(crate) fn close_drained(&mut self) {
        let now = self.around.now;
        while let Some(id) = self.drain.as_mut().and_then(|drain| drain.pop_due(now)) {
            self.send_away(id);
        }
        if self.drain.as_mut().is_some_and(|drain| drain.sweeps(now)) {
            for slot in 0..self.conns.slots() {
                self.send_away(self.conns.at(slot));
            }
        }
    }

    fn send_away(&mut self, id: ConnId) {
        let retry = self.random.u64(RETRY_MS);
        self.with_session(id, |session, cx, out| session.handle_drain(cx, retry, out));
    }

    /// Ends every connection at once.
    pub(crate) fn reset_all(&mut self) {
        for slot in 0..self.conns.slots() {
            let id = self.conns.at(slot);
            self.leave_group(id);
            self.conns.close(id, Close::Reset);
        }
    }
}
