//! Receiving for a connection: one operation for many receipts, and what is kept of them.
//!
//! Trap: a receive that is being stopped may still bring bytes, and those are kept.

use io_uring::opcode;
use io_uring::types::Fixed;
use rustix::io::Errno;

use crate::io::driver::Event;

use super::buffers::GROUP;
use super::entry::UringFlags;
use super::link::Link;
use super::operation::{Completion, OperationKind};
use super::socket::UringSocket;

impl Link<'_> {
    /// Receives until something ends that, if it does not already and receiving is on.
    pub(super) fn begin_receive(&mut self) {
        const NOT_NOW: u32 = UringFlags::RECEIVING
            | UringFlags::PAUSED
            | UringFlags::EOF
            | UringFlags::HELD
            | UringFlags::CONNECTING
            | UringFlags::ENDING;
        if !self.entry.flags.has(NOT_NOW) {
            self.entry.flags.set(UringFlags::RECEIVING);
            let receive = opcode::RecvMulti::new(Fixed(self.entry.file), GROUP);
            self.push(OperationKind::Receive, receive.build());
        }
    }

    /// Switches receiving on or off.
    pub(super) fn receive(&mut self, on: bool) {
        if on {
            self.entry.flags.clear(UringFlags::PAUSED);
            if self.entry.flags.has(UringFlags::HELD) {
                self.enqueue();
            } else {
                self.begin_receive();
            }
        } else if !self.entry.flags.has(UringFlags::PAUSED) {
            self.entry.flags.set(UringFlags::PAUSED);
            self.cancel(&[OperationKind::Receive]);
            self.begin_watch();
        }
    }

    /// A receipt. The error of the connection, if it has one.
    pub(super) fn received(
        &mut self,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) -> Option<Errno> {
        if !completion.has_more() {
            self.entry.flags.clear(UringFlags::RECEIVING);
        }
        let broken = match completion.error() {
            // No buffer was left, it was stopped by us, or by a full queue of completions.
            Some(Errno::NOBUFS | Errno::CANCELED | Errno::AGAIN | Errno::INTR) => None,
            Some(error) => Some(error),
            None => {
                self.take_receipt(completion, on_event);
                None
            }
        };
        self.note_scarcity(completion);
        if let Some(buffer) = completion.buffer() {
            self.ring.give_back(buffer);
        }
        if broken.is_none() {
            self.begin_receive();
            self.begin_watch();
        }
        broken
    }

    /// Bytes or the peer's end came: they are handed out, or kept.
    fn take_receipt(
        &mut self,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) {
        let Self { id, entry, .. } = self;
        let id = *id;
        let len = usize::try_from(completion.result).unwrap_or(0);
        let bytes = completion.buffer().map(|at| self.ring.received(at, len));
        let bytes = bytes.unwrap_or_default();
        if entry.flags.has(UringFlags::ENDING) {
            return;
        }
        if completion.result == 0 {
            entry.flags.set(UringFlags::EOF);
        }
        if entry.flags.has(UringFlags::PAUSED) {
            entry.flags.set(UringFlags::HELD);
            self.agenda.keep(id, bytes);
            if completion.has_more() {
                self.cancel(&[OperationKind::Receive]);
            }
        } else if completion.result == 0 {
            on_event(Event::Eof { id });
        } else if !bytes.is_empty() {
            on_event(Event::Received { id, bytes });
        }
    }

    fn note_scarcity(&mut self, completion: Completion) {
        let scarcity = &mut self.ring.scarcity;
        let lost = !completion.has_more() && completion.result > 0;
        scarcity.receives_lost += u64::from(lost);
        let no_buffer = completion.error() == Some(Errno::NOBUFS);
        scarcity.no_buffer += u64::from(no_buffer);
    }

    /// Hands out what came while receiving was off, if it is on again.
    pub(super) fn hand_out_kept(&mut self, on_event: &mut impl FnMut(Event<'_, UringSocket>)) {
        let Self { id, entry, .. } = self;
        let id = *id;
        if entry.flags.has(UringFlags::PAUSED) || !entry.flags.take(UringFlags::HELD) {
            return;
        }
        let mut bytes = self.agenda.take_kept(id);
        if !bytes.is_empty() {
            let bytes = bytes.as_mut_slice();
            on_event(Event::Received { id, bytes });
        }
        if entry.flags.has(UringFlags::EOF) {
            on_event(Event::Eof { id });
            self.begin_watch();
        } else {
            self.begin_receive();
        }
    }
}
