//! A simulated WebSocket client: subscribes, perhaps from a position, reads well or badly,
//! publishes in fragments, pings, breaks the protocol, and goes in one of many ways.
//!
//! It reads frames by a reader of its own, so that it does not share the node's mistakes.

use std::collections::VecDeque;
use std::time::Duration;

use super::asking::{AskedHeaders, AskedPosition};
use super::line::{BACKLOG_MAX, Client, ClientContext, ClientLine, ResponseHead};
use super::model::ReadingWish;
use super::plan::{SLACK, millis, percent, pick};
use super::report::Milestone;
use super::temper::{Goodbye, Temper};
use crate::base::Time;
use crate::config::Anonymous;
use crate::testing::sim::SimPeer;
use crate::wire::client::{expected_accept, request};
use crate::wire::close::CloseCode;
use crate::wire::frame::{Opcode, encode_close_masked, encode_masked};
use crate::wire::prepared::{PayloadKind, WireForm};

/// What a subscriber is like.
#[derive(Clone, Debug)]
pub(super) struct SubscriberManner {
    pub(super) temper: Temper,
    /// Only the newest publication of each such interval.
    pub(super) conflate: Option<Duration>,
    pub(super) publishes: bool,
    /// Never answers a ping.
    pub(super) silent: bool,
    /// Its network may take longer over a full outbox than a pong may take, and the ping waits
    /// behind all that was queued before.
    pub(super) lags: bool,
    /// Breaks the protocol once.
    pub(super) rude: bool,
}

/// A WebSocket client of one topic.
pub(super) struct Subscriber {
    name: usize,
    topic: usize,
    line: ClientLine,
    manner: SubscriberManner,
    /// Its number in the model.
    subscription: usize,
    key: [u8; 16],
    stage: SubscriberStage,
    next: Time,
    /// Payloads of its pings without an answer.
    pings: VecDeque<Vec<u8>>,
    /// Publications of its own that it has not read yet.
    own: Vec<usize>,
    published: bool,
    broke: Option<u16>,
    said_close: bool,
    left: bool,
    /// Its request came by a proxy.
    behind_proxy: bool,
    read_close: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SubscriberStage {
    Handshake,
    Open,
    /// It was refused, or the close was read.
    Done,
}

impl Subscriber {
    pub(super) fn new(
        cx: &mut ClientContext<'_>,
        (name, topic): (usize, usize),
        peer: SimPeer,
        manner: SubscriberManner,
    ) -> Self {
        let form = *pick(cx.rng, &[WireForm::PLAIN, WireForm::JSON]);
        let (form, asked) = if manner.temper.witness {
            (WireForm::JSON, AskedPosition::Next)
        } else {
            (form, AskedPosition::draw(cx, topic))
        };
        let words = AskedHeaders::draw(cx.rng, &asked);
        let target = words.target(&cx.plan.topics[topic], &parameters(form, manner.conflate));
        let behind_proxy = percent(cx.rng, 40);
        let by_proxy = behind_proxy.then(|| ("Via".to_owned(), "1.1 proxy.test".to_owned()));
        let headers: Vec<_> = words.headers.into_iter().chain(by_proxy).collect();
        let mut key = [0; 16];
        cx.rng.fill(&mut key);
        let (mut line, mut bytes) = (ClientLine::new(peer), Vec::new());
        request(&mut bytes, &target, "node.test", key, &headers);
        line.write(&bytes);
        cx.trace(|| format!("client {name}: GET {target} {headers:?}, {manner:?}"));
        let wish = ReadingWish {
            client: name,
            topic,
            form,
            conflate: manner.conflate,
            asked,
            prompt: manner.temper.witness,
        };
        let subscription = cx.model.subscribe(wish, cx.now);
        Self {
            name,
            topic,
            line,
            manner,
            subscription,
            key,
            stage: SubscriberStage::Handshake,
            next: cx.now,
            pings: VecDeque::new(),
            own: Vec::new(),
            published: false,
            broke: None,
            said_close: false,
            left: false,
            behind_proxy,
            read_close: None,
        }
    }

