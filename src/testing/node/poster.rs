//! A simulated HTTP client that publishes: one request after the other or several at once,
//! sized and chunked, with and without `Expect`, and now and then it stops in the middle.

use std::collections::VecDeque;

use super::line::{BACKLOG_MAX, Client, ClientContext, ClientLine, ResponseHead};
use super::plan::{millis, percent, pick};
use super::report::Milestone;
use super::temper::Goodbye;
use crate::base::Time;
use crate::config::Anonymous;
use crate::testing::sim::SimPeer;
use crate::wire::prepared::PayloadKind;

/// A client that posts.
pub(super) struct Poster {
    name: usize,
    line: ClientLine,
    /// Requests without an answer, in their order.
    waiting: VecDeque<PosterRequest>,
    /// Several requests at once.
    pipelines: bool,
    leaves: Time,
    goodbye: Goodbye,
    next: Time,
    left: bool,
    /// It stopped in the middle of a request.
    dawdles: bool,
    /// An answer said that it is the last one.
    closing: bool,
    /// When the connection began, or its last answer came.
    idle_since: Time,
    ended: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct PosterRequest {
    publication: usize,
    /// It was written while another one waited.
    piped: bool,
}

impl Poster {
    pub(super) fn new(
        cx: &mut ClientContext<'_>,
        name: usize,
        peer: SimPeer,
        leaves: Time,
    ) -> Self {
        Self {
            name,
            line: ClientLine::new(peer),
            waiting: VecDeque::new(),
            pipelines: percent(cx.rng, 50),
            leaves,
            goodbye: *pick(cx.rng, &Goodbye::ALL),
            next: cx.now,
            left: false,
            dawdles: false,
            closing: false,
            idle_since: cx.now,
            ended: None,
        }
    }

    fn understand(&mut self, cx: &mut ClientContext<'_>) {
        while let Some(head) = ResponseHead::read(&self.line.incoming) {
            let end = head.len + head.content_length();
            if self.line.incoming.len() < end {
                return;
            }
            let rest = self.line.incoming.split_off(end);
            let answer = std::mem::replace(&mut self.line.incoming, rest);
            self.answer(cx, &head, &answer[head.len..]);
        }
    }

    fn answer(&mut self, cx: &mut ClientContext<'_>, head: &ResponseHead, body: &[u8]) {
        if head.status == 100 {
            return;
        }
        assert!(!self.closing, "an answer behind the last one");
        self.closing = head.closes();
        self.idle_since = cx.now;
        if head.status == 408 {
            assert!(
                self.dawdles || self.is_late(cx),
                "too slow, though all was written"
            );
            cx.report.count(Milestone::RequestTimeouts);
            return;
        }
        if self.waiting.is_empty() && self.dawdles {
            // The request that it has not finished was refused by its head.
            assert!(matches!(head.status, 403 | 503), "{}", head.text);
            return;
        }
        let request = self
            .waiting
            .pop_front()
            .expect("an answer that nobody waits for");
        let id = request.publication;
        cx.trace(|| format!("client {}: {id} answered with {}", self.name, head.status));
        self.told(cx, request, head, body);
    }

    fn told(
        &self,
        cx: &mut ClientContext<'_>,
        request: PosterRequest,
        head: &ResponseHead,
        body: &[u8],
    ) {
        let id = request.publication;
        match head.status {
            200 => self.published(cx, request, body),
            503 => {
                cx.model.refused(id);
                cx.report.count(Milestone::PostsRefused);
                count_refusal(cx, body);
            }
            403 => {
                assert_ne!(cx.plan.anonymous, Anonymous::Publish);
                cx.model.refused(id);
                cx.report.count(Milestone::NotAllowed);
            }
            status => panic!("a POST was answered with {status}: {}", head.text),
        }
    }

    /// The network may take longer over a request than the node waits.
    fn is_late(&self, cx: &ClientContext<'_>) -> bool {
        let limits = &cx.plan.limits;
        let patience = limits.handshake_timeout.min(limits.body_timeout);
        let sent = self
            .waiting
            .front()
            .map(|r| cx.model.publications[r.publication].sent);
        sent.is_some_and(|sent| cx.now.since(sent) >= patience)
    }

    fn published(&self, cx: &mut ClientContext<'_>, request: PosterRequest, body: &[u8]) {
        let id = request.publication;
        let topic = &cx.plan.topics[cx.model.publications[id].topic];
        cx.model.answered(id, topic, body, cx.now);
        cx.report.count(Milestone::PostsAnswered);
        cx.report
            .add(Milestone::PipelinedPosts, u64::from(request.piped));
        cx.report
            .add(Milestone::PostsBeforeFin, u64::from(self.line.has_finned()));
    }

    fn act(&mut self, cx: &mut ClientContext<'_>) {
        self.next = cx.now + millis(cx.rng, 5..600);
        if self.left || self.dawdles || self.closing || self.line.is_over() {
            return;
        }
        if cx.now >= self.leaves {
            self.go(cx);
        } else if !cx.is_quiet && (self.pipelines || self.waiting.is_empty()) {
            let most = if self.pipelines { 5 } else { 1 };
            (0..cx.rng.usize(1..=most)).for_each(|_| self.post(cx));
            if percent(cx.rng, 3) {
                self.dawdle();
            }
        }
    }

