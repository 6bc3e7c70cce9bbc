//! Between a session and the rest: bytes and events go in, its wishes become calls.
//!
//! The owners of a shard ([`Conns`], [`Home`], [`Readers`]) do not know each other. Here, in the
//! files below and in `mod` they are called one after the other, and what one says is handed to
//! the next.
//!
//! [`Conns`]: super::conns::Conns
//! [`Home`]: super::home::Home
//! [`Readers`]: super::readers::Readers

mod ending;
mod flushing;
mod held;
mod inbox;
mod opening;
mod publishing;
mod reading;

use std::sync::Arc;

use super::Core;
use super::conns::{Hearing, Standing};
use crate::base::{ConnId, Tag};
use crate::http::Page;
use crate::io::Close;
use crate::mesh::{Origin, Permit};
use crate::metrics::{CloseReason, RefuseReason};
use crate::session::{Action, Context, Outputs, Question, Reader, Reply, Session};

impl<S> Core<S> {
    /// What a session needs to know of its surroundings.
    pub(super) fn context(&mut self, standing: Standing) -> Context {
        let around = &self.around;
        Context {
            rules: Arc::clone(&around.settings.rules),
            now: around.now,
            date: self.calendar.date(around.now),
            door: standing.door,
            proxy: standing.proxy,
            is_full: standing.permit != Permit::Full,
            takes_upgrades: self
                .drain
                .as_ref()
                .is_none_or(|drain| drain.takes_upgrades(around.now)),
            is_draining: around.node.is_draining(),
            resumed: self.resumed,
            is_backed_up: standing.is_backed_up,
            random: self.random.u64(..),
        }
    }

    /// Lets a connection's session handle something, and does what it asks for.
    pub(super) fn with_session(
        &mut self,
        id: ConnId,
        handle: impl FnOnce(&mut Session, &Context, &mut Outputs),
    ) {
        let Some(standing) = self.conns.standing(id) else {
            return;
        };
        let context = self.context(standing);
        let mut outputs = std::mem::take(&mut self.outputs);
        if let Some(session) = self.conns.session_mut(id) {
            handle(session, &context, &mut outputs);
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
            self.conns.send_bytes(&self.around, id, chunks);
        }
        for action in outputs.actions.drain(..) {
            self.act(id, action);
        }
        self.conns.arm(id);
    }

    fn act(&mut self, id: ConnId, action: Action) {
        match action {
            Action::Read { tag, topic, after } => {
                let origin = self.origin(id, tag);
                self.read(origin, topic, after);
            }
            Action::Subscribe { tag, topic, after } => {
                let origin = self.origin(id, tag);
                self.subscribe(origin, topic, after);
            }
            Action::Publish(tag, draft) => {
                let origin = self.origin(id, tag);
                self.publish(origin, draft);
            }
            Action::Ask(question) => self.answer_question(id, question),
            Action::Upgraded => self.conns.upgraded(&self.around, id),
            Action::Reads(reader) => self.reads(id, reader),
            Action::Polled(answer) => self.around.metrics.polls.add(answer, 1),
            Action::Leave(reason) => self.leave(id, reason),
            Action::Finish(reason) => self.finish(id, reason),
            Action::Abort(reason) => self.abort(id, reason),
            Action::Relayed(client) => self.conns.relayed(id, client),
            Action::Client(client) => self.conns.set_client(id, client),
            Action::Answered(status) => self.around.metrics.http_response(status),
            Action::NotAllowed => {
                self.around
                    .metrics
                    .publish_refused(RefuseReason::NotAllowed);
            }
            Action::MessageIn => self.around.metrics.received_messages.add(1),
            Action::Pinged => self.around.metrics.pings_sent.add(1),
        }
    }

    /// A connection wants something of a topic, whose home may be anywhere.
    fn origin(&mut self, conn: ConnId, tag: Tag) -> Origin {
        self.asked.begin(conn, tag);
        Origin {
            shard: self.around.id,
            conn,
            tag,
        }
    }

    pub(super) fn received(&mut self, id: ConnId, bytes: &mut [u8]) {
        self.around.metrics.received_bytes.add(bytes.len() as u64);
        if !self.conns.arrived(id, bytes) {
            return;
        }
        let taken = self.feed(id, bytes);
        if taken < bytes.len() {
            self.conns.keep_unread(id, &bytes[taken..]);
        }
    }

