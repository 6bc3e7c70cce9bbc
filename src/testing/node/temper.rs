//! What a simulated client is like, whatever it speaks: how it reads, what its network does to
//! it, and how it goes.

use fastrand::Rng;

use super::line::ClientContext;
use super::plan::{SLACK, millis, percent, pick};
use crate::base::Time;

/// How a client reads, and how it goes.
#[derive(Clone, Debug)]
pub(super) struct Temper {
    /// Stops reading now and then.
    pub(super) slow: bool,
    /// Its network takes time, perhaps longer than the node waits for the answer to its close.
    pub(super) far: bool,
    /// Its network may lose the connection.
    pub(super) lossy: bool,
    /// Reads at once, over a perfect network, and stays.
    pub(super) witness: bool,
    pub(super) goodbye: Goodbye,
    pub(super) leaves: Time,
}

/// How a client goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goodbye {
    /// By a close frame, whose answer it waits for.
    Close,
    /// By a close frame behind a last burst of messages, and the end of its direction at once.
    Hurry,
    /// By ending its direction.
    Fin,
    /// By cutting the connection.
    Reset,
    /// It is there and says nothing any more, nor reads.
    Vanish,
}

impl Goodbye {
    pub(super) const ALL: [Self; 5] = [
        Self::Close,
        Self::Hurry,
        Self::Fin,
        Self::Reset,
        Self::Vanish,
    ];
}

impl Temper {
    /// Of somebody who reads at once and stays.
    pub(super) fn witness() -> Self {
        Self {
            slow: false,
            far: false,
            lossy: false,
            witness: true,
            goodbye: Goodbye::Close,
            leaves: Time::NEVER,
        }
    }

    /// Of somebody on a perfect network.
    pub(super) fn draw(rng: &mut Rng, leaves: Time) -> Self {
        Self {
            slow: percent(rng, 30),
            goodbye: *pick(rng, &Goodbye::ALL),
            leaves,
            witness: false,
            ..Self::witness()
        }
    }

    /// Makes it go within a second, so that the node hears of it.
    pub(super) fn leave_soon(&mut self, rng: &mut Rng, now: Time) {
        self.leaves = now + millis(rng, 100..700);
        self.goodbye = *pick(rng, &[Goodbye::Close, Goodbye::Fin, Goodbye::Reset]);
    }

    /// Whoever hears at once that the node goes away is gone soon after everybody was told.
    pub(super) fn check_drained(&self, cx: &ClientContext<'_>, came: Time, listens: bool) {
        let Some(drain) = cx.plan.drain.filter(|_| cx.is_draining) else {
            return;
        };
        // Who asks for a credit first may be told later.
        let credits = cx.plan.limits.mesh_credits_per_pair;
        let late = credits >= 64 && cx.now > drain.ends() + SLACK;
        let hears = listens && !self.may_be_reset() && came <= drain.ends();
        assert!(!late || !hears, "left behind by a drain: {self:?}");
    }

    /// The network cuts some, and the node cuts those who do not take its close in time.
    pub(super) fn may_be_reset(&self) -> bool {
        self.lossy || self.slow || self.far
    }
}
