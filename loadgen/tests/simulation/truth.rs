//! What the workers were really handed, kept in the simplest way that can be right: sets of what
//! each client has, and a list of what arrived when. It knows nothing of how a worker counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use altavoz::base::Time;
use loadgen::base::counts::count;
use loadgen::base::num::between;
use loadgen::base::transport::Transport;
use loadgen::measure::stamp::Stamp;
use loadgen::measure::stats::Latency;
use loadgen::plan::{Plan, PublishBy};
use loadgen::worker::connection::ClientKind;
use loadgen::worker::places::connections;

use super::watch::{Name, Note, What};

/// What bytes of the server mean to whoever has been handed the last of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// The client is let in.
    Open,
    /// It is not.
    Refused(u16),
    /// One message of a stream or a WebSocket, with these stamps.
    Message(Vec<Stamp>),
    /// The server closes with a code.
    Closes(u16),
    /// A whole answer to a poll, and where the client is behind it.
    Answer {
        status: u16,
        position: Option<u64>,
        stamps: Vec<Stamp>,
        is_gap: bool,
    },
    /// The answer to a question on a WebSocket.
    Echo,
    /// A whole answer to a POST.
    Posted(u16),
}

impl Mark {
    pub(crate) fn news(status: u16, position: u64, stamps: Vec<Stamp>, is_gap: bool) -> Self {
        Self::Answer {
            status,
            position: Some(position),
            stamps,
            is_gap,
        }
    }

    pub(crate) fn refusal(status: u16) -> Self {
        Self::Answer {
            status,
            position: None,
            stamps: Vec::new(),
            is_gap: false,
        }
    }
}

/// One connection: what was written on it, and how much of that was handed out.
#[derive(Debug, Default)]
struct Link {
    written: usize,
    handed: usize,
    marks: VecDeque<(usize, Mark)>,
    /// Requests that the server has read, whole answers that were handed out, and where the last
    /// of them ended.
    asked: u64,
    answered: u64,
    answered_to: usize,
    begun: Time,
    opened: Time,
    is_over: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Out,
    In,
    Gone,
}

/// One client of a worker.
#[derive(Clone, Debug)]
struct Client {
    kind: ClientKind,
    arm: usize,
    topic: usize,
    life: Life,
    /// Up to where it was told that it knows its topic.
    known: Option<u64>,
}

/// A worker's clients over the whole run.
#[derive(Debug, Default)]
pub(crate) struct Part {
    clients: Vec<Client>,
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) arms: Vec<(u64, u64)>,
    pub(crate) closes: BTreeMap<String, u64>,
    pub(crate) slow_closes: BTreeMap<String, u64>,
    pub(crate) publisher_closes: BTreeMap<String, u64>,
    pub(crate) slow_messages: u64,
    /// How long the first connection, what came behind it, and both together took.
    pub(crate) times: [Latency; 3],
    pub(crate) resumed: bool,
    /// Of the crowd, since a storm began.
    pub(crate) cut: u64,
    pub(crate) back: u64,
    /// Of publishers, since it was last taken.
    pub(crate) posted: BTreeMap<u16, u64>,
    pub(crate) returned: u64,
    /// Of these, before the turn that is under way.
    pub(crate) returned_before: u64,
    pub(crate) round: Round,
}

/// A worker's round.
#[derive(Debug, Default)]
pub(crate) struct Round {
    current: Option<(u32, u8)>,
    span: (Time, Time),
    /// By topic and arm, who was there when it began.
    pub(crate) audience: BTreeMap<(usize, usize), u64>,
    /// By client and stream, the first that came and all that came.
    has: BTreeMap<(usize, u32), (u32, BTreeSet<u32>)>,
    fresh_at: BTreeMap<usize, Time>,
    /// Deliveries for the first time: the arm, the stamp, the moment.
    pub(crate) fresh: Vec<(usize, Stamp, Time)>,
    pub(crate) arms: Vec<Arm>,
    /// The same when nothing more was published, which is where traffic ends.
    pub(crate) traffic: Vec<Arm>,
    pub(crate) foreign: u64,
    pub(crate) unstamped: u64,
    pub(crate) bytes: u64,
    pub(crate) reads: u64,
}

