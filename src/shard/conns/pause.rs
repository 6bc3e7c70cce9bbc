//! The pause behind a 101 that a proxy hands on.
//!
//! A proxy that switches protocols reads the node's answer up to its end, and may have read more
//! with it. Apache, with HTTP/2 in front, keeps that until the node writes again, which may be a
//! ping interval later. So the 101 leaves by itself, and all that follows (a greeting, history,
//! publications, a close) waits in the outbox for [`upgrade_pause`], in its order. Direct clients
//! do not come by here.
//!
//! [`upgrade_pause`]: crate::config::Limits::upgrade_pause

use super::Conns;
use super::connection::Gate;
use crate::base::{ConnId, Time};
use crate::shard::surroundings::Surroundings;

impl Conns {
    /// What waits for this connection leaves, and what comes behind it waits for a moment more.
    pub(super) fn pause_behind(&mut self, around: &Surroundings, id: ConnId) {
        if around.limits().upgrade_pause.is_zero() {
            return;
        }
        if let Some(conn) = self.get_mut(id) {
            conn.pause_behind();
        }
    }

    /// The 101 was just sent: a turn may be long, so it is not counted from the turn's beginning.
    pub(super) fn begin_pause(&mut self, around: &Surroundings, id: ConnId) {
        let over = around.clock() + around.limits().upgrade_pause;
        if let Some(conn) = self.get_mut(id) {
            conn.gate = Gate::Paused;
            self.pauses.push(over, id);
        }
    }

    /// Whoever has waited long enough is sent what is there.
    pub(crate) fn end_pauses(&mut self, now: Time) {
        while let Some(id) = self.pauses.pop_due(now) {
            let Some(conn) = self.get_mut(id) else {
                continue;
            };
            if conn.gate == Gate::Paused {
                conn.skip_pause();
                if conn.outbox.is_some() {
                    self.mark_dirty(id);
                }
            }
        }
    }
}
