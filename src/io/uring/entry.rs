//! What the driver keeps of one connection: twenty bytes.
//!
//! Says nothing of when what happens: that is for `link`.

use std::io;

/// A connection, or a free slot.
///
/// An idle connection costs the process this and nothing else of ours, so it is flags and not
/// an enum with data.
#[derive(Debug, Default)]
pub(super) struct UringEntry {
    pub(super) generation: u32,
    /// Its place in its ring's table of descriptors.
    pub(super) file: u32,
    /// While a send or connect is in flight, what of the ring's memory it uses. Otherwise the
    /// number of the volley that the last send was in, or 0.
    pub(super) memory: u32,
    pub(super) flags: UringFlags,
    /// Its ring.
    pub(super) ring: u8,
    /// Why the connection broke, until its `Closed` says so.
    pub(super) error: Option<io::ErrorKind>,
}

const _: () = assert!(size_of::<UringEntry>() == 20);

/// What is known of a connection, one bit each.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct UringFlags(u32);

impl UringFlags {
    /// There is a connection, or a `Closed` is owed.
    pub(super) const USED: u32 = 1 << 0;
    /// A Unix-domain socket.
    pub(super) const UNIX: u32 = 1 << 1;
    /// `connect` has not come back.
    pub(super) const CONNECTING: u32 = 1 << 2;
    /// A send came before the connection was there; `Writable` is owed.
    pub(super) const EARLY: u32 = 1 << 3;
    /// Receiving is off.
    pub(super) const PAUSED: u32 = 1 << 4;
    /// The peer's end was seen; it is handed out, or held.
    pub(super) const EOF: u32 = 1 << 5;
    /// Bytes or the end came while receiving was off, and wait in the driver.
    pub(super) const HELD: u32 = 1 << 6;
    /// The kernel has said that both directions are over, so there is nothing to watch for.
    pub(super) const HUNG_UP: u32 = 1 << 7;
    /// Our direction is to be ended behind the send in flight.
    pub(super) const FINISH: u32 = 1 << 8;
    /// It stands in the queue of the next turn.
    pub(super) const QUEUED: u32 = 1 << 9;
    /// It ends: nothing but `Closed` follows.
    pub(super) const ENDING: u32 = 1 << 10;
    /// It ends with a reset.
    pub(super) const RESET: u32 = 1 << 11;
    /// It has no descriptor: connecting failed at once.
    pub(super) const BARE: u32 = 1 << 12;
    /// The send in flight is the rest of one that was told as sent.
    pub(super) const TAKEN: u32 = 1 << 13;
    /// A send came during that; `Writable` is owed.
    pub(super) const BLOCKED: u32 = 1 << 14;

    /// A receive is in flight; it stays so for many receipts.
    pub(super) const RECEIVING: u32 = 1 << 16;
    /// A send is in flight.
    pub(super) const SENDING: u32 = 1 << 17;
    /// A poll for errors is in flight, since no receive is.
    pub(super) const WATCHING: u32 = 1 << 18;
    /// A connect is in flight.
    pub(super) const JOINING: u32 = 1 << 19;
    /// The end of our direction is in flight.
    pub(super) const SHUTTING: u32 = 1 << 20;
    /// The last operation is in flight.
    pub(super) const CLOSING: u32 = 1 << 21;

    /// Everything that is in flight.
    pub(super) const IN_FLIGHT: u32 = Self::RECEIVING
        | Self::SENDING
        | Self::WATCHING
        | Self::JOINING
        | Self::SHUTTING
        | Self::CLOSING;

    /// Whether any of `bits` is set.
    pub(super) fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    pub(super) fn set(&mut self, bits: u32) {
        self.0 |= bits;
    }

    pub(super) fn clear(&mut self, bits: u32) {
        self.0 &= !bits;
    }

    /// Clears the bit and says whether it was set.
    pub(super) fn take(&mut self, bit: u32) -> bool {
        let was = self.has(bit);
        self.clear(bit);
        was
    }
}
