//! Publishers: what they send, what the server says to it, and how they come back when it ends
//! their connections.
//!
//! A publisher stays as long as it can come back. One that posts connects when it has something
//! to say, so that a server may end what is idle as often as it likes; one on a WebSocket comes
//! back at once. Attempts back off and come to an end ([`Courier`]).

use altavoz::base::{Address, Time};
use altavoz::io::{Close, Driver};
use altavoz::wire::close::CloseCode;
use altavoz::wire::frame::encode_masked;

use crate::base::counts::count;
use crate::base::num::id;
use crate::measure::stamp::Stamp;

use super::super::connection::{Kind, State};
use super::super::courier::{Answered, Courier, Fate, PATIENCE, is_final_code, is_final_status};
use super::super::gate::Gate;
use super::{Core, PUBLISHER_WAITING_BYTES_MAX, opcode};

impl Core {
    /// Whether the publisher of a stream takes another publication.
    #[must_use]
    pub fn has_room(&self, stream: u32) -> bool {
        let slot = self.publisher_slot(stream);
        let conn = &self.conns[slot];
        match conn.kind {
            // It is lost, and takes nothing any more.
            _ if !conn.is_in => true,
            Kind::Poster => self.couriers[slot - self.publishers].is_free(),
            _ => {
                let waiting = conn.outbox.waiting();
                matches!(conn.state, State::Socket(_)) && waiting < PUBLISHER_WAITING_BYTES_MAX
            }
        }
    }

    /// Puts a publication on its publisher's way.
    pub fn publish(&mut self, stamp: &Stamp) {
        let slot = self.publisher_slot(stamp.stream);
        let topic = stamp.stream as usize % self.plan.topics.len();
        let wrapping = &self.wrappings[topic];
        self.scratch.clear();
        self.scratch.extend_from_slice(&wrapping.front);
        stamp.write(&mut self.scratch, self.plan.size);
        self.scratch.extend_from_slice(&wrapping.back);
        let conn = &mut self.conns[slot];
        if !conn.is_in {
            self.posts.unsent += 1;
            return;
        }
        if conn.kind == Kind::Poster {
            let request = [&self.post_heads[topic][..], &self.scratch].concat();
            self.couriers[slot - self.publishers].put(request);
            return self.post(slot, Time::from_nanos(stamp.sent), true);
        }
        let mask = self.random.u32(..).to_ne_bytes();
        let opcode = opcode(wrapping.is_binary);
        encode_masked(conn.outbox.queue(), opcode, mask, &self.scratch);
        self.dirty.push(id(slot));
    }

    /// Whether any publisher can still publish.
    #[must_use]
    pub fn can_publish(&self) -> bool {
        self.conns[self.publishers..].iter().any(|conn| conn.is_in)
    }

    /// Whether a POST is still without its answer, or unsent.
    #[must_use]
    pub fn has_unanswered(&self) -> bool {
        let all = self.conns[self.publishers..].iter().zip(&self.couriers);
        all.into_iter()
            .any(|(conn, courier)| conn.is_in && !courier.is_free())
    }

    /// TCP is there for a publisher that posts.
    pub(super) fn begin_posting(&mut self, slot: usize, now: Time) {
        self.conns[slot].state = State::Posting;
        self.note_open(slot, now);
        self.post(slot, now, false);
    }

    /// Sends what waits, or sees to a connection for it.
    fn post(&mut self, slot: usize, now: Time, was_idle: bool) {
        let courier = &mut self.couriers[slot - self.publishers];
        let conn = &mut self.conns[slot];
        match conn.state {
            State::Posting => {
                if let Some(request) = courier.take_request(now, was_idle) {
                    conn.outbox.queue().extend_from_slice(request);
                }
                self.dirty.push(id(slot));
            }
            State::Idle => drop(self.returns.insert((courier.not_before.max(now), id(slot)))),
            // Behind its end comes the next connection.
            _ => {}
        }
    }

    /// Takes the answer to a POST.
    pub(super) fn handle_post_answer(&mut self, slot: usize, bytes: &[u8]) {
        match self.couriers[slot - self.publishers].handle_bytes(bytes) {
            Ok(None) => {}
            Ok(Some(answered)) => self.enter_answered(slot, answered),
            Err(why) => self.break_off(slot, &why),
        }
    }

    fn enter_answered(&mut self, slot: usize, answered: Answered) {
        let is_last = match answered {
            Answered::Whole { status, is_last } => {
                self.note_status(status);
                is_last
            }
            Answered::Unseen => true,
        };
        if is_last {
            self.end_posting(slot);
        }
    }

    fn note_status(&mut self, status: u16) {
        if !(200..300).contains(&status) {
            self.refusals.push(status);
        }
    }

