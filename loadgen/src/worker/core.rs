//! All connections of a worker and what happens to them: the driver's events come in, bytes to
//! send are collected, and one place sends them, once a turn.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;

use altavoz::base::{ConnId, clock};
use altavoz::io::{Address, Close, Driver, Event};
use altavoz::wire::client::{ResponseParser, request};
use altavoz::wire::close::CloseCode;
use altavoz::wire::frame::{Opcode, encode_close_masked, encode_masked};
use altavoz::wire::message::{Incoming, MessageLimits, Role};

use crate::num::id;
use crate::plan::{Plan, PublishBy, WorkerPlan};
use crate::protocol::{Connects, Finished, count};
use crate::sources::Sources;
use crate::stamp::Stamp;

use super::connection::{Connection, Kind, State};
use super::meter::{Meter, Subscribers};
use super::tls::Tls;

/// The driver's receive buffer; a read that fills it says that the generator is behind.
pub const RECEIVE_BUFFER_BYTES: usize = 256 * 1024;

/// A publisher's bytes that may wait here; beyond it publications wait in the timetable.
const PUBLISHER_WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a measured server may send; a bound against nonsense, not a test of it.
const LIMITS: MessageLimits = MessageLimits {
    bytes_max: 64 * 1024 * 1024,
    fragments_max: u32::MAX,
};

/// Connections, their meter, and the figures about connecting.
#[derive(Debug)]
pub struct Core {
    worker: u32,
    plan: Plan,
    address: Address,
    sources: Sources,
    tls: Option<Tls>,
    /// Subscribers first, then slow readers, the crowd, the publishers.
    pub conns: Vec<Connection>,
    /// The number of the first connection, counted over all workers.
    first: u64,
    /// Where the publishers begin.
    publishers: usize,
    /// What is measured.
    pub meter: Meter,
    /// Attempts to connect.
    pub connects: Connects,
    /// How connections ended.
    pub finished: Finished,
    /// Connections that have something to do at the end of the turn.
    dirty: Vec<u32>,
    /// Connections that are on their way to being open.
    pub opening: usize,
    /// Attempts that ended since they were last taken: the place, and why it failed.
    pub ended: Vec<(usize, Option<String>)>,
    /// Places whose connection is gone since they were last taken.
    pub gone: Vec<usize>,
    /// Answers to POSTs that refuse, since they were last taken.
    pub refusals: Vec<u16>,
    /// Whether slow readers read.
    pub resumed: bool,
    random: fastrand::Rng,
    scratch: Vec<u8>,
    post_heads: Vec<Vec<u8>>,
}

