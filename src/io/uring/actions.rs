//! What is begun for one connection: to receive, to watch for errors, to close.
//!
//! Each does nothing where it is not due, so that whoever changed something may call it.

use std::ptr;

use io_uring::opcode;
use io_uring::types::Fixed;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;

use crate::base::{Chunk, ConnId, Part};

use super::buffers::GROUP;
use super::entry::{Entry, Flags, Kind, Token};
use super::memory::InFlight;
use super::ring::Ring;
use super::rings::Rings;

/// Bytes that one read throws away before a graceful close of a TCP socket, at most: more than
/// the kernel lets wait.
const DISCARD_BYTES: u32 = 1 << 30;

/// The same on Unix sockets, where throwing away takes memory, and how often.
const SCRATCH_BYTES: u32 = 256 * 1024;
const SCRATCH_READS: usize = 4;

pub(super) const POLL_ERROR: u32 = libc::POLLERR.cast_unsigned() as u32;
pub(super) const POLL_HANG_UP: u32 = libc::POLLHUP.cast_unsigned() as u32;

/// The error that the socket holds; asking takes it away.
pub(super) fn pending_error(ring: &mut Ring, file: u32) -> Option<Errno> {
    let socket = ring.export(file).ok()?;
    match socket_error(&socket) {
        Ok(Ok(())) => None,
        Ok(Err(error)) | Err(error) => Some(error),
    }
}

/// Receives until something ends that, if it does not already and receiving is on.
pub(super) fn receive(entry: &mut Entry, rings: &mut Rings, id: ConnId) {
    const NOT_NOW: u32 = Flags::RECEIVING
        | Flags::PAUSED
        | Flags::EOF
        | Flags::HELD
        | Flags::CONNECTING
        | Flags::ENDING;
    if !entry.flags.has(NOT_NOW) {
        entry.flags.set(Flags::RECEIVING);
        let receive = opcode::RecvMulti::new(Fixed(entry.file), GROUP);
        let token = Token::of(Kind::Receive, id);
        rings.at(entry.ring).push(token, receive.build());
    }
}

/// Polls for errors where no receive would tell them.
pub(super) fn watch(entry: &mut Entry, rings: &mut Rings, id: ConnId) {
    const NOT_NOW: u32 = Flags::WATCHING | Flags::HUNG_UP | Flags::CONNECTING | Flags::ENDING;
    if entry.flags.has(Flags::PAUSED | Flags::EOF) && !entry.flags.has(NOT_NOW) {
        entry.flags.set(Flags::WATCHING);
        let poll = opcode::PollAdd::new(Fixed(entry.file), POLL_ERROR);
        let token = Token::of(Kind::Watch, id);
        rings.at(entry.ring).push(token, poll.build());
    }
}

/// Stops what is in flight of these kinds.
pub(super) fn cancel(entry: &Entry, rings: &mut Rings, id: ConnId, kinds: &[Kind]) {
    for kind in kinds {
        let flag = match kind {
            Kind::Receive => Flags::RECEIVING,
            Kind::Send => Flags::SENDING,
            Kind::Watch => Flags::WATCHING,
            _ => Flags::JOINING,
        };
        if entry.flags.has(flag) {
            rings.at(entry.ring).cancel(Token::of(*kind, id));
        }
    }
}

/// Sends what is left of a send that was told as sent, waiting for room. It is copied, so that
/// it holds nothing else.
pub(super) fn send_rest(entry: &mut Entry, rings: &mut Rings, id: ConnId, part: &Part, sent: i32) {
    let sent = usize::try_from(sent).unwrap_or(0);
    let rest = part.bytes().get(sent..).unwrap_or_default();
    if !rest.is_empty() {
        entry.flags.set(Flags::SENDING | Flags::TAKEN);
        let rest = InFlight::send(&[Part::whole(Chunk::private(rest.to_vec()))]);
        let token = Token::of(Kind::Send, id);
        entry.memory = rings.at(entry.ring).start(token, entry.file, rest);
    }
}

/// Closes a connection that ends, as soon as nothing is in flight for it.
pub(super) fn close_if_idle(entry: &mut Entry, rings: &mut Rings, id: ConnId) {
    if entry.flags.has(Flags::IN_FLIGHT) {
        return;
    }
    entry.flags.set(Flags::CLOSING);
    let ring = rings.at(entry.ring);
    if entry.flags.has(Flags::RESET) {
        without_linger(ring, entry.file);
    } else if entry.error.is_none() && !entry.flags.has(Flags::EOF) {
        throw_away_input(ring, entry.file, entry.flags.has(Flags::UNIX));
    }
    let close = opcode::Close::new(Fixed(entry.file)).build();
    ring.push(Token::of(Kind::Close, id), close);
}

/// Closes an accepted socket that nobody wanted.
pub(super) fn discard(ring: &mut Ring, file: u32) {
    let close = opcode::Close::new(Fixed(file)).build();
    ring.push(Token::new(Kind::Discard, 0), close);
}

/// Makes the close that follows a reset. Without effect on a Unix socket.
fn without_linger(ring: &mut Ring, file: u32) {
    static NO_LINGER: libc::linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let set = opcode::SetSockOpt::new(
        Fixed(file),
        libc::SOL_SOCKET.cast_unsigned(),
        libc::SO_LINGER.cast_unsigned(),
        (&raw const NO_LINGER).cast(),
        LINGER_BYTES,
    );
    ring.push_aside(set.build());
}

#[expect(clippy::cast_possible_truncation, reason = "eight bytes")]
const LINGER_BYTES: u32 = size_of::<libc::linger>() as u32;

/// Reads what has arrived, so that the close that follows sends no RST.
fn throw_away_input(ring: &mut Ring, file: u32, unix: bool) {
    let read = |address, len, flags| {
        let receive = opcode::Recv::new(Fixed(file), address, len);
        receive.flags(libc::MSG_DONTWAIT | flags).build()
    };
    if !unix {
        // tcp(7): with MSG_TRUNC nothing is written to the address.
        ring.push_aside(read(ptr::null_mut(), DISCARD_BYTES, libc::MSG_TRUNC));
        return;
    }
    let scratch = ring.scratch(SCRATCH_BYTES);
    for _ in 0..SCRATCH_READS {
        ring.push_aside(read(scratch, SCRATCH_BYTES, 0));
    }
}
