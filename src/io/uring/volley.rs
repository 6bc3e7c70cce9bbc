//! [`Volley`]: small sends that the driver has taken and not handed over yet.
//!
//! They are told as sent at once, so whoever fans out needs neither an outbox nor an event for
//! each. They never wait in the kernel (`MSG_DONTWAIT`), so all of them are over when the call
//! returns that hands them over, and their bytes need not be held any longer. Only one that did
//! not go out whole says so (`MSG_WAITALL`, without which a short send counts as a success and
//! is not heard of); what is left of it is a [`Rest`], for which the driver has to care.

use std::mem;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use crate::base::{Chunk, Part};

/// The two that go together, and no signal.
const FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT | libc::MSG_WAITALL;

/// Sends under way, in the order of their operations.
pub(super) struct Volley {
    /// Tells this volley from those before; never 0.
    number: u32,
    sends: Vec<VolleySend>,
    /// What they send; one that comes twice in a row is here once.
    chunks: Vec<Chunk>,
    /// Those that did not go out whole: place and result.
    failed: Vec<(u32, i32)>,
    /// What is left of those of former volleys.
    rests: Vec<Rest>,
}

struct VolleySend {
    slot: u32,
    chunk: u32,
    start: u32,
    end: u32,
}

/// A send that did not go out whole.
pub(super) struct Rest {
    /// Of which connection.
    pub(super) slot: u32,
    pub(super) part: Part,
    /// How many bytes of it are out, or an error.
    pub(super) result: i32,
}

impl Rest {
    /// The bytes that are not out.
    pub(super) fn bytes(&self) -> &[u8] {
        unsent(self.part.bytes(), self.result)
    }
}

/// What of bytes is not out after a send with that result.
pub(super) fn unsent(bytes: &[u8], result: i32) -> &[u8] {
    let sent = usize::try_from(result).unwrap_or(0);
    bytes.get(sent..).unwrap_or_default()
}

impl Volley {
    pub(super) fn new() -> Self {
        Self {
            number: 1,
            sends: Vec::new(),
            chunks: Vec::new(),
            failed: Vec::new(),
            rests: Vec::new(),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Whether the volley with that number is not handed over yet.
    pub(super) fn is_open(&self, number: u32) -> bool {
        number == self.number
    }

    /// Whether sends of former volleys did not go out whole.
    pub(super) fn has_rests(&self) -> bool {
        !self.rests.is_empty()
    }

    /// How many bytes of them are not out.
    pub(super) fn rest_bytes(&self) -> usize {
        self.rests.iter().map(|rest| rest.bytes().len()).sum()
    }

    /// Those.
    pub(super) fn take_rests(&mut self) -> Vec<Rest> {
        mem::take(&mut self.rests)
    }

    /// Takes a send in; its place in the volley, and the operation, whose bytes live until
    /// [`Volley::finish`].
    pub(super) fn take(&mut self, slot: u32, file: u32, part: &Part) -> (u32, squeue::Entry) {
        if !(self.chunks.last()).is_some_and(|last| last.is_same(&part.chunk)) {
            self.chunks.push(part.chunk.clone());
        }
        let place = count(self.sends.len());
        self.sends.push(VolleySend {
            slot,
            chunk: count(self.chunks.len()) - 1,
            start: part.start,
            end: part.end,
        });
        let send = opcode::Send::new(Fixed(file), part.bytes().as_ptr(), part.len());
        let send = send.flags(FLAGS).build();
        (place, send.flags(squeue::Flags::SKIP_SUCCESS))
    }

    /// One did not go out whole.
    pub(super) fn fail(&mut self, place: u32, result: i32) {
        self.failed.push((place, result));
    }

    /// All of them are over: lets their bytes go, and begins anew.
    pub(super) fn finish(&mut self) {
        if self.sends.is_empty() {
            return;
        }
        for (place, result) in self.failed.drain(..) {
            let Some(send) = self.sends.get(place as usize) else {
                continue;
            };
            let part = Part {
                chunk: self.chunks[send.chunk as usize].clone(),
                start: send.start,
                end: send.end,
            };
            let slot = send.slot;
            self.rests.push(Rest { slot, part, result });
        }
        self.sends.clear();
        self.chunks.clear();
        self.number = self.number.checked_add(1).unwrap_or(1);
    }

    /// Leaves the bytes to the kernel.
    pub(super) fn leak(&mut self) {
        mem::forget(mem::take(&mut self.chunks));
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
