//! The connections of a driver: which there are, and what is to be done for them.
//!
//! Owns the table and the agenda, and lends them to a [`Link`] for as long as something is done
//! for one connection. Memory of operations and the descriptors themselves are the rings'.

use std::io;
use std::mem;
use std::time::Duration;

use crate::base::{ConnId, Part};
use crate::io::driver::{Event, SendStatus};

use super::agenda::Agenda;
use super::entry::{UringEntry, UringFlags};
use super::link::Link;
use super::memory::OperationMemory;
use super::operation::{Completion, OperationKind};
use super::rings::Rings;
use super::socket::UringSocket;

/// The connections and what is to be done for them.
#[derive(Default)]
pub(super) struct UringConnections {
    /// Indexed by `ConnId::slot`.
    table: Vec<UringEntry>,
    agenda: Agenda,
}

impl UringConnections {
    /// Whether something can be handed out at once.
    pub(super) fn has_queued(&self) -> bool {
        self.agenda.has_queued()
    }

    /// How long the driver may sleep before it has to look at one of them.
    pub(super) fn next_look(&self) -> Option<Duration> {
        self.agenda.next_look()
    }

    /// A connection on an accepted socket, at a place of a ring's table.
    pub(super) fn open(&mut self, rings: &mut Rings, id: ConnId, place: (u8, u32), flags: u32) {
        self.occupy(rings, id, place, flags).begin_receive();
    }

    /// A connection that is not there yet.
    pub(super) fn join(
        &mut self,
        rings: &mut Rings,
        id: ConnId,
        place: (u8, u32),
        flags: u32,
        address: OperationMemory,
    ) {
        self.occupy(rings, id, place, flags).join(address);
    }

    /// A connection that broke before it had a descriptor.
    pub(super) fn fail(&mut self, rings: &mut Rings, id: ConnId, error: &io::Error) {
        self.occupy(rings, id, (0, 0), 0).fail(error);
    }

    fn occupy<'a>(
        &'a mut self,
        rings: &'a mut Rings,
        id: ConnId,
        (ring, file): (u8, u32),
        flags: u32,
    ) -> Link<'a> {
        if self.table.len() <= id.index() {
            self.table.resize_with(id.index() + 1, UringEntry::default);
        }
        let entry = &mut self.table[id.index()];
        debug_assert!(
            !entry.flags.has(UringFlags::USED),
            "slot of {id} used before its Closed"
        );
        *entry = UringEntry {
            generation: id.generation,
            ring,
            file,
            ..UringEntry::default()
        };
        entry.flags.set(UringFlags::USED | flags);
        Link {
            id,
            entry,
            ring: rings.at(ring),
            agenda: &mut self.agenda,
        }
    }

    /// What is known of a connection that has not begun to end.
    pub(super) fn entry(&self, id: ConnId) -> Option<&UringEntry> {
        let entry = self.table.get(id.index())?;
        let live = entry.flags.has(UringFlags::USED) && !entry.flags.has(UringFlags::ENDING);
        (live && entry.generation == id.generation).then_some(entry)
    }

    /// A connection that has not begun to end.
    pub(super) fn live<'a>(&'a mut self, rings: &'a mut Rings, id: ConnId) -> Option<Link<'a>> {
        self.entry(id)?;
        self.at(rings, id.slot)
    }

    /// Whatever is in the slot.
    fn at<'a>(&'a mut self, rings: &'a mut Rings, slot: u32) -> Option<Link<'a>> {
        let entry = self.table.get_mut(slot as usize)?;
        let id = ConnId {
            slot,
            generation: entry.generation,
        };
        let ring = rings.at(entry.ring);
        Some(Link {
            id,
            entry,
            ring,
            agenda: &mut self.agenda,
        })
    }

    /// Hands bytes to the kernel.
    pub(super) fn send(&mut self, rings: &mut Rings, id: ConnId, parts: &[Part]) -> SendStatus {
        let Some(link) = self.live(rings, id) else {
            return SendStatus::Gone;
        };
        if link.entry.flags.has(UringFlags::CONNECTING) {
            link.entry.flags.set(UringFlags::EARLY);
            return SendStatus::Sent(0);
        }
        if link.is_in_volley() {
            // Two in one volley could overtake each other's rest.
            link.ring.submit();
        }
        if link.ring.volley.has_rests() {
            let ring = link.entry.ring;
            self.care_for_rests(rings, ring);
        }
        match self.live(rings, id) {
            Some(mut link) => link.send(parts),
            None => SendStatus::Gone,
        }
    }

    /// Sends what is left of sends that were told as sent, now waiting for room.
    pub(super) fn care_for_rests(&mut self, rings: &mut Rings, ring: u8) {
        for rest in rings.at(ring).volley.take_rests() {
            rings.at(ring).scarcity.rests += 1;
            if let Some(mut link) = self.at(rings, rest.slot) {
                link.handle_rest(&rest);
            }
        }
    }

    /// Cuts those off whose peers did not read in time what was told as sent.
    pub(super) fn stop_lingering(&mut self, rings: &mut Rings) {
        while let Some(id) = self.agenda.next_due() {
            let link = self.at(rings, id.slot);
            if let Some(mut link) = link.filter(|link| link.id == id) {
                link.stop_lingering();
            }
        }
    }

    /// Hands out what no completion announces.
    pub(super) fn serve(
        &mut self,
        rings: &mut Rings,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) {
        for id in self.agenda.take_queued() {
            let link = self.at(rings, id.slot);
            if let Some(mut link) = link.filter(|link| link.id == id)
                && link.entry.flags.take(UringFlags::QUEUED)
            {
                link.serve(on_event);
            }
        }
    }

    /// An operation of a connection came back; says whether its place is free again.
    pub(super) fn handle(
        &mut self,
        rings: &mut Rings,
        completion: Completion,
        on_event: &mut impl FnMut(Event<'_, UringSocket>),
    ) -> bool {
        let Some(mut link) = self.at(rings, completion.token.index) else {
            return false;
        };
        if completion.token.kind != OperationKind::Close {
            link.handle(completion, on_event);
            return false;
        }
        let UringEntry { error, .. } = mem::take(link.entry);
        link.ring.places.free();
        on_event(Event::Closed { id: link.id, error });
        true
    }
}
