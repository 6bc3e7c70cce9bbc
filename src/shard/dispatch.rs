//! Between a session and the rest: bytes and events go in, its wishes become calls.

use std::net::SocketAddr;
use std::sync::Arc;

use super::connection::{Behind, Connection, State};
use super::groups::{Left, Member};
use super::{Command, Core};
use crate::base::{After, Chunk, ConnId, TopicName};
use crate::http::Page;
use crate::hub::{Recovery, TopicsFull};
use crate::io::Close;
use crate::mesh::{Origin, Permit, Request};
use crate::metrics::{CloseReason, RefuseReason};
use crate::session::{Action, Context, Manner, Outputs, Proxy, Question, Reader, Reply, Session};
use crate::wire::prepared::{self, WireForm};

impl<S> Core<S> {
    /// What the session of a newcomer needs to know of its surroundings.
    pub(super) fn context(&mut self, door: u16, permit: Permit, proxy: Option<Proxy>) -> Context {
        Context {
            rules: Arc::clone(&self.settings.rules),
            now: self.now,
            date: self.calendar.date(self.now),
            door,
            proxy,
            is_full: permit != Permit::Full,
            takes_upgrades: self
                .drain
                .as_ref()
                .is_none_or(|drain| drain.takes_upgrades(self.now)),
            is_draining: self.node.is_draining(),
            resumed: self.resumed,
            is_backed_up: false,
            random: self.random.u64(..),
        }
    }

    /// Lets a connection's session handle something, and does what it asks for.
    pub(super) fn with_session(
        &mut self,
        id: ConnId,
        handle: impl FnOnce(&mut Session, &Context, &mut Outputs),
    ) {
        let Some(conn) = self.conn(id) else { return };
        let (door, permit, proxy) = (conn.door, conn.permit, conn.proxy());
        let is_backed_up = conn.outbox.is_some();
        let context = Context {
            is_backed_up,
            ..self.context(door, permit, proxy)
        };
        let mut outputs = std::mem::take(&mut self.outputs);
        if let Some(conn) = self.conn_mut(id) {
            handle(&mut conn.session, &context, &mut outputs);
        }
        self.carry_out(id, &mut outputs);
        self.outputs = outputs;
    }

    /// Sends a session's bytes and does what it asks for; leaves `outputs` empty.
    fn carry_out(&mut self, id: ConnId, outputs: &mut Outputs) {
        if !outputs.bytes.is_empty() {
            let (apart, rest) = outputs.bytes.split_at(outputs.apart);
            let chunks = [apart, rest].map(<[u8]>::to_vec);
            outputs.give_back();
            self.send_bytes(id, chunks);
        }
        for action in outputs.actions.drain(..) {
            self.act(id, action);
        }
        self.arm(id);
    }

    /// What leaves by itself, if there is such, and the rest.
    fn send_bytes(&mut self, id: ConnId, [apart, rest]: [Vec<u8>; 2]) {
        if !apart.is_empty() {
            self.send_private(id, Chunk::private(apart));
            self.pause_behind(id);
        }
        if !rest.is_empty() {
            self.send_private(id, Chunk::private(rest));
        }
    }

    fn act(&mut self, id: ConnId, action: Action) {
        match action {
            Action::Read { topic, after } => self.read(id, topic, after),
            Action::Subscribe { topic, after } => self.subscribe(id, topic, after),
            Action::Publish(draft) => {
                let origin = Origin {
                    shard: self.id,
                    conn: id,
                };
                self.publish(origin, draft);
            }
            Action::Ask(question) => self.answer_question(id, question),
            Action::Upgraded => self.upgraded(id),
            Action::Reads(reader) => self.reads(id, reader),
            Action::Polled(answer) => self.metrics.polls.add(answer, 1),
            Action::Leave(reason) => self.leave(id, reason),
            Action::Finish(reason) => self.finish(id, reason),
            Action::Abort(reason) => self.abort(id, reason),
            Action::Relayed(client) => self.relayed(id, client),
            Action::Client(client) => self.set_client(id, client),
            Action::Answered(status) => self.metrics.http_response(status),
            Action::NotAllowed => self.metrics.publish_refused(RefuseReason::NotAllowed),
            Action::MessageIn => self.metrics.received_messages.add(1),
            Action::Pinged => self.metrics.pings_sent.add(1),
        }
    }

