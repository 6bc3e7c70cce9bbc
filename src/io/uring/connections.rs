//! The connections of a driver: what is in flight for each, and what follows when it comes back.
//!
//! Owns the table of connections and what was received for those that do not receive. Memory of
//! operations and the descriptors themselves are the rings'.
//!
//! Traps:
//!
//! - Closing a descriptor stops nothing that is in flight for it. A connection ends in three steps:
//!   cancel, close when the last operation is back, `Closed` when that is back.
//! - Closing a TCP socket with unread input sends RST and drops what is still to be sent, so a
//!   graceful close reads it away first. Input that comes after that still resets.
//! - With no receive in flight nobody says that a connection was reset, so errors are polled for
//!   while receiving is off and after the peer's end.
//! - A receive that is being stopped may still bring bytes, and those are kept.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use io_uring::opcode;
use io_uring::types::Fixed;
use rustix::io::Errno;

use crate::base::ConnId;
use crate::io::driver::{Close, Event};

use super::Scarcity;
use super::actions::{cancel, close_if_idle, receive, watch};
use super::completion::Completion;
use super::entry::{Entry, Flags, Kind, Token};
use super::linger::Lingering;
use super::memory::InFlight;
use super::outcomes::{joined, sent, watched};
use super::rings::Rings;
use super::socket::Socket;

/// The connections and what is to be done for them.
#[derive(Default)]
pub(super) struct Connections {
    /// Indexed by `ConnId::slot`.
    pub(super) table: Vec<Entry>,
    /// What was received while receiving was off.
    held: BTreeMap<u32, Vec<u8>>,
    /// Connections that have something to hand out which no completion announces, each once.
    queue: Vec<ConnId>,
    /// Connections whose last bytes are still to go out.
    lingering: Lingering,
    pub(super) scarcity: Scarcity,
}

impl Connections {
    /// What connections ran short of.
    pub(super) fn scarcity(&self) -> Scarcity {
        self.scarcity
    }

    /// Whether something can be handed out at once.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A connection on an accepted socket, at a place of a ring's table.
    pub(super) fn open(&mut self, rings: &mut Rings, id: ConnId, place: (u8, u32), flags: u32) {
        let entry = self.occupy(id);
        entry.flags.set(flags);
        (entry.ring, entry.file) = place;
        receive(entry, rings, id);
    }

    /// A connection that is not there yet.
    pub(super) fn join(
        &mut self,
        rings: &mut Rings,
        id: ConnId,
        place: (u8, u32),
        flags: u32,
        address: InFlight,
    ) {
        let entry = self.occupy(id);
        entry.flags.set(flags | Flags::CONNECTING | Flags::JOINING);
        (entry.ring, entry.file) = place;
        let token = Token::of(Kind::Connect, id);
        entry.memory = rings.at(entry.ring).start(token, entry.file, address);
    }

    /// A connection that broke before it had a descriptor.
    pub(super) fn fail(&mut self, id: ConnId, error: &io::Error) {
        let entry = self.occupy(id);
        entry.error = Some(error.kind());
        entry.flags.set(Flags::BARE | Flags::ENDING);
        self.enqueue(id);
    }

    fn occupy(&mut self, id: ConnId) -> &mut Entry {
        if self.table.len() <= id.index() {
            self.table.resize_with(id.index() + 1, Entry::default);
        }
        let entry = &mut self.table[id.index()];
        debug_assert!(
            !entry.flags.has(Flags::USED),
            "slot of {id} used before its Closed"
        );
        *entry = Entry {
            generation: id.generation,
            ..Entry::default()
        };
        entry.flags.set(Flags::USED);
        entry
    }

    /// A connection that has not begun to end.
    pub(super) fn live(&mut self, id: ConnId) -> Option<&mut Entry> {
        let entry = self.table.get_mut(id.index())?;
        let live = entry.flags.has(Flags::USED) && !entry.flags.has(Flags::ENDING);
        (live && entry.generation == id.generation).then_some(entry)
    }

    /// Ring and place of a connection that has a descriptor, and whether it is a Unix socket.
    pub(super) fn place(&self, id: ConnId) -> Option<(u8, u32, bool)> {
        let entry = self.table.get(id.index())?;
        let live = entry.flags.has(Flags::USED) && !entry.flags.has(Flags::ENDING);
        let unix = entry.flags.has(Flags::UNIX);
        (live && entry.generation == id.generation).then_some((entry.ring, entry.file, unix))
    }

