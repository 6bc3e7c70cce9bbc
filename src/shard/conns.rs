//! Who is connected: a shard's connections, their deadlines, and what waits to be sent to them.
//!
//! One of the three owners of a shard. It knows nothing of topics and groups: of a connection's
//! place among the readers it keeps the [`Membership`](super::member::Membership), and does not
//! look into it.

mod census;
mod connection;
mod ends;
mod flush;
mod offer;
pub(crate) mod outbox;
mod pause;
mod pauses;
mod roles;
mod speaker;
mod timers;
mod unread;

use std::collections::VecDeque;
use std::time::Duration;

use slab::Slab;

use self::connection::{Connection, ConnectionState};
use self::outbox::Usage;
use self::pauses::Pauses;
use super::slot::slot_number;
use super::surroundings::Surroundings;
use crate::base::{ConnId, Part, Time, TimerWheel};
use crate::io::{Close, Driver};
use crate::mesh::Permit;
use crate::metrics::DropReason;
use crate::session::{Proxy, Session};

pub(super) use self::unread::Hearing;

/// How coarse deadlines are. With 512 slots the wheel reaches 25.6 s, one ping interval.
const TICK: Duration = Duration::from_millis(50);

/// All connections of a shard.
pub(super) struct Conns {
    slab: Slab<Connection>,
    /// How many connections lived in each slot before.
    generations: Vec<u32>,
    timers: TimerWheel<ConnId>,
    /// Whose deadline has come, and was not looked at yet.
    due: VecDeque<ConnId>,
    pauses: Pauses,
    usage: Usage,
    /// What was last reported to the node's budget, in bytes.
    usage_reported: usize,

    // Lists of this turn, kept for their memory.
    dirty: Vec<ConnId>,
    resumable: Vec<ConnId>,
    slow: Vec<ConnId>,
    commands: Vec<DriverCommand>,
    parts: Vec<Part>,
}

/// What the driver is told at the end of a turn.
#[derive(Clone, Copy, Debug)]
enum DriverCommand {
    Receive(ConnId, bool),
    Close(ConnId, Close),
}

/// What a session's [context](crate::session::Context) says of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) door: u16,
    pub(super) permit: Permit,
    pub(super) proxy: Option<Proxy>,
    pub(super) is_backed_up: bool,
}

impl Standing {
    /// A newcomer's.
    pub(super) fn new(door: u16, permit: Permit) -> Self {
        Self {
            door,
            permit,
            proxy: None,
            is_backed_up: false,
        }
    }
}

impl Conns {
    pub(super) fn new(now: Time) -> Self {
        Self {
            slab: Slab::new(),
            generations: Vec::new(),
            timers: TimerWheel::new(now, TICK),
            due: VecDeque::new(),
            pauses: Pauses::default(),
            usage: Usage::default(),
            usage_reported: 0,
            dirty: Vec::new(),
            resumable: Vec::new(),
            slow: Vec::new(),
            commands: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Gives a newcomer a slot.
    pub(super) fn insert(&mut self, session: Session, standing: Standing, now: Time) -> ConnId {
        let Standing { door, permit, .. } = standing;
        let conn = Connection::new(session, door, permit, now);
        let slot = self.slab.insert(conn);
        if slot == self.generations.len() {
            self.generations.push(0);
        }
        self.at(slot)
    }

    /// Frees the slot of a connection that the driver does not know any more.
    pub(super) fn free(&mut self, around: &Surroundings, id: ConnId) {
        let conn = self.slab.remove(id.index());
        self.generations[id.index()] = id.generation.wrapping_add(1);
        around.node.leave();
        census::count(&around.metrics, conn.reads, -1);
        if let Some(outbox) = &conn.outbox {
            let metrics = &around.metrics;
            metrics.dropped(DropReason::Closed, outbox.publications());
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// How many slots there are, those that are free included.
    pub(super) fn slots(&self) -> usize {
        self.generations.len()
    }

    /// Who is in a slot, or will be next.
    pub(super) fn at(&self, slot: usize) -> ConnId {
        ConnId {
            slot: slot_number(slot),
            generation: self.generations[slot],
        }
    }

    /// All that are there.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.slab.iter().map(|(slot, _)| self.at(slot))
    }

    pub(super) fn session(&self, id: ConnId) -> Option<&Session> {
        self.get(id).map(|conn| &conn.session)
    }

    pub(super) fn session_mut(&mut self, id: ConnId) -> Option<&mut Session> {
        self.get_mut(id).map(|conn| &mut conn.session)
    }

    pub(super) fn standing(&self, id: ConnId) -> Option<Standing> {
        let conn = self.get(id)?;
        Some(Standing {
            door: conn.door,
            permit: conn.permit,
            proxy: conn.speaker.proxy(),
            is_backed_up: conn.outbox.is_some(),
        })
    }

    /// Real memory of what waits, in bytes.
    pub(super) fn outbox_bytes(&self) -> usize {
        self.usage.bytes()
    }

    /// Tells the driver what was decided in this turn.
    pub(super) fn run_commands<D: Driver>(&mut self, driver: &mut D) {
        for command in self.commands.drain(..) {
            match command {
                DriverCommand::Receive(id, on) => driver.receive(id, on),
                DriverCommand::Close(id, how) => driver.close(id, how),
            }
        }
    }

    /// Whether nobody is there, and nothing waits for anybody.
    pub(super) fn is_at_rest(&self) -> bool {
        self.slab.is_empty()
            && self.timers.is_empty()
            && self.pauses.is_empty()
            && self.resumable.is_empty()
            && self.dirty.is_empty()
            && self.slow.is_empty()
            && self.usage.bytes() == 0
    }

    /// How much waits for the connection for which most does, among those that are sent
    /// publications one behind the other, or among the others.
    pub(super) fn largest_outbox_bytes(&self, readers: bool) -> usize {
        let conns = self.slab.iter();
        let conns = conns.filter(|(_, conn)| conn.is_sent_each() == readers);
        conns.map(|(_, conn)| conn.pending()).max().unwrap_or(0)
    }

    pub(super) fn check_invariants(&self) {
        for (slot, conn) in &self.slab {
            let open = conn.membership.is_none() || conn.state == ConnectionState::Open;
            assert!(open, "only open connections are subscribed: slot {slot}");
            assert!(conn.outbox.as_ref().is_none_or(|outbox| !outbox.is_empty()));
        }
    }

    fn get(&self, id: ConnId) -> Option<&Connection> {
        if *self.generations.get(id.index())? != id.generation {
            return None;
        }
        self.slab.get(id.index())
    }

    fn get_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        if *self.generations.get(id.index())? != id.generation {
            return None;
        }
        self.slab.get_mut(id.index())
    }
}
