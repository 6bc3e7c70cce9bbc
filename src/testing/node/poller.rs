//! A simulated HTTP client that polls: at once or held, from where the last answer ended or from
//! elsewhere, one request after the other or several at once. Among them are health checks and
//! requests for heads, whose answers must come in their places.

mod checks;
mod request;

use std::collections::VecDeque;
use std::time::Duration;

use super::line::{Client, ClientContext, ClientLine, ResponseHead};
use super::plan::{millis, percent, pick};
use super::report::Milestone;
use super::temper::{Goodbye, Temper};
use crate::base::Time;
use crate::testing::sim::SimPeer;

/// More requests than this are not written behind each other.
const WAITING_MAX: usize = 8;

/// A client that polls one topic.
pub(super) struct Poller {
    name: usize,
    topic: usize,
    line: ClientLine,
    temper: Temper,
    /// Requests without an answer, in their order.
    waiting: VecDeque<PollerRequest>,
    /// Several requests at once.
    pipelines: bool,
    /// How far it came.
    reached: Option<(String, u64)>,
    next: Time,
    left: bool,
    /// When it ended its direction with nothing under way but a long poll, on a network that
    /// takes no time.
    gave_up: Option<Time>,
    /// An answer said that it is the last one, or a request asked for that.
    closing: bool,
    asked_to_close: bool,
    came: Time,
    /// When the connection began, or the last request that was answered. The node may believe it
    /// idle since then.
    idle_since: Time,
    ended: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct PollerRequest {
    what: PollKind,
    /// It was written while another one waited.
    piped: bool,
    written: Time,
    begun_by: Time,
    /// The node was going away by then.
    draining: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PollKind {
    /// Its number in the model.
    Poll(usize),
    Health,
    /// The head of a stream's answer.
    StreamHead,
}

impl Poller {
    pub(super) fn new(
        cx: &mut ClientContext<'_>,
        (name, topic): (usize, usize),
        peer: SimPeer,
        temper: Temper,
    ) -> Self {
        cx.trace(|| format!("client {name}: polls, {temper:?}"));
        Self {
            name,
            topic,
            line: ClientLine::new(peer),
            waiting: VecDeque::new(),
            pipelines: !temper.witness && percent(cx.rng, 40),
            temper,
            reached: None,
            next: cx.now,
            left: false,
            gave_up: None,
            closing: false,
            asked_to_close: false,
            came: cx.now,
            idle_since: cx.now,
            ended: None,
        }
    }

    fn understand(&mut self, cx: &mut ClientContext<'_>) {
        while let Some(head) = ResponseHead::read(&self.line.incoming) {
            if head.status == 100 {
                self.line.incoming.drain(..head.len);
                cx.report.count(Milestone::Continued);
                continue;
            }
            let end = head.len + self.body_len(cx, &head);
            if self.line.incoming.len() < end {
                return;
            }
            let rest = self.line.incoming.split_off(end);
            let answer = std::mem::replace(&mut self.line.incoming, rest);
            self.answer(cx, &head, &answer[head.len..]);
        }
    }

    fn body_len(&self, cx: &ClientContext<'_>, head: &ResponseHead) -> usize {
        let without = match self.waiting.front().map(|request| request.what) {
            Some(PollKind::Poll(id)) => cx.model.polls[id].head_only,
            Some(PollKind::StreamHead) => true,
            Some(PollKind::Health) | None => false,
        };
        // A head's timeout is answered whatever the head would have said.
        if without && head.status != 408 {
            0
        } else {
            head.content_length()
        }
    }

    fn answer(&mut self, cx: &mut ClientContext<'_>, head: &ResponseHead, body: &[u8]) {
        assert!(!self.closing, "an answer behind the last one");
        self.closing = head.closes();
        let request = self.waiting.pop_front();
        let request = request.expect("an answer that nobody waits for");
        self.idle_since = self.idle_since.max(request.written);
        cx.trace(|| {
            format!(
                "client {}: {:?} answered with {} {}",
                self.name,
                request.what,
                head.status,
                String::from_utf8_lossy(body)
            )
        });
        self.check_closing(cx, head, request);
        if let Some(next) = self.waiting.front_mut() {
            next.begun_by = next.begun_by.max(cx.now);
            if let PollKind::Poll(id) = next.what {
                cx.model.polls[id].begun_by = next.begun_by;
            }
        }
        match (request.what, head.status) {
            (PollKind::Poll(id), 200 | 304) => self.polled(cx, id, request, head, body),
            (PollKind::Poll(id), 503 | 408) => self.refused(cx, id, request, head, body),
            (PollKind::Health | PollKind::StreamHead, 200) => self.other(cx, request.what, head),
            (PollKind::StreamHead, 503) => {}
            (PollKind::Health | PollKind::StreamHead, 408) => Self::check_late(cx, request),
            (_, status) => panic!("{request:?} was answered with {status}: {}", head.text),
        }
    }

    fn other(&self, cx: &mut ClientContext<'_>, what: PollKind, head: &ResponseHead) {
        if what == PollKind::StreamHead {
            let kind = head.header("content-type");
            assert_eq!(kind, Some("text/event-stream; charset=utf-8"));
            assert_eq!(head.header("transfer-encoding"), Some("chunked"));
            cx.report.count(Milestone::HeadsOnly);
        } else {
            cx.report.count(Milestone::HealthChecks);
        }
    }

    fn polled(
        &mut self,
        cx: &mut ClientContext<'_>,
        id: usize,
        request: PollerRequest,
        head: &ResponseHead,
        body: &[u8],
    ) {
        Self::check_head(head);
        let tag = head.header("etag").and_then(|tag| tag.strip_prefix('"'));
        let tag = tag.and_then(|tag| tag.strip_suffix('"'));
        let tag = tag.expect("an answer's tag is its position");
        if head.status == 304 || cx.model.polls[id].head_only {
            cx.model.read_poll_head(id, head.status, tag, cx.now);
        } else {
            cx.model.read_poll(id, tag, body, cx.now);
        }
        let poll = &mut cx.model.polls[id];
        poll.ended = Some(cx.now);
        if let Some(answer) = &mut poll.answer {
            answer.draining = cx.is_draining;
            if !poll.head_only {
                self.reached = Some((answer.epoch.clone(), answer.last));
            }
        }
        self.count(cx, id, request);
    }

    fn count(&self, cx: &mut ClientContext<'_>, id: usize, request: PollerRequest) {
        let poll = &cx.model.polls[id];
        let Some(answer) = &poll.answer else { return };
        let news = !answer.seen.is_empty();
        let what = match (poll.held, news) {
            _ if poll.head_only => Milestone::HeadsOnly,
            _ if !answer.recovered => Milestone::PollsNotRecovered,
            (Some(_), true) => Milestone::LongPollNews,
            (Some(_), false) if answer.draining => Milestone::LongPollsDrained,
            (Some(_), false) if answer.not_modified => Milestone::LongPollsNotModified,
            (Some(_), false) => Milestone::LongPollsEmpty,
            (None, true) => Milestone::PollNews,
            (None, false) if answer.not_modified => Milestone::PollsNotModified,
            (None, false) => Milestone::PollsEmpty,
        };
        cx.report.count(what);
        cx.report
            .add(Milestone::PipedPolls, u64::from(request.piped));
        let fin = self.line.has_finned();
        cx.report.add(Milestone::PollsBeforeFin, u64::from(fin));
        cx.report
            .add(Milestone::PollReads, answer.seen.len() as u64);
    }

    fn refused(
        &self,
        cx: &mut ClientContext<'_>,
        id: usize,
        request: PollerRequest,
        head: &ResponseHead,
        body: &[u8],
    ) {
        let poll = &mut cx.model.polls[id];
        poll.refused = true;
        poll.ended = Some(cx.now);
        if head.status == 408 {
            Self::check_late(cx, request);
            return;
        }
        let is_held = poll.held.is_some();
        let body = String::from_utf8_lossy(body);
        let reason = ["topics_full", "\"full\"", "draining"];
        let reason = reason.into_iter().find(|reason| body.contains(reason));
        let deserved = match reason {
            Some("topics_full") => is_held && cx.plan.limits.topics_max < 1_000,
            Some("draining") => is_held && cx.is_draining,
            Some(_) => cx.plan.connections_max < 1_000,
            // A head has no body that says why.
            None => poll.head_only,
        };
        assert!(deserved, "{request:?} was refused: {body}");
        cx.report.count(Milestone::PollsRefused);
    }

    fn act(&mut self, cx: &mut ClientContext<'_>) {
        self.next = cx.now + self.pause(cx);
        if self.left || self.closing || self.asked_to_close || self.line.is_over() {
            return;
        }
        if cx.now >= self.temper.leaves {
            self.go(cx);
        } else if self.temper.slow && !cx.is_quiet && percent(cx.rng, 20) {
            let how_long = millis(cx.rng, 50..3_000);
            self.line.be_deaf(cx.now, how_long);
        } else if self.waiting.is_empty() || self.pipelines {
            let most = if self.pipelines { 4 } else { 1 };
            (0..cx.rng.usize(1..=most)).for_each(|_| self.ask(cx));
        }
    }

    fn pause(&self, cx: &mut ClientContext<'_>) -> Duration {
        match () {
            () if cx.is_quiet => millis(cx.rng, 300..2_000),
            () if self.temper.witness || cx.plan.crowd => millis(cx.rng, 1..10),
            () if percent(cx.rng, 3) => millis(cx.rng, 1_000..6_000),
            () => millis(cx.rng, 5..400),
        }
    }

    fn go(&mut self, cx: &mut ClientContext<'_>) {
        cx.trace(|| format!("client {}: goes by {:?}", self.name, self.temper.goodbye));
        for request in &self.waiting {
            if let PollKind::Poll(id) = request.what {
                cx.model.polls[id].prompt = false;
            }
        }
        if self.is_held(cx) {
            cx.report.count(Milestone::LongPollsLeft);
            let fins = matches!(self.temper.goodbye, Goodbye::Close | Goodbye::Fin);
            let alone = self.waiting.len() == 1 && !self.temper.may_be_reset();
            self.gave_up = (fins && alone).then_some(cx.now);
        }
        match self.temper.goodbye {
            Goodbye::Close | Goodbye::Fin => self.line.fin(),
            Goodbye::Hurry => {
                (0..cx.rng.usize(1..6)).for_each(|_| self.ask(cx));
                self.line.fin();
            }
            Goodbye::Reset => self.line.reset(),
            Goodbye::Vanish => self.line.be_deaf(cx.now, Duration::from_secs(1 << 20)),
        }
        self.left = true;
    }

    /// Whether the request whose turn it is may be held.
    fn is_held(&self, cx: &ClientContext<'_>) -> bool {
        let what = self.waiting.front().map(|request| request.what);
        matches!(what, Some(PollKind::Poll(id)) if cx.model.polls[id].held.is_some())
    }

    fn note_end(&mut self, cx: &mut ClientContext<'_>) {
        if self.ended.is_none() && (self.line.is_over() || self.line.cut) {
            self.ended = Some(cx.now);
            for request in &self.waiting {
                if let PollKind::Poll(id) = request.what {
                    cx.model.polls[id].ended = Some(cx.now);
                }
            }
        }
    }
}

impl Client for Poller {
    fn step(&mut self, cx: &mut ClientContext<'_>) {
        if cx.is_quiet && !self.left {
            self.line.deaf_until = self.line.deaf_until.min(cx.now);
        }
        self.line.take_in(cx.now, cx.rng);
        self.understand(cx);
        self.note_end(cx);
        let listens = !self.left && self.line.hears(cx.now) && !self.line.is_over();
        self.temper.check_drained(cx, self.came, listens);
        self.check_patience(cx);
        self.check_let_go(cx);
        if cx.now >= self.next {
            self.act(cx);
        }
        // At once: how long its request or its end takes is judged.
        if let Some(at) = self.line.give_out(cx.now, cx.rng) {
            self.next = self.next.min(at);
        }
    }

    fn wakes_at(&self) -> Time {
        let asleep = self.line.is_over() || (self.left && self.line.is_written());
        if asleep { Time::NEVER } else { self.next }
    }

    fn leave(&mut self, cx: &mut ClientContext<'_>) {
        self.temper.leaves = cx.now;
        self.temper.goodbye = *pick(cx.rng, &Goodbye::ALL);
        self.next = cx.now;
    }

    fn check_end(&self, cx: &ClientContext<'_>) {
        let name = self.name;
        assert!(self.line.is_over(), "client {name} is still connected");
        if self.line.is_reset() {
            let met_budget = cx.plan.limits.node_outbox_bytes_max < 1 << 20;
            let deserved = self.temper.may_be_reset() || self.line.cut || self.left || met_budget;
            assert!(deserved, "client {name} was cut off: {:?}", self.temper);
            return;
        }
        assert!(self.line.incoming.is_empty(), "half an answer at the end");
        let Some(request) = self.waiting.front() else {
            return;
        };
        // The node may take an idle client's leave while a request is on its way. It reads none
        // while much of an answer waits, and one that waits for too long counts as idle.
        let limits = &cx.plan.limits;
        let patience = limits.handshake_timeout.min(limits.keep_alive_timeout);
        let waits_long = self.temper.slow || self.temper.far;
        let met_idle = self
            .ended
            .is_some_and(|at| at.since(self.idle_since) >= patience)
            && (waits_long || !self.line.has_finned());
        // A held poll's client that ends its direction has gone.
        let gave_up = self.line.has_finned() && self.is_held(cx);
        let met_full = cx.plan.connections_max < 1_000;
        assert!(
            self.closing || met_idle || gave_up || met_full || cx.is_draining,
            "client {name} has no answer to {request:?}"
        );
    }
}
