//! [`Link`]: one connection and the ring that does its operations, and what follows what for it.
//!
//! Each `begin_*` does nothing where it is not due, so that whoever changed something may call
//! it. Sending is in `sends`, receiving in `receipts`.
//!
//! Traps:
//!
//! - Closing a descriptor stops nothing that is in flight for it. A connection ends in three steps:
//!   cancel, close when the last operation is back, `Closed` when that is back.
//! - Closing a TCP socket with unread input sends RST and drops what is still to be sent, so a
//!   graceful close reads it away first. Input that comes after that still resets.
//! - With no receive in flight nobody says that a connection was reset, so errors are polled for
//!   while receiving is off and after the peer's end.

use std::io;
use std::mem;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};
use rustix::io::Errno;

use crate::base::ConnId;
use crate::io::driver::{Close, Event};

use super::agenda::Agenda;
use super::entry::{UringEntry, UringFlags};
use super::memory::OperationMemory;
use super::operation::{Completion, OperationKind, Token};
use super::ring::Ring;
use super::socket::UringSocket;

const POLL_ERROR: u32 = libc::POLLERR.cast_unsigned() as u32;
const POLL_HANG_UP: u32 = libc::POLLHUP.cast_unsigned() as u32;

/// A connection, while something is done for it.
pub(super) struct Link<'a> {
    pub(super) id: ConnId,
    pub(super) entry: &'a mut UringEntry,
    pub(super) ring: &'a mut Ring,
    pub(super) agenda: &'a mut Agenda,
}

