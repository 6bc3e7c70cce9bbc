//! Clients over plain HTTP: when they ask, what they hear, and how they come back.
//!
//! A client of a stream asks once. One that polls is there as long as it polls, whatever becomes
//! of its connections: it asks at its turn, and opens one for it if it has none. A long poll is
//! asked again as soon as it is answered, and a second later if it was refused or broken, so that
//! a server that refuses is not stormed.

use std::time::Duration;

use altavoz::base::Time;
use altavoz::io::{Close, Driver};

use crate::base::failure::advice;
use crate::base::num::between;
use crate::base::transport::Transport;
use crate::measure::traffic::Tally;

use super::super::connection::{ClientId, ClientKind, ConnectionState};
use super::super::gate::Gate;
use super::super::reader::{Reader, ReaderMessage, words};
use super::super::request;
use super::WorkerCore;

/// How long a client waits after a refusal before it asks again.
const RETRY: Duration = Duration::from_secs(1);

/// How long a poll is waited for: at the next turn behind it, its connection is
/// given up and another one opened.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Polls that are begun in one turn: between them, answers are read.
const POLLS_PER_TURN_MAX: usize = 1024;

impl WorkerCore {
    /// Sends what is due by time alone.
    pub fn advance(&mut self, gate: &mut Gate<impl Driver>, now: Time) {
        self.bring_publishers(gate, now);
        for _ in 0..POLLS_PER_TURN_MAX {
            let mut rotas = self.rotas.iter_mut();
            let Some((client, due)) = rotas.find_map(|rota| rota.poll_due(now)) else {
                break;
            };
            self.handle_turn(client, due, now);
        }
        while let Some((at, client)) = self.retries.front().copied()
            && at <= now
        {
            self.retries.pop_front();
            self.pursue(client, now);
        }
        for client in std::mem::take(&mut self.wanted) {
            match self.clients[client].state {
                ConnectionState::Idle => self.begin(gate, client),
                // The server said that it ends the connection, and does not.
                ConnectionState::Closing => self.end(&mut gate.driver, client, Close::Reset),
                _ => {}
            }
        }
    }

    /// When something is due by time alone.
    #[must_use]
    pub fn next_at(&self) -> Option<Time> {
        let turns = self.rotas.iter().filter_map(super::Rota::next_at);
        let retry = self.retries.front().map(|(at, _)| *at);
        let back = self.returns.first().map(|(at, _)| *at);
        let now = (!self.wanted.is_empty() || self.windows.is_sweeping()).then_some(Time::ZERO);
        turns.chain(retry).chain(back).chain(now).min()
    }

    /// A client's turn to poll.
    fn handle_turn(&mut self, client: ClientId, due: Time, now: Time) {
        if self.transport(client) == Transport::Ask {
            return self.ask_on_socket(client, due, now);
        }
        let conn = &mut self.clients[client];
        let Some(reader) = conn.reader.as_mut().filter(|_| conn.is_in) else {
            return;
        };
        let (is_late, arm) = (reader.is_asking || reader.is_owed, usize::from(conn.arm));
        if is_late {
            self.tally(client, Tally::Late);
        }
        self.meter.note_turn(arm, between(due, now));
        let conn = &mut self.clients[client];
        let is_lost = due.since(conn.since) > ANSWER_TIMEOUT;
        if is_lost && conn.reader.as_ref().is_some_and(|it| it.is_asking) {
            self.give_up_reading(client, now);
        }
        let conn = &mut self.clients[client];
        if let Some(reader) = &mut conn.reader {
            reader.is_owed = true;
            conn.tcp_since = due;
        }
        self.pursue(client, now);
    }

    /// Asks now if there is a connection for it, and opens one if there is none.
    fn pursue(&mut self, client: ClientId, now: Time) {
        let conn = &mut self.clients[client];
        let Some(reader) = conn.reader.as_mut().filter(|_| conn.is_in) else {
            return;
        };
        match conn.state {
            ConnectionState::Reading if !reader.is_asking => self.ask(client, now),
            ConnectionState::Idle | ConnectionState::Closing => {
                reader.is_owed = true;
                self.wanted.push(client);
            }
            _ => {}
        }
    }

    /// TCP is there.
    pub(super) fn begin_reading(&mut self, client: ClientId, now: Time) {
        let conn = &mut self.clients[client];
        conn.state = ConnectionState::Reading;
        conn.reader.get_or_insert_default();
        self.ask(client, now);
    }

    /// Sends the client's next request.
    fn ask(&mut self, client: ClientId, now: Time) {
        let conn = &mut self.clients[client];
        let arm = &self.plan.arms[usize::from(conn.arm)];
        let topic = super::topic(&self.plan, conn);
        let Some(reader) = &mut conn.reader else {
            return;
        };
        let (queue, is_first) = (conn.outbox.queue(), !conn.is_in);
        request::write(queue, &self.plan, arm, topic, &reader.cursor, is_first);
        if conn.is_in {
            // What is owed was due at its turn; a long poll is due when it is sent.
            conn.since = match arm.transport {
                Transport::Poll => conn.tcp_since,
                _ => now,
            };
        }
        reader.is_asking = true;
        reader.is_owed = false;
        self.tally(client, Tally::Requests);
        self.dirty.push(client);
    }

