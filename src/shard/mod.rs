//! The event loop: one thread's connections, home topics and subscribers.
//!
//! Events and messages change state and mark what is dirty; everything is written in one place,
//! once, at the end of the turn ([`Shard::turn`]). The same code runs on epoll and in the
//! simulator: the system is a [`Driver`], the clock a closure, randomness a seed.
//!
//! Sessions and topics do not know each other; `dispatch` turns the one's wishes into calls of
//! the other, here or on the shard where the topic lives.

mod calendar;
mod connection;
mod counts;
mod dispatch;
mod drain;
mod fanout;
mod flush;
mod group;
mod groups;
mod held;
mod inbox;
mod offer;
pub(crate) mod outbox;
mod pause;
mod publish;
mod settings;
mod timers;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;

pub use settings::{Pages, Settings};

use self::calendar::Calendar;
use self::connection::{Behind, Connection, State};
use self::counts::Counts;
use self::drain::Drain;
use self::fanout::Budget;
use self::groups::Groups;
use self::outbox::Usage;
use self::pause::Pauses;
use self::publish::Publications;
use crate::base::{ConnId, Part, ShardId, Time, TimerWheel, TopicName};
use crate::hub::Hub;
use crate::io::{Close, Driver, Event, Peer, Tables};
use crate::mesh::{Mesh, NodeState, Permit, Request};
use crate::metrics::{CloseReason, ShardMetrics};
use crate::session::{Outputs, Session};

/// How coarse connection timers are. With 512 slots the wheel reaches 25.6 s, one ping interval.
const TIMER_TICK: Duration = Duration::from_millis(50);

/// Whoever wakes up so much later than it meant to, or takes so long for a turn, stood still: the
/// process was stopped or frozen, or its machine was.
const STANDSTILL_MIN: Duration = Duration::from_secs(1);

/// How often a turn goes from the end back to its sessions, for answers that let them go on,
/// before it lets the driver have a look again.
const ROUNDS_PER_TURN_MAX: usize = 16;

/// Stands for a proxy on this host that came by a Unix socket.
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// One event-loop thread's world.
pub struct Shard<D: Driver> {
    driver: D,
    core: Core<D::Socket>,
}

/// What a shard is made of.
pub struct Parts<S> {
    /// What all shards of the node share and nobody changes.
    pub settings: Arc<Settings>,
    /// The node's shared numbers.
    pub node: Arc<NodeState>,
    /// This shard's counters.
    pub metrics: Arc<ShardMetrics>,
    /// This shard's end of the mesh.
    pub mesh: Mesh<S>,
    /// The present moment.
    pub clock: Box<dyn Fn() -> Time>,
    /// Time since the beginning of 1970, for the date of answers.
    pub wall: Box<dyn Fn() -> Duration>,
    /// For jitter and epochs.
    pub seed: u64,
}

/// Everything but the driver, so that a handler cannot send while events are handed out.
struct Core<S> {
    id: ShardId,
    clock: Box<dyn Fn() -> Time>,
    now: Time,
    calendar: Calendar,
    /// When this turn woke up; `None` while asleep.
    awake_since: Option<Time>,
    /// When the last standstill was over.
    resumed: Option<Time>,
    settings: Arc<Settings>,
    node: Arc<NodeState>,
    metrics: Arc<ShardMetrics>,
    mesh: Mesh<S>,
    hub: Hub,
    groups: Groups,
    counts: Counts,
    budget: Budget,
    publications: Publications,
    conns: Slab<Connection>,
    /// How many connections lived in each slot before.
    generations: Vec<u32>,
    timers: TimerWheel<ConnId>,
    /// Whose deadline has come, and was not looked at yet.
    due: VecDeque<ConnId>,
    usage: Usage,
    /// What was last reported to the node's budget, in bytes.
    usage_reported: usize,
    random: fastrand::Rng,
    pauses: Pauses,
    drain: Option<Drain>,
    /// When the collected publications are flushed; now, without a coalescing window.
    flush_at: Time,
    adopt_next: u16,
    stopped: bool,

    // Lists of this turn, kept for their memory.
    accepted: Vec<(u16, S)>,
    arrivals: Vec<(u16, S)>,
    dirty: Vec<ConnId>,
    resumable: Vec<ConnId>,
    commands: Vec<Command>,
    slow: Vec<ConnId>,
    outputs: Outputs,
    parts: Vec<Part>,
}

