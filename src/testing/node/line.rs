//! A client's end of a connection, and what clients know of the run they are in.
//!
//! Owns what is to be written and what has been read; what it means is the client's business.

use std::time::Duration;

use fastrand::Rng;

use super::model::Model;
use super::plan::{RunPlan, millis, percent};
use super::report::Report;
use crate::base::Time;
use crate::testing::sim::SimPeer;

/// With more bytes than this on its way, a client publishes no more.
pub(super) const BACKLOG_MAX: usize = 4_000;

/// The moment in which a client has its turn.
pub(super) struct ClientContext<'a> {
    pub(super) now: Time,
    pub(super) plan: &'a RunPlan,
    pub(super) rng: &'a mut Rng,
    pub(super) model: &'a mut Model,
    pub(super) report: &'a mut Report,
    /// No publishing any more; everybody reads.
    pub(super) is_quiet: bool,
    /// Whoever is still there now must have read everything when this is over.
    pub(super) is_judged: bool,
    /// The node was told to go away.
    pub(super) is_draining: bool,
    pub(super) trace: bool,
}

impl ClientContext<'_> {
    /// Prints a line of the trace, if there is one.
    #[expect(
        clippy::print_stderr,
        reason = "the trace of a failing run is for a person"
    )]
    pub(super) fn trace(&self, line: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>9} us  {}", self.now.as_nanos() / 1_000, line());
        }
    }
}

/// A client of the simulation.
pub(super) trait Client {
    /// Reads, thinks, writes.
    fn step(&mut self, cx: &mut ClientContext<'_>);

    /// When it wants its next turn, if nothing arrives before.
    fn wakes_at(&self) -> Time;

    /// The run comes to its end: go, one way or another.
    fn leave(&mut self, cx: &mut ClientContext<'_>);

    /// Asserts that its connection has come to a proper end.
    fn check_end(&self, cx: &ClientContext<'_>);
}

/// A client's end of a connection.
#[derive(Debug)]
pub(super) struct ClientLine {
    peer: SimPeer,
    outgoing: Vec<u8>,
    /// What was read and not understood yet.
    pub(super) incoming: Vec<u8>,
    /// Nothing is read while this is in the future.
    pub(super) deaf_until: Time,
    /// End our direction behind `outgoing`.
    fin: bool,
    /// We have cut it.
    pub(super) cut: bool,
}

impl ClientLine {
    pub(super) fn new(peer: SimPeer) -> Self {
        Self {
            peer,
            outgoing: Vec::new(),
            incoming: Vec::new(),
            deaf_until: Time::ZERO,
            fin: false,
            cut: false,
        }
    }

    /// Queues bytes, which go out piece by piece.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if !self.fin {
            self.outgoing.extend_from_slice(bytes);
        }
    }

    /// Ends our direction behind what is queued.
    pub(super) fn fin(&mut self) {
        self.fin = true;
    }

    pub(super) fn has_finned(&self) -> bool {
        self.fin
    }

    pub(super) fn reset(&mut self) {
        self.cut = true;
        self.peer.reset();
    }

    /// Stops reading for a while.
    pub(super) fn be_deaf(&mut self, now: Time, how_long: Duration) {
        self.deaf_until = now + how_long;
        self.peer.set_reading(false);
    }

    /// Whether our end reads.
    pub(super) fn hears(&self, now: Time) -> bool {
        self.deaf_until <= now
    }

    /// Takes in what has arrived, and writes some of what is queued.
    /// Says when there is more to write.
    pub(super) fn pump(&mut self, now: Time, rng: &mut Rng) -> Option<Time> {
        self.take_in(now, rng);
        self.give_out(now, rng)
    }

    /// Takes in what has arrived.
    pub(super) fn take_in(&mut self, now: Time, rng: &mut Rng) {
        let is_gone = self.peer.is_ended() || self.peer.is_reset();
        if self.hears(now) || is_gone {
            self.peer.set_reading(true);
            self.incoming.extend(self.peer.read(usize::MAX));
        } else if percent(rng, 2) {
            // A slow reader, who takes a little now and then.
            self.incoming.extend(self.peer.read(rng.usize(1..200)));
        }
    }

    /// Writes some of what is queued. Says when there is more to write.
    pub(super) fn give_out(&mut self, now: Time, rng: &mut Rng) -> Option<Time> {
        if self.outgoing.is_empty() {
            if self.fin {
                self.peer.fin();
            }
            return None;
        }
        let all = self.outgoing.len();
        let count = if percent(rng, 70) {
            all
        } else {
            rng.usize(1..=all)
        };
        let piece: Vec<u8> = self.outgoing.drain(..count).collect();
        self.peer.write(&piece);
        Some(now + millis(rng, 0..10))
    }

    /// Whether the other end has closed and everything is read.
    pub(super) fn is_over(&self) -> bool {
        (self.peer.is_ended() || self.peer.is_reset()) && self.peer.readable() == 0
    }

    pub(super) fn is_reset(&self) -> bool {
        self.peer.is_reset()
    }

    /// Bytes on the way to the node. Who publishes faster than the network takes it would still
    /// be publishing when all should be quiet.
    pub(super) fn backlog(&self) -> usize {
        self.outgoing.len() + self.peer.unsent()
    }

    /// Everything queued is in the network's hands.
    pub(super) fn is_written(&self) -> bool {
        self.outgoing.is_empty()
    }
}

/// The head of an HTTP answer.
#[derive(Debug)]
pub(super) struct ResponseHead {
    pub(super) status: u16,
    pub(super) text: String,
    /// Bytes of the head, the empty line included.
    pub(super) len: usize,
}

impl ResponseHead {
    /// Reads the head of an answer, if it is whole.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let len = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&bytes[..len]).expect("an answer's head is text");
        let status = text.strip_prefix("HTTP/1.1 ").expect("an HTTP/1.1 answer");
        let status = status[..3].parse().expect("a status of three digits");
        let head = Self {
            status,
            text: text.to_ascii_lowercase(),
            len,
        };
        let dated = head.header("date").is_some();
        assert_eq!(dated, status != 100, "{}", head.text);
        Some(head)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The bytes of the body.
    pub(super) fn content_length(&self) -> usize {
        let length = self.header("content-length");
        length.map_or(0, |length| length.parse().expect("a length is a number"))
    }

    pub(super) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}