    /// Switches receiving on or off.
    pub(super) fn receive(&mut self, rings: &mut Rings, id: ConnId, on: bool) {
        let Some(entry) = self.live(id) else { return };
        if on {
            entry.flags.clear(Flags::PAUSED);
            if entry.flags.has(Flags::HELD) {
                self.enqueue(id);
            } else {
                receive(entry, rings, id);
            }
        } else if !entry.flags.has(Flags::PAUSED) {
            entry.flags.set(Flags::PAUSED);
            if entry.flags.has(Flags::RECEIVING) {
                rings.at(entry.ring).cancel(Token::of(Kind::Receive, id));
            }
            watch(entry, rings, id);
        }
    }

    /// Ends our direction, behind a send in flight.
    pub(super) fn shutdown_write(&mut self, rings: &mut Rings, id: ConnId) {
        let Some(entry) = self.live(id) else { return };
        let ring = rings.at(entry.ring);
        if !entry.flags.has(Flags::SENDING) && ring.volley.is_open(entry.memory) {
            entry.flags.set(Flags::FINISH);
            self.enqueue(id);
        } else if entry.flags.has(Flags::SENDING) {
            entry.flags.set(Flags::FINISH);
        } else if !entry.flags.has(Flags::SHUTTING) {
            entry.flags.set(Flags::SHUTTING);
            let shutdown = opcode::Shutdown::new(Fixed(entry.file), libc::SHUT_WR);
            ring.push(Token::of(Kind::Shutdown, id), shutdown.build());
        }
    }

    /// Begins to end a connection; `Closed` follows.
    pub(super) fn close(&mut self, rings: &mut Rings, id: ConnId, how: Close) {
        let Some(entry) = self.live(id) else { return };
        if how == Close::Reset {
            entry.flags.set(Flags::RESET);
        }
        if !entry.flags.has(Flags::SENDING) && rings.at(entry.ring).volley.is_open(entry.memory) {
            // Whether its last send goes out whole is known in the next turn.
            entry.flags.set(Flags::ENDING);
            self.enqueue(id);
        } else {
            self.end(rings, id);
        }
    }

    pub(super) fn end(&mut self, rings: &mut Rings, id: ConnId) {
        let entry = &mut self.table[id.index()];
        entry.flags.set(Flags::ENDING);
        if entry.flags.take(Flags::HELD) {
            self.held.remove(&id.slot);
        }
        let lingers = entry.flags.has(Flags::TAKEN) && entry.error.is_none();
        if lingers && !entry.flags.has(Flags::RESET) {
            // What was told as sent still has to go.
            self.lingering.push(id);
            cancel(entry, rings, id, &[Kind::Receive, Kind::Watch]);
        } else {
            cancel(
                entry,
                rings,
                id,
                &[Kind::Receive, Kind::Send, Kind::Watch, Kind::Connect],
            );
        }
        close_if_idle(entry, rings, id);
    }

    /// Cuts those off whose peers did not read in time what was told as sent.
    pub(super) fn stop_lingering(&mut self, rings: &mut Rings) {
        while let Some(id) = self.lingering.next_due() {
            let entry = &mut self.table[id.index()];
            let lingers = entry.flags.has(Flags::TAKEN) && entry.flags.has(Flags::ENDING);
            if entry.generation == id.generation && lingers {
                entry.flags.set(Flags::RESET);
                cancel(entry, rings, id, &[Kind::Send]);
            }
        }
    }

