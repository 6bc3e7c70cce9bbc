//! How roughly the simulated network treats a connection.

use std::time::Duration;

use fastrand::Rng;

/// The bounds within which chance decides; percentages are of 100.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// Sends that take less than there is room for, often nothing.
    pub short_sends_percent: u8,
    /// Sends that come back in a later `poll`.
    pub pending_sends_percent: u8,
    /// The longest piece that bytes arrive in, on either side. At least 1.
    pub segment_bytes_max: usize,
    /// The longest that anything takes: a piece's way, a send, an end.
    pub delay_max: Duration,
    /// Bytes that the peer's system holds for it, those on their way included, until it reads.
    pub window_bytes: usize,
    /// Connections that are reset by the network.
    pub resets_percent: u8,
    /// Within how long of their beginning these are reset.
    pub reset_within: Duration,
    /// Accepts that fail at first for lack of descriptors.
    pub failed_accepts_percent: u8,
    /// Polls that return before all that is due was handed out, after each event.
    pub early_returns_percent: u8,
}

impl Profile {
    /// Everything at once and whole.
    #[must_use]
    pub fn smooth() -> Self {
        Self {
            short_sends_percent: 0,
            pending_sends_percent: 0,
            segment_bytes_max: 64 * 1024,
            delay_max: Duration::ZERO,
            window_bytes: 256 * 1024,
            resets_percent: 0,
            reset_within: Duration::ZERO,
            failed_accepts_percent: 0,
            early_returns_percent: 0,
        }
    }

    /// Everything the contract allows, except that no connection is lost.
    #[must_use]
    pub fn rough() -> Self {
        Self {
            short_sends_percent: 40,
            pending_sends_percent: 40,
            segment_bytes_max: 3000,
            delay_max: Duration::from_millis(20),
            window_bytes: 20_000,
            failed_accepts_percent: 5,
            early_returns_percent: 5,
            ..Self::smooth()
        }
    }

    /// [`Profile::rough`], and a fifth of the connections is reset within a second.
    #[must_use]
    pub fn lossy() -> Self {
        Self {
            resets_percent: 20,
            reset_within: Duration::from_secs(1),
            ..Self::rough()
        }
    }

    pub(super) fn delay(&self, rng: &mut Rng) -> Duration {
        duration_up_to(rng, self.delay_max)
    }

    /// How long until the network resets the connection; for most never.
    pub(super) fn reset_after(&self, rng: &mut Rng) -> Option<Duration> {
        chance(rng, self.resets_percent).then(|| duration_up_to(rng, self.reset_within))
    }

    /// How much of `bytes` arrives in one piece.
    pub(super) fn segment(&self, rng: &mut Rng, bytes: usize) -> usize {
        rng.usize(1..=bytes.min(self.segment_bytes_max.max(1)).max(1))
    }

    /// How much of a send is taken where there is room for `room` bytes of it.
    pub(super) fn taken(&self, rng: &mut Rng, room: usize) -> usize {
        if !chance(rng, self.short_sends_percent) {
            return room;
        }
        if rng.bool() { 0 } else { rng.usize(0..=room) }
    }
}

pub(super) fn chance(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(0..100) < percent
}

fn duration_up_to(rng: &mut Rng, most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(rng.u64(0..=nanos))
}