/// What the driver is told at the end of a turn.
#[derive(Clone, Copy, Debug)]
enum Command {
    Receive(ConnId, bool),
    Close(ConnId, Close),
}

impl<D: Driver> Shard<D> {
    /// A shard on a driver whose listeners are set up, in the order of `settings.rules.doors`.
    pub fn new(driver: D, parts: Parts<D::Socket>) -> Self {
        Self {
            driver,
            core: Core::new(parts),
        }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// When the driver is broken.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.core.stopped {
            self.turn(None)?;
        }
        Ok(())
    }

    /// One turn of the loop: waits for events, at most `longest`, handles them, writes.
    ///
    /// # Errors
    /// When the driver is broken.
    pub fn turn(&mut self, longest: Option<Duration>) -> io::Result<()> {
        let Self { driver, core } = self;
        let (asleep_since, timeout) = (core.now, core.timeout(longest));
        driver.poll(timeout, |event| core.handle_event(event))?;
        core.wake_up();
        core.note_standstill(asleep_since, timeout);
        core.hand_around();
        core.read_inbox();
        core.open_arrivals(driver);
        // What came in time and could not be taken is heard before it counts as late.
        core.resume_sessions();
        core.expire();
        core.settle(driver);
        core.flush_outboxes(driver);
        core.close_over_budget(driver);
        core.run_commands(driver);
        core.mesh.ring();
        core.end_turn(driver.tables());
        Ok(())
    }

    /// The driver, for tests.
    pub fn driver(&self) -> &D {
        &self.driver
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.core.conns.len()
    }

    /// Whether nothing is left of all that ever was: no connection, subscriber, group, timer,
    /// unanswered request or waiting byte. For tests, at the end of a run.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        let core = &self.core;
        core.conns.is_empty()
            && core.timers.is_empty()
            && core.pauses.is_empty()
            && core.hub.next_expiry().is_none()
            && core.groups.is_at_rest()
            && core.accepted.is_empty()
            && core.resumable.is_empty()
            && core.dirty.is_empty()
            && core.slow.is_empty()
            && core.hub.subscribers() == 0
            && core.publications.is_empty()
            && core.counts.is_empty()
            && core
                .mesh
                .unanswered(core.settings.rules.limits.mesh_credits_per_pair)
                == 0
            && core.usage.bytes() == 0
    }

    /// How many messages of other shards wait. For tests.
    #[must_use]
    pub fn inbox_backlog(&self) -> usize {
        self.core.mesh.backlog()
    }

    /// How much waits for the connection for which most does, in bytes: among those that are sent
    /// publications one behind the other, and among those that are sent answers. For tests.
    #[must_use]
    pub fn largest_outbox_bytes(&self) -> (usize, usize) {
        let largest = |readers: bool| {
            let conns = self.core.conns.iter();
            let conns = conns.filter(|(_, conn)| conn.is_sent_each() == readers);
            conns.map(|(_, conn)| conn.pending()).max().unwrap_or(0)
        };
        (largest(true), largest(false))
    }

    /// How many groups go on with their flush in the next turn: with a fan-out, and with answers
    /// to long polls. For tests.
    #[must_use]
    pub fn flushes_under_way(&self) -> (usize, usize) {
        self.core.groups.flushes_under_way()
    }

    /// How many publications wait, for the group for which most do, behind a flush that takes
    /// several turns. For tests.
    #[must_use]
    pub fn largest_backlog(&self) -> usize {
        self.core.groups.largest_backlog()
    }

    /// Asserts what must hold between turns.
    ///
    /// # Panics
    /// When something does not.
    pub fn check_invariants(&self) {
        self.core.check_invariants();
    }

    /// When the next turn has something to do by itself; `None` if only events can give it work.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.core.next_deadline()
    }
}

