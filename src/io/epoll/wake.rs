//! The handle that ends the driver's sleep from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::{Registry, Token};

use crate::io::Wake;

/// An eventfd, and whether it was already written to since the last poll.
#[derive(Clone, Debug)]
pub(super) struct EpollWaker(Arc<EpollWakerState>);

#[derive(Debug)]
struct EpollWakerState {
    eventfd: mio::Waker,
    /// A wake that `poll` has not handed out; spares the system call to all further ones.
    pending: AtomicBool,
}

impl EpollWaker {
    pub(super) fn new(registry: &Registry, token: Token) -> std::io::Result<Self> {
        Ok(Self(Arc::new(EpollWakerState {
            eventfd: mio::Waker::new(registry, token)?,
            pending: AtomicBool::new(false),
        })))
    }

    /// Called by the driver before it hands out `Woken`.
    pub(super) fn handle_woken(&self) {
        // Acquire pairs with the release in `wake`: whoever woke us before this line, also
        // without a system call, is seen with all it did before.
        self.0.pending.swap(false, Ordering::AcqRel);
    }
}

impl Wake for EpollWaker {
    fn wake(&self) {
        // Release pairs with the acquire in `handle_woken`; that it is a swap there as well
        // keeps every wake in one order with every reset.
        if self.0.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.0.eventfd.wake().is_err() {
            // Nothing was written, so the next one must try again.
            self.0.pending.store(false, Ordering::Release);
        }
    }
}
