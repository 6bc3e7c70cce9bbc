//! A simulated client that reads a stream: server-sent events or lines, with chunks or without.
//! It reads well or badly, talks behind its only request, and goes in one of many ways.

mod request;

use std::time::Duration;

use serde::Deserialize;

use self::request::{check_head, opened, request};
use super::asking::{AskedHeaders, AskedPosition};
use super::body::{BodyEvent, BodyPiece, Events, StreamBody};
use super::line::{Client, ClientContext, ClientLine, ResponseHead};
use super::model::ReadingWish;
use super::plan::{SLACK, millis, percent, pick};
use super::report::Milestone;
use super::temper::{Goodbye, Temper};
use crate::base::Time;
use crate::testing::sim::SimPeer;
use crate::wire::form::Content;
use crate::wire::prepared::WireForm;

/// How long a system lets a connection live whose peer takes nothing (`TCP_USER_TIMEOUT`).
const USER_TIMEOUT: Duration = Duration::from_secs(8);

const FORMS: [WireForm; 6] = [
    WireForm::EVENTS,
    WireForm::JSON_EVENTS,
    WireForm::LINES,
    WireForm::BARE_EVENTS,
    WireForm::BARE_JSON_EVENTS,
    WireForm::BARE_LINES,
];

/// A reader of one topic.
pub(super) struct Streamer {
    name: usize,
    line: ClientLine,
    temper: Temper,
    form: WireForm,
    /// Its number in the model.
    subscription: usize,
    stage: StreamerStage,
    body: StreamBody,
    events: Events,
    /// Signs of life that came, and when the last one did.
    signs: u32,
    last_sign: Time,
    next: Time,
    left: bool,
    /// The system gives a connection up that it hears nothing from.
    dies_at: Time,
    closed: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StreamerStage {
    Head,
    Body,
    /// It was refused, or the end was read.
    Done,
}

/// Why a stream ends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonClose {
    code: u16,
    reason: String,
}

impl Streamer {
    pub(super) fn new(
        cx: &mut ClientContext<'_>,
        (name, topic): (usize, usize),
        peer: SimPeer,
        temper: Temper,
        conflate: Option<Duration>,
    ) -> Self {
        let form = *pick(cx.rng, &FORMS);
        let asked = AskedPosition::draw(cx, topic);
        let words = AskedHeaders::draw(cx.rng, &asked);
        let mut line = ClientLine::new(peer);
        let request = request(cx, form, conflate, topic, &words);
        line.write(request.as_bytes());
        cx.trace(|| format!("client {name}: {request:?}, {temper:?}"));
        let wish = ReadingWish {
            client: name,
            topic,
            form,
            conflate,
            asked,
            prompt: temper.witness,
        };
        let subscription = cx.model.subscribe(wish, cx.now);
        Self {
            name,
            line,
            temper,
            form,
            subscription,
            stage: StreamerStage::Head,
            body: StreamBody::new(form.is_chunked()),
            events: Events::default(),
            signs: 0,
            last_sign: cx.now,
            next: cx.now,
            left: false,
            dies_at: Time::NEVER,
            closed: None,
        }
    }

    fn understand(&mut self, cx: &mut ClientContext<'_>) {
        if self.stage == StreamerStage::Head {
            self.read_head(cx);
        }
        if self.stage != StreamerStage::Body {
            return;
        }
        self.body.take(&mut self.line.incoming);
        while let Some(line) = self.body.line() {
            assert_eq!(self.closed, None, "{line:?} behind the close");
            if self.form.content() == Content::Line {
                self.read_line(cx, &line);
            } else if let Some(piece) = self.events.take(&line) {
                self.read_piece(cx, &piece);
            }
        }
        if self.body.is_over() {
            self.stage = StreamerStage::Done;
        }
    }

    fn read_head(&mut self, cx: &mut ClientContext<'_>) {
        let Some(head) = ResponseHead::read(&self.line.incoming) else {
            return;
        };
        cx.trace(|| format!("client {}: {}", self.name, head.status));
        self.line.incoming.drain(..head.len);
        if head.status == 200 {
            check_head(&head, self.form);
            cx.model.subscriptions[self.subscription].opened = Some(cx.now);
            cx.report.count(opened(self.form));
            self.last_sign = cx.now;
            self.stage = StreamerStage::Body;
            return;
        }
        let asked = cx.model.subscriptions[self.subscription].requested;
        let is_late = cx.now.since(asked) >= cx.plan.limits.handshake_timeout;
        assert!(
            head.status == 503 || (head.status == 408 && is_late),
            "{}",
            head.text
        );
        cx.model.subscriptions[self.subscription].refused = true;
        let is_refusal = head.status == 503;
        cx.report
            .add(Milestone::StreamsRefused, u64::from(is_refusal));
        self.stage = StreamerStage::Done;
        self.line.fin();
    }