impl<S> Core<S> {
    fn new(parts: Parts<S>) -> Self {
        let Parts {
            settings,
            node,
            metrics,
            mesh,
            clock,
            wall,
            seed,
        } = parts;
        let now = clock();
        let limits = &settings.rules.limits;
        let mut random = fastrand::Rng::with_seed(seed);
        let topics_max = limits.topics_max.div_ceil(mesh.shards());
        let hub = Hub::new(limits, topics_max, settings.hash_key, random.u64(..), now);
        Self {
            id: mesh.me(),
            clock,
            now,
            calendar: Calendar::new(wall),
            awake_since: None,
            resumed: None,
            node,
            metrics,
            mesh,
            hub,
            groups: Groups::new(settings.hash_key, now),
            counts: Counts::default(),
            budget: Budget::new(limits.fanout_per_turn_max),
            publications: Publications::default(),
            conns: Slab::new(),
            generations: Vec::new(),
            timers: TimerWheel::new(now, TIMER_TICK),
            due: VecDeque::new(),
            usage: Usage::default(),
            usage_reported: 0,
            random,
            pauses: Pauses::default(),
            drain: None,
            flush_at: now,
            adopt_next: 0,
            stopped: false,
            accepted: Vec::new(),
            arrivals: Vec::new(),
            dirty: Vec::new(),
            resumable: Vec::new(),
            commands: Vec::new(),
            slow: Vec::new(),
            outputs: Outputs::default(),
            parts: Vec::new(),
            settings,
        }
    }

    fn handle_event(&mut self, event: Event<'_, S>) {
        self.wake_up();
        match event {
            Event::Accepted { listener, socket } => self.accepted.push((listener.0, socket)),
            Event::AcceptFailed { error, .. } => self.accept_failed(&error),
            Event::Received { id, bytes } => self.received(id, bytes),
            Event::Sent { id, bytes } => self.sent(id, bytes),
            Event::Writable { id } => self.writable(id),
            Event::Eof { id } => self.eof(id),
            Event::Closed { id, error } => self.closed(id, error),
            Event::Connected { .. } | Event::Woken => {}
        }
    }

    fn accept_failed(&self, error: &io::Error) {
        self.metrics.accept_failures.add(1);
        tracing::warn!(shard = self.id.0, %error, "could not accept a connection");
    }

    /// Reads the clock once a turn.
    fn wake_up(&mut self) {
        if self.awake_since.is_none() {
            self.now = (self.clock)();
            self.awake_since = Some(self.now);
        }
    }

    /// Without a deadline nobody's time could run out meanwhile.
    fn note_standstill(&mut self, asleep_since: Time, timeout: Option<Duration>) {
        let meant = timeout.map(|timeout| asleep_since + timeout + STANDSTILL_MIN);
        if meant.is_some_and(|meant| self.now > meant) {
            self.resumed = Some(self.now);
        }
    }

    /// Sockets of a listener that all shards share are handed around, since one shard would get
    /// nearly all of them otherwise.
    fn hand_around(&mut self) {
        for (door, socket) in std::mem::take(&mut self.accepted) {
            let to = self.next_adopter(door);
            if to != self.id && self.mesh.has_credit(to) {
                self.mesh.request(to, Request::Adopt { socket, door });
            } else {
                self.arrivals.push((door, socket));
            }
        }
    }

