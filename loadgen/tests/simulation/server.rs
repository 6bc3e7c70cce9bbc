//! The simulated server: it lets clients in, takes publications and delivers them, and does wrong
//! on purpose. Of every byte that it writes it says beforehand what it means ([`Mark`]).

use std::collections::BTreeMap;
use std::time::Duration;

use altavoz::base::Time;
use altavoz::testing::{SimNet, SimPeer, SimTarget};
use altavoz::wire::message::{Decoder, Incoming, MessageLimits, Role};
use fastrand::Rng;
use loadgen::measure::stamp::Stamp;

use super::forms::{self, ECHO, Request};
use super::plan::{Draw, Faults, happens, pick};
use super::report::{Milestone, Report};
use super::truth::{Mark, Truth};
use super::watch::{Log, Name};

/// Codes with which a server closes; the last is for good.
const CODES: [u16; 5] = [1000, 1001, 1013, 4008, 1008];

const LIMITS: MessageLimits = MessageLimits {
    bytes_max: 1 << 20,
    fragments_max: 1,
};

/// What lies in a topic.
#[derive(Debug, Default)]
struct Topic {
    name: String,
    /// Publications in their order: the first has offset 1.
    log: Vec<(Stamp, Vec<u8>)>,
}

/// One connection, from the server's side.
#[derive(Debug)]
struct Link {
    name: Name,
    peer: SimPeer,
    heard: Vec<u8>,
    manner: Manner,
    topic: usize,
    /// Whatever follows comes no earlier.
    free_at: Time,
    has_posted: bool,
    is_over: bool,
}

/// How a connection is used.
#[derive(Debug)]
enum Manner {
    /// Nothing was asked yet, or it polls and posts.
    Http,
    Socket(Decoder),
    /// A socket on which each message is answered with itself.
    Echo(Decoder),
    Events,
    Lines,
    /// A poll is held, from behind an offset.
    Held(u64),
}

/// What is done to a connection at a moment.
#[derive(Debug)]
enum Deed {
    Write(Vec<u8>, Option<Mark>),
    Fin,
    Reset,
}

/// All of it.
pub(crate) struct Server {
    net: SimNet,
    target: SimTarget,
    log: Log,
    rng: Rng,
    pub(crate) faults: Faults,
    newest: bool,
    topics: Vec<Topic>,
    links: Vec<Link>,
    /// Round, stream and number of each POST, where it was read last, and whether that had been
    /// idle.
    posted: BTreeMap<(u8, u32, u32), (Name, bool)>,
    due: BTreeMap<(Time, u64), (usize, Deed)>,
    done: u64,
}

impl Server {
    pub(crate) fn new(net: &SimNet, target: SimTarget, log: &Log, draw: &Draw, rng: Rng) -> Self {
        let plan = &draw.plan;
        let names = plan.topics.iter().chain([&plan.crowd_topic]);
        let topic = |name: &String| Topic {
            name: name.clone(),
            ..Topic::default()
        };
        Self {
            net: net.clone(),
            target,
            log: log.clone(),
            rng,
            faults: draw.faults,
            newest: plan.newest,
            topics: names.map(topic).collect(),
            links: Vec::new(),
            posted: BTreeMap::new(),
            due: BTreeMap::new(),
            done: 0,
        }
    }

    /// When it does something next, if nobody does anything before.
    pub(crate) fn next_at(&self) -> Option<Time> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Hears what has arrived, and does what is due.
    pub(crate) fn turn(&mut self, truth: &mut Truth, report: &mut Report) {
        while let Some(peer) = self.net.next_connected(self.target) {
            let name = self.log.name(self.links.len());
            self.links.push(Link {
                name,
                peer,
                heard: Vec::new(),
                manner: Manner::Http,
                topic: 0,
                free_at: Time::ZERO,
                has_posted: false,
                is_over: false,
            });
        }
        for link in 0..self.links.len() {
            self.hear(link, truth, report);
        }
        let now = self.net.now();
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= now
        {
            let (link, deed) = entry.remove();
            self.act(link, deed, truth, report);
        }
    }

    /// Publishes what nobody of the generator sent.
    pub(crate) fn publish_itself(&mut self, stamp: Stamp, size: usize, report: &mut Report) {
        let mut payload = Vec::new();
        stamp.write(&mut payload, size);
        self.publish(&payload, report);
    }

