//! All clients of a worker and what happens to them: the driver's events come in, bytes to send
//! are collected, and one place sends them, once a turn.
//!
//! What a client hears is in the modules below, by how it reads.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use altavoz::base::Time;
use altavoz::io::{Close, Driver, Event};
use altavoz::wire::client::{self, ResponseParser};
use altavoz::wire::frame::{Opcode, encode_masked};

use crate::base::counts::count;
use crate::base::num::between;
use crate::base::transport::Transport;
use crate::lines::{Connects, Finished, Posts};
use crate::measure::traffic::Tally;
use crate::plan::{Plan, WorkerPlan};
use crate::speak::message::Wrapping;
use crate::speak::sources::Sources;

use super::clients::Clients;
use super::connection::{ClientId, ClientKind, Connection, ConnectionState};
use super::courier::Couriers;
use super::gate::Gate;
use super::meter::{Meter, Reader};
use super::places::{connections, first_connection};
use super::request::{self, fill_up};
use super::rota::Rota;
use super::windows::Windows;
use crate::speak::tls::Tls;

mod asks;
mod ends;
mod frames;
mod publishing;
mod readers;

/// The driver's receive buffer; a read that fills it says that the generator is behind.
pub const RECEIVE_BUFFER_BYTES: usize = 256 * 1024;

/// A publisher's bytes that may wait here; beyond it publications wait in the timetable.
const PUBLISHER_WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Connections, their meter, and the figures about connecting.
#[derive(Debug)]
pub struct WorkerCore {
    worker: u32,
    plan: Plan,
    /// Whether publishers connect to another server than readers.
    is_elsewhere: bool,
    sources: Sources,
    tls: Option<Tls>,
    /// Subscribers first, then slow readers, the crowd, the publishers.
    pub clients: Clients,
    /// The number of the first connection, counted over all workers.
    first: u64,
    /// The publishers' ways to the server.
    couriers: Couriers,
    /// Publishers that come back, and when; the soonest first.
    returns: BTreeSet<(Time, ClientId)>,
    /// What became of publishers' connections, since it was last taken.
    pub posts: Posts,
    /// What is measured.
    pub meter: Meter,
    /// What each arm sends and receives.
    pub windows: Windows,
    /// Attempts to connect.
    pub connects: Connects,
    /// How connections ended.
    pub finished: Finished,
    /// Connections that have something to do at the end of the turn.
    dirty: Vec<ClientId>,
    /// Who polls when, one for each arm that does.
    rotas: Vec<Rota>,
    /// Clients that ask again, and when; the soonest first.
    retries: VecDeque<(Time, ClientId)>,
    /// Clients that are still there and need another connection.
    wanted: Vec<ClientId>,
    /// Connections that are on their way to being open.
    pub opening: usize,
    /// Attempts that ended since they were last taken: whose, and why it failed.
    pub ended: Vec<(ClientId, Option<String>)>,
    /// Clients whose connection is gone since they were last taken.
    pub gone: Vec<ClientId>,
    /// Answers to POSTs that refuse, since they were last taken.
    pub refusals: Vec<u16>,
    /// Whether slow readers read.
    pub resumed: bool,
    random: fastrand::Rng,
    scratch: Vec<u8>,
    /// What stands around payloads and in front of POSTs, by topic.
    wrappings: Vec<Wrapping>,
    post_heads: Vec<Vec<u8>>,
}

/// How a client goes that does not say goodbye.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientEnd {
    /// Its connection is reset.
    Reset,
    /// Its connection ends with a FIN.
    Fin,
    /// Its connection stays, and it answers no ping any more; the server must find out.
    Silence,
}