    fn understand(&mut self, cx: &mut ClientContext<'_>) {
        if self.stage == SubscriberStage::Handshake {
            self.read_head(cx);
        }
        while self.stage == SubscriberStage::Open
            && let Some(frame) = Frame::read(&self.line.incoming)
        {
            let rest = self.line.incoming.split_off(frame.end);
            let bytes = std::mem::replace(&mut self.line.incoming, rest);
            self.frame(cx, frame.opcode, &bytes[frame.start..]);
        }
        if self.read_close.is_some() {
            assert!(self.line.incoming.is_empty(), "bytes behind the close");
        }
    }

    fn read_head(&mut self, cx: &mut ClientContext<'_>) {
        let Some(head) = ResponseHead::read(&self.line.incoming) else {
            let len = self.line.incoming.len().min(9);
            assert_eq!(
                self.line.incoming[..len],
                b"HTTP/1.1 "[..len],
                "no answer to the request"
            );
            return;
        };
        cx.trace(|| format!("client {}: {}", self.name, head.status));
        self.line.incoming.drain(..head.len);
        if head.status == 101 {
            let accept = expected_accept(self.key);
            assert!(
                head.text.contains(&accept.to_ascii_lowercase()),
                "the wrong accept key"
            );
            cx.model.subscriptions[self.subscription].opened = Some(cx.now);
            self.stage = SubscriberStage::Open;
            return;
        }
        // The network may take longer over a handshake than the node waits.
        let asked = cx.model.subscriptions[self.subscription].requested;
        let is_late = cx.now.since(asked) >= cx.plan.limits.handshake_timeout;
        assert!(
            head.status == 503 || (head.status == 408 && is_late),
            "{}",
            head.text
        );
        cx.model.subscriptions[self.subscription].refused = true;
        self.stage = SubscriberStage::Done;
        let body = String::from_utf8_lossy(&self.line.incoming);
        if body.contains("topics_full") {
            cx.report.count(Milestone::TopicRefusals);
        } else if body.contains("\"full\"") {
            cx.report.count(Milestone::FullRefusals);
        }
        // Where the connection is kept, it has no further use.
        self.line.fin();
    }

    fn frame(&mut self, cx: &mut ClientContext<'_>, opcode: Opcode, payload: &[u8]) {
        cx.trace(|| {
            format!(
                "client {}: reads a {opcode:?} of {}",
                self.name,
                payload.len()
            )
        });
        match opcode {
            Opcode::Text | Opcode::Binary => {
                let is_text = opcode == Opcode::Text;
                cx.model.read(self.subscription, is_text, payload, cx.now);
                self.note_own(cx);
            }
            Opcode::Ping if self.speaks() && !self.manner.silent => {
                self.send(cx, Opcode::Pong, payload);
            }
            Opcode::Ping => {}
            Opcode::Pong => {
                cx.report.count(Milestone::PongsRead);
                let expected = self.pings.pop_front();
                assert_eq!(expected.as_deref(), Some(payload), "a pong for each ping");
            }
            Opcode::Close => self.close(cx, payload),
            Opcode::Continuation => unreachable!("the reader refuses fragments"),
        }
    }

    fn note_own(&mut self, cx: &mut ClientContext<'_>) {
        let seen = cx.model.subscriptions[self.subscription].seen.last();
        let before = self.own.len();
        self.own
            .retain(|id| Some(*id) != seen.map(|seen| seen.publication));
        cx.report
            .add(Milestone::OwnMessages, (before - self.own.len()) as u64);
        cx.report
            .add(Milestone::Deliveries, u64::from(seen.is_some()));
    }