    fn act(&mut self, link: usize, deed: Deed, truth: &mut Truth, report: &mut Report) {
        let it = &mut self.links[link];
        if it.is_over {
            return;
        }
        match deed {
            Deed::Write(bytes, mark) => {
                it.peer.write(&bytes);
                // A message is there before the line that ends its chunk.
                let behind = match (&mark, &it.manner) {
                    (Some(Mark::Message(_) | Mark::Closes(_)), Manner::Events | Manner::Lines) => 2,
                    _ => 0,
                };
                truth.expect(it.name, bytes.len(), behind, mark);
            }
            Deed::Fin => {
                it.is_over = true;
                it.peer.fin();
                report.count(Milestone::Ends);
            }
            Deed::Reset => {
                it.is_over = true;
                it.peer.reset();
                report.count(Milestone::Resets);
            }
        }
    }

    fn at(&mut self, at: Time, link: usize, deed: Deed) {
        self.done += 1;
        self.due.insert((at, self.done), (link, deed));
    }

    /// Does something behind all that is to be done on a connection, a little later.
    fn then(&mut self, link: usize, deed: Deed) {
        let delay = Duration::from_micros(self.rng.u64(0..2_000));
        self.then_after(link, delay, deed);
    }

    fn then_after(&mut self, link: usize, delay: Duration, deed: Deed) {
        let at = (self.net.now() + delay).max(self.links[link].free_at);
        self.links[link].free_at = at;
        self.at(at, link, deed);
    }

    fn write(&mut self, link: usize, bytes: Vec<u8>, mark: Mark) {
        self.then(link, Deed::Write(bytes, Some(mark)));
    }

    /// Ends a connection without a word.
    fn end(&mut self, link: usize) {
        let deed = if self.rng.bool() {
            Deed::Fin
        } else {
            Deed::Reset
        };
        self.then(link, deed);
    }

    /// Half of some bytes, and then the end.
    fn write_half(&mut self, link: usize, bytes: &[u8], report: &mut Report) {
        report.count(Milestone::Halves);
        // The last bytes may be a line that ends a chunk.
        let half = self.rng.usize(1..bytes.len() - 2);
        self.then(link, Deed::Write(bytes[..half].to_vec(), None));
        self.end(link);
    }

    fn hear(&mut self, link: usize, truth: &mut Truth, report: &mut Report) {
        let it = &mut self.links[link];
        if it.is_over || it.peer.is_reset() {
            return;
        }
        let heard = it.peer.read(usize::MAX);
        it.heard.extend(heard);
        let is_ended = it.peer.is_ended();
        while let Manner::Http = self.links[link].manner
            && let Some(request) = Request::take(&mut self.links[link].heard)
        {
            self.take_request(link, &request, truth, report);
        }
        self.take_frames(link, report);
        if is_ended {
            // A client that goes is let go.
            let it = &mut self.links[link];
            it.is_over = true;
            it.peer.fin();
        }
    }

    fn take_request(
        &mut self,
        link: usize,
        request: &Request,
        truth: &mut Truth,
        report: &mut Report,
    ) {
        let name = request.topic();
        let name = if name == ECHO {
            &self.topics[0].name
        } else {
            name
        };
        let topic = self.topics.iter().position(|topic| topic.name == name);
        self.links[link].topic = topic.expect("a topic of the plan");
        if request.is_post {
            return self.take_post(link, &request.body, truth, report);
        }
        let mode = request.query("mode");
        let is_first = !truth.is_in(self.links[link].name);
        if is_first && happens(&mut self.rng, self.faults.refused / 2) {
            return self.refuse(link, report);
        }
        if request.header("Upgrade").is_some() {
            self.write(link, request.switch(), Mark::Open);
            self.links[link].manner = match request.topic() {
                ECHO => Manner::Echo(Decoder::default()),
                _ => Manner::Socket(Decoder::default()),
            };
            return;
        }
        match mode {
            None => {
                self.write(link, forms::endless("text/event-stream"), Mark::Open);
                self.links[link].manner = Manner::Events;
            }
            Some("stream") => {
                self.write(link, forms::endless("application/x-ndjson"), Mark::Open);
                self.links[link].manner = Manner::Lines;
            }
            Some(mode) => {
                truth.ask(self.links[link].name);
                self.take_poll(link, request, mode == "longpoll", truth, report);
            }
        }
    }

