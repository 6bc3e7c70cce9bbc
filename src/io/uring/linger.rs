//! [`Lingering`]: connections that were closed while the rest of what was told as sent waits.
//!
//! The kernel would go on to offer it by itself; here it is the driver that does, for a while.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::{ConnId, Time, clock};

/// How long what was told as sent is still offered after a close.
const LINGER: Duration = Duration::from_secs(5);

/// Those connections, the first to be given up in front.
#[derive(Default)]
pub(super) struct Lingering(VecDeque<(Time, ConnId)>);

impl Lingering {
    /// One more.
    pub(super) fn push(&mut self, id: ConnId) {
        self.0.push_back((clock::now() + LINGER, id));
    }

    /// One that has lingered enough; perhaps it is gone.
    pub(super) fn next_due(&mut self) -> Option<ConnId> {
        if !self.next_look()?.is_zero() {
            return None;
        }
        self.0.pop_front().map(|(_, id)| id)
    }

    /// How long until that.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let (until, _) = self.0.front()?;
        Some(until.since(clock::now()))
    }
}
