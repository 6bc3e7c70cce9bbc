//! What the service manager is told, if there is one (systemd's `Type=notify`), and its watchdog.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::base::{Time, clock};
use crate::mesh::Control;
use crate::metrics::ShardMetrics;

/// Tells it that the node takes connections.
pub(super) fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Tells it that a reload was asked for and is over, which is what `Type=notify-reload` waits for.
pub(super) fn reloaded() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        notify(&[NotifyState::Reloading, now]);
    }
    ready();
}

/// Tells it that the node stops, and how long that may take: a drain may be longer than the time
/// that a manager gives a service by itself.
pub(super) fn stopping(at_most: Duration) {
    let micros = u32::try_from(at_most.as_micros()).unwrap_or(u32::MAX);
    notify(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(micros),
    ]);
}

fn notify(state: &[NotifyState<'_>]) {
    report(sd_notify::notify(state));
}

fn report(told: io::Result<()>) {
    if let Err(error) = told {
        tracing::warn!(%error, "could not tell the service manager");
    }
}

/// Shows the manager that every shard still turns, where it asks for that (`WatchdogSec=`).
///
/// A shard that has nothing to do sleeps, so it is woken, and has had a turn by the next look. If
/// one has not, the manager is not told, and ends the node when its patience is over.
#[derive(Debug)]
pub(super) struct Watchdog {
    period: Duration,
    next: Time,
    /// Turns of each shard at the last look.
    turns: Vec<u64>,
}

impl Watchdog {
    /// The manager's watchdog, if it has one for this process.
    pub(super) fn of_manager() -> Option<Self> {
        sd_notify::watchdog_enabled().map(Self::new)
    }

    fn new(patience: Duration) -> Self {
        Self {
            // A shard has one period for its turn, and so it is told in time twice.
            period: (patience / 3).max(Duration::from_millis(1)),
            next: clock::now(),
            turns: Vec::new(),
        }
    }

    /// In how long it has to look again.
    pub(super) fn due_in(&self) -> Duration {
        self.next.since(clock::now())
    }

    /// Looks if it is time to.
    pub(super) fn look(&mut self, shards: &[impl AsRef<ShardMetrics>], tell: impl Fn(Control)) {
        if !self.due_in().is_zero() {
            return;
        }
        self.next = clock::now() + self.period;
        let turns: Vec<u64> = shards.iter().map(|m| m.as_ref().turns.get()).collect();
        match self.stuck(&turns) {
            None => notify(&[NotifyState::Watchdog]),
            Some(shard) => tracing::error!(shard, "a shard does not turn any more"),
        }
        self.turns = turns;
        tell(Control::Turn);
    }

    /// The first shard without a turn since the last look.
    fn stuck(&self, turns: &[u64]) -> Option<usize> {
        self.turns
            .iter()
            .zip(turns)
            .position(|(then, now)| then == now)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_shard_that_was_woken_and_did_not_turn_is_stuck() {
        let mut watchdog = Watchdog::new(Duration::ZERO);
        let shards = [Arc::new(ShardMetrics::new()), Arc::new(ShardMetrics::new())];
        let woken = Cell::new(0);
        assert_eq!(watchdog.stuck(&[0, 0]), None, "nobody was woken yet");
        watchdog.look(&shards, |_| woken.set(woken.get() + 1));
        assert_eq!(woken.get(), 1);
        assert_eq!(watchdog.stuck(&[1, 5]), None);
        assert_eq!(watchdog.stuck(&[1, 0]), Some(1));
    }

    #[test]
    fn it_looks_when_it_is_time_to() {
        let mut watchdog = Watchdog::new(Duration::from_secs(3600));
        let woken = Cell::new(0);
        let shards: [Arc<ShardMetrics>; 0] = [];
        for _ in 0..3 {
            watchdog.look(&shards, |_| woken.set(woken.get() + 1));
        }
        assert_eq!(woken.get(), 1);
        assert!(watchdog.due_in() <= Duration::from_secs(1200));
    }
}