    fn refuse(&mut self, link: usize, report: &mut Report) {
        match self.rng.u8(0..4) {
            0 => return self.end(link),
            1 => {
                let bytes = forms::answer(503, "", b"no room");
                return self.write_half(link, &bytes[..bytes.len() - 8], report);
            }
            _ => {}
        }
        let status = pick(&mut self.rng, &[503, 401, 429]);
        let bytes = forms::answer(status, "Connection: close\r\n", b"no room");
        self.write(link, bytes, Mark::Refused(status));
        self.then(link, Deed::Fin);
    }

    fn take_poll(
        &mut self,
        link: usize,
        request: &Request,
        is_held: bool,
        truth: &Truth,
        report: &mut Report,
    ) {
        if happens(&mut self.rng, self.faults.unanswered) {
            return self.end(link);
        }
        if happens(&mut self.rng, self.faults.refused) {
            let status = pick(&mut self.rng, &[503, 429]);
            let bytes = forms::answer(status, "", b"not now");
            return self.write(link, bytes, Mark::refusal(status));
        }
        let newest = self.topics[self.links[link].topic].log.len() as u64;
        if is_held || !self.newest {
            let known = truth.known(self.links[link].name);
            assert_eq!(request.known(), known, "who polls says where it is");
        }
        let known = match request.known() {
            Some(known) => known.min(newest),
            // Who wants the newest does not say where it is, and who comes first does not know.
            None if self.newest && newest > 0 => newest - 1,
            None => newest,
        };
        let is_tagged = request.header("If-None-Match").is_some();
        if known < newest {
            return self.answer_poll(link, known, report);
        }
        if is_held {
            self.links[link].manner = Manner::Held(known);
        } else if is_tagged {
            let bytes = forms::answer(304, &format!("ETag: \"x:{newest}\"\r\n"), b"");
            self.write(link, bytes, Mark::news(304, newest, Vec::new(), false));
        } else {
            self.answer_poll(link, known, report);
        }
    }

    /// Answers with what is new behind an offset, as far as no fault is in the way.
    fn answer_poll(&mut self, link: usize, known: u64, report: &mut Report) {
        let topic = self.links[link].topic;
        let newest = self.topics[topic].log.len() as u64;
        let mut numbers: Vec<u64> = (known + 1..=newest).collect();
        if self.newest {
            numbers.drain(..numbers.len().saturating_sub(1));
        }
        let faults = self.faults;
        let rng = &mut self.rng;
        numbers.retain(|_| !happens(rng, faults.lost));
        if happens(rng, faults.doubled) && newest > 0 {
            numbers.push(rng.u64(1..=newest));
        }
        if happens(rng, faults.reordered) {
            rng.shuffle(&mut numbers);
        }
        let is_gap = happens(rng, faults.lost);
        let log = &self.topics[topic].log;
        let of = |number: &u64| &log[usize::try_from(number - 1).expect("a place")];
        let stamps: Vec<Stamp> = numbers.iter().map(|number| of(number).0).collect();
        let texts: Vec<String> = numbers.iter().map(|n| item(*n, &of(n).1)).collect();
        let head = format!("{{\"recovered\":{},\"publications\":[", !is_gap);
        let body = format!("{head}{}]}}", texts.join(","));
        let tag = format!("ETag: \"x:{newest}\"\r\n");
        let bytes = forms::answer(200, &tag, body.as_bytes());
        if happens(&mut self.rng, self.faults.unanswered / 2) {
            return self.write_half(link, &bytes, report);
        }
        self.write(link, bytes, Mark::news(200, newest, stamps, is_gap));
    }