/// An arm of a worker's round.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Arm {
    pub(crate) received: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) merged: u64,
    pub(crate) unrecovered: u64,
    pub(crate) answers: u64,
    pub(crate) good_answers: u64,
    pub(crate) echoes: u64,
    pub(crate) not_modified: u64,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) bytes: u64,
    pub(crate) opened: u64,
    pub(crate) broken: u64,
    pub(crate) outdated: u64,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Truth {
    plan: Plan,
    links: BTreeMap<Name, Link>,
    pub(crate) parts: Vec<Part>,
}

impl Truth {
    pub(crate) fn new(plan: &Plan) -> Self {
        let part = |worker| Part {
            clients: clients(plan, worker),
            arms: vec![(0, 0); plan.arms.len()],
            ..Part::default()
        };
        Self {
            plan: plan.clone(),
            links: BTreeMap::new(),
            parts: (0..plan.workers).map(part).collect(),
        }
    }

    /// The server has written bytes, which mean something but for the last few.
    pub(crate) fn expect(&mut self, name: Name, bytes: usize, behind: usize, mark: Option<Mark>) {
        let link = self.links.entry(name).or_default();
        link.written += bytes;
        let end = link.written - behind;
        link.marks.extend(mark.map(|mark| (end, mark)));
    }

    /// The server has read a poll.
    pub(crate) fn ask(&mut self, name: Name) {
        self.links.entry(name).or_default().asked += 1;
    }

    /// Up to where a client was told that it knows its topic.
    pub(crate) fn known(&self, (worker, id): Name) -> Option<u64> {
        self.parts[worker].clients[id.index()].known
    }

    /// Whether part of an answer was handed out on a connection.
    pub(crate) fn is_within(&self, name: Name) -> bool {
        self.links
            .get(&name)
            .is_some_and(|link| link.handed > link.answered_to)
    }

    pub(crate) fn is_in(&self, (worker, id): Name) -> bool {
        self.parts[worker].clients[id.index()].life == Life::In
    }

    /// Something passed between a worker and its driver.
    pub(crate) fn note(&mut self, note: &Note) {
        let (worker, id) = note.name;
        let (part, slot) = (&mut self.parts[worker], id.index());
        let link = self.links.entry(note.name).or_default();
        match note.what {
            What::Connects => link.begun = note.at,
            What::Connected => link.opened = note.at,
            What::Received(count) => {
                part.note_bytes(slot, count as u64);
                link.handed += count;
                while let Some((end, _)) = link.marks.front()
                    && *end <= link.handed
                    && let Some((end, mark)) = link.marks.pop_front()
                {
                    if let Mark::Posted(_) = &mark {
                        link.answered_to = end;
                    }
                    if let Mark::Answer { position, .. } = &mark {
                        let known = &mut part.clients[slot].known;
                        *known = position.or(*known);
                        link.answered += 1;
                        link.answered_to = end;
                    }
                    part.time(slot, link, note.at, &mark);
                    part.enter(&self.plan, slot, link, mark, note.at);
                }
            }
            _ => {}
        }
        part.note(&self.plan, slot, link, note);
    }

    pub(crate) fn begin(&mut self, worker: usize, number: u8) {
        let part = &mut self.parts[worker];
        let mut round = Round {
            current: (self.plan.publish != PublishBy::Others).then_some((self.plan.run, number)),
            span: (Time::ZERO, Time::NEVER),
            arms: vec![Arm::default(); self.plan.arms.len()],
            ..Round::default()
        };
        for client in &part.clients {
            if client.kind == ClientKind::Subscriber && client.life == Life::In {
                *round
                    .audience
                    .entry((client.topic, client.arm))
                    .or_default() += 1;
            }
        }
        part.round = round;
    }

