//! One simulated connection: two byte streams and the state of both ends.
//!
//! Pure: when things happen is decided by the net.

use std::collections::VecDeque;
use std::io;
use std::sync::Weak;

use crate::base::{ConnId, Part};

use super::profile::Profile;

/// A connection of the net, counted from 0 in the order of their beginning; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct LinkId(pub(super) usize);

/// Where the driver's end is in its life.
#[derive(Clone, Debug)]
pub(super) enum LinkEnd {
    /// Not accepted yet.
    Backlog,
    /// Accepted, and not opened yet; the handle dies with the socket.
    Accepted(Weak<()>),
    /// `connect` has not come back.
    Connecting(Place),
    /// A connection.
    Open(Place),
    /// `close` was called; `Closed` is on its way.
    Closing(Place),
    /// Gone.
    Gone,
}

/// A connection's place in a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) driver: usize,
    pub(super) id: ConnId,
}

/// Both ends of a connection and what is between them.
#[derive(Debug)]
pub(super) struct SimLink {
    pub(super) profile: Profile,
    pub(super) end: LinkEnd,
    /// Towards the driver: written by the peer, not handed out yet.
    pub(super) inbound: VecDeque<u8>,
    /// The peer ends its direction after `inbound`.
    pub(super) inbound_fin: bool,
    /// `Eof` was handed out.
    pub(super) eof: bool,
    /// Receiving is off.
    pub(super) paused: bool,
    /// A `Deliver` is scheduled.
    pub(super) deliver_scheduled: bool,
    /// Towards the peer: taken from the driver, not arrived yet.
    pub(super) outbound: VecDeque<u8>,
    /// The driver ends its direction after `outbound` and `pending`.
    pub(super) outbound_fin: bool,
    /// An `Arrive` is scheduled.
    pub(super) arrive_scheduled: bool,
    /// The send in flight: handles that keep its memory alive.
    pub(super) pending: Option<Vec<Part>>,
    /// A send was short; `Writable` is owed.
    pub(super) blocked: bool,
    /// A `Writable` is scheduled.
    pub(super) writable_scheduled: bool,
    /// Why the connection broke; the driver's `Closed` is on its way.
    pub(super) broken: Option<io::ErrorKind>,
    /// What has arrived at the peer's system and was not read by the peer.
    pub(super) arrived: VecDeque<u8>,
    /// What the peer has read by itself and nobody has asked for.
    pub(super) taken: VecDeque<u8>,
    /// The peer reads by itself whatever arrives.
    pub(super) peer_reads: bool,
    /// The driver's FIN has arrived.
    pub(super) peer_eof: bool,
    /// The peer knows that the connection is reset, or has reset it.
    pub(super) peer_reset: bool,
}

impl SimLink {
    pub(super) fn new(profile: Profile, end: LinkEnd) -> Self {
        Self {
            profile,
            end,
            inbound: VecDeque::new(),
            inbound_fin: false,
            eof: false,
            paused: false,
            deliver_scheduled: false,
            outbound: VecDeque::new(),
            outbound_fin: false,
            arrive_scheduled: false,
            pending: None,
            blocked: false,
            writable_scheduled: false,
            broken: None,
            arrived: VecDeque::new(),
            taken: VecDeque::new(),
            peer_reads: true,
            peer_eof: false,
            peer_reset: false,
        }
    }

    /// The place of a connection for which commands still do something.
    pub(super) fn open(&self) -> Option<Place> {
        match self.end {
            LinkEnd::Open(place) if self.broken.is_none() => Some(place),
            _ => None,
        }
    }

    /// The place of a connection whose `Closed` is not handed out.
    pub(super) fn place(&self) -> Option<Place> {
        match self.end {
            LinkEnd::Connecting(place) | LinkEnd::Open(place) | LinkEnd::Closing(place) => {
                Some(place)
            }
            LinkEnd::Backlog | LinkEnd::Accepted(_) | LinkEnd::Gone => None,
        }
    }

    /// How many bytes a send can put in.
    pub(super) fn room(&self) -> usize {
        let used = self.outbound.len() + self.arrived.len();
        self.profile.window_bytes.saturating_sub(used)
    }

    /// Whether a `Deliver` would hand something out.
    pub(super) fn has_delivery(&self) -> bool {
        let is_end = self.inbound_fin && !self.eof;
        self.open().is_some() && !self.paused && (!self.inbound.is_empty() || is_end)
    }

    /// Whether an `Arrive` would bring the peer something.
    pub(super) fn has_arrival(&self) -> bool {
        let is_end = self.outbound_fin && self.pending.is_none() && !self.peer_eof;
        !self.peer_reset && (!self.outbound.is_empty() || is_end)
    }

    /// Takes the first `count` bytes of a send into the stream.
    pub(super) fn put(&mut self, parts: &[Part], count: usize) {
        let bytes = parts.iter().flat_map(|p| p.bytes().iter().copied());
        self.outbound.extend(bytes.take(count));
    }

    /// A piece of `count` bytes reaches the peer, or the end does.
    pub(super) fn arrive(&mut self, count: usize) {
        if self.outbound.is_empty() {
            self.peer_eof = true;
            return;
        }
        let piece = self.outbound.drain(..count);
        if self.peer_reads {
            self.taken.extend(piece);
        } else {
            self.arrived.extend(piece);
        }
    }

    /// The connection is cut: what was on its way is lost.
    pub(super) fn cut(&mut self) {
        self.inbound.clear();
        self.outbound.clear();
        self.peer_reset = true;
    }
}

/// How many bytes the parts hold.
pub(super) fn offered(parts: &[Part]) -> usize {
    parts.iter().map(|p| p.len() as usize).sum()
}
