//! A simulated client that does not stay: a health check, or somebody who vanishes in the middle
//! of a handshake or sends what is no request.

use super::line::{Client, ClientContext, ClientLine, ResponseHead};
use super::plan::pick;
use super::report::Milestone;
use super::temper::Goodbye;
use crate::base::Time;
use crate::testing::sim::SimPeer;

/// What a visitor sends, and which answers are right; none if it is no whole request.
const VISITS: [(&[u8], &[u16]); 9] = [
    (b"GET /healthz HTTP/1.1\r\nHost: node.test\r\n\r\n", &[200]),
    (
        b"HEAD /readyz HTTP/1.1\r\nHost: node.test\r\n\r\n",
        &[200, 503],
    ),
    (b"OPTIONS / HTTP/1.0\r\n\r\n", &[200]),
    (
        b"GET /topics/t/0 HTTP/1.1\r\nHost: node.test\r\nUpgrade: websocket\r\nConnec",
        &[408],
    ),
    (
        b"POST /topics/t/0 HTTP/1.1\r\nHost: node.test\r\nContent-Length: 5\r\n\r\nab",
        &[408, 403, 503],
    ),
    (
        b"GET /readyz HTTP/1.1\r\nHost: node.test\r\nContent-Length: 5\r\n\r\nab",
        &[408, 503, 200],
    ),
    (
        b"HEAD /healthz HTTP/1.1\r\nHost: node.test\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        &[400, 200],
    ),
    (
        b"GET /topics/t/0 HTTP/1.1\r\nHost: node.test\r\nContent-Length: 5, 5\r\n\r\nhello",
        &[400],
    ),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[400]),
];

/// A short-lived client.
pub(super) struct Visitor {
    name: usize,
    line: ClientLine,
    expected: &'static [u16],
    answered: bool,
    goodbye: Goodbye,
    leaves: Time,
    next: Time,
}

impl Visitor {
    pub(super) fn new(
        cx: &mut ClientContext<'_>,
        name: usize,
        peer: SimPeer,
        leaves: Time,
    ) -> Self {
        let (bytes, expected) = *pick(cx.rng, &VISITS);
        let mut line = ClientLine::new(peer);
        line.write(bytes);
        cx.trace(|| {
            format!(
                "client {name}: visits, {:?}",
                bytes.escape_ascii().to_string()
            )
        });
        Self {
            name,
            line,
            expected,
            answered: false,
            goodbye: *pick(cx.rng, &Goodbye::ALL),
            leaves,
            next: cx.now,
        }
    }

    fn understand(&mut self, cx: &mut ClientContext<'_>) {
        let Some(head) = ResponseHead::read(&self.line.incoming) else {
            return;
        };
        assert!(!self.answered, "two answers to one request");
        assert!(
            self.expected.contains(&head.status),
            "client {}: {}",
            self.name,
            head.text
        );
        self.answered = true;
        self.line.incoming.clear();
        match head.status {
            200 => cx.report.count(Milestone::HealthChecks),
            408 => cx.report.count(Milestone::RequestTimeouts),
            _ => {}
        }
    }
}

impl Client for Visitor {
    fn step(&mut self, cx: &mut ClientContext<'_>) {
        let more = self.line.pump(cx.now, cx.rng);
        self.understand(cx);
        self.next = more.unwrap_or(self.leaves);
        if cx.now >= self.leaves {
            self.leaves = Time::NEVER;
            match self.goodbye {
                Goodbye::Close | Goodbye::Hurry | Goodbye::Fin => self.line.fin(),
                Goodbye::Reset => self.line.reset(),
                Goodbye::Vanish => {}
            }
            self.line.pump(cx.now, cx.rng);
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
        self.leaves = self.leaves.min(cx.now);
        self.next = cx.now;
    }

    fn check_end(&self, _cx: &ClientContext<'_>) {
        assert!(
            self.line.is_over(),
            "client {} is still connected",
            self.name
        );
    }
}