    fn take_post(&mut self, link: usize, body: &[u8], truth: &Truth, report: &mut Report) {
        self.check_again(link, body, truth);
        if happens(&mut self.rng, self.faults.unanswered) {
            if self.rng.bool() {
                self.publish(body, report);
            }
            return self.end(link);
        }
        if happens(&mut self.rng, self.faults.refused) {
            let bytes = forms::answer(503, "", b"");
            return self.write(link, bytes, Mark::Posted(503));
        }
        self.publish(body, report);
        if happens(&mut self.rng, self.faults.unanswered / 2) {
            return self.write_half(link, &forms::answer(200, "", b"{}"), report);
        }
        let is_last = happens(&mut self.rng, self.faults.publisher_ended);
        let headers = if is_last { "Connection: close\r\n" } else { "" };
        self.write(link, forms::answer(200, headers, b"{}"), Mark::Posted(200));
        if is_last {
            self.then(link, Deed::Fin);
        } else if happens(&mut self.rng, self.faults.publisher_ended) {
            // It ends what is idle, and a POST may meet that.
            let delay = Duration::from_millis(self.rng.u64(0..60));
            let deed = if self.rng.bool() {
                Deed::Fin
            } else {
                Deed::Reset
            };
            self.then_after(link, delay, deed);
        }
    }

    /// A POST that was read before met the end of an idle connection, with no byte of an answer.
    fn check_again(&mut self, link: usize, body: &[u8], truth: &Truth) {
        let stamp = Stamp::read(body).expect("a stamp");
        let it = &mut self.links[link];
        // Whoever comes back has something to say at once.
        let was_idle = it.has_posted || it.name.1.generation == 0;
        it.has_posted = true;
        let posted = (stamp.round, stamp.stream, stamp.seq);
        if let Some((before, was_idle)) = self.posted.insert(posted, (it.name, was_idle)) {
            assert!(
                was_idle,
                "{posted:?} was posted twice, and first not to an idle connection"
            );
            assert!(
                !truth.is_within(before),
                "{posted:?} was posted behind half an answer"
            );
        }
    }