    /// How long the driver may sleep before somebody has lingered enough.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.lingering.next_look()
    }

    fn enqueue(&mut self, id: ConnId) {
        let flags = &mut self.table[id.index()].flags;
        if !flags.has(Flags::QUEUED) {
            flags.set(Flags::QUEUED);
            self.queue.push(id);
        }
    }

    /// Hands out what no completion announces.
    pub(super) fn serve(
        &mut self,
        rings: &mut Rings,
        on_event: &mut impl FnMut(Event<'_, Socket>),
    ) {
        for id in std::mem::take(&mut self.queue) {
            let entry = &mut self.table[id.index()];
            if entry.generation != id.generation || !entry.flags.take(Flags::QUEUED) {
                continue;
            }
            if entry.flags.has(Flags::BARE) {
                let error = entry.error;
                *entry = Entry::default();
                on_event(Event::Closed { id, error });
            } else if entry.flags.has(Flags::ENDING) {
                self.end(rings, id);
            } else if !entry.flags.has(Flags::PAUSED) && entry.flags.take(Flags::HELD) {
                let mut bytes = self.held.remove(&id.slot).unwrap_or_default();
                if !bytes.is_empty() {
                    let bytes = bytes.as_mut_slice();
                    on_event(Event::Received { id, bytes });
                }
                if entry.flags.has(Flags::EOF) {
                    on_event(Event::Eof { id });
                    watch(entry, rings, id);
                } else {
                    receive(entry, rings, id);
                }
            }
            let entry = &mut self.table[id.index()];
            if !entry.flags.has(Flags::SENDING) && entry.flags.take(Flags::FINISH) {
                self.shutdown_write(rings, id);
            }
        }
    }

    /// An operation of a connection came back; says whether its place is free again.
    pub(super) fn handle(
        &mut self,
        rings: &mut Rings,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, Socket>),
    ) -> bool {
        let slot = completion.token.index;
        let Some(entry) = self.table.get_mut(slot as usize) else {
            return false;
        };
        let id = ConnId {
            slot,
            generation: entry.generation,
        };
        let broken = match completion.token.kind {
            Kind::Receive => self.received(rings, id, completion, on_event),
            Kind::Send => sent(entry, rings, id, completion, on_event),
            Kind::Watch => watched(entry, rings, id, completion),
            Kind::Connect => joined(entry, rings, id, completion, on_event),
            Kind::Shutdown => {
                entry.flags.clear(Flags::SHUTTING);
                None
            }
            _ => return self.closed(rings, id, on_event),
        };
        let entry = &mut self.table[id.index()];
        if entry.flags.has(Flags::ENDING) {
            close_if_idle(entry, rings, id);
        } else if let Some(error) = broken {
            entry.error = Some(io::Error::from(error).kind());
            self.end(rings, id);
        } else if !entry.flags.has(Flags::SENDING) && entry.flags.take(Flags::FINISH) {
            self.shutdown_write(rings, id);
        }
        false
    }

    /// The last operation is back.
    fn closed(
        &mut self,
        rings: &mut Rings,
        id: ConnId,
        on_event: &mut impl FnMut(Event<'_, Socket>),
    ) -> bool {
        let entry = std::mem::take(&mut self.table[id.index()]);
        rings.at(entry.ring).places.free();
        let error = entry.error;
        on_event(Event::Closed { id, error });
        true
    }

    /// A receipt. The error of the connection, if it has one.
    fn received(
        &mut self,
        rings: &mut Rings,
        id: ConnId,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, Socket>),
    ) -> Option<Errno> {
        let entry = &mut self.table[id.index()];
        if !completion.has_more() {
            entry.flags.clear(Flags::RECEIVING);
        }
        let ring = rings.at(entry.ring);
        let lost = !completion.has_more() && completion.result > 0;
        self.scarcity.receives_lost += u64::from(lost);
        let no_buffer = completion.error() == Some(Errno::NOBUFS);
        self.scarcity.no_buffer += u64::from(no_buffer);
        let mut broken = None;
        match completion.error() {
            // No buffer was left, it was stopped by us, or by a full queue of completions.
            Some(Errno::NOBUFS | Errno::CANCELED | Errno::AGAIN | Errno::INTR) => {}
            Some(error) => broken = Some(error),
            None if entry.flags.has(Flags::ENDING) => {}
            None if completion.result == 0 => ended(entry, id, on_event),
            None => {
                let len = usize::try_from(completion.result).unwrap_or(0);
                let bytes = (completion.buffer()).map_or(&mut [][..], |at| ring.received(at, len));
                if entry.flags.has(Flags::PAUSED) {
                    entry.flags.set(Flags::HELD);
                    self.held
                        .entry(id.slot)
                        .or_default()
                        .extend_from_slice(bytes);
                    if completion.has_more() {
                        ring.cancel(Token::of(Kind::Receive, id));
                    }
                } else if !bytes.is_empty() {
                    on_event(Event::Received { id, bytes });
                }
            }
        }
        if let Some(buffer) = completion.buffer() {
            ring.give_back(buffer);
        }
        if broken.is_none() {
            receive(entry, rings, id);
            watch(entry, rings, id);
        }
        broken
    }
}

/// The peer's end came.
fn ended(entry: &mut Entry, id: ConnId, on_event: &mut impl FnMut(Event<'_, Socket>)) {
    entry.flags.set(Flags::EOF);
    if entry.flags.has(Flags::PAUSED) {
        entry.flags.set(Flags::HELD);
    } else {
        on_event(Event::Eof { id });
    }
}