    /// Only codes that this client's manner can have earned.
    fn close(&mut self, cx: &mut ClientContext<'_>, payload: &[u8]) {
        let code = payload
            .first_chunk::<2>()
            .map_or(1005, |code| u16::from_be_bytes(*code));
        cx.trace(|| format!("client {}: closed with {code}", self.name));
        let deserved = match code {
            1000 => self.said_close,
            1001 => cx.is_draining && payload[2..].starts_with(b"retry="),
            1008 => self.published && cx.plan.anonymous != Anonymous::Publish,
            1013 => self.published,
            4008 => !self.manner.temper.witness || self.is_held_back(cx),
            4012 => self.manner.silent || self.manner.temper.slow || self.manner.lags || self.left,
            code => self.broke == Some(code),
        };
        assert!(deserved, "closed with {code}: {:?}", self.manner);
        count_close(cx, code);
        if code == 1000 && cx.plan.takes_all() {
            // All that came before our close was read by the node before it.
            cx.model.certain(self.name);
        }
        self.read_close = Some(code);
        self.stage = SubscriberStage::Done;
        if self.speaks() {
            self.send_close(cx, CloseCode(code));
        }
    }

    /// What follows a 101 behind a proxy waits for a moment, and what waits may be cut for the
    /// node's memory, however fast its reader is.
    fn is_held_back(&self, cx: &ClientContext<'_>) -> bool {
        let opened = cx.model.subscriptions[self.subscription].opened;
        let until = opened.map(|at| at + cx.plan.limits.upgrade_pause + SLACK);
        self.behind_proxy && until.is_some_and(|until| cx.now <= until)
    }

    fn act(&mut self, cx: &mut ClientContext<'_>) {
        self.next = cx.now + millis(cx.rng, 5..400);
        if self.stage == SubscriberStage::Handshake {
            if self.left_early(cx.now) {
                self.go(cx);
            }
            return;
        }
        if self.stage == SubscriberStage::Done || !self.speaks() {
            return;
        }
        if cx.now >= self.manner.temper.leaves {
            self.go(cx);
        } else if self.manner.temper.slow && !cx.is_quiet && percent(cx.rng, 30) {
            let how_long = millis(cx.rng, 50..3_000);
            self.line.be_deaf(cx.now, how_long);
        } else if self.manner.rude && percent(cx.rng, 20) {
            self.break_the_protocol(cx);
        } else if self.manner.publishes && !cx.is_quiet && percent(cx.rng, 60) {
            (0..cx.rng.usize(1..8)).for_each(|_| self.publish(cx));
        } else if percent(cx.rng, 20) {
            let payload: Vec<u8> = (0..cx.rng.u8(0..=125)).collect();
            self.send(cx, Opcode::Ping, &payload);
            self.pings.push_back(payload);
        }
    }

    /// Some do not wait for the answer to their handshake.
    fn left_early(&self, now: Time) -> bool {
        let polite = matches!(self.manner.temper.goodbye, Goodbye::Close | Goodbye::Hurry);
        now >= self.manner.temper.leaves && !polite
    }

    fn go(&mut self, cx: &mut ClientContext<'_>) {
        cx.trace(|| {
            format!(
                "client {}: goes by {:?}",
                self.name, self.manner.temper.goodbye
            )
        });
        cx.model.subscriptions[self.subscription].left = Some(cx.now);
        let goodbye = self.manner.temper.goodbye;
        match goodbye {
            Goodbye::Close => {
                self.said_close = true;
                self.send_close(cx, CloseCode::NORMAL);
            }
            Goodbye::Hurry => self.hurry(cx),
            Goodbye::Fin => self.line.fin(),
            Goodbye::Reset => self.line.reset(),
            Goodbye::Vanish => self.line.be_deaf(cx.now, Duration::from_secs(1 << 20)),
        }
        self.left = true;
    }

    fn hurry(&mut self, cx: &mut ClientContext<'_>) {
        if self.manner.publishes && !cx.is_quiet {
            (0..cx.rng.usize(1..20)).for_each(|_| self.publish(cx));
        }
        self.said_close = true;
        self.send_close(cx, CloseCode::NORMAL);
        self.line.fin();
    }