impl WorkerCore {
    /// Everything idle.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(worker: &WorkerPlan) -> Result<Self, String> {
        let plan = worker.plan.clone();
        let tls = plan.target.tls;
        let tls = tls.then(|| Tls::new(&plan.target.host, plan.authorities()));
        let subscribers = plan.share(plan.subscribers, worker.worker).count as usize;
        let topics = plan.topics.iter();
        let wrappings: Vec<_> = topics.map(|topic| plan.envelope.of(topic)).collect();
        let heads = plan.topics.iter().zip(&wrappings);
        let heads = heads.map(|(topic, wrapping)| post_head(&plan, topic, wrapping.len()));
        Ok(Self {
            is_elsewhere: plan.publish_to.is_some(),
            sources: plan.sources().map_err(|e| e.to_string())?,
            tls: tls.transpose()?,
            first: first_connection(&plan, worker.worker),
            couriers: Couriers::default(),
            returns: BTreeSet::new(),
            posts: Posts::default(),
            meter: Meter::new(&plan, subscribers),
            windows: Windows::new(plan.arms.len()),
            connects: Connects::default(),
            finished: Finished::default(),
            dirty: Vec::with_capacity(1024),
            rotas: Vec::new(),
            retries: VecDeque::new(),
            wanted: Vec::new(),
            opening: 0,
            ended: Vec::new(),
            gone: Vec::new(),
            refusals: Vec::new(),
            resumed: false,
            random: fastrand::Rng::with_seed(plan.seed ^ u64::from(worker.worker)),
            scratch: Vec::with_capacity(plan.size),
            post_heads: heads.collect(),
            wrappings,
            clients: Clients::default(),
            worker: worker.worker,
            plan,
        })
    }

    /// Makes places for all connections: not before they are wanted, so that what they take is
    /// seen as theirs.
    pub fn populate(&mut self, now: Time) {
        let (clients, turns) = connections(&self.plan, self.worker);
        self.clients = Clients::new(clients);
        self.couriers = Couriers::new(self.clients.publishers());
        let polled = self.plan.arms.iter().zip(turns);
        let polled = polled.filter(|(_, turns)| !turns.is_empty());
        self.rotas = polled
            .map(|(arm, turns)| Rota::new(arm.interval, turns, now))
            .collect();
    }

    /// Lets a client come in at an idle place.
    pub fn connect(&mut self, gate: &mut Gate<impl Driver>, client: ClientId, now: Time) {
        self.clients[client].since = now;
        self.opening += 1;
        self.begin(gate, client);
    }

    fn begin(&mut self, gate: &mut Gate<impl Driver>, client: ClientId) {
        let total = self.plan.connections();
        let from: Option<IpAddr> = self.sources.of(self.first + client.index() as u64, total);
        let conn = &mut self.clients[client];
        conn.state = ConnectionState::Connecting;
        gate.connect(conn.id(client), from, conn.kind.is_publisher());
    }

    /// Takes what the driver hands out. The clock is asked for each event that brings something,
    /// and not once a turn: the moment of a delivery is the moment of the read that brought it,
    /// and a turn of many reads takes longer than what is measured.
    pub fn handle<S>(&mut self, clock: &impl Fn() -> Time, event: Event<'_, S>) {
        let (Event::Connected { id }
        | Event::Received { id, .. }
        | Event::Sent { id, .. }
        | Event::Writable { id }
        | Event::Eof { id }
        | Event::Closed { id, .. }) = event
        else {
            return;
        };
        let Some(client) = self.clients.find(id) else {
            return;
        };
        match event {
            Event::Connected { .. } => self.handle_connected(client, clock()),
            Event::Received { bytes, .. } => self.handle_received(client, bytes, clock()),
            Event::Sent { bytes, .. } => {
                self.clients[client].outbox.handle_sent(bytes);
                self.dirty.push(client);
            }
            Event::Writable { .. } => {
                self.clients[client].outbox.handle_writable();
                self.dirty.push(client);
            }
            Event::Eof { .. } => self.handle_eof(client, clock()),
            Event::Closed { error, .. } => self.handle_closed(client, error, clock()),
            Event::Accepted { .. } | Event::AcceptFailed { .. } | Event::Woken => {}
        }
    }

    /// Looks at what was counted, if a window begins or ends. For the moment behind a flush, when
    /// what was asked was also sent.
    pub fn look(&mut self, driver: &impl Driver, now: Time) {
        self.windows.advance(now, &self.clients, driver);
    }

    /// Sends what was collected.
    pub fn flush(&mut self, driver: &mut impl Driver, clock: &impl Fn() -> Time) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for client in dirty.drain(..) {
            self.flush_one(driver, client, clock);
        }
        // Only what a flush itself wants is there now, and it comes again.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn flush_one(&mut self, driver: &mut impl Driver, client: ClientId, clock: &impl Fn() -> Time) {
        let conn = &mut self.clients[client];
        let name = conn.id(client);
        let sent = conn.outbox.flush(driver, name);
        if conn.kind.is_counted() && sent > 0 {
            self.windows
                .running(conn.arm)
                .add(Tally::UpBytes, sent as u64);
        }
        if let Some(how) = conn.ending
            && (how == Close::Reset || conn.outbox.waiting() == 0)
        {
            self.end(driver, client, how);
        }
        let conn = &mut self.clients[client];
        if conn.kind == ClientKind::Slow && conn.is_in {
            driver.receive(name, self.resumed);
        }
        if sent > 0 && conn.reader.is_some() {
            self.handle_asked(client, clock);
        }
    }

    /// Begins to read at slow readers.
    pub fn resume(&mut self) {
        self.read_slow(true);
    }

    /// Reads no more at slow readers.
    pub fn pause(&mut self) {
        self.read_slow(false);
    }

    fn read_slow(&mut self, reads: bool) {
        self.resumed = reads;
        self.dirty.extend(self.clients.of(ClientKind::Slow));
    }

    /// Whether an attempt is under way there.
    #[must_use]
    pub fn is_opening(&self, client: ClientId) -> bool {
        self.clients[client].is_opening()
    }

    /// Clients that are there.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.clients.iter().filter(|conn| conn.is_in).count() as u64
    }

    /// Counts a client that came in, unless it publishes.
    pub fn note_connected(&mut self, client: ClientId) {
        let conn = &self.clients[client];
        if conn.kind.is_publisher() {
            return;
        }
        self.connects.connected += 1;
        if let Some(arm) = self.connects.arms.get_mut(usize::from(conn.arm)) {
            arm.connected += u64::from(conn.kind.is_counted());
        }
    }

    /// Counts a client that did not come in.
    pub fn note_failed(&mut self, client: ClientId, why: &str) {
        let conn = &self.clients[client];
        count(&mut self.connects.failures, why);
        if let Some(arm) = self.connects.arms.get_mut(usize::from(conn.arm)) {
            arm.failed += u64::from(conn.kind.is_counted());
        }
    }

    fn handle_connected(&mut self, client: ClientId, now: Time) {
        self.tally(client, Tally::Opened);
        let conn = &mut self.clients[client];
        if !conn.is_in {
            conn.tcp_since = now;
            self.connects.tcp.record(between(conn.since, now));
        }
        let is_elsewhere = conn.kind == ClientKind::Poster && self.is_elsewhere;
        if let Some(tls) = self.tls.as_ref().filter(|_| !is_elsewhere) {
            match tls.connection() {
                Ok(tls) => conn.outbox.encrypt(tls),
                Err(why) => return self.break_off(client, &why),
            }
        }
        match (conn.kind, self.transport(client)) {
            (ClientKind::Poster, _) => self.begin_posting(client, now),
            (_, Transport::Ws | Transport::Ask) => self.upgrade(client),
            _ => self.begin_reading(client, now),
        }
        self.dirty.push(client);
    }

    fn upgrade(&mut self, client: ClientId) {
        let key = std::array::from_fn(|_| self.random.u8(..));
        let conn = &mut self.clients[client];
        let topic = topic(&self.plan, conn);
        let arm = &self.plan.arms[usize::from(conn.arm)];
        let path = request::upgrade_path(&self.plan, arm, conn.kind.is_publisher(), topic);
        let target = &self.plan.target;
        let host = self.plan.headers.host(target, target);
        let headers = self.plan.headers.others();
        let queue = conn.outbox.queue();
        client::request(queue, &path, host, key, headers);
        fill_up(queue, 0, self.plan.head_bytes);
        conn.state = ConnectionState::Upgrading(Box::new(ResponseParser::new(key, headers)));
        self.tally(client, Tally::Requests);
    }

    fn handle_received(&mut self, client: ClientId, bytes: &mut [u8], now: Time) {
        self.meter
            .note_read(bytes.len(), bytes.len() == RECEIVE_BUFFER_BYTES);
        if !self.clients[client].outbox.is_encrypted() {
            return self.handle_plain(client, bytes, now);
        }
        let mut outbox = std::mem::take(&mut self.clients[client].outbox);
        let decrypted = outbox.decrypt(bytes, |plain| self.handle_plain(client, plain, now));
        // What was queued meanwhile stands in the place of the one that was taken out.
        let queued = std::mem::replace(&mut self.clients[client].outbox, outbox);
        self.clients[client].outbox.take_over(queued);
        self.dirty.push(client);
        if let Err(why) = decrypted {
            self.break_off(client, &why);
        }
    }

    fn handle_plain(&mut self, client: ClientId, bytes: &mut [u8], now: Time) {
        let conn = &mut self.clients[client];
        if conn.kind.is_counted() {
            self.windows
                .running(conn.arm)
                .add(Tally::DownBytes, bytes.len() as u64);
        }
        match &mut conn.state {
            ConnectionState::Upgrading(_) => self.handle_upgrade(client, bytes, now),
            ConnectionState::Socket(_) => self.handle_frames(client, bytes, now),
            ConnectionState::Reading => self.handle_answers(client, bytes, now),
            ConnectionState::Posting => self.handle_post_answer(client, bytes),
            ConnectionState::Idle | ConnectionState::Connecting | ConnectionState::Closing => {}
        }
    }

    /// A client came in, or a publisher came back.
    fn note_open(&mut self, client: ClientId, now: Time) {
        if !std::mem::replace(&mut self.clients[client].is_in, true) {
            self.note_first_open(client, now);
        }
        let conn = &mut self.clients[client];
        if let (ConnectionState::Socket(_), Some(first)) = (&conn.state, &self.plan.on_open) {
            let bytes = first.fill(topic(&self.plan, conn));
            let mask = self.random.u32(..).to_ne_bytes();
            let opcode = opcode(first.is_binary());
            encode_masked(conn.outbox.queue(), opcode, mask, &bytes);
        }
        self.dirty.push(client);
    }

    fn note_first_open(&mut self, client: ClientId, now: Time) {
        let conn = &self.clients[client];
        let upgrade = between(conn.tcp_since, now);
        self.connects.upgrade.record(upgrade);
        self.connects.total.record(between(conn.since, now));
        if let Some(arm) = self.connects.arms.get_mut(usize::from(conn.arm))
            && conn.kind.is_counted()
        {
            arm.upgrade.record(upgrade);
        }
        self.opening -= 1;
        self.ended.push((client, None));
    }

    /// How a client reads; a publisher's own way is a WebSocket.
    fn transport(&self, client: ClientId) -> Transport {
        let conn = &self.clients[client];
        if conn.kind.is_publisher() {
            return Transport::Ws;
        }
        self.plan.arms[usize::from(conn.arm)].transport
    }

    /// Who gets what arrives there.
    fn reader_of(&self, client: ClientId) -> Reader {
        let conn = &self.clients[client];
        Reader {
            subscriber: client.index(),
            topic: conn.topic as usize,
            arm: usize::from(conn.arm),
        }
    }

    fn tally(&mut self, client: ClientId, tally: Tally) {
        let conn = &self.clients[client];
        if conn.kind.is_counted() {
            self.windows.running(conn.arm).add(tally, 1);
        }
    }
}

fn topic<'a>(plan: &'a Plan, conn: &Connection) -> &'a str {
    match conn.kind {
        ClientKind::Crowd => &plan.crowd_topic,
        ClientKind::Subscriber
        | ClientKind::Asker
        | ClientKind::Slow
        | ClientKind::Publisher
        | ClientKind::Poster => &plan.topics[conn.topic as usize],
    }
}

fn opcode(is_binary: bool) -> Opcode {
    if is_binary {
        Opcode::Binary
    } else {
        Opcode::Text
    }
}

/// The head of a POST whose body is a payload and `more` bytes around it.
fn post_head(plan: &Plan, topic: &str, more: usize) -> Vec<u8> {
    let path = plan.paths.publishing(topic);
    let to = plan.publish_to.as_ref().unwrap_or(&plan.target);
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n",
        plan.headers.host(&plan.target, to),
        plan.size + more
    );
    if !plan.headers.has("Content-Type") {
        head.push_str("Content-Type: text/plain\r\n");
    }
    let mut head = head.into_bytes();
    plan.headers.write(&mut head);
    head.extend_from_slice(b"\r\n");
    head
}
