//! The handle that ends the driver's sleep from another thread, and the way back of sockets that
//! nobody wanted.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};

use crate::io::Wake;

/// An eventfd that the driver polls, and whether it was already written to since the last poll.
#[derive(Clone, Debug)]
pub(super) struct UringWaker(Arc<UringWakerState>);

#[derive(Debug)]
struct UringWakerState {
    /// Never read: each write wakes the poll, and 2^64 of them do not happen.
    eventfd: OwnedFd,
    /// A wake that `poll` has not handed out; spares the system call to all further ones.
    pending: AtomicBool,
    dropped: Sender<DroppedSocket>,
}

/// The ring and the place of an accepted socket that was dropped instead of opened.
pub(super) type DroppedSocket = (u8, u32);

impl UringWaker {
    /// A waker, and where the sockets come out that were dropped.
    pub(super) fn new() -> io::Result<(Self, Receiver<DroppedSocket>)> {
        let (dropped, receiver) = channel();
        let waker = Self(Arc::new(UringWakerState {
            eventfd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            pending: AtomicBool::new(false),
            dropped,
        }));
        Ok((waker, receiver))
    }

    /// What the driver polls.
    pub(super) fn fd(&self) -> RawFd {
        self.0.eventfd.as_raw_fd()
    }

    /// Whether both belong to the same driver.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Called by the driver before it hands out `Woken`; says whether it has to.
    pub(super) fn handle_woken(&self) -> bool {
        // Acquire pairs with the release in `wake`: whoever woke us before this line, also
        // without a system call, is seen with all it did before.
        self.0.pending.swap(false, Ordering::AcqRel)
    }

    /// A socket was dropped instead of opened: the driver has to close it.
    pub(super) fn drop_socket(&self, ring: u8, file: u32) {
        if self.0.dropped.send((ring, file)).is_ok() {
            // On another thread the driver may sleep. If this fails it sees it when it wakes.
            let _ = self.ring_bell();
        }
    }

    fn ring_bell(&self) -> rustix::io::Result<usize> {
        rustix::io::write(&self.0.eventfd, &1_u64.to_ne_bytes())
    }
}

impl Wake for UringWaker {
    fn wake(&self) {
        // Release pairs with the acquire in `handle_woken`; that it is a swap there as well
        // keeps every wake in one order with every reset.
        if self.0.pending.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.ring_bell().is_err() {
            // Nothing was written, so the next one must try again.
            self.0.pending.store(false, Ordering::Release);
        }
    }
}