    /// Whether it still says something.
    fn speaks(&self) -> bool {
        !self.left && self.broke.is_none() && !self.line.is_reset()
    }

    fn send(&mut self, cx: &mut ClientContext<'_>, opcode: Opcode, payload: &[u8]) {
        let mut bytes = Vec::new();
        encode_masked(&mut bytes, opcode, mask(cx), payload);
        self.line.write(&bytes);
    }

    fn send_close(&mut self, cx: &mut ClientContext<'_>, code: CloseCode) {
        let mut bytes = Vec::new();
        encode_close_masked(&mut bytes, code, "", mask(cx));
        self.line.write(&bytes);
        self.left = true;
    }

    fn publish(&mut self, cx: &mut ClientContext<'_>) {
        if self.line.backlog() > BACKLOG_MAX {
            return;
        }
        let kind = *pick(cx.rng, &[PayloadKind::Text, PayloadKind::Binary]);
        let bytes = cx.rng.usize(0..cx.plan.payload_bytes_max);
        let id = cx
            .model
            .publish((self.name, self.topic), kind, bytes, cx.now);
        let payload = cx.model.publications[id].payload.clone();
        cx.trace(|| format!("client {}: sends {id} ({} bytes)", self.name, payload.len()));
        self.published = true;
        self.own.push(id);
        let opcode = match kind {
            PayloadKind::Binary => Opcode::Binary,
            PayloadKind::Text | PayloadKind::Json => Opcode::Text,
        };
        if percent(cx.rng, 40) {
            self.send_fragments(cx, opcode, &payload);
        } else {
            self.send(cx, opcode, &payload);
        }
    }

    /// Fragments of any length, none too; perhaps with a ping among them.
    fn send_fragments(&mut self, cx: &mut ClientContext<'_>, opcode: Opcode, payload: &[u8]) {
        cx.report.count(Milestone::Fragmented);
        let (mut rest, mut opcode) = (payload, opcode);
        let mut bytes = Vec::new();
        for _ in 0..cx.rng.usize(1..5) {
            let (piece, behind) = rest.split_at(cx.rng.usize(0..=rest.len()));
            let start = bytes.len();
            encode_masked(&mut bytes, opcode, mask(cx), piece);
            // Not the last one: without FIN.
            bytes[start] &= 0x7f;
            (rest, opcode) = (behind, Opcode::Continuation);
            if percent(cx.rng, 10) {
                encode_masked(&mut bytes, Opcode::Ping, mask(cx), b"within");
                self.pings.push_back(b"within".to_vec());
            }
        }
        encode_masked(&mut bytes, opcode, mask(cx), rest);
        self.line.write(&bytes);
    }

    fn break_the_protocol(&mut self, cx: &mut ClientContext<'_>) {
        let mut bytes = Vec::new();
        let code = match cx.rng.u8(0..3) {
            // Without a mask.
            0 => {
                bytes.extend_from_slice(b"\x81\x01a");
                1002
            }
            1 => {
                encode_masked(&mut bytes, Opcode::Text, mask(cx), b"\xff");
                1007
            }
            _ => {
                let long = vec![b'a'; cx.plan.limits.message_bytes_max + 1];
                encode_masked(&mut bytes, Opcode::Text, mask(cx), &long);
                1009
            }
        };
        cx.trace(|| format!("client {}: breaks the protocol for {code}", self.name));
        self.line.write(&bytes);
        self.broke = Some(code);
    }

    fn note_end(&self, cx: &mut ClientContext<'_>) {
        let ended = &mut cx.model.subscriptions[self.subscription].ended;
        if ended.is_none() && (self.line.is_over() || self.line.cut) {
            *ended = Some(cx.now);
            cx.trace(|| format!("client {}: over, reset {}", self.name, self.line.is_reset()));
        }
    }

    /// The network cuts some, some cut themselves, and the node cuts those who do not take its
    /// close in time.
    fn may_be_reset(&self) -> bool {
        let manner = &self.manner;
        manner.temper.may_be_reset() || self.line.cut || self.left || self.broke.is_some()
    }

