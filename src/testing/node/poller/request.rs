//! What a poller asks for: mostly a poll from where it is, held or not.

use std::time::Duration;

use super::{PollKind, Poller, PollerRequest, WAITING_MAX};
use crate::testing::node::asking::{AskedHeaders, AskedPosition};
use crate::testing::node::line::{BACKLOG_MAX, ClientContext};
use crate::testing::node::model::Poll;
use crate::testing::node::plan::{millis, percent};
use crate::testing::node::report::Milestone;

impl Poller {
    pub(super) fn ask(&mut self, cx: &mut ClientContext<'_>) {
        let is_full = self.line.backlog() > BACKLOG_MAX || self.waiting.len() >= WAITING_MAX;
        if is_full || self.asked_to_close {
            return;
        }
        match cx.rng.u8(0..20) {
            0 if !self.temper.witness => {
                let request = "GET /healthz HTTP/1.1\r\nHost: node.test\r\n\r\n";
                self.send(cx, PollKind::Health, request);
            }
            1 if !self.temper.witness => {
                let topic = &cx.plan.topics[self.topic];
                let request =
                    format!("HEAD /topics/{topic}?mode=sse HTTP/1.1\r\nHost: node.test\r\n\r\n");
                self.send(cx, PollKind::StreamHead, &request);
            }
            _ => self.poll(cx),
        }
    }

    fn poll(&mut self, cx: &mut ClientContext<'_>) {
        let asked = self.asked(cx);
        let words = AskedHeaders::draw(cx.rng, &asked);
        let (parameters, held) = self.parameters(cx);
        let head_only = !self.temper.witness && percent(cx.rng, 4);
        // Nobody waits for an answer without a body.
        let held = held.filter(|_| !head_only);
        let method = if head_only { "HEAD" } else { "GET" };
        let target = words.target(&cx.plan.topics[self.topic], &parameters);
        let ending = self.ending(cx);
        let said = words.header_lines();
        let request = format!("{method} {target} {ending}Host: node.test\r\n{said}\r\n");
        let id = cx.model.poll(Poll {
            topic: self.topic,
            asked,
            conditional: words.conditional,
            held,
            head_only,
            prompt: self.temper.witness,
            requested: cx.now,
            begun_by: cx.now,
            refused: false,
            answer: None,
            ended: None,
        });
        self.send(cx, PollKind::Poll(id), &request);
    }

    /// Mostly from where it is.
    fn asked(&self, cx: &mut ClientContext<'_>) -> AskedPosition {
        match &self.reached {
            Some((epoch, offset)) if self.temper.witness || percent(cx.rng, 75) => {
                AskedPosition::Position(epoch.clone(), *offset)
            }
            _ => AskedPosition::draw(cx, self.topic),
        }
    }

    /// How it wants to be answered, and how long it waits for that.
    fn parameters(&self, cx: &mut ClientContext<'_>) -> (Vec<String>, Option<Duration>) {
        let mut parameters = Vec::new();
        let mut held = None;
        let often = if cx.plan.crowd { 90 } else { 60 };
        if self.temper.witness || percent(cx.rng, often) {
            parameters.push("mode=longpoll".to_owned());
            let default = cx.plan.limits.long_poll_timeout;
            let timeout = match cx.rng.u8(0..10) {
                0..2 => default,
                2 => Duration::ZERO,
                3..7 => millis(cx.rng, 1..300),
                _ => millis(cx.rng, 300..4_000),
            };
            if timeout != default {
                parameters.push(format!("timeout={}ms", timeout.as_millis()));
            }
            held = Some(timeout);
        } else if percent(cx.rng, 50) {
            parameters.push("mode=poll".to_owned());
        }
        if percent(cx.rng, 20) {
            // There is no other form, so that this changes nothing.
            parameters.push("format=json".to_owned());
        }
        (parameters, held)
    }

    /// The version, and whether it is the last request.
    fn ending(&mut self, cx: &mut ClientContext<'_>) -> &'static str {
        if self.temper.witness {
            return "HTTP/1.1\r\n";
        }
        match cx.rng.u8(0..40) {
            0 => {
                self.asked_to_close = true;
                "HTTP/1.0\r\n"
            }
            1 => {
                self.asked_to_close = true;
                "HTTP/1.1\r\nConnection: close\r\n"
            }
            2..5 => "HTTP/1.0\r\nConnection: keep-alive\r\n",
            _ => "HTTP/1.1\r\n",
        }
    }

    fn send(&mut self, cx: &mut ClientContext<'_>, what: PollKind, request: &str) {
        // A HEAD's 408 has a body or none, as it was late with its head or its body.
        let may_have_body = !self.temper.witness && request.starts_with("GET");
        let request = if may_have_body && percent(cx.rng, 15) {
            with_body(cx, request)
        } else {
            request.to_owned()
        };
        cx.trace(|| format!("client {}: {what:?} {request:?}", self.name));
        self.waiting.push_back(PollerRequest {
            what,
            piped: !self.waiting.is_empty(),
            written: cx.now,
            begun_by: cx.now,
            draining: cx.is_draining,
        });
        self.line.write(request.as_bytes());
    }
}

/// The request with a body that nobody asked for, and which looks like a request.
fn with_body(cx: &mut ClientContext<'_>, request: &str) -> String {
    const BODY: &str = "POST /topics/t/0 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let head = request.strip_suffix("\r\n").expect("an empty line");
    let asks = percent(cx.rng, 20);
    let expect = if asks { "Expect: 100-continue\r\n" } else { "" };
    let (framing, body) = if percent(cx.rng, 50) && !head.contains("HTTP/1.0") {
        let (len, framing) = (BODY.len(), "Transfer-Encoding: chunked");
        (
            framing.to_owned(),
            format!("{len:x}\r\n{BODY}\r\n0\r\n\r\n"),
        )
    } else {
        (format!("Content-Length: {}", BODY.len()), BODY.to_owned())
    };
    cx.report.count(Milestone::UnaskedBodies);
    format!("{head}{expect}{framing}\r\n\r\n{body}")
}