    fn post(&mut self, cx: &mut ClientContext<'_>) {
        if self.line.backlog() > BACKLOG_MAX {
            return;
        }
        let topic = cx.rng.usize(..cx.plan.topics.len());
        let (kind, content_type) = *pick(cx.rng, &TYPES);
        let bytes = cx.rng.usize(0..cx.plan.payload_bytes_max);
        let id = cx.model.publish((self.name, topic), kind, bytes, cx.now);
        let payload = &cx.model.publications[id].payload;
        let expect = if percent(cx.rng, 10) {
            "Expect: 100-continue\r\n"
        } else {
            ""
        };
        let mut head = format!(
            "POST /topics/{} HTTP/1.1\r\nHost: node.test\r\n{expect}{content_type}",
            cx.plan.topics[topic]
        );
        let body = if percent(cx.rng, 30) {
            head.push_str("Transfer-Encoding: chunked\r\n\r\n");
            chunked(cx.rng, payload)
        } else {
            head.push_str(&format!("Content-Length: {}\r\n\r\n", payload.len()));
            payload.clone()
        };
        cx.trace(|| {
            format!(
                "client {}: posts {id} to {topic} ({} bytes)",
                self.name,
                payload.len()
            )
        });
        let piped = !self.waiting.is_empty();
        self.waiting.push_back(PosterRequest {
            publication: id,
            piped,
        });
        self.line.write(head.as_bytes());
        self.line.write(&body);
    }

    fn dawdle(&mut self) {
        self.dawdles = true;
        self.line
            .write(b"POST /topics/t/0 HTTP/1.1\r\nHost: node.test\r\nContent-Length: 9\r\n\r\nabc");
    }

    fn go(&mut self, cx: &mut ClientContext<'_>) {
        cx.trace(|| format!("client {}: goes by {:?}", self.name, self.goodbye));
        self.left = true;
        match self.goodbye {
            // HTTP has no goodbye but the end of its direction.
            Goodbye::Close | Goodbye::Fin => self.line.fin(),
            Goodbye::Hurry => {
                if !cx.is_quiet {
                    (0..cx.rng.usize(1..6)).for_each(|_| self.post(cx));
                }
                self.line.fin();
            }
            Goodbye::Reset => self.line.reset(),
            // The node's own clock ends it.
            Goodbye::Vanish => {}
        }
    }
}

const TYPES: [(PayloadKind, &str); 4] = [
    (PayloadKind::Text, "Content-Type: text/plain\r\n"),
    (PayloadKind::Json, "Content-Type: application/json\r\n"),
    (
        PayloadKind::Binary,
        "Content-Type: application/octet-stream\r\n",
    ),
    // Without a type, what is UTF-8 is text.
    (PayloadKind::Text, ""),
];

impl Client for Poster {
    fn step(&mut self, cx: &mut ClientContext<'_>) {
        let more = self.line.pump(cx.now, cx.rng);
        self.understand(cx);
        if self.line.is_over() {
            self.ended = self.ended.or(Some(cx.now));
        }
        if cx.now >= self.next {
            self.act(cx);
        }
        if let Some(at) = more {
            self.next = self.next.min(at);
        }
    }

    fn wakes_at(&self) -> Time {
        let asleep = self.line.is_over() || (self.left && self.line.is_written());
        if asleep { Time::NEVER } else { self.next }
    }

    fn leave(&mut self, cx: &mut ClientContext<'_>) {
        self.leaves = cx.now;
        self.next = cx.now;
    }

    fn check_end(&self, cx: &ClientContext<'_>) {
        let name = self.name;
        assert!(self.line.is_over(), "client {name} is still connected");
        if self.line.is_reset() {
            return;
        }
        assert!(self.line.incoming.is_empty(), "half an answer at the end");
        // The node may take an idle client's leave while a request is on its way.
        let limits = &cx.plan.limits;
        let patience = limits.handshake_timeout.min(limits.keep_alive_timeout);
        let met_idle = self
            .ended
            .is_some_and(|at| at.since(self.idle_since) >= patience)
            && !self.line.has_finned();
        let met_full = cx.plan.connections_max < 1_000;
        let answered = self.waiting.is_empty() || self.closing;
        assert!(
            answered || met_idle || met_full || cx.is_draining,
            "client {name} has no answer to {:?}",
            self.waiting
        );
    }
}

fn count_refusal(cx: &mut ClientContext<'_>, body: &[u8]) {
    let body = String::from_utf8_lossy(body);
    if body.contains("topics_full") {
        cx.report.count(Milestone::TopicRefusals);
    } else if body.contains("\"full\"") {
        cx.report.count(Milestone::FullRefusals);
    }
}

fn chunked(rng: &mut fastrand::Rng, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rng.usize(1..=rest.len()));
        body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        body.extend_from_slice(piece);
        body.extend_from_slice(b"\r\n");
        rest = behind;
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}
