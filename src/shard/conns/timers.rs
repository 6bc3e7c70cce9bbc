//! The deadlines of connections, and whose has come.

use super::Conns;
use super::connection::ConnectionState;
use crate::base::{ConnId, Time};
use crate::io::Close;

impl Conns {
    /// When there is something to do for a connection if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        if self.is_behind() || !self.resumable.is_empty() || !self.dirty.is_empty() {
            return Some(Time::ZERO);
        }
        Time::earliest(self.timers.next_deadline(), self.pauses.next_deadline())
    }

    /// Whether deadlines that have come wait for a further turn.
    pub(crate) fn is_behind(&self) -> bool {
        !self.due.is_empty()
    }

    /// Makes sure that the wheel asks about a connection by its deadline.
    pub(crate) fn arm(&mut self, id: ConnId) {
        let Some(conn) = self.get_mut(id) else {
            return;
        };
        let deadline = conn.deadline();
        if deadline < conn.wakes_at {
            let at = self.timers.set(deadline, id);
            if let Some(conn) = self.get_mut(id) {
                conn.wakes_at = at;
            }
        }
    }

    /// Looks whose deadline has come by now.
    pub(crate) fn expire(&mut self, now: Time) {
        let due = &mut self.due;
        self.timers.expire(now, |id| due.push_back(id));
    }

    /// The next one whose session has something to do by now, of at most `left` that are due; arm
    /// it again when that is done.
    ///
    /// Entries that an earlier deadline overtook are many and cost next to nothing: they do not
    /// count.
    pub(crate) fn next_due(&mut self, now: Time, left: &mut usize) -> Option<ConnId> {
        while *left > 0 {
            let id = self.due.pop_front()?;
            let Some(state) = self.pop_deadline(id, now) else {
                continue;
            };
            *left -= 1;
            match state {
                ConnectionState::Open => return Some(id),
                // Its peer took too long over the close.
                ConnectionState::Finishing => self.close(id, Close::Reset),
                ConnectionState::Closed => {}
            }
            self.arm(id);
        }
        None
    }

    /// In what state it is, if its deadline has come.
    fn pop_deadline(&mut self, id: ConnId, now: Time) -> Option<ConnectionState> {
        let conn = self.get_mut(id)?;
        if now < conn.wakes_at {
            // An older entry: the one that counts is still to come.
            return None;
        }
        conn.wakes_at = Time::NEVER;
        if conn.deadline() <= now {
            return Some(conn.state);
        }
        self.arm(id);
        None
    }
}
