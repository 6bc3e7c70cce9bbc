//! What follows when a send, a connect or a poll for errors of one connection comes back.

use rustix::io::Errno;

use crate::base::ConnId;
use crate::io::driver::Event;

use super::actions::{POLL_ERROR, POLL_HANG_UP, pending_error, receive, send_rest, watch};
use super::completion::Completion;
use super::entry::{Entry, Flags, Kind, Token};
use super::memory::InFlight;
use super::rings::Rings;
use super::socket::Socket;

/// A send came back. The error of the connection, if it has one.
pub(super) fn sent(
    entry: &mut Entry,
    rings: &mut Rings,
    id: ConnId,
    completion: Completion,
    on_event: &mut impl FnMut(Event<'_, Socket>),
) -> Option<Errno> {
    let ring = rings.at(entry.ring);
    let ending = entry.flags.has(Flags::ENDING);
    let again = matches!(completion.error(), Some(Errno::AGAIN | Errno::INTR));
    if again && !ending {
        ring.repeat(Token::of(Kind::Send, id), entry.file, entry.memory);
        return None;
    }
    entry.flags.clear(Flags::SENDING);
    let memory = ring.forget(std::mem::take(&mut entry.memory));
    if entry.flags.take(Flags::TAKEN) {
        return rest_sent(entry, rings, id, completion, memory, on_event);
    }
    if ending {
        return None;
    }
    if completion.error().is_none() {
        let bytes = usize::try_from(completion.result).unwrap_or(0);
        on_event(Event::Sent { id, bytes });
        // The next send waits for room by itself.
        if memory.is_some_and(|memory| bytes < memory.bytes()) {
            on_event(Event::Writable { id });
        }
    }
    completion.error()
}

/// The rest of a send that was told as sent came back. The error of the connection, if it has one.
fn rest_sent(
    entry: &mut Entry,
    rings: &mut Rings,
    id: ConnId,
    completion: Completion,
    memory: Option<InFlight>,
    on_event: &mut impl FnMut(Event<'_, Socket>),
) -> Option<Errno> {
    let ending = entry.flags.has(Flags::ENDING);
    if completion.error().is_some() {
        return completion.error().filter(|_| !ending);
    }
    if let Some(InFlight::One(part)) = memory {
        send_rest(entry, rings, id, &part, completion.result);
    }
    if !ending && !entry.flags.has(Flags::SENDING) && entry.flags.take(Flags::BLOCKED) {
        on_event(Event::Writable { id });
    }
    None
}

/// A connect came back. Its error, if it has one.
pub(super) fn joined(
    entry: &mut Entry,
    rings: &mut Rings,
    id: ConnId,
    completion: Completion,
    on_event: &mut impl FnMut(Event<'_, Socket>),
) -> Option<Errno> {
    entry.flags.clear(Flags::JOINING | Flags::CONNECTING);
    rings
        .at(entry.ring)
        .forget(std::mem::take(&mut entry.memory));
    if entry.flags.has(Flags::ENDING) {
        return None;
    }
    if completion.error().is_none() {
        on_event(Event::Connected { id });
        if entry.flags.take(Flags::EARLY) {
            on_event(Event::Writable { id });
        }
        receive(entry, rings, id);
        watch(entry, rings, id);
    }
    completion.error()
}

/// The poll for errors came back. The error of the connection, if it has one.
pub(super) fn watched(
    entry: &mut Entry,
    rings: &mut Rings,
    id: ConnId,
    completion: Completion,
) -> Option<Errno> {
    entry.flags.clear(Flags::WATCHING);
    if entry.flags.has(Flags::ENDING) {
        return None;
    }
    let events = u32::try_from(completion.result).unwrap_or(0);
    if events & POLL_ERROR != 0 {
        return Some(pending_error(rings.at(entry.ring), entry.file).unwrap_or(Errno::CONNRESET));
    }
    if events & POLL_HANG_UP != 0 {
        entry.flags.set(Flags::HUNG_UP);
    }
    watch(entry, rings, id);
    None
}