impl Core {
    /// Everything idle.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(worker: &WorkerPlan) -> Result<Self, String> {
        let plan = worker.plan.clone();
        let tls = plan.target.tls;
        let tls = tls.then(|| Tls::new(&plan.target.host, plan.ca.as_deref()));
        let subscribers = plan.share(plan.subscribers, worker.worker).count as usize;
        let heads = plan
            .topics
            .iter()
            .map(|topic| post_head(&plan, &topic.path));
        Ok(Self {
            address: Address::Inet(plan.target.address),
            sources: plan.sources().map_err(|e| e.to_string())?,
            tls: tls.transpose()?,
            first: first_connection(&plan, worker.worker),
            publishers: 0,
            meter: Meter::new(&plan, subscribers),
            connects: Connects::default(),
            finished: Finished::default(),
            dirty: Vec::with_capacity(1024),
            opening: 0,
            ended: Vec::new(),
            gone: Vec::new(),
            refusals: Vec::new(),
            resumed: false,
            random: fastrand::Rng::with_seed(plan.seed ^ u64::from(worker.worker)),
            scratch: Vec::with_capacity(plan.size),
            post_heads: heads.collect(),
            conns: Vec::new(),
            worker: worker.worker,
            plan,
        })
    }

    /// Makes places for all connections: not before they are wanted, so that what they take is
    /// seen as theirs.
    pub fn populate(&mut self) {
        self.conns = connections(&self.plan, self.worker);
        self.publishers = self.conns.partition_point(|conn| !is_publisher(conn.kind));
    }

    /// Begins a connection in an idle place.
    pub fn connect(&mut self, driver: &mut impl Driver<Target = Address>, slot: usize) {
        let total = self.plan.connections();
        let from: Option<IpAddr> = self.sources.of(self.first + slot as u64, total);
        let conn = &mut self.conns[slot];
        conn.state = State::Connecting;
        conn.since = clock::now().as_nanos();
        self.opening += 1;
        driver.connect(conn.id(slot), &self.address, from);
    }

    /// Takes what the driver hands out.
    pub fn handle<S>(&mut self, event: Event<'_, S>) {
        let (Event::Connected { id }
        | Event::Received { id, .. }
        | Event::Sent { id, .. }
        | Event::Writable { id }
        | Event::Eof { id }
        | Event::Closed { id, .. }) = event
        else {
            return;
        };
        let Some(slot) = self.slot(id) else {
            return;
        };
        match event {
            Event::Connected { .. } => self.handle_connected(slot),
            Event::Received { bytes, .. } => self.handle_received(slot, bytes),
            Event::Sent { bytes, .. } => {
                self.conns[slot].outbox.handle_sent(bytes);
                self.dirty.push(id.slot);
            }
            Event::Writable { .. } => {
                self.conns[slot].outbox.handle_writable();
                self.dirty.push(id.slot);
            }
            Event::Eof { .. } => self.handle_eof(slot),
            Event::Closed { error, .. } => self.handle_closed(slot, error),
            Event::Accepted { .. } | Event::AcceptFailed { .. } | Event::Woken => {}
        }
    }

    /// Sends what was collected.
    pub fn flush(&mut self, driver: &mut impl Driver) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in dirty.drain(..) {
            let slot = slot as usize;
            let conn = &mut self.conns[slot];
            let name = conn.id(slot);
            conn.outbox.flush(driver, name);
            if conn.outbox.ends && conn.outbox.waiting() == 0 {
                // Reset instead of FIN: no TIME_WAIT on our side, and the port is free again;
                // but a server that said goodbye gets to read our answer.
                let is_goodbye = conn.close_code.is_some();
                let how = if is_goodbye {
                    Close::Graceful
                } else {
                    Close::Reset
                };
                driver.close(name, how);
            }
            if conn.kind == Kind::Slow && conn.is_open() {
                driver.receive(name, self.resumed);
            }
        }
        self.dirty = dirty;
    }

    /// Whether the connection of a stream takes another publication.
    #[must_use]
    pub fn has_room(&self, stream: u32) -> bool {
        let conn = &self.conns[self.publisher_slot(stream)];
        !conn.is_open() || conn.outbox.waiting() < PUBLISHER_WAITING_BYTES_MAX
    }

    /// Puts a publication on its stream's connection.
    pub fn publish(&mut self, stamp: &Stamp) {
        let slot = self.publisher_slot(stamp.stream);
        self.scratch.clear();
        stamp.write(&mut self.scratch, self.plan.size);
        let topic = stamp.stream as usize % self.plan.topics.len();
        let conn = &mut self.conns[slot];
        if !conn.is_open() {
            return; // it is lost, and the ledger will say so
        }
        if let State::Posting(answers) = &mut conn.state {
            answers.waiting += 1;
            conn.outbox
                .queue()
                .extend_from_slice(&self.post_heads[topic]);
            conn.outbox.queue().extend_from_slice(&self.scratch);
        } else {
            let mask = self.random.u32(..).to_ne_bytes();
            encode_masked(conn.outbox.queue(), Opcode::Text, mask, &self.scratch);
        }
        self.dirty.push(id(slot));
    }

    /// Begins to read at slow readers.
    pub fn resume(&mut self) {
        self.resumed = true;
        let slow = self.conns.iter().enumerate();
        let slow = slow.filter(|(_, conn)| conn.kind == Kind::Slow);
        self.dirty.extend(slow.map(|(slot, _)| id(slot)));
    }

    /// Ends a connection at once, without counting it as ended by the server.
    pub fn cut(&mut self, driver: &mut impl Driver, slot: usize) {
        let conn = &mut self.conns[slot];
        if !matches!(conn.state, State::Idle | State::Closing) {
            conn.state = State::Closing;
            driver.close(conn.id(slot), Close::Reset);
        }
    }

    /// Ends an attempt that took too long.
    pub fn give_up(&mut self, driver: &mut impl Driver, slot: usize) {
        self.fail(slot, "timed out".to_owned());
        driver.close(self.conns[slot].id(slot), Close::Reset);
    }

    /// Whether an attempt is under way there.
    #[must_use]
    pub fn is_opening(&self, slot: usize) -> bool {
        matches!(
            self.conns[slot].state,
            State::Connecting | State::Upgrading(_)
        )
    }

    /// Open connections.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.conns.iter().filter(|conn| conn.is_open()).count() as u64
    }

    /// Whether any publisher can still publish.
    #[must_use]
    pub fn can_publish(&self) -> bool {
        self.conns[self.publishers..]
            .iter()
            .any(Connection::is_open)
    }

    /// Whether a POST is still without its answer.
    #[must_use]
    pub fn has_unanswered(&self) -> bool {
        let waits = |conn: &Connection| match &conn.state {
            State::Posting(answers) => answers.waiting > 0,
            _ => false,
        };
        self.conns[self.publishers..].iter().any(waits)
    }

    fn publisher_slot(&self, stream: u32) -> usize {
        self.publishers + self.plan.stream_publisher(stream) as usize
    }

    fn slot(&self, name: ConnId) -> Option<usize> {
        let slot = name.index();
        let conn = self.conns.get(slot)?;
        (conn.generation == name.generation).then_some(slot)
    }

    fn handle_connected(&mut self, slot: usize) {
        let now = clock::now().as_nanos();
        let conn = &mut self.conns[slot];
        conn.tcp_since = now;
        self.connects.tcp.record(now - conn.since);
        if let Some(tls) = &self.tls {
            match tls.connection() {
                Ok(tls) => conn.outbox.encrypt(tls),
                Err(why) => return self.fail(slot, why),
            }
        }
        if conn.kind == Kind::Poster {
            conn.state = State::Posting(Box::default());
            self.note_open(slot);
        } else {
            let key = std::array::from_fn(|_| self.random.u8(..));
            let path = &topic(&self.plan, conn).path;
            let (host, headers) = (&self.plan.target.authority, &self.plan.headers);
            request(conn.outbox.queue(), path, host, key, headers);
            conn.state = State::Upgrading(Box::new(ResponseParser::new(key, headers)));
        }
        self.dirty.push(id(slot));
    }

    fn handle_received(&mut self, slot: usize, bytes: &mut [u8]) {
        let now = clock::now().as_nanos();
        self.meter
            .note_read(bytes.len(), bytes.len() == RECEIVE_BUFFER_BYTES);
        if !self.conns[slot].outbox.is_encrypted() {
            return self.handle_plain(slot, bytes, now);
        }
        let mut outbox = std::mem::take(&mut self.conns[slot].outbox);
        let decrypted = outbox.decrypt(bytes, |plain| self.handle_plain(slot, plain, now));
        // What was queued meanwhile stands in the place of the one that was taken out.
        let queued = std::mem::replace(&mut self.conns[slot].outbox, outbox);
        self.conns[slot].outbox.take_over(queued);
        self.dirty.push(id(slot));
        if let Err(why) = decrypted {
            self.break_off(slot, &format!("TLS failed: {why}"));
        }
    }

    fn handle_plain(&mut self, slot: usize, bytes: &mut [u8], now: u64) {
        match &mut self.conns[slot].state {
            State::Upgrading(parser) => match parser.handle_bytes(bytes) {
                Ok(None) => {}
                Ok(Some(consumed)) => {
                    self.conns[slot].state = State::Open;
                    self.note_open(slot);
                    self.handle_frames(slot, &mut bytes[consumed..], now);
                }
                Err(error) => self.fail(slot, error.to_string()),
            },
            State::Open => self.handle_frames(slot, bytes, now),
            State::Posting(answers) => {
                let refusals = &mut self.refusals;
                let read = answers.handle_bytes(bytes, |status| note_status(refusals, status));
                if let Err(why) = read {
                    self.break_off(slot, why);
                }
            }
            State::Idle | State::Connecting | State::Closing => {}
        }
    }

    fn handle_frames(&mut self, slot: usize, mut bytes: &mut [u8], now: u64) {
        let conn = &mut self.conns[slot];
        while !bytes.is_empty() {
            let step = match conn.decoder.handle_bytes(Role::Client, &LIMITS, bytes) {
                Ok(step) => step,
                Err(error) => {
                    let why = format!("protocol error: {error}");
                    return self.break_off(slot, &why);
                }
            };
            let consumed = step.consumed;
            let message: &[u8] = match &step.incoming {
                Some(Incoming::Text(text)) => text.as_bytes(),
                Some(Incoming::Binary(binary)) => binary,
                Some(Incoming::Ping(payload)) => {
                    let mask = self.random.u32(..).to_ne_bytes();
                    encode_masked(conn.outbox.queue(), Opcode::Pong, mask, payload);
                    self.dirty.push(id(slot));
                    &[]
                }
                Some(Incoming::Close(close)) => {
                    let code = close.as_ref().map(|(code, _)| *code);
                    return self.handle_close(slot, code);
                }
                Some(Incoming::Pong(_)) | None => &[],
            };
            if !message.is_empty() {
                match conn.kind {
                    Kind::Subscriber => {
                        self.meter.deliver(slot, conn.topic as usize, message, now);
                    }
                    Kind::Slow if self.resumed => self.finished.slow_messages += 1,
                    Kind::Slow | Kind::Crowd | Kind::Publisher | Kind::Poster => {}
                }
            }
            bytes = &mut bytes[consumed..];
        }
    }

    /// The server closes: echo its code and end.
    fn handle_close(&mut self, slot: usize, code: Option<CloseCode>) {
        let mask = self.random.u32(..).to_ne_bytes();
        let conn = &mut self.conns[slot];
        conn.close_code = Some(code.map_or(1005, |code| code.0));
        encode_close_masked(
            conn.outbox.queue(),
            code.unwrap_or(CloseCode::NORMAL),
            "",
            mask,
        );
        conn.outbox.ends = true;
        let name = conn.close_code.map_or_else(String::new, |c| c.to_string());
        self.note_close(slot, &name);
        self.dirty.push(id(slot));
    }

    fn handle_eof(&mut self, slot: usize) {
        if self.is_opening(slot) {
            self.fail(slot, "the server ended it before the upgrade".to_owned());
        } else if self.conns[slot].is_open() {
            self.note_close(slot, "ended without a close frame");
        }
        self.conns[slot].outbox = super::connection::Outbox::default();
        self.conns[slot].outbox.ends = true;
        self.dirty.push(id(slot));
    }

    fn handle_closed(&mut self, slot: usize, error: Option<ErrorKind>) {
        let why = error.map_or_else(|| "ended".to_owned(), |kind| kind.to_string());
        if self.is_opening(slot) {
            self.fail(slot, why);
        } else if self.conns[slot].is_open() {
            self.note_close(slot, &why);
        }
        self.conns[slot].reset();
        self.gone.push(slot);
    }

    /// We end it, since the server broke a rule.
    fn break_off(&mut self, slot: usize, why: &str) {
        if self.is_opening(slot) {
            self.fail(slot, why.to_owned());
        } else if self.conns[slot].is_open() {
            self.note_close(slot, why);
        }
        self.conns[slot].outbox.ends = true;
        self.dirty.push(id(slot));
    }

    fn note_open(&mut self, slot: usize) {
        let now = clock::now().as_nanos();
        let conn = &mut self.conns[slot];
        self.connects.upgrade.record(now - conn.tcp_since);
        self.connects.total.record(now - conn.since);
        self.opening -= 1;
        self.ended.push((slot, None));
        if conn.kind != Kind::Poster
            && let Some(text) = &topic(&self.plan, conn).on_open
        {
            let mask = self.random.u32(..).to_ne_bytes();
            encode_masked(conn.outbox.queue(), Opcode::Text, mask, text.as_bytes());
        }
        self.dirty.push(id(slot));
    }

    /// An attempt failed; the connection, if there is one, is ended.
    fn fail(&mut self, slot: usize, why: String) {
        if self.is_opening(slot) {
            self.opening -= 1;
            self.ended.push((slot, Some(why)));
        }
        let conn = &mut self.conns[slot];
        conn.state = State::Closing;
        conn.outbox.ends = true;
        self.dirty.push(id(slot));
    }

    /// An open connection was ended by the server or for its fault.
    fn note_close(&mut self, slot: usize, why: &str) {
        let conn = &mut self.conns[slot];
        conn.state = State::Closing;
        let (kind, topic) = (conn.kind, conn.topic as usize);
        let closes: &mut BTreeMap<String, u64> = match kind {
            Kind::Subscriber | Kind::Crowd => &mut self.finished.closes,
            Kind::Slow => &mut self.finished.slow_closes,
            Kind::Publisher | Kind::Poster => &mut self.finished.publisher_closes,
        };
        count(closes, why);
        if kind == Kind::Subscriber {
            self.meter.leave(slot, topic);
        }
    }
}

