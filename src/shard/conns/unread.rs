//! What arrived and the session cannot take yet: it is kept, and the peer is held back.

use super::connection::{Connection, ConnectionState, UnreadBytes};
use super::{Conns, DriverCommand};
use crate::base::ConnId;
use crate::config::Limits;

/// Whether a session takes bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hearing {
    /// It does.
    Now,
    /// An answer has to come, or to leave, before.
    Later,
    /// It is gone, or its connection ends.
    NoMore,
}

impl Conns {
    /// Bytes have come in: whether the session is to hear them now. If others wait that came
    /// before, they are kept behind those.
    pub(crate) fn arrived(&mut self, id: ConnId, bytes: &[u8]) -> bool {
        let Some(conn) = self.get_mut(id) else {
            return false;
        };
        let is_open = conn.state == ConnectionState::Open;
        if is_open && conn.unread.is_some() {
            self.keep_unread(id, bytes);
            return false;
        }
        is_open
    }

    pub(crate) fn hearing(&self, id: ConnId, limits: &Limits) -> Hearing {
        match self.get(id) {
            Some(conn) if conn.state != ConnectionState::Open => Hearing::NoMore,
            Some(conn) if may_read(conn, limits) => Hearing::Now,
            Some(_) => Hearing::Later,
            None => Hearing::NoMore,
        }
    }

    /// Keeps what the session cannot take yet, and holds the peer back.
    pub(crate) fn keep_unread(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        if conn.state == ConnectionState::Open {
            conn.unread.get_or_insert_default().extend_from_slice(bytes);
            self.set_receiving(id, false);
        }
    }

    /// Notes that a connection with bytes left over may be able to go on.
    pub(crate) fn may_resume(&mut self, id: ConnId, limits: &Limits) {
        let Some(conn) = self.get(id) else { return };
        if conn.unread.is_some() && may_read(conn, limits) {
            self.resumable.push(id);
        }
    }

    pub(crate) fn has_resumable(&self) -> bool {
        !self.resumable.is_empty()
    }

    /// Those of whom that was noted.
    pub(crate) fn take_resumable(&mut self) -> Vec<ConnId> {
        std::mem::take(&mut self.resumable)
    }

    pub(crate) fn take_unread(&mut self, id: ConnId) -> Option<UnreadBytes> {
        self.get_mut(id)?.unread.take()
    }

    /// Some are still left.
    pub(crate) fn put_back_unread(&mut self, id: ConnId, unread: UnreadBytes) {
        if let Some(conn) = self.get_mut(id) {
            conn.unread = Some(unread);
        }
    }

    /// Nothing is unread any more. Says whether the peer has ended its direction behind that.
    pub(crate) fn caught_up(&mut self, id: ConnId) -> bool {
        self.set_receiving(id, true);
        self.get_mut(id)
            .is_some_and(|conn| std::mem::take(&mut conn.ended))
    }

    pub(super) fn set_receiving(&mut self, id: ConnId, on: bool) {
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        if conn.receiving != on {
            conn.receiving = on;
            self.commands.push(DriverCommand::Receive(id, on));
        }
    }
}

/// Whether a session may be given bytes: it takes some, and what it has caused before is
/// mostly sent.
fn may_read(conn: &Connection, limits: &Limits) -> bool {
    conn.state == ConnectionState::Open
        && conn.session.takes_bytes(limits)
        && conn.pending() <= limits.outbox_bytes_max / 2
}