    fn open_arrivals<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        for (door, socket) in std::mem::take(&mut self.arrivals) {
            self.open(driver, door, socket);
        }
    }

    fn next_adopter(&mut self, door: u16) -> ShardId {
        if !self.settings.is_shared(door) {
            return self.id;
        }
        let shards = u16::try_from(self.mesh.shards()).unwrap_or(u16::MAX);
        self.adopt_next = (self.adopt_next + 1) % shards;
        ShardId(self.adopt_next)
    }

    fn open<D: Driver<Socket = S>>(&mut self, driver: &mut D, door: u16, socket: S) {
        let permit = self.node.enter();
        if permit != Permit::Full {
            self.metrics.refused_full.add(1);
        }
        if permit == Permit::None {
            return;
        }
        let session = Session::new(&self.context(door, permit, None));
        let slot = self
            .conns
            .insert(Connection::new(session, door, permit, self.now));
        if slot == self.generations.len() {
            self.generations.push(0);
        }
        let id = ConnId {
            slot: slot_number(slot),
            generation: self.generations[slot],
        };
        if let Err(error) = driver.open(id, socket) {
            tracing::warn!(shard = self.id.0, %error, "could not take over an accepted socket");
            self.free(id);
            return;
        }
        self.metrics.connections_opened.add(1);
        self.metrics.connections.add(1);
        let rules = &self.settings.rules;
        if rules.doors[usize::from(door)].proxy || !rules.trusted_proxies.is_empty() {
            self.trust(id, driver.peer(id));
        }
        self.arm(id);
    }

    /// Notes whether the peer is a proxy that is believed. Whoever may open a Unix socket of a
    /// `,proxy` listener is.
    fn trust(&mut self, id: ConnId, peer: Option<Peer>) {
        let rules = Arc::clone(&self.settings.rules);
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        let address = match peer {
            Some(Peer::Inet(address)) if rules.trusts(address.ip()) => address,
            Some(Peer::Unix) if rules.doors[usize::from(conn.door)].proxy => LOCAL,
            _ => return,
        };
        conn.behind = Some(Box::new(Behind {
            sender: address,
            hides: false,
            client: None,
        }));
    }

    /// Everything that may produce more work within the turn, until none is left.
    fn settle<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        for _ in 0..ROUNDS_PER_TURN_MAX {
            // Other shards write to their subscribers while this one writes to its own.
            self.mesh.ring();
            self.flush_groups(driver);
            self.answer_publishes();
            self.resume_sessions();
            let flushed = !self.is_flush_due() || self.budget.is_spent();
            if self.resumable.is_empty() && flushed {
                return;
            }
        }
    }

    fn conn_mut(&mut self, id: ConnId) -> Option<&mut Connection> {
        if *self.generations.get(id.index())? != id.generation {
            return None;
        }
        self.conns.get_mut(id.index())
    }

    fn conn(&self, id: ConnId) -> Option<&Connection> {
        if *self.generations.get(id.index())? != id.generation {
            return None;
        }
        self.conns.get(id.index())
    }

    fn closed(&mut self, id: ConnId, error: Option<io::ErrorKind>) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if error.is_some() && conn.state == State::Open {
            conn.reason = CloseReason::Reset;
        }
        conn.state = State::Closed;
        let reason = conn.reason;
        self.metrics.closed(reason);
        self.metrics.connections.add(-1);
        self.leave_group(id);
        self.free(id);
    }

    /// Frees the slot of a connection that the driver does not know any more.
    fn free(&mut self, id: ConnId) {
        let conn = self.conns.remove(id.index());
        self.generations[id.index()] = id.generation.wrapping_add(1);
        self.node.leave();
        self.count_reader(conn.reads, -1);
        if let Some(outbox) = &conn.outbox {
            self.metrics
                .dropped(crate::metrics::DropReason::Closed, outbox.publications());
        }
    }

    fn home_of(&self, topic: &TopicName) -> ShardId {
        let hash = self.settings.hash_key.hash(topic.as_str());
        let shards = self.mesh.shards() as u64;
        ShardId(u16::try_from(hash % shards).unwrap_or(0))
    }

    fn run_commands<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        for command in self.commands.drain(..) {
            match command {
                Command::Receive(id, on) => driver.receive(id, on),
                Command::Close(id, how) => driver.close(id, how),
            }
        }
    }

    fn end_turn(&mut self, tables: Tables) {
        let traffic = self.mesh.take_traffic();
        let held = self.hub.held();
        let metrics = &self.metrics;
        metrics.mesh_messages.add(traffic.messages);
        metrics.mesh_wakes.add(traffic.wakes);
        metrics.topics.set(gauge(self.hub.topics()));
        metrics.subscriptions.set(gauge(self.groups.members()));
        metrics.history_bytes.set(gauge(held.bytes));
        metrics.history_publications.set(gauge(held.publications));
        metrics.outbox_bytes.set(gauge(self.usage.bytes()));
        metrics.rings.set(gauge(tables.rings));
        let files = gauge(tables.direct_descriptors);
        metrics.direct_descriptors.set(files);
        metrics.turns.add(1);
        self.budget = Budget::new(self.settings.rules.limits.fanout_per_turn_max);
        let now = (self.clock)();
        if let Some(since) = self.awake_since.take() {
            let busy = now.since(since);
            metrics
                .busy_nanos
                .add(u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX));
            metrics.turn_seconds.observe(busy);
            if busy > STANDSTILL_MIN {
                self.resumed = Some(now);
            }
        }
        self.now = now;
        // Each turn looks at everything: only where that is little.
        if cfg!(debug_assertions) && self.conns.len() <= 64 {
            self.check_invariants();
        }
    }

    fn check_invariants(&self) {
        self.hub.check_invariants();
        self.groups
            .check_invariants(|id| self.conn(id).and_then(|conn| conn.membership));
        for (slot, conn) in &self.conns {
            let open = conn.membership.is_none() || conn.state == State::Open;
            assert!(open, "only open connections are subscribed: slot {slot}");
            assert!(conn.outbox.as_ref().is_none_or(|outbox| !outbox.is_empty()));
        }
    }
}

fn gauge(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn slot_number(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