/// The subscribers among a worker's connections, as the meter asks for them.
#[derive(Debug)]
pub struct SubscribersOf<'a>(pub &'a [Connection]);

impl<'a> SubscribersOf<'a> {
    /// Cuts them out: they stand first.
    #[must_use]
    pub fn new(conns: &'a [Connection]) -> Self {
        let count = conns.partition_point(|conn| conn.kind == Kind::Subscriber);
        Self(&conns[..count])
    }
}

impl Subscribers for SubscribersOf<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn is_open(&self, subscriber: usize) -> bool {
        self.0[subscriber].is_open()
    }

    fn topic(&self, subscriber: usize) -> usize {
        self.0[subscriber].topic as usize
    }
}

fn is_publisher(kind: Kind) -> bool {
    matches!(kind, Kind::Publisher | Kind::Poster)
}

fn topic<'a>(plan: &'a Plan, conn: &Connection) -> &'a crate::plan::Topic {
    match conn.kind {
        Kind::Crowd => &plan.crowd_topic,
        Kind::Subscriber | Kind::Slow | Kind::Publisher | Kind::Poster => {
            &plan.topics[conn.topic as usize]
        }
    }
}

fn connections(plan: &Plan, worker: u32) -> Vec<Connection> {
    let mut conns = Vec::new();
    let groups = [
        (Kind::Subscriber, plan.subscribers),
        (Kind::Slow, plan.slow),
        (Kind::Crowd, plan.crowd),
    ];
    for (kind, total) in groups {
        let share = plan.share(total, worker);
        let numbers = share.start..share.start + share.count;
        conns.extend(numbers.map(|n| Connection::new(kind, plan.subscriber_topic(n))));
    }
    let kind = match plan.publish {
        PublishBy::Ws => Kind::Publisher,
        PublishBy::Http => Kind::Poster,
        PublishBy::Others => return conns,
    };
    if worker == 0 {
        let publishers = 0..plan.publishers;
        conns.extend(publishers.map(|p| Connection::new(kind, plan.subscriber_topic(p))));
    }
    conns
}

fn first_connection(plan: &Plan, worker: u32) -> u64 {
    let groups = [plan.subscribers, plan.slow, plan.crowd];
    let before = groups.map(|total| u64::from(plan.share(total, worker).start));
    let publishers = if worker == 0 { 0 } else { plan.publishers };
    before.iter().sum::<u64>() + u64::from(publishers)
}

fn post_head(plan: &Plan, path: &str) -> Vec<u8> {
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n",
        plan.target.authority, plan.size
    );
    for (name, value) in &plan.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn note_status(refusals: &mut Vec<u16>, status: u16) {
    if !(200..300).contains(&status) {
        refusals.push(status);
    }
}
