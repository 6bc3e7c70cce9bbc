//! A listening socket of the driver: where it accepts, what was accepted, and when it rests.
//!
//! Accepting goes on in the kernel, at most as fast as there is room in a ring's table; what came
//! waits here until a turn takes it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use io_uring::types::{DestinationSlot, Fd};
use io_uring::{opcode, squeue};

use crate::base::{Time, clock};
use crate::io::sys::{ListenSocket, is_scarcity};

use super::operation::{Completion, OperationKind, Token};
use super::rings::{RingRoom, Rings};
use super::socket::UringSocket;
use super::wake::UringWaker;

/// How long a listener rests after accepting failed for lack of something.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A listening socket and what it accepts.
pub(super) struct UringAcceptor {
    /// `None` once nobody listens any more.
    socket: Option<ListenSocket>,
    number: u32,
    /// What is in flight.
    armed: AcceptorState,
    accepted: VecDeque<UringSocket>,
    /// While accepting fails: when to try again.
    rests_until: Option<Time>,
    /// A failure that is still to be told.
    failure: Option<io::Error>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AcceptorState {
    No,
    /// Ordinary descriptors, by the first ring.
    Plain,
    /// Into the table of that ring.
    Many(u8),
    /// The same, but only one: a place is reserved for it.
    One(u8),
}

impl UringAcceptor {
    /// Accepts on the socket.
    ///
    /// # Errors
    /// When the socket cannot be made one that blocks.
    pub(super) fn new(socket: ListenSocket, number: u16) -> io::Result<Self> {
        // On a socket that does not block, io_uring does not wait either.
        rustix::io::ioctl_fionbio(socket.as_fd(), false)?;
        Ok(Self {
            socket: Some(socket),
            number: number.into(),
            armed: AcceptorState::No,
            accepted: VecDeque::new(),
            rests_until: None,
            failure: None,
        })
    }

    /// Accepts again if nothing is in flight and there is no reason to rest.
    pub(super) fn arm(&mut self, rings: &mut Rings) {
        let Some(socket) = &self.socket else { return };
        if self.armed != AcceptorState::No || self.next_look().is_some_and(|rest| !rest.is_zero()) {
            return;
        }
        let fd = Fd(socket.as_fd().as_raw_fd());
        if socket.is_unix() {
            // Its sockets may go to other drivers, which do not have this table.
            let accept = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC);
            rings
                .at(0)
                .push(self.token(AcceptorState::Plain), accept.build());
            self.armed = AcceptorState::Plain;
            return;
        }
        match rings.room() {
            Ok(RingRoom::Many(ring)) => {
                let armed = AcceptorState::Many(ring);
                rings
                    .at(ring)
                    .accept_many(self.token(armed), into_table(fd));
                self.armed = armed;
            }
            Ok(RingRoom::One(ring)) => {
                let armed = AcceptorState::One(ring);
                rings.at(ring).places.reserve();
                rings.at(ring).push(self.token(armed), one_into_table(fd));
                self.armed = armed;
            }
            Ok(RingRoom::None) => {
                self.rest(io::Error::other("every connection of this shard is taken"))
            }
            Err(error) => self.rest(error),
        }
    }

    fn token(&self, armed: AcceptorState) -> Token {
        let kind = match armed {
            AcceptorState::Plain => OperationKind::AcceptPlain,
            _ => OperationKind::AcceptDirect,
        };
        Token::new(kind, self.number)
    }

    /// Stops accepting, and lets the socket go.
    pub(super) fn stop(&mut self, rings: &mut Rings) {
        self.socket = None;
        self.accepted.clear();
        let ring = match self.armed {
            AcceptorState::No => return,
            AcceptorState::Plain => 0,
            AcceptorState::Many(ring) | AcceptorState::One(ring) => ring,
        };
        rings.at(ring).cancel(self.token(self.armed));
    }

    /// An accept came back.
    pub(super) fn handle(&mut self, rings: &mut Rings, completion: Completion, home: &UringWaker) {
        let armed = self.armed;
        if let AcceptorState::One(ring) = armed {
            rings.at(ring).places.unreserve();
        }
        if !completion.has_more() {
            self.armed = AcceptorState::No;
        }
        match (completion.error(), armed) {
            (Some(error), _) if is_scarcity(error) => self.rest(error.into()),
            // Stopped by us, or the affair of that one connection.
            (Some(_), _) | (None, AcceptorState::No) => {}
            (None, AcceptorState::Plain) => self.accepted(plain(completion.result)),
            (None, AcceptorState::Many(ring) | AcceptorState::One(ring)) => {
                let file = completion.result.cast_unsigned();
                self.accepted(UringSocket::direct(ring, file, home));
            }
        }
    }

    fn accepted(&mut self, socket: UringSocket) {
        self.rests_until = None;
        if self.socket.is_some() {
            self.accepted.push_back(socket);
        }
    }

    fn rest(&mut self, error: io::Error) {
        if self.rests_until.is_none() {
            self.failure = Some(error);
        }
        self.rests_until = Some(clock::now() + RETRY_AFTER);
    }

    /// Something was freed: resting has no reason any more.
    pub(super) fn handle_freed(&mut self) {
        if let Some(until) = &mut self.rests_until {
            *until = Time::ZERO;
        }
    }

    /// A socket, or the first failure in a row.
    pub(super) fn next(&mut self) -> Option<io::Result<UringSocket>> {
        let socket = self.accepted.pop_front().map(Ok);
        socket.or_else(|| self.failure.take().map(Err))
    }

    /// How long the driver may sleep before it has to look here again.
    pub(super) fn next_look(&self) -> Option<Duration> {
        if !self.accepted.is_empty() || self.failure.is_some() {
            return Some(Duration::ZERO);
        }
        if self.armed != AcceptorState::No || self.socket.is_none() {
            return None;
        }
        let until = self.rests_until.unwrap_or(Time::ZERO);
        Some(until.since(clock::now()))
    }
}

fn into_table(fd: Fd) -> squeue::Entry {
    let accept = opcode::AcceptMulti::new(fd);
    accept.allocate_file_index(true).build()
}

fn one_into_table(fd: Fd) -> squeue::Entry {
    let accept = opcode::Accept::new(fd, ptr::null_mut(), ptr::null_mut());
    let place = Some(DestinationSlot::auto_target());
    accept.file_index(place).build()
}

#[expect(unsafe_code, reason = "the kernel names a descriptor by its number")]
fn plain(fd: RawFd) -> UringSocket {
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    UringSocket::plain(fd, true)
}