    fn read_line(&mut self, cx: &mut ClientContext<'_>, line: &str) {
        if line == "{}" {
            self.sign_of_life(cx);
        } else if line.starts_with("{\"code\"") {
            self.close(cx, line, None);
        } else {
            cx.trace(|| format!("client {}: reads a line of {}", self.name, line.len()));
            let before = cx.model.subscriptions[self.subscription].seen.len();
            cx.model
                .read(self.subscription, true, line.as_bytes(), cx.now);
            self.count_read(cx, before);
        }
    }

    fn read_piece(&mut self, cx: &mut ClientContext<'_>, piece: &BodyPiece) {
        match piece {
            BodyPiece::Comment => self.sign_of_life(cx),
            BodyPiece::Event(event) if event.name.as_deref() == Some("close") => {
                assert_eq!(event.id, None, "a close is nowhere");
                let data = event.data.as_deref().expect("a close says why");
                self.close(cx, data, event.retry);
            }
            BodyPiece::Event(event) => self.read_event(cx, event),
        }
    }

    fn read_event(&self, cx: &mut ClientContext<'_>, event: &BodyEvent) {
        cx.trace(|| format!("client {}: reads the event {:?}", self.name, event.id));
        assert_eq!(event.retry, None, "retry without a close");
        let before = cx.model.subscriptions[self.subscription].seen.len();
        cx.model.read_event(self.subscription, event, cx.now);
        self.count_read(cx, before);
    }

    fn count_read(&self, cx: &mut ClientContext<'_>, before: usize) {
        let seen = &cx.model.subscriptions[self.subscription].seen;
        cx.report
            .add(Milestone::StreamReads, (seen.len() - before) as u64);
    }

    /// They come at their time, whatever else is read, and no earlier.
    fn sign_of_life(&mut self, cx: &mut ClientContext<'_>) {
        let subscription = &cx.model.subscriptions[self.subscription];
        assert!(
            subscription.greeting.is_some(),
            "a sign of life before anything else"
        );
        let interval = cx.plan.limits.ping_interval;
        let earliest = subscription.requested + interval * self.signs;
        assert!(cx.now >= earliest, "too many signs of life");
        self.check_life(cx);
        self.signs += 1;
        self.last_sign = cx.now;
        cx.report.count(Milestone::SignsOfLife);
    }

    /// Whoever reads at once hears something in each interval.
    fn check_life(&self, cx: &ClientContext<'_>) {
        let silence = cx.now.since(self.last_sign);
        let is_late = silence > cx.plan.limits.ping_interval + SLACK;
        assert!(
            self.left || !self.temper.witness || !is_late,
            "client {}: {silence:?} without a sign of life",
            self.name
        );
    }

    fn close(&mut self, cx: &mut ClientContext<'_>, json: &str, retry: Option<u64>) {
        let JsonClose { code, reason } = serde_json::from_str(json).expect("a close is JSON");
        cx.trace(|| format!("client {}: ends with {code} {reason}", self.name));
        match code {
            1001 => {
                assert!(cx.is_draining, "going away, and nobody said so");
                let milliseconds = reason.strip_prefix("retry=").expect("when to come back");
                let milliseconds: u64 = milliseconds.parse().expect("milliseconds");
                assert!((1_000..=5_000).contains(&milliseconds), "{milliseconds} ms");
                let is_event = self.form.content() != Content::Line;
                assert_eq!(retry, is_event.then_some(milliseconds), "retry");
                cx.report.count(Milestone::StreamsDrained);
            }
            4008 => {
                assert_eq!(retry, None, "retry is for who is sent away");
                assert!(!self.temper.witness, "too slow: {:?}", self.temper);
                cx.report.count(Milestone::SlowStreams);
            }
            other => panic!("ended with {other}: {reason}"),
        }
        self.closed = Some(code);
    }

