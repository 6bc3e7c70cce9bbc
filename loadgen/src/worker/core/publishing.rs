//! Publishers: what they send, what the server says to it, and how they come back when it ends
//! their connections.
//!
//! A publisher stays as long as it can come back. One that posts connects when it has something
//! to say, so that a server may end what is idle as often as it likes; one on a WebSocket comes
//! back at once. Attempts back off and come to an end ([`Courier`]).

use altavoz::base::Time;
use altavoz::io::{Close, Driver};
use altavoz::wire::close::CloseCode;
use altavoz::wire::frame::encode_masked;

use crate::base::counts::count;
use crate::measure::stamp::Stamp;

use super::super::connection::{ClientId, ClientKind, ConnectionState};
use super::super::courier::{PATIENCE, PostAnswer, PostOutcome, is_final_code, is_final_status};
use super::super::gate::Gate;
use super::{PUBLISHER_WAITING_BYTES_MAX, WorkerCore, opcode};

impl WorkerCore {
    /// Whether the publisher of a stream takes another publication.
    #[must_use]
    pub fn has_room(&self, stream: u32) -> bool {
        let client = self.publisher_of(stream);
        let conn = &self.clients[client];
        match conn.kind {
            // It is lost, and takes nothing any more.
            _ if !conn.is_in => true,
            ClientKind::Poster => self.couriers[client].is_free(),
            _ => {
                let waiting = conn.outbox.waiting();
                matches!(conn.state, ConnectionState::Socket(_))
                    && waiting < PUBLISHER_WAITING_BYTES_MAX
            }
        }
    }

    /// Puts a publication on its publisher's way.
    pub fn publish(&mut self, stamp: &Stamp) {
        let client = self.publisher_of(stamp.stream);
        let topic = stamp.stream as usize % self.plan.topics.len();
        let wrapping = &self.wrappings[topic];
        self.scratch.clear();
        self.scratch.extend_from_slice(&wrapping.front);
        stamp.write(&mut self.scratch, self.plan.size);
        self.scratch.extend_from_slice(&wrapping.back);
        let conn = &mut self.clients[client];
        if !conn.is_in {
            self.posts.unsent += 1;
            return;
        }
        if conn.kind == ClientKind::Poster {
            let request = [&self.post_heads[topic][..], &self.scratch].concat();
            self.couriers[client].put(request);
            return self.post(client, Time::from_nanos(stamp.sent), true);
        }
        let mask = self.random.u32(..).to_ne_bytes();
        let opcode = opcode(wrapping.is_binary);
        encode_masked(conn.outbox.queue(), opcode, mask, &self.scratch);
        self.dirty.push(client);
    }

    /// Whether any publisher can still publish.
    #[must_use]
    pub fn can_publish(&self) -> bool {
        let mut publishers = self.clients.publishers();
        publishers.any(|client| self.clients[client].is_in)
    }

    /// Whether a POST is still without its answer, or unsent.
    #[must_use]
    pub fn has_unanswered(&self) -> bool {
        let mut publishers = self.clients.publishers();
        publishers.any(|client| self.clients[client].is_in && !self.couriers[client].is_free())
    }

    /// TCP is there for a publisher that posts.
    pub(super) fn begin_posting(&mut self, client: ClientId, now: Time) {
        self.clients[client].state = ConnectionState::Posting;
        self.note_open(client, now);
        self.post(client, now, false);
    }

    /// Sends what waits, or sees to a connection for it.
    fn post(&mut self, client: ClientId, now: Time, was_idle: bool) {
        let courier = &mut self.couriers[client];
        let conn = &mut self.clients[client];
        match conn.state {
            ConnectionState::Posting => {
                if let Some(request) = courier.take_request(now, was_idle) {
                    conn.outbox.queue().extend_from_slice(request);
                }
                self.dirty.push(client);
            }
            ConnectionState::Idle => {
                self.returns.insert((courier.not_before.max(now), client));
            }
            // Behind its end comes the next connection.
            _ => {}
        }
    }

    /// Takes the answer to a POST.
    pub(super) fn handle_post_answer(&mut self, client: ClientId, bytes: &[u8]) {
        match self.couriers[client].handle_bytes(bytes) {
            Ok(None) => {}
            Ok(Some(answered)) => self.enter_answered(client, answered),
            Err(why) => self.break_off(client, &why),
        }
    }

    fn enter_answered(&mut self, client: ClientId, answered: PostAnswer) {
        let is_last = match answered {
            PostAnswer::Whole { status, is_last } => {
                self.note_status(status);
                is_last
            }
            PostAnswer::Unseen => true,
        };
        if is_last {
            self.end_posting(client);
        }
    }

    fn note_status(&mut self, status: u16) {
        if !(200..300).contains(&status) {
            self.refusals.push(status);
        }
    }