    fn take_frames(&mut self, link: usize, report: &mut Report) {
        let mut payloads = Vec::new();
        let it = &mut self.links[link];
        let (Manner::Socket(decoder) | Manner::Echo(decoder)) = &mut it.manner else {
            return;
        };
        let mut bytes = std::mem::take(&mut it.heard);
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let step = decoder
                .handle_bytes(Role::Server, &LIMITS, rest)
                .expect("frames");
            let consumed = step.consumed;
            match step.incoming {
                Some(Incoming::Text(text)) => payloads.push(text.as_bytes().to_vec()),
                Some(Incoming::Close(_)) => {
                    it.is_over = true;
                    it.peer.fin();
                    break;
                }
                _ => {}
            }
            rest = &mut rest[consumed..];
        }
        for payload in payloads {
            if happens(&mut self.rng, self.faults.publisher_ended / 4) {
                return self.close(link);
            }
            match self.links[link].manner {
                Manner::Echo(_) => self.echo(link, &payload),
                _ => self.publish(&payload, report),
            }
        }
    }

    /// Answers a question with itself, if no fault is in the way.
    fn echo(&mut self, link: usize, payload: &[u8]) {
        if happens(&mut self.rng, self.faults.closed) {
            return self.close(link);
        }
        if happens(&mut self.rng, self.faults.unstamped) {
            self.write(
                link,
                forms::frame(true, 1, b"hello"),
                Mark::Message(Vec::new()),
            );
        }
        if !happens(&mut self.rng, self.faults.lost) {
            self.write(link, forms::frame(true, 1, payload), Mark::Echo);
        }
    }

    fn close(&mut self, link: usize) {
        if self.rng.bool() {
            return self.end(link);
        }
        let code = pick(&mut self.rng, &CODES);
        self.close_with(link, code);
    }

    fn close_with(&mut self, link: usize, code: u16) {
        let text = format!("{{\"code\":{code},\"reason\":\"\"}}");
        let (bytes, is_http) = match &self.links[link].manner {
            Manner::Socket(_) | Manner::Echo(_) => {
                (forms::frame(true, 8, &code.to_be_bytes()), false)
            }
            Manner::Events => (
                forms::chunk(format!("event: close\ndata: {text}\n\n").as_bytes()),
                true,
            ),
            Manner::Lines => (forms::chunk(format!("{text}\n").as_bytes()), true),
            Manner::Http | Manner::Held(_) => return,
        };
        self.write(link, bytes, Mark::Closes(code));
        if is_http {
            self.then(link, Deed::Write(b"0\r\n\r\n".to_vec(), None));
        }
        self.then(link, Deed::Fin);
    }

    /// Takes a publication, and sends it to everybody.
    fn publish(&mut self, payload: &[u8], report: &mut Report) {
        let stamp = Stamp::read(payload).expect("a stamp");
        let topics = self.topics.len() - 1;
        let topic = stamp.stream as usize % topics;
        self.topics[topic].log.push((stamp, payload.to_vec()));
        let name = self.topics[topic].name.clone();
        for link in 0..self.links.len() {
            let it = &self.links[link];
            if it.is_over || self.topics[it.topic].name != name {
                continue;
            }
            match it.manner {
                Manner::Http | Manner::Echo(_) => {}
                Manner::Held(known) => {
                    self.links[link].manner = Manner::Http;
                    self.answer_poll(link, known, report);
                }
                _ => self.deliver(link, stamp, payload, report),
            }
        }
    }

    fn deliver(&mut self, link: usize, stamp: Stamp, payload: &[u8], report: &mut Report) {
        let faults = self.faults;
        if happens(&mut self.rng, faults.unstamped) {
            let bytes = self.message(link, b"hello", report);
            self.write(link, bytes, Mark::Message(Vec::new()));
        }
        if happens(&mut self.rng, faults.foreign) {
            let stamp = self.foreign(stamp);
            let mut payload = Vec::new();
            stamp.write(&mut payload, 60);
            let bytes = self.message(link, &payload, report);
            self.write(link, bytes, Mark::Message(vec![stamp]));
        }
        if happens(&mut self.rng, faults.lost) {
            return;
        }
        let bytes = self.message(link, payload, report);
        if happens(&mut self.rng, faults.half) {
            return self.write_half(link, &bytes, report);
        }
        let mark = Mark::Message(vec![stamp]);
        if happens(&mut self.rng, faults.doubled) {
            self.write(link, bytes.clone(), mark.clone());
        }
        if happens(&mut self.rng, faults.reordered) {
            let at = self.links[link].free_at.max(self.net.now());
            let at = at + Duration::from_micros(self.rng.u64(0..100_000));
            self.at(at, link, Deed::Write(bytes, Some(mark)));
        } else if happens(&mut self.rng, faults.late) {
            let delay = Duration::from_micros(self.rng.u64(0..100_000));
            self.then_after(link, delay, Deed::Write(bytes, Some(mark)));
        } else {
            self.write(link, bytes, mark);
        }
        if happens(&mut self.rng, faults.closed) {
            let code = pick(&mut self.rng, &CODES);
            self.close_with(link, code);
        } else if happens(&mut self.rng, faults.ended) {
            self.end(link);
        }
    }

    /// A stamp that is not for whoever gets it.
    fn foreign(&mut self, stamp: Stamp) -> Stamp {
        let has_others = self.topics.len() > 2;
        match self.rng.u8(0..if has_others { 4 } else { 3 }) {
            0 => Stamp {
                run: stamp.run ^ 1,
                ..stamp
            },
            1 => Stamp {
                round: stamp.round.wrapping_sub(1),
                ..stamp
            },
            2 => Stamp {
                stream: stamp.stream + 1_000,
                ..stamp
            },
            _ => Stamp {
                stream: stamp.stream + 1,
                ..stamp
            },
        }
    }

    /// A message in the form of a connection.
    fn message(&mut self, link: usize, payload: &[u8], report: &mut Report) -> Vec<u8> {
        let number = self.topics[self.links[link].topic].log.len() as u64;
        let is_split = self.rng.u8(0..100) < 20;
        match &self.links[link].manner {
            Manner::Socket(_) if is_split => {
                report.count(Milestone::Fragments);
                let (front, back) = payload.split_at(self.rng.usize(0..=payload.len()));
                let ping = forms::frame(true, 9, b"?");
                [
                    forms::frame(false, 1, front),
                    ping,
                    forms::frame(true, 0, back),
                ]
                .concat()
            }
            Manner::Socket(_) | Manner::Echo(_) => forms::frame(true, 1, payload),
            Manner::Events => {
                let text = String::from_utf8_lossy(payload);
                forms::chunk(format!("id: x:{number}\ndata: {text}\n\n").as_bytes())
            }
            _ => forms::chunk(format!("{}\n", item(number, payload)).as_bytes()),
        }
    }
}

fn item(number: u64, payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload);
    format!("{{\"offset\":{number},\"text\":\"{text}\"}}")
}
