//! What a simulated driver hands out.

use std::io;

use super::socket::SimSocket;
use crate::base::{ConnId, ListenerId};

/// What a driver hands out, with memory of its own.
#[derive(Debug)]
pub(super) enum OwnedEvent {
    Accepted(ListenerId, SimSocket),
    AcceptFailed(ListenerId, io::Error),
    Connected(ConnId),
    Received(ConnId, Vec<u8>),
    Sent(ConnId, usize),
    Writable(ConnId),
    Eof(ConnId),
    Closed(ConnId, Option<io::ErrorKind>),
    Woken,
}
