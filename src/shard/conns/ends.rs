//! How a connection ends: with all that waits, with a part of it, or at once.

use std::io;

use super::connection::ConnectionState;
use super::{Conns, DriverCommand};
use crate::base::ConnId;
use crate::io::{Close, Peer};
use crate::metrics::CloseReason;
use crate::shard::member::Membership;
use crate::shard::surroundings::Surroundings;

/// A slow consumer whose unsent publications were dropped.
#[derive(Debug)]
pub(crate) struct Cut {
    /// What waited for it, in bytes.
    pub(crate) pending_bytes: usize,
    /// Publications that were dropped.
    pub(crate) dropped: u64,
    /// Who it is, as far as a proxy has told.
    pub(crate) client: Option<Peer>,
    pub(crate) membership: Option<Membership>,
}

impl Conns {
    /// Keeps the first reason: what follows is its consequence.
    pub(crate) fn note_reason(&mut self, id: ConnId, reason: CloseReason) {
        if let Some(conn) = self.get_mut(id)
            && conn.state == ConnectionState::Open
            && conn.reason == CloseReason::Eof
        {
            conn.reason = reason;
        }
    }

    /// The peer has ended its direction. Says whether its session is to hear of it now.
    pub(crate) fn eof(&mut self, id: ConnId) -> bool {
        let Some(conn) = self.get_mut(id) else {
            return false;
        };
        match conn.state {
            // What came before the end is heard before it.
            ConnectionState::Open if conn.unread.is_some() => conn.ended = true,
            ConnectionState::Open => return true,
            ConnectionState::Finishing if conn.outbox.is_none() => self.close(id, Close::Graceful),
            ConnectionState::Finishing | ConnectionState::Closed => {}
        }
        false
    }

    /// Sends what waits, then closes.
    pub(crate) fn finish(&mut self, around: &Surroundings, id: ConnId) {
        let by = around.now + around.limits().close_linger;
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        if conn.state != ConnectionState::Open {
            return;
        }
        conn.state = ConnectionState::Finishing;
        conn.finish_by = by;
        conn.unread = None;
        if conn.outbox.is_none() {
            self.close(id, Close::Graceful);
        } else {
            // What the peer still sends is taken and ignored, so that its close is noticed.
            self.set_receiving(id, true);
            self.arm(id);
        }
    }

    pub(crate) fn close(&mut self, id: ConnId, how: Close) {
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        if conn.state != ConnectionState::Closed {
            conn.state = ConnectionState::Closed;
            self.commands.push(DriverCommand::Close(id, how));
        }
    }

    /// The driver has let go of it. Says whether there is something to clean up.
    pub(crate) fn closed(
        &mut self,
        around: &Surroundings,
        id: ConnId,
        error: Option<io::ErrorKind>,
    ) -> bool {
        let Some(conn) = self.get_mut(id) else {
            return false;
        };
        if error.is_some() && conn.state == ConnectionState::Open {
            conn.reason = CloseReason::Reset;
        }
        conn.state = ConnectionState::Closed;
        around.metrics.closed(conn.reason);
        around.metrics.connections.add(-1);
        true
    }

    /// Those whose outbox had no room in this turn's fan-out.
    pub(crate) fn take_slow(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.slow)
    }

    /// Over the node's budget, the largest outbox goes: whose that is. What the driver holds of
    /// them counts too.
    pub(crate) fn over_budget(&mut self, around: &Surroundings, held: usize) -> Option<ConnId> {
        let (before, after) = (self.usage_reported, self.usage.bytes() + held);
        self.usage_reported = after;
        if !around.node.outbox_changed(before, after) {
            return None;
        }
        let open = self
            .slab
            .iter()
            .filter(|(_, conn)| conn.state == ConnectionState::Open && conn.can_be_cut_off());
        let (slot, largest) = open.max_by_key(|(_, conn)| conn.pending())?;
        (largest.pending() > 0).then(|| self.at(slot))
    }

    /// Drops whole unsent frames of a slow consumer; the one partly written stays.
    pub(crate) fn drop_unsent(&mut self, id: ConnId) -> Option<Cut> {
        let conn = self.get_mut(id)?;
        if conn.state != ConnectionState::Open || !conn.can_be_cut_off() {
            return None;
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
        Some(Cut {
            pending_bytes,
            dropped,
            client: conn.speaker.address().map(Peer::Inet),
            membership: conn.membership,
        })
    }
}
