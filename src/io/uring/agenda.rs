//! [`Agenda`]: what a driver has to do for its connections that no completion announces.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::Duration;

use crate::base::{ConnId, Time, clock};

/// How long what was told as sent is still offered after a close. The kernel would go on by
/// itself; here it is the driver that does.
const LINGER: Duration = Duration::from_secs(5);

/// For which connections there is something to do, and what they need for it.
#[derive(Default)]
pub(super) struct Agenda {
    /// For the next turn, each once.
    queue: Vec<ConnId>,
    /// By slot: what was received while receiving was off.
    kept: BTreeMap<u32, Vec<u8>>,
    /// Those that were closed while the rest of what was told as sent waits, the first to be given
    /// up in front.
    lingering: VecDeque<(Time, ConnId)>,
}

impl Agenda {
    /// Whether something can be done at once.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// One more for the next turn, which is not among them.
    pub(super) fn enqueue(&mut self, id: ConnId) {
        self.queue.push(id);
    }

    /// Those whose turn it is.
    pub(super) fn take_queued(&mut self) -> Vec<ConnId> {
        mem::take(&mut self.queue)
    }

    /// Keeps received bytes until they can be handed out.
    pub(super) fn keep(&mut self, id: ConnId, bytes: &[u8]) {
        if !bytes.is_empty() {
            let kept = self.kept.entry(id.slot).or_default();
            kept.extend_from_slice(bytes);
        }
    }

    /// Those bytes, perhaps none.
    pub(super) fn take_kept(&mut self, id: ConnId) -> Vec<u8> {
        self.kept.remove(&id.slot).unwrap_or_default()
    }

    /// One that lingers from now on.
    pub(super) fn linger(&mut self, id: ConnId) {
        self.lingering.push_back((clock::now() + LINGER, id));
    }

    /// One that has lingered enough; perhaps it is gone.
    pub(super) fn next_due(&mut self) -> Option<ConnId> {
        if !self.next_look()?.is_zero() {
            return None;
        }
        self.lingering.pop_front().map(|(_, id)| id)
    }

    /// How long the driver may sleep before that.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let (until, _) = self.lingering.front()?;
        Some(until.since(clock::now()))
    }
}