    /// Gives bytes to the session for as long as it takes them; says how many it took.
    fn feed(&mut self, id: ConnId, bytes: &mut [u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            match self.conns.hearing(id, self.around.limits()) {
                Hearing::Now => {}
                Hearing::Later => break,
                Hearing::NoMore => return bytes.len(),
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

    /// Notes that a connection with bytes left over may be able to go on.
    fn may_resume(&mut self, id: ConnId) {
        self.conns.may_resume(id, self.around.limits());
    }

    /// Gives left-over bytes to sessions that can take them now.
    pub(super) fn resume_sessions(&mut self) {
        for id in self.conns.take_resumable() {
            let Some(mut unread) = self.conns.take_unread(id) else {
                continue;
            };
            let taken = self.feed(id, &mut unread);
            if taken < unread.len() {
                unread.drain(..taken);
                self.conns.put_back_unread(id, unread);
            } else if self.conns.caught_up(id) {
                self.eof(id);
            }
        }
    }

    pub(super) fn eof(&mut self, id: ConnId) {
        if self.conns.eof(id) {
            self.with_session(id, |session, _, out| session.handle_eof(out));
        }
    }

    /// Sees to those whose deadline has come, to as many as a turn may: a tick of a million
    /// connections would make everybody else wait.
    pub(super) fn expire_sessions(&mut self) {
        let now = self.around.now;
        self.conns.expire(now);
        let mut left = self.around.limits().timers_per_turn_max;
        while let Some(id) = self.conns.next_due(now, &mut left) {
            self.with_session(id, |session, context, outputs| {
                session.handle_timeout(context, outputs)
            });
            // A long poll that was held to its end lets the next request go on.
            self.may_resume(id);
            self.conns.arm(id);
        }
    }

    /// It reads in this way from now on, or does not any more. A long poll that was answered at its
    /// end is no subscriber; one that was answered with news left its group before.
    fn reads(&mut self, id: ConnId, reader: Option<Reader>) {
        if !self.conns.reads(&self.around, id, reader) {
            return;
        }
        if reader.is_none() {
            self.leave_group(id);
        } else if let Some(drain) = &mut self.drain {
            drain.schedule(id, &mut self.random, self.around.now);
        }
    }

    fn answer_question(&mut self, id: ConnId, question: Question) {
        let pages = &self.around.settings.pages;
        let reply = match question {
            Question::Health => Reply::Text(200, "ok\n".to_owned()),
            Question::Ready { drain_404 } => self.readiness(drain_404),
            Question::Metrics(format) => Reply::Metrics(format, (pages.metrics)(format)),
            Question::Page(Page::Dashboard) => Reply::Page(pages.dashboard),
            Question::Page(Page::Compare) => Reply::Page(pages.compare),
            Question::Page(Page::Client) => Reply::Script(pages.client),
            Question::Page(Page::Common) => Reply::Script(pages.common),
        };
        self.with_session(id, |session, context, outputs| {
            session.handle_reply(context, &reply, outputs);
        });
    }

    fn readiness(&self, drain_404: bool) -> Reply {
        let node = &self.around.node;
        if node.is_draining() {
            let status = if drain_404 { 404 } else { 503 };
            return Reply::Text(status, "draining\n".to_owned());
        }
        if node.is_full() {
            let full = format!("full: {} connections\n", node.connections());
            return Reply::Text(503, full);
        }
        Reply::Text(200, "ready\n".to_owned())
    }

    /// The session has said its close and waits for the peer's.
    fn leave(&mut self, id: ConnId, reason: CloseReason) {
        self.conns.note_reason(id, reason);
        self.leave_group(id);
    }

    /// Sends what waits, then closes.
    fn finish(&mut self, id: ConnId, reason: CloseReason) {
        self.leave(id, reason);
        self.conns.finish(&self.around, id);
    }

    fn abort(&mut self, id: ConnId, reason: CloseReason) {
        self.leave(id, reason);
        self.conns.close(id, Close::Reset);
    }
}
