//! The event loop: one thread's connections, home topics and subscribers.
//!
//! Events and messages change state and mark what is dirty; everything is written in one place,
//! once, at the end of the turn ([`Shard::turn`]). The same code runs on epoll and in the
//! simulator: the system is a [`Driver`], the clock a closure, randomness a seed.
//!
//! Who is connected, whose home is here and who reads here are three owners, which do not know
//! each other; `dispatch` turns a session's wishes into calls of theirs, here or on the shard
//! where the topic lives.

mod arrivals;
mod asked;
mod calendar;
pub(crate) mod conns;
mod delivery;
mod dispatch;
mod drain;
mod home;
mod member;
mod readers;
mod settings;
mod slot;
mod surroundings;
mod tally;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use settings::{Pages, Settings};

use self::arrivals::Arrivals;
use self::asked::Asked;
use self::calendar::Calendar;
use self::conns::Conns;
use self::drain::Drain;
use self::home::Home;
use self::readers::Readers;
use self::surroundings::Surroundings;
use crate::base::{ShardId, Time, TopicName};
use crate::hub::Hub;
use crate::io::{Driver, Event};
use crate::mesh::{Mesh, NodeState};
use crate::metrics::ShardMetrics;
use crate::session::Outputs;

/// Whoever wakes up so much later than it meant to, or takes so long for a turn, stood still: the
/// process was stopped or frozen, or its machine was.
const STANDSTILL_MIN: Duration = Duration::from_secs(1);

