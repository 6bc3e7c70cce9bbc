//! Sending for a connection: a little at once and with others, more by itself.

use std::io;

use rustix::io::Errno;

use crate::base::{ConnId, Part};
use crate::io::driver::SendStatus;

use super::actions::{pending_error, send_rest};
use super::completion;
use super::connections::Connections;
use super::entry::{Flags, Kind, Token};
use super::memory::InFlight;
use super::rings::Rings;
use super::volley::Rest;

/// Up to so many bytes are told as sent when they are queued. Beyond what the kernel buffers for a
/// peer that does not read, the driver then holds as much, which no outbox knows of.
const TAKEN_BYTES_MAX: u32 = 16 * 1024;

impl Connections {
    /// What of a send that was told as sent waits in the driver.
    pub(super) fn rest_bytes(&self, rings: &mut Rings, id: ConnId) -> usize {
        match self.table.get(id.index()) {
            Some(entry) if entry.flags.has(Flags::TAKEN) => {
                rings.at(entry.ring).memory_bytes(entry.memory)
            }
            _ => 0,
        }
    }

    /// Hands bytes to the kernel: a little at once, with others in a volley; more by an operation
    /// of its own, which waits for room by itself.
    pub(super) fn send(&mut self, rings: &mut Rings, id: ConnId, parts: &[Part]) -> SendStatus {
        let Some(entry) = self.live(id) else {
            return SendStatus::Gone;
        };
        if entry.flags.has(Flags::CONNECTING) {
            entry.flags.set(Flags::EARLY);
            return SendStatus::Sent(0);
        }
        let at = entry.ring;
        let ring = rings.at(at);
        // Two in one volley could overtake each other's rest.
        if !entry.flags.has(Flags::SENDING) && ring.volley.is_open(entry.memory) {
            ring.submit();
        }
        if ring.volley.has_rests() {
            self.care_for_rests(rings, at);
        }
        let Some(entry) = self.live(id) else {
            return SendStatus::Gone;
        };
        if entry.flags.has(Flags::SENDING) {
            debug_assert!(entry.flags.has(Flags::TAKEN), "send before Sent");
            entry.flags.set(Flags::BLOCKED);
            return SendStatus::Sent(0);
        }
        let ring = rings.at(at);
        match parts {
            [part] if part.len() <= TAKEN_BYTES_MAX => {
                entry.memory = ring.take(id.slot, entry.file, part);
                SendStatus::Sent(part.len() as usize)
            }
            _ => {
                entry.flags.set(Flags::SENDING);
                let token = Token::of(Kind::Send, id);
                entry.memory = ring.start(token, entry.file, InFlight::send(parts));
                SendStatus::Pending
            }
        }
    }

    /// Sends what is left of sends that were told as sent, now waiting for room.
    pub(super) fn care_for_rests(&mut self, rings: &mut Rings, at: u8) {
        for Rest { slot, part, result } in rings.at(at).volley.take_rests() {
            self.scarcity.rests += 1;
            let entry = &mut self.table[slot as usize];
            let id = ConnId {
                slot,
                generation: entry.generation,
            };
            let cut = entry.flags.has(Flags::RESET | Flags::CLOSING) || entry.error.is_some();
            match completion::error(result) {
                _ if cut => {}
                None | Some(Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) => {
                    send_rest(entry, rings, id, &part, result);
                }
                Some(_) if entry.flags.has(Flags::ENDING) => {}
                Some(error) => {
                    // A broken pipe has its reason at the socket, which no receive has told yet.
                    let reason = pending_error(rings.at(at), entry.file).unwrap_or(error);
                    entry.error = Some(io::Error::from(reason).kind());
                    self.end(rings, id);
                }
            }
        }
    }
}