    /// The server ends its direction of a publisher's connection.
    pub(super) fn handle_publisher_eof(&mut self, client: ClientId) {
        match (self.clients[client].kind, &self.clients[client].state) {
            // It has said why already, or we have ended it.
            (ClientKind::Publisher, ConnectionState::Closing) => return,
            (ClientKind::Publisher, _) => {
                return self.break_off(client, "ended without a close frame");
            }
            _ => {}
        }
        if let Some(answered) = self.couriers[client].handle_eof() {
            self.enter_answered(client, answered);
        }
        self.end_posting(client);
    }

    /// Whoever ended it may still read: it is not reset.
    fn end_posting(&mut self, client: ClientId) {
        let conn = &mut self.clients[client];
        conn.state = ConnectionState::Closing;
        conn.ending.get_or_insert(Close::Graceful);
        self.dirty.push(client);
    }

    /// The connection of a publisher that is there is gone, or did not come about.
    pub(super) fn come_back_publishing(&mut self, client: ClientId, why: &str, now: Time) {
        let courier = &mut self.couriers[client];
        let was_begun = matches!(
            self.clients[client].state,
            ConnectionState::Connecting
                | ConnectionState::Upgrading(_)
                | ConnectionState::Socket(_)
        );
        if self.clients[client].kind == ClientKind::Publisher {
            courier.handle_socket_closed(now);
        } else {
            match courier.handle_closed(now, !was_begun) {
                PostOutcome::Idle | PostOutcome::Waits => {}
                PostOutcome::Again => self.posts.retried += 1,
                PostOutcome::Cut(status) => {
                    self.note_status(status);
                    self.posts.unanswered += u64::from((200..300).contains(&status));
                    count(
                        &mut self.finished.publisher_closes,
                        "an answer was cut short",
                    );
                }
                PostOutcome::Unanswered => self.posts.unanswered += 1,
            }
        }
        if was_begun {
            // Nobody has said yet why.
            count(&mut self.finished.publisher_closes, why);
        }
        self.clients[client].reset();
        self.return_or_give_up(client, now);
    }

    fn return_or_give_up(&mut self, client: ClientId, now: Time) {
        let courier = &self.couriers[client];
        if courier.gives_up() {
            return self.lose_publisher(client);
        }
        if self.clients[client].kind == ClientKind::Publisher || !courier.is_free() {
            let at = courier.not_before.max(now);
            self.returns.insert((at, client));
        }
    }

    /// A publisher that will not come back.
    pub(super) fn lose_publisher(&mut self, client: ClientId) {
        let courier = &self.couriers[client];
        self.posts.unsent += u64::from(!courier.is_free());
        self.clients[client].is_in = false;
        count(&mut self.finished.publisher_closes, "gave up for good");
    }

    /// The server closed a publisher's WebSocket.
    pub(super) fn handle_publisher_close(
        &mut self,
        client: ClientId,
        code: Option<CloseCode>,
        asked_ms: u64,
    ) {
        self.couriers[client].asked_ms = asked_ms;
        if code.is_some_and(|code| is_final_code(code.0)) {
            self.lose_publisher(client);
        }
    }

    /// A publisher that was there is refused its WebSocket.
    pub(super) fn refuse_publisher(&mut self, client: ClientId, status: Option<u16>, why: &str) {
        self.break_off(client, why);
        if status.is_some_and(is_final_status) {
            self.lose_publisher(client);
        }
    }

    /// Lets publishers connect whose time it is.
    pub(super) fn bring_publishers(&mut self, gate: &mut Gate<impl Driver>, now: Time) {
        while let Some((at, client)) = self.returns.first().copied()
            && at <= now
        {
            self.returns.pop_first();
            if self.clients[client].is_in
                && matches!(self.clients[client].state, ConnectionState::Idle)
            {
                self.posts.reconnects += 1;
                self.couriers[client].since = now;
                self.begin(gate, client);
            }
        }
    }

    /// Ends what publishers wait for in vain.
    pub fn look_at_publishers(&mut self, driver: &mut impl Driver, now: Time) {
        for client in self.clients.publishers() {
            let courier = &self.couriers[client];
            let is_on_its_way = matches!(
                self.clients[client].state,
                ConnectionState::Connecting | ConnectionState::Upgrading(_)
            );
            let is_late = is_on_its_way && courier.since + PATIENCE < now;
            if self.clients[client].is_in && (is_late || courier.is_overdue(now)) {
                self.note_close(client, "no answer within 10 s");
                self.end(driver, client, Close::Reset);
            }
        }
    }

    fn publisher_of(&self, stream: u32) -> ClientId {
        self.clients.publisher(self.plan.stream_publisher(stream))
    }
}
