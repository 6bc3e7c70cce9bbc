//! What the driver keeps of one connection: twelve bytes, and the tokens that name it to epoll.
//!
//! Owns the descriptor. Says nothing of when what happens: that is the driver's.

use std::io;
use std::os::fd::OwnedFd;

use mio::Token;

use crate::base::ConnId;

/// A connection, or a free slot.
///
/// An idle connection costs the process this and nothing else of ours, so it is flags and not
/// an enum with data.
#[derive(Debug, Default)]
pub(super) struct EpollEntry {
    /// Invariant: if there is none, the slot is free, or `Closed` is still to be handed out and
    /// [`EpollFlags::ENDING`] is set.
    pub(super) socket: Option<OwnedFd>,
    pub(super) generation: u32,
    pub(super) flags: EpollFlags,
    /// Why the connection broke, until its `Closed` says so.
    pub(super) error: Option<io::ErrorKind>,
}

const _: () = assert!(size_of::<EpollEntry>() == 12);

impl EpollEntry {
    /// Whether neither a connection nor an announced end of one lives here.
    pub(super) fn is_free(&self) -> bool {
        self.socket.is_none() && !self.flags.has(EpollFlags::ENDING)
    }
}

/// What is known of a connection, one bit each.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct EpollFlags(u16);

impl EpollFlags {
    /// `connect` has not come back.
    pub(super) const CONNECTING: u16 = 1 << 0;
    /// The kernel may have bytes, an end or an error for us that no further edge announces.
    pub(super) const READABLE: u16 = 1 << 1;
    /// Receiving is off.
    pub(super) const PAUSED: u16 = 1 << 2;
    /// A short read does not mean that the kernel has nothing more to say.
    pub(super) const READ_ON: u16 = 1 << 3;
    /// `Eof` was handed out.
    pub(super) const EOF: u16 = 1 << 4;
    /// A send was short; `Writable` is owed.
    pub(super) const BLOCKED: u16 = 1 << 5;
    /// There was an edge that says writable; looked at within the same poll.
    pub(super) const WRITABLE: u16 = 1 << 6;
    /// There was an edge that says error; looked at within the same poll.
    pub(super) const ERROR: u16 = 1 << 7;
    /// It stands in the queue of the next turn.
    pub(super) const QUEUED: u16 = 1 << 8;
    /// The socket is gone; `Closed` is owed.
    pub(super) const ENDING: u16 = 1 << 9;
    /// A Unix-domain socket: its reads stop short at boundaries of its own, so only
    /// `WouldBlock` says drained.
    pub(super) const UNIX: u16 = 1 << 10;

    /// Whether any of `bits` is set.
    pub(super) fn has(self, bits: u16) -> bool {
        self.0 & bits != 0
    }

    pub(super) fn set(&mut self, bits: u16) {
        self.0 |= bits;
    }

    pub(super) fn clear(&mut self, bits: u16) {
        self.0 &= !bits;
    }

    /// Clears the bit and says whether it was set.
    pub(super) fn take(&mut self, bit: u16) -> bool {
        let was = self.has(bit);
        self.clear(bit);
        was
    }
}

/// The generation whose tokens name listeners and the waker; no connection may have it.
pub(super) const RESERVED_GENERATION: u32 = u32::MAX;

/// Whom an epoll token names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenOwner {
    Waker,
    Listener(u32),
    Connection(ConnId),
}

// A token carries a whole connection id.
const _: () = assert!(size_of::<usize>() == size_of::<u64>());

impl TokenOwner {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "usize has 64 bits, asserted above"
    )]
    pub(super) fn token(self) -> Token {
        let reserved = |slot| ConnId {
            slot,
            generation: RESERVED_GENERATION,
        };
        let id = match self {
            Self::Waker => reserved(u32::MAX),
            Self::Listener(index) => reserved(index),
            Self::Connection(id) => id,
        };
        Token(id.to_bits() as usize)
    }

    pub(super) fn of(token: Token) -> Self {
        let id = ConnId::from_bits(token.0 as u64);
        match (id.generation, id.slot) {
            (RESERVED_GENERATION, u32::MAX) => Self::Waker,
            (RESERVED_GENERATION, index) => Self::Listener(index),
            _ => Self::Connection(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_token() {
        let id = ConnId {
            slot: u32::MAX,
            generation: RESERVED_GENERATION - 1,
        };
        for name in [
            TokenOwner::Waker,
            TokenOwner::Listener(3),
            TokenOwner::Connection(id),
        ] {
            assert_eq!(TokenOwner::of(name.token()), name);
        }
    }
}
