//! Time in a shard: how long to sleep, and what is due.

use std::time::Duration;

use super::connection::State;
use super::{Command, Core};
use crate::base::{ConnId, Time};
use crate::io::Close;

impl<S> Core<S> {
    /// How long the driver may sleep.
    pub(super) fn timeout(&self, longest: Option<Duration>) -> Option<Duration> {
        let next = self.next_deadline().map(|at| at.since((self.clock)()));
        match (next, longest) {
            (Some(next), Some(longest)) => Some(next.min(longest)),
            (next, longest) => next.or(longest),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        if !self.due.is_empty()
            || !self.resumable.is_empty()
            || !self.dirty.is_empty()
            || !self.accepted.is_empty()
        {
            return Some(Time::ZERO);
        }
        let flush = self.groups.is_dirty().then_some(self.flush_at);
        let drain = self.drain.as_ref().and_then(|drain| drain.next_deadline());
        let deadlines = [
            self.timers.next_deadline(),
            self.hub.next_expiry(),
            self.groups.next_expiry(),
            self.publications.next_deadline(),
            self.pauses.next_deadline(),
            flush,
            drain,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Makes sure that the wheel asks about a connection by its deadline.
    pub(super) fn arm(&mut self, id: ConnId) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        let deadline = conn.deadline();
        if deadline < conn.wakes_at {
            let at = self.timers.set(deadline, id);
            if let Some(conn) = self.conn_mut(id) {
                conn.wakes_at = at;
            }
        }
    }

    /// Everything that is due now.
    pub(super) fn expire(&mut self) {
        self.expire_connections();
        self.hub.expire(self.now);
        self.groups.expire(self.now);
        self.end_pauses();
        self.answer_late_publishes();
        self.close_drained();
    }

    /// As many as a turn may: a tick of a million connections would make everybody else wait.
    ///
    /// Entries that an earlier deadline overtook are many and cost next to nothing: they do not
    /// count.
    fn expire_connections(&mut self) {
        let due = &mut self.due;
        self.timers.expire(self.now, |id| due.push_back(id));
        let mut left = self.settings.rules.limits.timers_per_turn_max;
        while left > 0 {
            let Some(id) = self.due.pop_front() else {
                break;
            };
            left -= usize::from(self.expire_connection(id));
        }
    }

    /// Whether its deadline had come.
    fn expire_connection(&mut self, id: ConnId) -> bool {
        let now = self.now;
        let Some(conn) = self.conn_mut(id) else {
            return false;
        };
        if now < conn.wakes_at {
            // An older entry: the one that counts is still to come.
            return false;
        }
        conn.wakes_at = Time::NEVER;
        let is_due = conn.deadline() <= now;
        if is_due {
            match conn.state {
                State::Open => self.session_timeout(id),
                State::Finishing => self.cut(id),
                State::Closed => {}
            }
        }
        self.arm(id);
        is_due
    }

    /// Ends a connection whose peer took too long over the close.
    fn cut(&mut self, id: ConnId) {
        if let Some(conn) = self.conn_mut(id) {
            conn.state = State::Closed;
            self.commands.push(Command::Close(id, Close::Reset));
        }
    }
}