    /// The server ends its direction of a publisher's connection.
    pub(super) fn handle_publisher_eof(&mut self, slot: usize) {
        match (self.conns[slot].kind, &self.conns[slot].state) {
            // It has said why already, or we have ended it.
            (Kind::Publisher, State::Closing) => return,
            (Kind::Publisher, _) => return self.break_off(slot, "ended without a close frame"),
            _ => {}
        }
        if let Some(answered) = self.couriers[slot - self.publishers].handle_eof() {
            self.enter_answered(slot, answered);
        }
        self.end_posting(slot);
    }

    /// Whoever ended it may still read: it is not reset.
    fn end_posting(&mut self, slot: usize) {
        let conn = &mut self.conns[slot];
        conn.state = State::Closing;
        conn.ending.get_or_insert(Close::Graceful);
        self.dirty.push(id(slot));
    }

    /// The connection of a publisher that is there is gone, or did not come about.
    pub(super) fn come_back_publishing(&mut self, slot: usize, why: &str, now: Time) {
        let courier = &mut self.couriers[slot - self.publishers];
        let was_begun = matches!(
            self.conns[slot].state,
            State::Connecting | State::Upgrading(_) | State::Socket(_)
        );
        if self.conns[slot].kind == Kind::Publisher {
            courier.handle_socket_closed(now);
        } else {
            match courier.handle_closed(now, !was_begun) {
                Fate::Idle | Fate::Waits => {}
                Fate::Again => self.posts.retried += 1,
                Fate::Cut(status) => {
                    self.note_status(status);
                    self.posts.unanswered += u64::from((200..300).contains(&status));
                    count(
                        &mut self.finished.publisher_closes,
                        "an answer was cut short",
                    );
                }
                Fate::Unanswered => self.posts.unanswered += 1,
            }
        }
        if was_begun {
            // Nobody has said yet why.
            count(&mut self.finished.publisher_closes, why);
        }
        self.conns[slot].reset();
        self.return_or_give_up(slot, now);
    }

    fn return_or_give_up(&mut self, slot: usize, now: Time) {
        let courier = &self.couriers[slot - self.publishers];
        if courier.gives_up() {
            return self.lose_publisher(slot);
        }
        if self.conns[slot].kind == Kind::Publisher || !courier.is_free() {
            let at = courier.not_before.max(now);
            self.returns.insert((at, id(slot)));
        }
    }

    /// A publisher that will not come back.
    pub(super) fn lose_publisher(&mut self, slot: usize) {
        let courier = &self.couriers[slot - self.publishers];
        self.posts.unsent += u64::from(!courier.is_free());
        self.conns[slot].is_in = false;
        count(&mut self.finished.publisher_closes, "gave up for good");
    }

    /// The server closed a publisher's WebSocket.
    pub(super) fn handle_publisher_close(
        &mut self,
        slot: usize,
        code: Option<CloseCode>,
        asked_ms: u64,
    ) {
        self.couriers[slot - self.publishers].asked_ms = asked_ms;
        if code.is_some_and(|code| is_final_code(code.0)) {
            self.lose_publisher(slot);
        }
    }

    /// A publisher that was there is refused its WebSocket.
    pub(super) fn refuse_publisher(&mut self, slot: usize, status: Option<u16>, why: &str) {
        self.break_off(slot, why);
        if status.is_some_and(is_final_status) {
            self.lose_publisher(slot);
        }
    }

    /// Lets publishers connect whose time it is.
    pub(super) fn bring_publishers(&mut self, gate: &mut Gate<impl Driver>, now: Time) {
        while let Some((at, slot)) = self.returns.first().copied()
            && at <= now
        {
            self.returns.pop_first();
            let slot = slot as usize;
            if self.conns[slot].is_in && matches!(self.conns[slot].state, State::Idle) {
                self.posts.reconnects += 1;
                self.couriers[slot - self.publishers].since = now;
                self.begin(gate, slot);
            }
        }
    }

    /// Ends what publishers wait for in vain.
    pub fn look_at_publishers(&mut self, driver: &mut impl Driver, now: Time) {
        for slot in self.publishers..self.conns.len() {
            let courier = &self.couriers[slot - self.publishers];
            let is_on_its_way = matches!(
                self.conns[slot].state,
                State::Connecting | State::Upgrading(_)
            );
            let is_late = is_on_its_way && courier.since + PATIENCE < now;
            if self.conns[slot].is_in && (is_late || courier.is_overdue(now)) {
                self.note_close(slot, "no answer within 10 s");
                self.end(driver, slot, Close::Reset);
            }
        }
    }

    pub(super) fn couriers(&self) -> Vec<Courier> {
        let count = self.conns.len() - self.publishers;
        std::iter::repeat_with(Courier::default)
            .take(count)
            .collect()
    }

    fn publisher_slot(&self, stream: u32) -> usize {
        self.publishers + self.plan.stream_publisher(stream) as usize
    }
}