    /// Publishing goes from one moment to another, as far as is known.
    pub(crate) fn watch(&mut self, worker: usize, from: Time, to: Time) {
        self.parts[worker].round.span = (from, to);
    }

    pub(crate) fn watch_until(&mut self, worker: usize, now: Time) {
        let round = &mut self.parts[worker].round;
        round.span.1 = round.span.1.min(now);
        round.traffic.clone_from(&round.arms);
    }

    /// What is owed to the clients of an arm where somebody else publishes.
    pub(crate) fn owed(&self, worker: usize, arm: usize) -> u64 {
        let part = &self.parts[worker];
        let has = &part.round.has;
        let end = |stream: u32| {
            let all = has.iter().filter(|((_, of), _)| *of == stream);
            all.filter_map(|(_, (first, set))| set.last().map(|last| (*last).max(*first)))
                .max()
                .map_or(0, |last| last + 1)
        };
        let mine = has
            .iter()
            .filter(|((slot, _), _)| part.clients[*slot].arm == arm);
        mine.map(|((_, stream), (first, _))| u64::from(end(*stream).saturating_sub(*first)))
            .sum()
    }
}

impl Part {
    fn note_bytes(&mut self, slot: usize, count: u64) {
        let client = &self.clients[slot];
        self.round.bytes += count;
        self.round.reads += 1;
        if client.kind.is_counted()
            && let Some(arm) = self.round.arms.get_mut(client.arm)
        {
            arm.bytes += count;
        }
    }

    fn note(&mut self, plan: &Plan, slot: usize, link: &mut Link, note: &Note) {
        let client = &mut self.clients[slot];
        let is_publisher = client.kind.is_publisher();
        match note.what {
            What::Connects if client.life == Life::In => self.returned += u64::from(is_publisher),
            What::Connects => client.life = Life::Out,
            What::Connected => self.note_connected(slot, link),
            What::Eof | What::Closed(_) if !link.is_over => {
                link.is_over = true;
                match client.life {
                    Life::Out => self.fail(slot),
                    Life::In => self.end(plan, slot, link, note.what),
                    Life::Gone => {}
                }
            }
            What::Leaves if client.kind == ClientKind::Crowd && client.life == Life::In => {
                client.life = Life::Gone;
                self.cut += 1;
            }
            What::Received(_) | What::Eof | What::Closed(_) | What::Leaves => {}
        }
    }

    fn note_connected(&mut self, slot: usize, link: &Link) {
        let client = &mut self.clients[slot];
        if client.life != Life::In {
            self.times[0].record(between(link.begun, link.opened));
        }
        if client.kind.is_counted()
            && let Some(arm) = self.round.arms.get_mut(client.arm)
        {
            arm.opened += 1;
        }
        if client.kind == ClientKind::Poster && client.life == Life::Out {
            self.times[1].record(0);
            self.times[2].record(between(link.begun, link.opened));
            client.life = Life::In;
        }
    }

    /// The connection of a client that is there ended without a word.
    fn end(&mut self, plan: &Plan, slot: usize, link: &Link, how: What) {
        let client = &self.clients[slot];
        let transport = plan.arms[client.arm].transport;
        let is_socket = matches!(transport, Transport::Ws | Transport::Ask);
        let why = match how {
            What::Closed(Some(why)) => why.to_string(),
            What::Closed(None) => "ended".to_owned(),
            _ if client.kind == ClientKind::Publisher || is_socket => {
                "ended without a close frame".to_owned()
            }
            _ => "connection ended within an answer".to_owned(),
        };
        match client.kind {
            ClientKind::Poster => {}
            ClientKind::Publisher => count(&mut self.publisher_closes, &why),
            _ if transport.is_push() || is_socket => self.close(slot, &why),
            _ => self.break_request(slot, link),
        }
    }