    fn is_quiet(&self, now: Time) -> bool {
        self.stage == SubscriberStage::Open
            && self.speaks()
            && self.line.hears(now)
            && !self.line.is_over()
    }
}

impl Client for Subscriber {
    fn step(&mut self, cx: &mut ClientContext<'_>) {
        if cx.is_quiet && !self.left {
            self.line.deaf_until = self.line.deaf_until.min(cx.now);
        }
        let more = self.line.pump(cx.now, cx.rng);
        self.understand(cx);
        self.note_end(cx);
        let temper = &self.manner.temper;
        let came = cx.model.subscriptions[self.subscription].requested;
        temper.check_drained(cx, came, temper.witness && !self.line.is_over());
        if cx.now >= self.next {
            self.act(cx);
        }
        if let Some(at) = more {
            self.next = self.next.min(at);
        }
        if cx.is_judged {
            let quiet = self.is_quiet(cx.now);
            cx.model.subscriptions[self.subscription].quiet = quiet;
        }
    }

    fn wakes_at(&self) -> Time {
        if self.line.is_over() {
            Time::NEVER
        } else {
            self.next
        }
    }

    fn leave(&mut self, cx: &mut ClientContext<'_>) {
        self.manner.temper.leaves = cx.now;
        self.manner.temper.goodbye = *pick(cx.rng, &Goodbye::ALL);
        self.next = cx.now;
    }

    fn check_end(&self, cx: &ClientContext<'_>) {
        let name = self.name;
        assert!(
            self.line.is_over(),
            "client {name} is still connected: {:?}",
            self.manner
        );
        if self.line.is_reset() {
            assert!(
                self.may_be_reset(),
                "client {name} was cut off: {:?}",
                self.manner
            );
            return;
        }
        assert!(
            self.line.incoming.is_empty() || self.stage == SubscriberStage::Done,
            "half a frame at the end"
        );
        let met_full = cx.plan.connections_max < 1_000;
        let explained = match self.stage {
            // A drain may come before the first byte of the request.
            SubscriberStage::Handshake => self.line.has_finned() || met_full || cx.is_draining,
            SubscriberStage::Open => self.line.has_finned() && !self.said_close,
            SubscriberStage::Done => true,
        };
        assert!(
            explained,
            "client {name} was left without a word: {:?}",
            self.manner
        );
    }
}

fn count_close(cx: &mut ClientContext<'_>, code: u16) {
    cx.report.count(match code {
        1000 => Milestone::PeerCloses,
        1001 => Milestone::Drained,
        1008 => Milestone::PolicyCloses,
        1013 => Milestone::TryAgainCloses,
        4008 => Milestone::SlowCloses,
        4012 => Milestone::PingTimeouts,
        _ => Milestone::ProtocolCloses,
    });
}

fn mask(cx: &mut ClientContext<'_>) -> [u8; 4] {
    cx.rng.u32(..).to_be_bytes()
}

fn parameters(form: WireForm, conflate: Option<Duration>) -> Vec<String> {
    let json = form.is_json().then(|| "format=json".to_owned());
    let conflate = conflate.map(|interval| format!("conflate={}ms", interval.as_millis()));
    json.into_iter().chain(conflate).collect()
}

/// A frame from a server, as a client must find it: whole, without a mask, never fragmented.
#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    start: usize,
    end: usize,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        let opcode = match first {
            0x81 => Opcode::Text,
            0x82 => Opcode::Binary,
            0x88 => Opcode::Close,
            0x89 => Opcode::Ping,
            0x8a => Opcode::Pong,
            other => panic!("a frame begins with {other:#x}"),
        };
        let (start, len) = match second {
            0..=125 => (2, usize::from(second)),
            126 => (
                4,
                usize::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)),
            ),
            other => panic!("a length of {other}: masked, or far too long"),
        };
        let end = start + len;
        (bytes.len() >= end).then_some(Self { opcode, start, end })
    }
}