impl Link<'_> {
    /// Queues an operation.
    pub(super) fn push(&mut self, kind: OperationKind, operation: squeue::Entry) {
        self.ring.push(Token::of(kind, self.id), operation);
    }

    /// Begins an operation that needs memory until it is back.
    pub(super) fn start(&mut self, kind: OperationKind, memory: OperationMemory) {
        let token = Token::of(kind, self.id);
        self.entry.memory = self.ring.start(token, self.entry.file, memory);
    }

    /// What the operation that is back has needed.
    pub(super) fn take_memory(&mut self) -> Option<OperationMemory> {
        self.ring.forget(mem::take(&mut self.entry.memory))
    }

    /// Puts it into the queue of the next turn.
    pub(super) fn enqueue(&mut self) {
        if !self.entry.flags.has(UringFlags::QUEUED) {
            self.entry.flags.set(UringFlags::QUEUED);
            self.agenda.enqueue(self.id);
        }
    }

    /// Begins to connect.
    pub(super) fn join(&mut self, address: OperationMemory) {
        self.entry
            .flags
            .set(UringFlags::CONNECTING | UringFlags::JOINING);
        self.start(OperationKind::Connect, address);
    }

    /// It broke before it had a descriptor.
    pub(super) fn fail(&mut self, error: &io::Error) {
        self.entry.error = Some(error.kind());
        self.entry.flags.set(UringFlags::BARE | UringFlags::ENDING);
        self.enqueue();
    }

    /// A connect came back. Its error, if it has one.
    fn joined(
        &mut self,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) -> Option<Errno> {
        self.entry
            .flags
            .clear(UringFlags::JOINING | UringFlags::CONNECTING);
        self.take_memory();
        if self.entry.flags.has(UringFlags::ENDING) {
            return None;
        }
        if completion.error().is_none() {
            let id = self.id;
            on_event(Event::Connected { id });
            if self.entry.flags.take(UringFlags::EARLY) {
                on_event(Event::Writable { id });
            }
            self.begin_receive();
            self.begin_watch();
        }
        completion.error()
    }

    /// Polls for errors where no receive would tell them.
    pub(super) fn begin_watch(&mut self) {
        const NOT_NOW: u32 = UringFlags::WATCHING
            | UringFlags::HUNG_UP
            | UringFlags::CONNECTING
            | UringFlags::ENDING;
        let flags = &mut self.entry.flags;
        if flags.has(UringFlags::PAUSED | UringFlags::EOF) && !flags.has(NOT_NOW) {
            flags.set(UringFlags::WATCHING);
            let poll = opcode::PollAdd::new(Fixed(self.entry.file), POLL_ERROR);
            self.push(OperationKind::Watch, poll.build());
        }
    }

    /// The poll for errors came back. The error of the connection, if it has one.
    fn watched(&mut self, completion: Completion) -> Option<Errno> {
        self.entry.flags.clear(UringFlags::WATCHING);
        if self.entry.flags.has(UringFlags::ENDING) {
            return None;
        }
        let events = u32::try_from(completion.result).unwrap_or(0);
        if events & POLL_ERROR != 0 {
            let error = self.ring.pending_error(self.entry.file);
            return Some(error.unwrap_or(Errno::CONNRESET));
        }
        if events & POLL_HANG_UP != 0 {
            self.entry.flags.set(UringFlags::HUNG_UP);
        }
        self.begin_watch();
        None
    }

    /// An operation came back.
    pub(super) fn handle(
        &mut self,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) {
        let broken = match completion.token.kind {
            OperationKind::Receive => self.received(completion, on_event),
            OperationKind::Send => self.sent(completion, on_event),
            OperationKind::Watch => self.watched(completion),
            OperationKind::Connect => self.joined(completion, on_event),
            _ => {
                self.entry.flags.clear(UringFlags::SHUTTING);
                None
            }
        };
        if self.entry.flags.has(UringFlags::ENDING) {
            self.close_if_idle();
        } else if let Some(error) = broken {
            self.break_off(error);
        } else {
            self.finish();
        }
    }

    /// Does what it was queued for.
    pub(super) fn serve(&mut self, on_event: &mut impl FnMut(Event<'_, UringSocket>)) {
        let id = self.id;
        if self.entry.flags.has(UringFlags::BARE) {
            let error = mem::take(self.entry).error;
            on_event(Event::Closed { id, error });
        } else if self.entry.flags.has(UringFlags::ENDING) {
            self.end();
        } else {
            self.hand_out_kept(on_event);
            self.finish();
        }
    }

    /// Ends our direction, behind a send in flight.
    pub(super) fn shutdown_write(&mut self) {
        if self.entry.flags.has(UringFlags::SENDING) {
            self.entry.flags.set(UringFlags::FINISH);
        } else if self.is_in_volley() {
            self.entry.flags.set(UringFlags::FINISH);
            self.enqueue();
        } else if !self.entry.flags.has(UringFlags::SHUTTING) {
            self.entry.flags.set(UringFlags::SHUTTING);
            let shutdown = opcode::Shutdown::new(Fixed(self.entry.file), libc::SHUT_WR);
            self.push(OperationKind::Shutdown, shutdown.build());
        }
    }

    /// Ends our direction if that was asked for and had to wait.
    fn finish(&mut self) {
        let flags = &mut self.entry.flags;
        if !flags.has(UringFlags::SENDING) && flags.take(UringFlags::FINISH) {
            self.shutdown_write();
        }
    }

    /// Begins to end it; `Closed` follows.
    pub(super) fn close(&mut self, how: Close) {
        if how == Close::Reset {
            self.entry.flags.set(UringFlags::RESET);
        }
        if !self.entry.flags.has(UringFlags::SENDING) && self.is_in_volley() {
            // Whether its last send goes out whole is known in the next turn.
            self.entry.flags.set(UringFlags::ENDING);
            self.enqueue();
        } else {
            self.end();
        }
    }

    /// Ends it with an error of its own.
    pub(super) fn break_off(&mut self, error: Errno) {
        self.entry.error = Some(io::Error::from(error).kind());
        self.end();
    }

    fn end(&mut self) {
        let flags = &mut self.entry.flags;
        flags.set(UringFlags::ENDING);
        if flags.take(UringFlags::HELD) {
            self.agenda.take_kept(self.id);
        }
        let lingers = flags.has(UringFlags::TAKEN) && self.entry.error.is_none();
        if lingers && !flags.has(UringFlags::RESET) {
            // What was told as sent still has to go.
            self.agenda.linger(self.id);
            self.cancel(&[OperationKind::Receive, OperationKind::Watch]);
        } else {
            self.cancel(&[
                OperationKind::Receive,
                OperationKind::Send,
                OperationKind::Watch,
                OperationKind::Connect,
            ]);
        }
        self.close_if_idle();
    }

    /// Its peer did not read in time what was told as sent.
    pub(super) fn stop_lingering(&mut self) {
        if self.entry.flags.has(UringFlags::TAKEN) && self.entry.flags.has(UringFlags::ENDING) {
            self.entry.flags.set(UringFlags::RESET);
            self.cancel(&[OperationKind::Send]);
        }
    }

    /// Stops what is in flight of these kinds.
    pub(super) fn cancel(&mut self, kinds: &[OperationKind]) {
        for kind in kinds {
            let flag = match kind {
                OperationKind::Receive => UringFlags::RECEIVING,
                OperationKind::Send => UringFlags::SENDING,
                OperationKind::Watch => UringFlags::WATCHING,
                _ => UringFlags::JOINING,
            };
            if self.entry.flags.has(flag) {
                self.ring.cancel(Token::of(*kind, self.id));
            }
        }
    }

    /// Closes a connection that ends, as soon as nothing is in flight for it.
    fn close_if_idle(&mut self) {
        let UringEntry { flags, file, .. } = self.entry;
        if flags.has(UringFlags::IN_FLIGHT) {
            return;
        }
        flags.set(UringFlags::CLOSING);
        if flags.has(UringFlags::RESET) {
            self.ring.reset_with_close(*file);
        } else if self.entry.error.is_none() && !flags.has(UringFlags::EOF) {
            self.ring
                .throw_away_input(*file, flags.has(UringFlags::UNIX));
        }
        let close = opcode::Close::new(Fixed(*file)).build();
        self.push(OperationKind::Close, close);
    }
}
