//! A listening socket of the driver, and when it may be asked for connections again.
//!
//! Lack of descriptors or memory makes `accept` fail while the listener stays readable: asking
//! again at once would spin, so it waits for a moment, or until a connection here has ended.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::base::{Time, clock};
use crate::io::sys::{ListenSocket, is_scarcity};

use super::socket::EpollSocket;

/// How long a listener rests after accepting failed for lack of something.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// A listening socket and what is known of its backlog.
#[derive(Debug)]
pub(super) struct EpollAcceptor {
    socket: ListenSocket,
    /// The backlog may hold something that no further edge announces.
    ready: bool,
    /// While accepting fails: when to try again.
    rests_until: Option<Time>,
}

/// What one try to accept came to.
#[derive(Debug)]
pub(super) enum AcceptorStep {
    Accepted(EpollSocket),
    /// The first failure in a row; the driver tries again by itself.
    Failed(io::Error),
    /// Nothing more now.
    Done,
}

impl EpollAcceptor {
    pub(super) fn new(socket: ListenSocket) -> Self {
        Self {
            socket,
            ready: true,
            rests_until: None,
        }
    }

    /// An edge came.
    pub(super) fn handle_readable(&mut self) {
        self.ready = true;
    }

    /// Something was freed: resting has no reason any more.
    pub(super) fn handle_freed(&mut self) {
        if let Some(until) = &mut self.rests_until {
            *until = Time::ZERO;
        }
    }

    /// How long the driver may sleep before it has to look here again.
    pub(super) fn next_look(&self) -> Option<Duration> {
        match (self.ready, self.rests_until) {
            (false, _) => None,
            (true, None) => Some(Duration::ZERO),
            (true, Some(until)) => Some(until.since(clock::now())),
        }
    }

    /// Whether there may be something to accept and it is time to try.
    pub(super) fn is_due(&self) -> bool {
        self.next_look() == Some(Duration::ZERO)
    }

    /// Accepts one connection.
    pub(super) fn accept(&mut self) -> AcceptorStep {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match accept_with(&self.socket, flags) {
                Ok(fd) => {
                    self.rests_until = None;
                    return AcceptorStep::Accepted(EpollSocket::new(fd, self.socket.is_unix()));
                }
                Err(Errno::AGAIN) => {
                    self.ready = false;
                    self.rests_until = None;
                    return AcceptorStep::Done;
                }
                Err(error) if is_scarcity(error) => return self.rest(error),
                // accept(2): errors already pending on the new connection come out here;
                // they are that connection's affair, and it has left the backlog.
                Err(_) => {}
            }
        }
    }

    fn rest(&mut self, error: Errno) -> AcceptorStep {
        let first = self.rests_until.is_none();
        self.rests_until = Some(clock::now() + RETRY_AFTER);
        if first {
            AcceptorStep::Failed(error.into())
        } else {
            AcceptorStep::Done
        }
    }
}