    /// Bytes for one connection alone. They are never dropped for their number: while more than
    /// half of the bound waits, nothing is read that could cause more.
    pub(super) fn send_private(&mut self, id: ConnId, chunk: Chunk) {
        let charged = self.usage.charge(chunk);
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.state == State::Closed {
            return;
        }
        conn.push(charged, 0);
        self.mark_dirty(id);
    }

    pub(super) fn received(&mut self, id: ConnId, bytes: &mut [u8]) {
        self.metrics.received_bytes.add(bytes.len() as u64);
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.state != State::Open {
            return;
        }
        if conn.unread.is_some() {
            self.keep_unread(id, bytes);
            return;
        }
        let taken = self.feed(id, bytes);
        if taken < bytes.len() {
            self.keep_unread(id, &bytes[taken..]);
        }
    }

    /// Gives bytes to the session for as long as it takes them; says how many it took.
    fn feed(&mut self, id: ConnId, bytes: &mut [u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let Some(conn) = self.conn(id) else {
                return bytes.len();
            };
            if conn.state != State::Open {
                return bytes.len();
            }
            if !self.may_read(conn) {
                break;
            }
            let rest = &mut bytes[taken..];
            let mut step = 0;
            self.with_session(id, |session, context, outputs| {
                step = session.handle_bytes(context, rest, outputs);
            });
            debug_assert!(step > 0, "a session that takes bytes takes some");
            taken += step;
        }
        taken
    }

    /// Whether a session may be given bytes: it takes some, and what it has caused before is
    /// mostly sent.
    fn may_read(&self, conn: &Connection) -> bool {
        conn.state == State::Open
            && conn.session.takes_bytes(&self.settings.rules.limits)
            && conn.pending() <= self.settings.rules.limits.outbox_bytes_max / 2
    }