    /// A request has left. A held one that the server does not answer is all that is seen of a
    /// client that is there.
    pub(super) fn handle_asked(&mut self, client: ClientId, clock: &impl Fn() -> Time) {
        let conn = &self.clients[client];
        let arm = &self.plan.arms[usize::from(conn.arm)];
        let is_silent = arm.transport == Transport::LongPoll
            && !request::asks_where_first(&self.plan, arm)
            && matches!(conn.state, ConnectionState::Reading);
        if is_silent && !conn.is_in && conn.outbox.waiting() == 0 {
            // It is there now that its request has left, which a turn may do late.
            self.note_open(client, clock());
        }
    }

    pub(super) fn handle_answers(&mut self, client: ClientId, bytes: &[u8], now: Time) {
        self.read(client, now, |reader, transport, on| {
            reader.handle_bytes(transport, bytes, on)
        });
    }

    /// The server ended its direction of a connection over plain HTTP.
    pub(super) fn handle_answers_end(&mut self, client: ClientId, now: Time) {
        self.read(client, now, |reader, _, on| reader.handle_eof(on));
        let is_push = self.transport(client).is_push();
        let conn = &self.clients[client];
        if conn.is_in && !is_push {
            self.ask_again_at_the_end(client);
            self.break_request(client, now);
            let conn = &mut self.clients[client];
            conn.state = ConnectionState::Closing;
            conn.ending = Some(Close::Graceful);
        } else if conn.is_opening() {
            self.fail(client, "the server ended it before its answer".to_owned());
        } else if conn.is_in {
            self.note_close(client, "ended without saying why");
        }
        self.dirty.push(client);
    }

    /// The connection of a client that polls is gone, or did not come about, and the client is
    /// still there.
    pub(super) fn come_back(&mut self, client: ClientId, now: Time) {
        let conn = &mut self.clients[client];
        if let Some(reader) = &mut conn.reader
            && matches!(conn.state, ConnectionState::Connecting)
        {
            (reader.is_asking, reader.is_owed) = (true, false);
        }
        self.ask_again_at_the_end(client);
        self.break_request(client, now);
        let conn = &mut self.clients[client];
        conn.reset();
        if conn.reader.as_ref().is_some_and(|reader| reader.is_owed) {
            self.wanted.push(client);
        }
    }

    /// A request that met the end of a kept connection is not broken: it is asked once more.
    fn ask_again_at_the_end(&mut self, client: ClientId) {
        if let Some(reader) = &mut self.clients[client].reader
            && reader.has_met_the_end()
        {
            (reader.is_asking, reader.is_owed) = (false, true);
        }
    }

    /// A request that is under way will not be answered.
    fn break_request(&mut self, client: ClientId, now: Time) {
        let Some(reader) = &mut self.clients[client].reader else {
            return;
        };
        if std::mem::take(&mut reader.is_asking) {
            self.tally(client, Tally::Broken);
            self.retry(client, now);
        }
    }

    /// A long poll is asked again later; a poll has its turn.
    fn retry(&mut self, client: ClientId, now: Time) {
        if self.transport(client) == Transport::LongPoll {
            self.retries.push_back((now + RETRY, client));
        }
    }