    fn act(&mut self, cx: &mut ClientContext<'_>) {
        self.next = cx.now + millis(cx.rng, 5..400);
        if cx.now >= self.dies_at {
            self.line.reset();
        }
        if self.left || self.line.is_over() || self.stage == StreamerStage::Done {
            return;
        }
        if cx.now >= self.temper.leaves {
            self.go(cx);
        } else if self.temper.slow && !cx.is_quiet && percent(cx.rng, 30) {
            let how_long = millis(cx.rng, 50..3_000);
            self.line.be_deaf(cx.now, how_long);
        } else if percent(cx.rng, 2) {
            // Nobody answers that: the stream is the last answer of its connection.
            self.line
                .write(b"GET /healthz HTTP/1.1\r\nHost: node.test\r\n\r\n");
        }
    }

    fn go(&mut self, cx: &mut ClientContext<'_>) {
        cx.trace(|| format!("client {}: goes by {:?}", self.name, self.temper.goodbye));
        cx.model.subscriptions[self.subscription].left = Some(cx.now);
        match self.temper.goodbye {
            Goodbye::Close | Goodbye::Fin => self.line.fin(),
            Goodbye::Hurry => {
                self.line.write(b"GET / HTTP/1.1\r\n\r\n");
                self.line.fin();
            }
            Goodbye::Reset => self.line.reset(),
            Goodbye::Vanish => {
                self.line.be_deaf(cx.now, Duration::from_secs(1 << 20));
                self.dies_at = cx.now + USER_TIMEOUT;
            }
        }
        self.left = true;
    }

    fn note_end(&self, cx: &mut ClientContext<'_>) {
        let ended = &mut cx.model.subscriptions[self.subscription].ended;
        if ended.is_none() && (self.line.is_over() || self.line.cut) {
            *ended = Some(cx.now);
            let broke = self.stage == StreamerStage::Body && !self.line.cut && self.line.is_reset();
            cx.report.add(Milestone::StreamsBroken, u64::from(broke));
            cx.trace(|| format!("client {}: over, reset {}", self.name, self.line.is_reset()));
        }
    }

    fn is_quiet(&self, now: Time) -> bool {
        self.stage == StreamerStage::Body
            && !self.left
            && self.line.hears(now)
            && !self.line.is_over()
    }

    /// At the end of its direction the node has said all that there was to say: whole lines, why
    /// it ends, and the last chunk.
    fn check_whole(&self) {
        assert!(self.body.is_whole(), "half a line at the end");
        assert!(self.events.is_whole(), "half an event at the end");
        assert!(self.body.has_ended(), "no last chunk");
        assert!(
            self.closed.is_some() || self.line.has_finned(),
            "client {} was not told why: {:?}",
            self.name,
            self.temper
        );
    }
}

impl Client for Streamer {
    fn step(&mut self, cx: &mut ClientContext<'_>) {
        if cx.is_quiet && !self.left {
            self.line.deaf_until = self.line.deaf_until.min(cx.now);
        }
        let more = self.line.pump(cx.now, cx.rng);
        self.understand(cx);
        self.note_end(cx);
        let listens = !self.left && self.line.hears(cx.now) && !self.line.is_over();
        let came = cx.model.subscriptions[self.subscription].requested;
        self.temper.check_drained(cx, came, listens);
        if cx.now >= self.next {
            self.act(cx);
        }
        if let Some(at) = more {
            self.next = self.next.min(at);
        }
        if cx.is_judged {
            let quiet = self.is_quiet(cx.now);
            cx.model.subscriptions[self.subscription].quiet = quiet;
            if quiet {
                self.check_life(cx);
            }
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
        self.temper.leaves = cx.now;
        self.temper.goodbye = *pick(cx.rng, &Goodbye::ALL);
        self.next = cx.now;
    }

    fn check_end(&self, cx: &ClientContext<'_>) {
        let name = self.name;
        assert!(
            self.line.is_over(),
            "client {name} is still connected: {:?}",
            self.temper
        );
        if self.line.is_reset() {
            let deserved = self.temper.may_be_reset() || self.line.cut || self.left;
            assert!(deserved, "client {name} was cut off: {:?}", self.temper);
            return;
        }
        match self.stage {
            StreamerStage::Head => {
                let met_full = cx.plan.connections_max < 1_000;
                let explained = self.line.has_finned() || met_full || cx.is_draining;
                assert!(explained, "client {name} has no answer: {:?}", self.temper);
            }
            StreamerStage::Body => self.check_whole(),
            StreamerStage::Done if cx.model.subscriptions[self.subscription].refused => {}
            StreamerStage::Done => self.check_whole(),
        }
    }
}
