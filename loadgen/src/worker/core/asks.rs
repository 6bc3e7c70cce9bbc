//! Clients that ask on a WebSocket and are answered on it, each at its turn: what a held socket
//! makes of the request and answer that HTTP has.
//!
//! A question is a stamped message of the plan's size; whatever message comes back with that
//! stamp is its answer. A server of ours answers at `/echo`.

use altavoz::base::Time;
use altavoz::wire::frame::{Opcode, encode_masked};

use crate::base::num::between;
use crate::measure::stamp::Stamp;
use crate::measure::traffic::Tally;

use super::super::connection::{ClientId, ConnectionState};
use super::WorkerCore;

impl WorkerCore {
    /// A client's turn to ask. Whoever has no answer yet is late, and asks all the same.
    pub(super) fn ask_on_socket(&mut self, client: ClientId, due: Time, now: Time) {
        let conn = &mut self.clients[client];
        if !conn.is_in || !matches!(conn.state, ConnectionState::Socket(_)) {
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
        self.dirty.push(client);
        self.tally(client, Tally::Requests);
        if is_late {
            self.tally(client, Tally::Late);
        }
    }

    /// A message came back: to the question that was due then.
    pub(super) fn enter_reply(&mut self, client: ClientId, due: Time, now: Time) {
        if due == Time::ZERO {
            self.meter.note_unstamped();
            return;
        }
        let conn = &mut self.clients[client];
        conn.since = due;
        let arm = conn.arm;
        self.tally(client, Tally::Answers);
        self.windows.running(arm).deliver(1);
        let nanos = between(due, now);
        self.meter.note_answer_time(usize::from(arm), nanos);
    }
}