    /// A poll whose answer has not come is broken, unless it met the end of a kept connection.
    fn break_request(&mut self, slot: usize, link: &Link) {
        let is_within = link.handed > link.answered_to;
        let is_broken = link.asked > link.answered && (is_within || link.answered == 0);
        let arm = self.clients[slot].arm;
        if let Some(arm) = self.round.arms.get_mut(arm) {
            arm.broken += u64::from(is_broken);
        }
    }

    /// A client that comes in for the first time took so long.
    fn time(&mut self, slot: usize, link: &Link, at: Time, mark: &Mark) {
        let is_opening = match mark {
            Mark::Open => true,
            Mark::Answer { status, .. } => matches!(status, 200..=299 | 304),
            _ => false,
        };
        if is_opening && self.clients[slot].life == Life::Out {
            self.times[1].record(between(link.opened, at));
            self.times[2].record(between(link.begun, at));
        }
    }

    fn enter(&mut self, plan: &Plan, slot: usize, link: &mut Link, mark: Mark, at: Time) {
        let client = self.clients[slot].clone();
        match (client.life, mark) {
            (Life::Out, Mark::Open) => self.let_in(slot),
            (Life::Out, Mark::Answer { status, is_gap, .. }) => {
                self.note_gap(slot, is_gap);
                match status {
                    200..=299 | 304 => self.let_in(slot),
                    _ => self.fail(slot),
                }
            }
            (Life::Out, Mark::Refused(_)) => self.fail(slot),
            (Life::In, Mark::Closes(code)) => {
                link.is_over = true;
                match client.kind {
                    ClientKind::Publisher => self.close_publisher(slot, code),
                    _ => self.close(slot, &code.to_string()),
                }
            }
            (Life::In, Mark::Message(stamps)) if client.kind == ClientKind::Subscriber => {
                self.round.unstamped += u64::from(stamps.is_empty());
                self.enter_all(plan, slot, &stamps, at);
            }
            (Life::In, Mark::Message(_)) if client.kind == ClientKind::Slow => {
                self.slow_messages += u64::from(self.resumed);
            }
            (
                Life::In,
                Mark::Answer {
                    status,
                    stamps,
                    is_gap,
                    ..
                },
            ) => {
                self.note_gap(slot, is_gap);
                self.enter_answer(plan, slot, status, &stamps, at);
            }
            (Life::In, Mark::Echo) => self.enter_echo(slot),
            (Life::In, Mark::Message(_)) if client.kind == ClientKind::Asker => {
                self.round.unstamped += 1
            }
            (Life::In, Mark::Posted(status)) => *self.posted.entry(status).or_default() += 1,
            _ => {}
        }
    }

    fn note_gap(&mut self, slot: usize, is_gap: bool) {
        let client = &self.clients[slot];
        if let Some(arm) = self.round.arms.get_mut(client.arm) {
            arm.unrecovered += u64::from(is_gap && client.kind == ClientKind::Subscriber);
        }
    }

    fn enter_answer(&mut self, plan: &Plan, slot: usize, status: u16, stamps: &[Stamp], at: Time) {
        let client = self.clients[slot].clone();
        let is_good = matches!(status, 200..=299 | 304);
        let before = self.round.fresh.len();
        if is_good && client.kind == ClientKind::Subscriber {
            self.enter_all(plan, slot, stamps, at);
        }
        let fresh = (self.round.fresh.len() - before) as u64;
        let Some(arm) = self.round.arms.get_mut(client.arm) else {
            return;
        };
        arm.answers += 1;
        arm.merged += fresh.saturating_sub(1);
        if is_good {
            arm.good_answers += 1;
            arm.not_modified += u64::from(status == 304);
        } else {
            count(&mut arm.refused, &status.to_string());
        }
    }

