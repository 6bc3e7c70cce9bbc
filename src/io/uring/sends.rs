//! Sending for a connection: a little at once and with others, more by itself.

use rustix::io::Errno;

use crate::base::Part;
use crate::io::driver::{Event, SendStatus};

use super::entry::{UringEntry, UringFlags};
use super::link::Link;
use super::memory::OperationMemory;
use super::operation::{Completion, OperationKind, Token, error_of};
use super::socket::UringSocket;
use super::volley::{Rest, unsent};

/// Up to so many bytes are told as sent when they are queued. Beyond what the kernel buffers for a
/// peer that does not read, the driver then holds as much; no outbox knows of it, but
/// [`Driver::held`](crate::io::Driver::held) does.
const TAKEN_BYTES_MAX: u32 = 16 * 1024;

impl Link<'_> {
    /// Whether its last send is in the volley that is not handed over yet.
    pub(super) fn is_in_volley(&self) -> bool {
        const OTHER_MEMORY: u32 = UringFlags::SENDING | UringFlags::JOINING;
        !self.entry.flags.has(OTHER_MEMORY) && self.ring.volley.is_open(self.entry.memory)
    }

    /// Hands bytes to the kernel: a little at once, with others in a volley; more by an operation
    /// of its own, which waits for room by itself.
    pub(super) fn send(&mut self, parts: &[Part]) -> SendStatus {
        if self.entry.flags.has(UringFlags::SENDING) {
            debug_assert!(self.entry.flags.has(UringFlags::TAKEN), "send before Sent");
            self.entry.flags.set(UringFlags::BLOCKED);
            return SendStatus::Sent(0);
        }
        match parts {
            [part] if part.len() <= TAKEN_BYTES_MAX => {
                self.entry.memory = self.ring.take(self.id.slot, self.entry.file, part);
                SendStatus::Sent(part.len() as usize)
            }
            _ => {
                self.entry.flags.set(UringFlags::SENDING);
                self.start(OperationKind::Send, OperationMemory::send(parts));
                SendStatus::Pending
            }
        }
    }

    /// A send came back. The error of the connection, if it has one.
    pub(super) fn sent(
        &mut self,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) -> Option<Errno> {
        let ending = self.entry.flags.has(UringFlags::ENDING);
        let again = matches!(completion.error(), Some(Errno::AGAIN | Errno::INTR));
        if again && !ending {
            let token = Token::of(OperationKind::Send, self.id);
            (self.ring).repeat(token, self.entry.file, self.entry.memory);
            return None;
        }
        self.entry.flags.clear(UringFlags::SENDING);
        let memory = self.take_memory();
        if self.entry.flags.take(UringFlags::TAKEN) {
            return self.rest_sent(completion, memory, on_event);
        }
        if ending {
            return None;
        }
        if completion.error().is_none() {
            let (id, bytes) = (self.id, usize::try_from(completion.result).unwrap_or(0));
            on_event(Event::Sent { id, bytes });
            // The next send waits for room by itself.
            if memory.is_some_and(|memory| bytes < memory.bytes()) {
                on_event(Event::Writable { id });
            }
        }
        completion.error()
    }

    /// The rest of a send that was told as sent came back. The error of the connection, if it has
    /// one.
    fn rest_sent(
        &mut self,
        completion: Completion,
        memory: Option<OperationMemory>,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) -> Option<Errno> {
        let ending = self.entry.flags.has(UringFlags::ENDING);
        if completion.error().is_some() {
            return completion.error().filter(|_| !ending);
        }
        if let Some(OperationMemory::Rest(bytes)) = memory {
            self.send_rest(unsent(&bytes, completion.result));
        }
        let flags = &mut self.entry.flags;
        if !ending && !flags.has(UringFlags::SENDING) && flags.take(UringFlags::BLOCKED) {
            on_event(Event::Writable { id: self.id });
        }
        None
    }

    /// A send of a volley did not go out whole.
    pub(super) fn handle_rest(&mut self, rest: &Rest) {
        let UringEntry { flags, error, .. } = &self.entry;
        let cut = flags.has(UringFlags::RESET | UringFlags::CLOSING) || error.is_some();
        match error_of(rest.result) {
            _ if cut => {}
            None | Some(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => {
                self.send_rest(rest.bytes());
            }
            Some(_) if flags.has(UringFlags::ENDING) => {}
            Some(error) => {
                // A broken pipe has its reason at the socket, which no receive has told yet.
                let reason = self.ring.pending_error(self.entry.file);
                self.break_off(reason.unwrap_or(error));
            }
        }
    }

    /// Sends what is left of a send that was told as sent, waiting for room.
    fn send_rest(&mut self, rest: &[u8]) {
        if !rest.is_empty() {
            self.entry
                .flags
                .set(UringFlags::SENDING | UringFlags::TAKEN);
            self.start(OperationKind::Send, OperationMemory::Rest(rest.into()));
        }
    }
}
