//! A wake that coalesces: many messages, one system call.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::io::Wake;

/// Wakes one shard, at most once until it has heard.
pub struct Doorbell {
    rung: AtomicBool,
    waker: Box<dyn Wake>,
}

impl Doorbell {
    /// A bell in front of a driver's waker.
    #[must_use]
    pub fn new(waker: Box<dyn Wake>) -> Self {
        Self {
            rung: AtomicBool::new(false),
            waker,
        }
    }

    /// Wakes the shard unless somebody already has; says whether it had to.
    pub fn ring(&self) -> bool {
        // AcqRel, pairs with `hear`: whoever finds the flag set knows that the shard empties its
        // inbox after this moment, and so sees the message that was sent before.
        let first = !self.rung.swap(true, Ordering::AcqRel);
        if first {
            self.waker.wake();
        }
        first
    }

    /// The shard is awake and empties its inbox now.
    pub(super) fn hear(&self) {
        // AcqRel, pairs with `ring`: what was sent before a ring that found the flag set is in
        // the inbox when this has cleared it.
        self.rung.swap(false, Ordering::AcqRel);
    }
}

impl fmt::Debug for Doorbell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doorbell")
            .field("rung", &self.rung)
            .finish_non_exhaustive()
    }
}