    /// An answer on a WebSocket is a delivery of its arm, and of nothing that was published.
    fn enter_echo(&mut self, slot: usize) {
        let arm = self.clients[slot].arm;
        if let Some(arm) = self.round.arms.get_mut(arm) {
            arm.answers += 1;
            arm.good_answers += 1;
            arm.echoes += 1;
        }
    }

    fn enter_all(&mut self, plan: &Plan, slot: usize, stamps: &[Stamp], at: Time) {
        let client = self.clients[slot].clone();
        if self.round.arms.is_empty() {
            return; // before the first round
        }
        for stamp in stamps {
            self.round.enter(plan, slot, &client, *stamp, at);
        }
    }

    fn let_in(&mut self, slot: usize) {
        let client = &mut self.clients[slot];
        client.life = Life::In;
        self.back += u64::from(client.kind == ClientKind::Crowd);
        if !client.kind.is_publisher() {
            self.connected += 1;
            self.arms[client.arm].0 += u64::from(client.kind.is_counted());
        }
    }

    fn fail(&mut self, slot: usize) {
        let client = &mut self.clients[slot];
        client.life = Life::Gone;
        self.failed += 1;
        self.arms[client.arm].1 += u64::from(client.kind.is_counted());
    }

    /// A publisher comes back, unless what the server says is for good.
    fn close_publisher(&mut self, slot: usize, code: u16) {
        count(&mut self.publisher_closes, &code.to_string());
        if code == 1008 {
            count(&mut self.publisher_closes, "gave up for good");
            self.clients[slot].life = Life::Gone;
        }
    }

    fn close(&mut self, slot: usize, why: &str) {
        let client = &mut self.clients[slot];
        client.life = Life::Gone;
        match client.kind {
            ClientKind::Slow => count(&mut self.slow_closes, why),
            _ => count(&mut self.closes, why),
        }
    }
}

impl Round {
    fn enter(&mut self, plan: &Plan, slot: usize, client: &Client, stamp: Stamp, at: Time) {
        let current = *self.current.get_or_insert((stamp.run, stamp.round));
        let is_ours = current == (stamp.run, stamp.round)
            && stamp.stream < plan.streams
            && stamp.stream as usize % plan.topics.len() == client.topic;
        if !is_ours {
            self.foreign += 1;
            return;
        }
        let is_passive = plan.publish == PublishBy::Others;
        let begin = if is_passive { stamp.seq } else { 0 };
        let cell = self.has.entry((slot, stamp.stream));
        let (first, has) = cell.or_insert_with(|| (begin, BTreeSet::new()));
        let arm = &mut self.arms[client.arm];
        if stamp.seq < *first || has.contains(&stamp.seq) {
            arm.duplicated += 1;
            return;
        }
        arm.received += 1;
        arm.reordered += u64::from(has.last().is_some_and(|last| *last > stamp.seq));
        has.insert(stamp.seq);
        let (from, to) = self.span;
        let fresh_at = self.fresh_at.insert(slot, at).unwrap_or(Time::ZERO);
        let outdated = Time::from_nanos(stamp.intended).max(fresh_at).max(from);
        let outdated = at.min(to).since(outdated).as_nanos();
        arm.outdated += u64::try_from(outdated).expect("a short time");
        self.fresh.push((client.arm, stamp, at));
    }

    /// Clients who listened to a topic when it began.
    pub(crate) fn listeners(&self, topic: usize) -> u64 {
        let of = self.audience.iter().filter(|((of, _), _)| *of == topic);
        of.map(|(_, count)| count).sum()
    }
}

fn clients(plan: &Plan, worker: u32) -> Vec<Client> {
    let (places, _) = connections(plan, worker);
    let client = |place: &loadgen::worker::connection::Connection| Client {
        kind: place.kind,
        arm: usize::from(place.arm),
        topic: place.topic as usize,
        life: Life::Out,
        known: None,
    };
    places.iter().map(client).collect()
}
