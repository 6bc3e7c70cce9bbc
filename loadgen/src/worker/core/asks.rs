//! Clients that ask on a WebSocket and are answered on it, each at its turn: what a held socket
//! makes of the request and answer that HTTP has.
//!
//! A question is a stamped message of the plan's size; whatever message comes back with that
//! stamp is its answer. A server of ours answers at `/echo`.

use altavoz::base::Time;
use altavoz::wire::frame::{Opcode, encode_masked};

use crate::base::num::{between, id};
use crate::base::transport::Transport;
use crate::measure::stamp::Stamp;
use crate::measure::traffic::Tally;
use crate::plan::Plan;
use crate::speak::target::topic_path;

use super::super::connection::{Connection, State};
use super::Core;

/// Where a server of ours answers every message with itself.
const ECHO: &str = "/echo";

/// Where a WebSocket is opened.
pub(super) fn path(plan: &Plan, conn: &Connection, topic: &str) -> String {
    let arm = &plan.arms[usize::from(conn.arm)];
    let is_asking = arm.transport == Transport::Ask && !conn.kind.is_publisher();
    let transport = if is_asking {
        Transport::Ask
    } else {
        Transport::Ws
    };
    if let Some(path) = plan.paths.reading(transport, transport, topic) {
        return path;
    }
    match arm.conflate_ms.filter(|_| !conn.kind.is_publisher()) {
        _ if is_asking => ECHO.to_owned(),
        Some(ms) => format!("{}?conflate={ms}ms", topic_path(topic)),
        None => topic_path(topic),
    }
}

impl Core {
    /// A client's turn to ask. Whoever has no answer yet is late, and asks all the same.
    pub(super) fn ask_on_socket(&mut self, slot: usize, due: Time, now: Time) {
        let conn = &mut self.conns[slot];
        if !conn.is_in || !matches!(conn.state, State::Socket(_)) {
            return;
        }
        // What was asked last, and not answered, is remembered where nothing else is.
        let is_late = std::mem::replace(&mut conn.tcp_since, due) > conn.since;
        let stamp = Stamp {
            run: self.plan.run,
            round: 0,
            stream: 0,
            seq: 0,
            intended: due.as_nanos(),
            sent: now.as_nanos(),
        };
        self.scratch.clear();
        stamp.write(&mut self.scratch, self.plan.size);
        let mask = self.random.u32(..).to_ne_bytes();
        encode_masked(conn.outbox.queue(), Opcode::Text, mask, &self.scratch);
        self.dirty.push(id(slot));
        self.tally(slot, Tally::Requests);
        if is_late {
            self.tally(slot, Tally::Late);
        }
    }

    /// A message came back: to the question that was due then.
    pub(super) fn enter_reply(&mut self, slot: usize, due: Time, now: Time) {
        if due == Time::ZERO {
            self.meter.note_unstamped();
            return;
        }
        let conn = &mut self.conns[slot];
        conn.since = due;
        let arm = conn.arm;
        self.tally(slot, Tally::Answers);
        self.windows.running(arm).deliver(1);
        let nanos = between(due, now);
        self.meter.note_answer_time(usize::from(arm), nanos);
    }
}