    /// Lets the reader read, and does what it hears.
    fn read(
        &mut self,
        client: ClientId,
        now: Time,
        read: impl FnOnce(
            &mut Reader,
            Transport,
            &mut dyn FnMut(ReaderMessage<'_>),
        ) -> Result<(), String>,
    ) {
        let transport = self.transport(client);
        let Some(mut reader) = self.clients[client].reader.take() else {
            return;
        };
        let mut answered = None;
        let done = read(&mut reader, transport, &mut |heard| match heard {
            ReaderMessage::Answer {
                status,
                body,
                is_last,
            } => {
                answered = Some((status, is_last));
                self.hear_answer(client, status, body, now);
            }
            other => self.hear(client, &other, now),
        });
        if answered.is_some() {
            reader.is_asking = false;
            reader.is_kept = true;
        }
        let is_owed = reader.is_owed;
        self.clients[client].reader = Some(reader);
        if let Err(why) = done {
            return self.break_reading(client, &why, now);
        }
        if let Some((status, is_last)) = answered {
            self.go_on(client, status, is_last, is_owed, now);
        }
    }

    /// What cannot be understood ends the connection, and of a stream the client as well.
    fn break_reading(&mut self, client: ClientId, why: &str, now: Time) {
        if self.transport(client).is_push() || !self.clients[client].is_in {
            return self.break_off(client, why);
        }
        self.give_up_reading(client, now);
    }

    /// Ends the connection of a client that polls, with the request that is under way there.
    fn give_up_reading(&mut self, client: ClientId, now: Time) {
        self.break_request(client, now);
        let conn = &mut self.clients[client];
        conn.state = ConnectionState::Closing;
        conn.ending = Some(Close::Reset);
        self.dirty.push(client);
    }

    /// What a stream says.
    fn hear(&mut self, client: ClientId, heard: &ReaderMessage<'_>, now: Time) {
        let conn = &self.clients[client];
        match heard {
            ReaderMessage::Begun => self.note_open(client, now),
            ReaderMessage::Message(message) => match conn.kind {
                ClientKind::Subscriber if conn.is_in => {
                    let arm = conn.arm;
                    let reader = self.reader_of(client);
                    let carried = self.meter.deliver(reader, message, now);
                    self.windows.running(arm).deliver(carried.fresh);
                }
                ClientKind::Slow if self.resumed => self.finished.slow_messages += 1,
                _ => {}
            },
            ReaderMessage::Unrecovered if conn.kind == ClientKind::Subscriber => {
                self.meter.note_unrecovered(usize::from(conn.arm));
            }
            ReaderMessage::Closes(code) => self.end_reading(client, &code.to_string()),
            ReaderMessage::Ended => self.end_reading(client, "ended without saying why"),
            ReaderMessage::Unrecovered | ReaderMessage::Answer { .. } => {}
        }
    }

    /// The server ends a stream: who said goodbye is not reset.
    fn end_reading(&mut self, client: ClientId, why: &str) {
        if self.clients[client].is_in {
            self.clients[client].ending = Some(Close::Graceful);
            self.note_close(client, why);
            self.dirty.push(client);
        }
    }

    /// A whole answer that is no stream.
    fn hear_answer(&mut self, client: ClientId, status: u16, body: &[u8], now: Time) {
        let is_in = self.clients[client].is_in;
        match (is_in, is_good(status)) {
            (true, true) => self.enter_answer(client, status, body, now),
            (true, false) => {
                self.tally(client, Tally::Answers);
                let conn = &self.clients[client];
                if conn.kind.is_counted() {
                    self.windows.running(conn.arm).refuse(status);
                }
            }
            // The first answer to a poll says where the topic is, and nothing is measured yet.
            (false, true) if !self.transport(client).is_push() => {}
            (false, _) => {
                let words = words(body);
                let advice = advice(status);
                let why = match words.as_str() {
                    "" => format!("server answered {status}{advice}"),
                    words => format!("server answered {status}: {words}{advice}"),
                };
                self.fail(client, why);
            }
        }
    }

    fn enter_answer(&mut self, client: ClientId, status: u16, body: &[u8], now: Time) {
        self.tally(client, Tally::Answers);
        if status == 304 {
            self.tally(client, Tally::NotModified);
        }
        let (kind, since, arm) = {
            let conn = &self.clients[client];
            (conn.kind, conn.since, conn.arm)
        };
        let mut is_empty = true;
        if kind == ClientKind::Subscriber {
            let reader = self.reader_of(client);
            let carried = self.meter.deliver_answer(reader, body, now);
            // The newest may be one that the client has.
            is_empty = carried.stamps == 0 || (self.plan.newest && carried.fresh == 0);
            self.windows.running(arm).deliver(carried.fresh);
            if self.transport(client) == Transport::Poll {
                let nanos = between(since, now);
                self.meter.note_answer_time(usize::from(arm), nanos);
            }
        }
        if is_empty {
            self.tally(client, Tally::Empty);
        }
    }

    /// Behind a whole answer that is no stream.
    fn go_on(&mut self, client: ClientId, status: u16, is_last: bool, is_owed: bool, now: Time) {
        let transport = self.transport(client);
        let conn = &self.clients[client];
        if transport.is_push() || matches!(conn.state, ConnectionState::Closing) {
            return; // refused, and so at its end
        }
        if !conn.is_in {
            self.note_open(client, now);
        }
        let conn = &mut self.clients[client];
        if is_last && matches!(conn.state, ConnectionState::Reading) {
            conn.state = ConnectionState::Closing;
        }
        if transport == Transport::LongPoll && !is_good(status) {
            self.retry(client, now);
        } else if transport == Transport::LongPoll || is_owed {
            self.again(client, now);
        }
    }

    /// The next request, at once or as soon as there is a connection for it.
    fn again(&mut self, client: ClientId, now: Time) {
        let conn = &mut self.clients[client];
        match conn.state {
            ConnectionState::Reading => self.ask(client, now),
            _ => {
                if let Some(reader) = &mut conn.reader {
                    reader.is_owed = true;
                }
            }
        }
    }
}

fn is_good(status: u16) -> bool {
    matches!(status, 200..=299 | 304)
}