    /// Keeps what the session cannot take yet, and holds the peer back.
    fn keep_unread(&mut self, id: ConnId, bytes: &[u8]) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.state == State::Open {
            conn.unread.get_or_insert_default().extend_from_slice(bytes);
            self.set_receiving(id, false);
        }
    }

    fn set_receiving(&mut self, id: ConnId, on: bool) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.receiving != on {
            conn.receiving = on;
            self.commands.push(Command::Receive(id, on));
        }
    }

    /// Notes that a connection with bytes left over may be able to go on.
    pub(super) fn may_resume(&mut self, id: ConnId) {
        let Some(conn) = self.conn(id) else { return };
        if conn.unread.is_some() && self.may_read(conn) {
            self.resumable.push(id);
        }
    }

    /// Gives left-over bytes to sessions that can take them now.
    pub(super) fn resume_sessions(&mut self) {
        for id in std::mem::take(&mut self.resumable) {
            let Some(conn) = self.conn_mut(id) else {
                continue;
            };
            let Some(mut unread) = conn.unread.take() else {
                continue;
            };
            let taken = self.feed(id, &mut unread);
            if taken < unread.len() {
                unread.drain(..taken);
                if let Some(conn) = self.conn_mut(id) {
                    conn.unread = Some(unread);
                }
            } else {
                self.caught_up(id);
            }
        }
    }

    /// Nothing is unread any more.
    fn caught_up(&mut self, id: ConnId) {
        self.set_receiving(id, true);
        let ended = self
            .conn_mut(id)
            .is_some_and(|conn| std::mem::take(&mut conn.ended));
        if ended {
            self.eof(id);
        }
    }

    pub(super) fn eof(&mut self, id: ConnId) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        match conn.state {
            // What came before the end is heard before it.
            State::Open if conn.unread.is_some() => conn.ended = true,
            State::Open => self.with_session(id, |session, _, out| session.handle_eof(out)),
            State::Finishing if conn.outbox.is_none() => self.close(id, Close::Graceful),
            State::Finishing | State::Closed => {}
        }
    }

    pub(super) fn session_timeout(&mut self, id: ConnId) {
        self.with_session(id, |session, context, outputs| {
            session.handle_timeout(context, outputs)
        });
        // A long poll that was held to its end lets the next request go on.
        self.may_resume(id);
    }

    fn upgraded(&mut self, id: ConnId) {
        let now = self.now;
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        let took = now.since(conn.accepted);
        self.metrics.handshakes.add(1);
        self.metrics.http_response(101);
        self.metrics.handshake_seconds.observe(took);
    }

    /// It reads in this way from now on, or does not any more. A long poll that was answered at its
    /// end is no subscriber; one that was answered with news left its group before.
    fn reads(&mut self, id: ConnId, reader: Option<Reader>) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        let before = std::mem::replace(&mut conn.reads, reader);
        self.count_reader(before, -1);
        self.count_reader(reader, 1);
        if reader.is_some() {
            self.schedule_drain(id);
        } else {
            self.leave_group(id);
        }
    }

    pub(super) fn count_reader(&self, reader: Option<Reader>, n: i64) {
        match reader {
            Some(Reader::WebSocket) => self.metrics.websockets.add(n),
            Some(Reader::Events) => self.metrics.event_streams.add(n),
            Some(Reader::Lines) => self.metrics.line_streams.add(n),
            Some(Reader::Held) => self.metrics.long_polls.add(n),
            None => {}
        }
    }

    /// A PROXY header has named the client of a connection, or hides it.
    fn relayed(&mut self, id: ConnId, client: Option<SocketAddr>) {
        if let Some(behind) = self.behind(id) {
            behind.sender = client.unwrap_or(behind.sender);
            behind.hides = client.is_none();
        }
    }

    fn set_client(&mut self, id: ConnId, client: Option<SocketAddr>) {
        if let Some(behind) = self.behind(id) {
            behind.client = client;
        }
    }

    fn behind(&mut self, id: ConnId) -> Option<&mut Behind> {
        self.conn_mut(id)?.behind.as_deref_mut()
    }

    fn answer_question(&mut self, id: ConnId, question: Question) {
        let reply = match question {
            Question::Health => Reply::Text(200, "ok\n".to_owned()),
            Question::Ready { drain_404 } => self.readiness(drain_404),
            Question::Metrics(format) => {
                Reply::Metrics(format, (self.settings.pages.metrics)(format))
            }
            Question::Page(Page::Dashboard) => Reply::Page(self.settings.pages.dashboard),
            Question::Page(Page::Compare) => Reply::Page(self.settings.pages.compare),
            Question::Page(Page::Client) => Reply::Script(self.settings.pages.client),
        };
        self.with_session(id, |session, context, outputs| {
            session.handle_reply(context, &reply, outputs);
        });
    }

    fn readiness(&self, drain_404: bool) -> Reply {
        if self.node.is_draining() {
            let status = if drain_404 { 404 } else { 503 };
            return Reply::Text(status, "draining\n".to_owned());
        }
        if self.node.is_full() {
            let full = format!("full: {} connections\n", self.node.connections());
            return Reply::Text(503, full);
        }
        Reply::Text(200, "ready\n".to_owned())
    }

    fn read(&mut self, id: ConnId, topic: TopicName, after: Option<After>) {
        let home = self.home_of(&topic);
        if home == self.id {
            let recovery = self.hub.read(&topic, after, self.now);
            self.was_read(id, &recovery);
        } else {
            let conn = id;
            let request = Request::Read { conn, topic, after };
            self.mesh.request_when_possible(home, request);
        }
    }

    /// The topic's home has told what a poll asked for.
    pub(super) fn was_read(&mut self, id: ConnId, recovery: &Recovery) {
        let publications = recovery.publications.len() as u64;
        self.metrics.deliveries.add(publications);
        self.with_session(id, |session, context, outputs| {
            session.handle_read(context, recovery, outputs);
        });
        self.may_resume(id);
    }

    fn subscribe(&mut self, id: ConnId, topic: TopicName, after: Option<After>) {
        let home = self.home_of(&topic);
        if let Some(conn) = self.conn_mut(id) {
            conn.subscribing = true;
        }
        if home == self.id {
            let result = self.hub.subscribe(&topic, home, after, self.now);
            self.subscribed(id, &topic, result);
        } else {
            let request = Request::Subscribe {
                conn: id,
                topic,
                after,
            };
            self.mesh.request_when_possible(home, request);
        }
    }

    /// The topic's home has answered. What it delivers from now on comes behind this answer, so
    /// history and live publications meet without a gap or a repeat.
    pub(super) fn subscribed(
        &mut self,
        id: ConnId,
        topic: &TopicName,
        result: Result<Recovery, TopicsFull>,
    ) {
        let waits = self
            .conn_mut(id)
            .is_some_and(|conn| std::mem::take(&mut conn.subscribing) && conn.state == State::Open);
        if !waits {
            if result.is_ok() {
                self.unsubscribe(topic.clone(), 1);
            }
            return;
        }
        match result {
            Ok(recovery) if self.is_answered_by(id, &recovery) => {
                self.unsubscribe(topic.clone(), 1);
                self.was_read(id, &recovery);
            }
            Ok(recovery) => self.join(id, topic, &recovery),
            Err(TopicsFull) => self.with_session(id, |s, cx, out| s.handle_topics_full(cx, out)),
        }
        self.may_resume(id);
    }

    fn is_answered_by(&self, id: ConnId, recovery: &Recovery) -> bool {
        self.conn(id)
            .is_some_and(|conn| conn.session.is_answered_by(recovery))
    }

    fn join(&mut self, id: ConnId, topic: &TopicName, recovery: &Recovery) {
        let Some(conn) = self.conn(id) else { return };
        let manner = conn.session.manner();
        let member = Member {
            conn: id,
            from: recovery.position.offset.next(),
        };
        let membership = self.groups.join(topic, manner, member);
        let shared = self.groups.topic(membership).clone();
        if let Some(conn) = self.conn_mut(id) {
            conn.membership = Some(membership);
        }
        self.with_session(id, |session, context, outputs| {
            session.handle_subscribed(context, &shared, recovery, outputs);
        });
        match manner {
            Manner::Each(form) => self.send_history(id, form, recovery),
            Manner::Newest(form, _) => self.send_newest(id, form, recovery),
            // Whoever waits for the next one was told all that there was.
            Manner::Once => {}
        }
    }

    fn send_history(&mut self, id: ConnId, form: WireForm, recovery: &Recovery) {
        let bytes_max = self.settings.rules.limits.turn_chunk_bytes_max;
        for chunk in prepared::contiguous(&recovery.publications, form, bytes_max) {
            self.send_missed(id, chunk);
        }
    }

    /// Of what was missed the newest, for all of it.
    fn send_newest(&mut self, id: ConnId, form: WireForm, recovery: &Recovery) {
        let missed = u32::try_from(recovery.publications.len()).unwrap_or(u32::MAX);
        if let Some(newest) = recovery.publications.last() {
            self.send_missed(id, newest.conflated_chunk(form, missed));
        }
    }

    pub(super) fn send_missed(&mut self, id: ConnId, chunk: Chunk) {
        self.metrics.deliveries.add(chunk.frames().len() as u64);
        self.metrics.deliveries_bytes.add(u64::from(chunk.len()));
        self.send_private(id, chunk);
    }

    pub(super) fn unsubscribe(&mut self, topic: TopicName, subscribers: u32) {
        let home = self.home_of(&topic);
        if home == self.id {
            self.hub.unsubscribe(&topic, home, subscribers);
        } else {
            let request = Request::Unsubscribe { topic, subscribers };
            self.mesh.request_when_possible(home, request);
        }
    }

    /// Takes a connection out of its group, if it is in one.
    pub(super) fn leave_group(&mut self, id: ConnId) {
        let Some(membership) = self.conn_mut(id).and_then(|conn| conn.membership.take()) else {
            return;
        };
        let Left { topic, moved } = self.groups.leave(membership);
        for (id, membership) in moved.into_iter().flatten() {
            if let Some(conn) = self.conn_mut(id) {
                conn.membership = Some(membership);
            }
        }
        self.unsubscribe(topic, 1);
    }

    /// The session has said its close and waits for the peer's.
    fn leave(&mut self, id: ConnId, reason: CloseReason) {
        self.note_reason(id, reason);
        self.leave_group(id);
    }

    /// Sends what waits, then closes.
    pub(super) fn finish(&mut self, id: ConnId, reason: CloseReason) {
        self.leave(id, reason);
        let by = self.now + self.settings.rules.limits.close_linger;
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.state != State::Open {
            return;
        }
        conn.state = State::Finishing;
        conn.finish_by = by;
        conn.unread = None;
        if conn.outbox.is_none() {
            self.close(id, Close::Graceful);
        } else {
            // What the peer still sends is taken and ignored, so that its close is noticed.
            self.set_receiving(id, true);
            self.arm(id);
        }
    }

    fn abort(&mut self, id: ConnId, reason: CloseReason) {
        self.leave(id, reason);
        self.close(id, Close::Reset);
    }

    pub(super) fn close(&mut self, id: ConnId, how: Close) {
        let Some(conn) = self.conn_mut(id) else {
            return;
        };
        if conn.state != State::Closed {
            conn.state = State::Closed;
            self.commands.push(Command::Close(id, how));
        }
    }

    /// Keeps the first reason: what follows is its consequence.
    fn note_reason(&mut self, id: ConnId, reason: CloseReason) {
        if let Some(conn) = self.conn_mut(id)
            && conn.state == State::Open
            && conn.reason == CloseReason::Eof
        {
            conn.reason = reason;
        }
    }
}