/// How often a turn goes from the end back to its sessions, for answers that let them go on,
/// before it lets the driver have a look again.
const ROUNDS_PER_TURN_MAX: usize = 16;

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
///
/// Most of it belongs to three owners, who do not know each other: who is connected, whose home
/// is here, who reads here. What concerns two of them is done here and in `dispatch`.
struct Core<S> {
    around: Surroundings,
    mesh: Mesh<S>,
    conns: Conns,
    home: Home,
    readers: Readers,
    arrivals: Arrivals<S>,
    asked: Asked,
    calendar: Calendar,
    random: fastrand::Rng,
    drain: Option<Drain>,
    /// When this turn woke up; `None` while asleep.
    awake_since: Option<Time>,
    /// When the last standstill was over.
    resumed: Option<Time>,
    stopped: bool,
    /// Kept for its memory.
    outputs: Outputs,
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
        let (asleep_since, timeout) = (core.around.now, core.timeout(longest));
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
        core.conns.flush(driver, &core.around);
        core.close_over_budget(driver);
        core.conns.run_commands(driver);
        core.mesh.ring();
        core.end_turn(driver);
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
        let credits = core.around.limits().mesh_credits_per_pair;
        core.conns.is_at_rest()
            && core.home.is_at_rest()
            && core.readers.is_at_rest()
            && core.arrivals.is_empty()
            && core.asked.is_empty()
            && core.mesh.unanswered(credits) == 0
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
        let conns = &self.core.conns;
        (
            conns.largest_outbox_bytes(true),
            conns.largest_outbox_bytes(false),
        )
    }

    /// How many groups go on with their flush in the next turn: with a fan-out, and with answers
    /// to long polls. For tests.
    #[must_use]
    pub fn flushes_under_way(&self) -> (usize, usize) {
        self.core.readers.flushes_under_way()
    }

    /// How many publications wait, for the group for which most do, behind a flush that takes
    /// several turns. For tests.
    #[must_use]
    pub fn largest_backlog(&self) -> usize {
        self.core.readers.largest_backlog()
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
        let around = Surroundings {
            id: mesh.me(),
            now: clock(),
            settings,
            node,
            metrics,
            clock,
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let (limits, key) = (around.limits(), around.settings.hash_key);
        let topics_max = limits.topics_max.div_ceil(mesh.shards());
        let hub = Hub::new(limits, topics_max, key, random.u64(..), around.now);
        Self {
            conns: Conns::new(around.now),
            home: Home::new(hub),
            readers: Readers::new(&around),
            around,
            mesh,
            arrivals: Arrivals::new(),
            asked: Asked::default(),
            calendar: Calendar::new(wall),
            random,
            drain: None,
            awake_since: None,
            resumed: None,
            stopped: false,
            outputs: Outputs::default(),
        }
    }

    fn handle_event(&mut self, event: Event<'_, S>) {
        self.wake_up();
        match event {
            Event::Accepted { listener, socket } => self.arrivals.accepted(listener.0, socket),
            Event::AcceptFailed { error, .. } => self.accept_failed(&error),
            Event::Received { id, bytes } => self.received(id, bytes),
            Event::Sent { id, bytes } => self.conns.sent(&self.around, id, bytes),
            Event::Writable { id } => self.conns.writable(id),
            Event::Eof { id } => self.eof(id),
            Event::Closed { id, error } => self.closed(id, error),
            Event::Connected { .. } | Event::Woken => {}
        }
    }

    /// Reads the clock once a turn.
    fn wake_up(&mut self) {
        if self.awake_since.is_none() {
            self.around.now = self.around.clock();
            self.awake_since = Some(self.around.now);
        }
    }

    /// Without a deadline nobody's time could run out meanwhile.
    fn note_standstill(&mut self, asleep_since: Time, timeout: Option<Duration>) {
        let meant = timeout.map(|timeout| asleep_since + timeout + STANDSTILL_MIN);
        if meant.is_some_and(|meant| self.around.now > meant) {
            self.resumed = Some(self.around.now);
        }
    }

    /// Everything that may produce more work within the turn, until none is left.
    fn settle<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        for _ in 0..ROUNDS_PER_TURN_MAX {
            // Other shards write to their subscribers while this one writes to its own.
            self.mesh.ring();
            self.flush_groups(driver);
            self.answer_publishes();
            self.resume_sessions();
            let is_due = self.readers.is_flush_due(self.around.now);
            let is_flushed = !is_due || self.readers.is_spent();
            if !self.conns.has_resumable() && is_flushed {
                return;
            }
        }
    }

    fn home_of(&self, topic: &TopicName) -> ShardId {
        let hash = self.around.settings.hash_key.hash(topic.as_str());
        let shards = self.mesh.shards() as u64;
        ShardId(u16::try_from(hash % shards).unwrap_or(0))
    }

    /// How long the driver may sleep.
    fn timeout(&self, longest: Option<Duration>) -> Option<Duration> {
        let next = self.next_deadline();
        let next = next.map(|at| at.since(self.around.clock()));
        match (next, longest) {
            (Some(next), Some(longest)) => Some(next.min(longest)),
            (next, longest) => next.or(longest),
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        if !self.arrivals.is_empty() {
            return Some(Time::ZERO);
        }
        let drain = self.drain.as_ref().and_then(Drain::next_deadline);
        let of_topics = Time::earliest(self.home.next_deadline(), self.readers.next_deadline());
        Time::earliest(Time::earliest(self.conns.next_deadline(), drain), of_topics)
    }

    /// Everything that is due now.
    fn expire(&mut self) {
        let now = self.around.now;
        self.expire_sessions();
        self.home.expire(now);
        self.readers.expire(now);
        self.conns.end_pauses(now);
        self.answer_late_publishes();
        self.close_drained();
    }

    fn end_turn<D: Driver<Socket = S>>(&mut self, driver: &D) {
        let tables = driver.tables();
        let traffic = self.mesh.take_traffic();
        let held = self.home.held();
        let metrics = &self.around.metrics;
        metrics.mesh_messages.add(traffic.messages);
        metrics.mesh_wakes.add(traffic.wakes);
        metrics.topics.set(gauge(self.home.topics()));
        metrics.subscriptions.set(gauge(self.readers.members()));
        metrics.history_bytes.set(gauge(held.bytes));
        metrics.history_publications.set(gauge(held.publications));
        let waiting = self.conns.outbox_bytes() + driver.held();
        metrics.outbox_bytes.set(gauge(waiting));
        metrics.rings.set(gauge(tables.rings));
        let files = gauge(tables.direct_descriptors);
        metrics.direct_descriptors.set(files);
        metrics.turns.add(1);
        let sends = self.around.limits().fanout_per_turn_max;
        self.readers.renew_budget(sends);
        let now = self.around.clock();
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
        self.around.now = now;
        // Each turn looks at everything: only where that is little.
        if cfg!(debug_assertions) && self.conns.len() <= 64 {
            self.check_invariants();
        }
    }

    fn check_invariants(&self) {
        self.home.check_invariants();
        self.conns.check_invariants();
        self.readers
            .check_invariants(|id| self.conns.membership(id));
    }
}

fn gauge(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
