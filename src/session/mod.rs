//! One client's state machine: PROXY head, HTTP requests, then perhaps a WebSocket or a stream.
//!
//! Pure: bytes, time and answers go in by `handle_*`, and what it wants comes out in [`Outputs`].
//! It knows no socket and no topic's contents; `shard::dispatch` turns its wishes into calls.
//! A session replaces itself: keep-alive HTTP, upgrade and WebSocket are one enum that becomes
//! its next form.

mod answers;
mod context;
mod exchange;
mod held;
mod http;
mod incoming;
mod manner;
mod output;
mod proxied;
mod socket;
mod state;
mod stream;
mod subscription;
mod websocket;

use std::sync::Arc;

pub use context::{Context, Proxy, Rules};
pub use manner::{Joins, Manner};
pub use output::{Action, Outputs, Question, Reader, Reply};

use self::held::HeldSession;
use self::http::HttpSession;
use self::proxied::ProxiedSession;
use self::state::SessionState;
use self::websocket::WebSocketSession;
use crate::base::{Tag, Time, TopicName};
use crate::config::Limits;
use crate::hub::{PublishOutcome, Recovery};
use crate::metrics::CloseReason;
use crate::wire::prepared::PreparedMessage;

/// One client.
#[derive(Debug)]
pub struct Session {
    state: SessionState,
}

impl Session {
    /// The session of a connection that was just accepted.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        let state = if context.door().proxy {
            SessionState::Proxied(Box::new(ProxiedSession::new(context)))
        } else {
            SessionState::Http(Box::new(HttpSession::new(context)))
        };
        Self { state }
    }

    /// Takes bytes, at least one of them, and says how many. Call only while it
    /// [takes bytes](Session::takes_bytes), and again with the rest.
    pub fn handle_bytes(&mut self, cx: &Context, bytes: &mut [u8], out: &mut Outputs) -> usize {
        match &mut self.state {
            SessionState::Proxied(proxied) => {
                let (taken, done) = proxied.handle_bytes(cx, bytes, out);
                if done {
                    self.state = SessionState::Http(Box::new(HttpSession::new(cx)));
                }
                taken
            }
            SessionState::Http(http) => {
                let (taken, echo) = http.handle_bytes(cx, bytes, out);
                if let Some(switch) = echo {
                    self.state = SessionState::WebSocket(WebSocketSession::echo(cx, &switch, out));
                }
                taken
            }
            SessionState::WebSocket(ws) => ws.handle_bytes(cx, bytes, out),
            SessionState::Stream(stream) => stream.handle_bytes(bytes),
            SessionState::Held(_) => {
                debug_assert!(false, "bytes for a session that takes none");
                bytes.len()
            }
        }
    }

    /// The subscription is there: `recovery` says from where. Only a [member](Joins::Member) keeps
    /// it, and for what becomes of the others the caller gives it back.
    pub fn handle_subscribed(
        &mut self,
        cx: &Context,
        (tag, topic): (Tag, &TopicName),
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Joins {
        let SessionState::Http(http) = &mut self.state else {
            return Joins::Gone;
        };
        match http.handle_subscribed(cx, tag, recovery, out) {
            Ok(subscription) => {
                let manner = subscription.manner;
                self.state = SessionState::subscribed(subscription, cx, topic, recovery, out);
                Joins::Member { manner }
            }
            Err(joins) => joins,
        }
    }

    /// What it asked to read.
    pub fn handle_read(&mut self, cx: &Context, tag: Tag, recovery: &Recovery, out: &mut Outputs) {
        if let SessionState::Http(http) = &mut self.state {
            http.handle_read(cx, tag, recovery, out);
        }
    }

    /// These publications are what it waited for: it is not subscribed any more.
    pub fn handle_publications(
        &mut self,
        cx: &Context,
        publications: &[Arc<PreparedMessage>],
        out: &mut Outputs,
    ) {
        if let SessionState::Held(held) = &mut self.state {
            let answer = held.handle_publications(publications, out);
            self.answer_held(cx, answer, out);
        }
    }

    /// Whether it waits for the answer that most others get too.
    #[must_use]
    pub fn takes_shared_answer(&self) -> bool {
        matches!(&self.state, SessionState::Held(held) if held.takes_shared_answer())
    }

    /// It was sent that answer: it is not subscribed any more.
    pub fn was_answered(&mut self, cx: &Context, out: &mut Outputs) {
        if let SessionState::Held(_) = &self.state {
            HeldSession::was_answered(out);
            self.state = SessionState::Http(Box::new(HttpSession::between_requests(cx)));
        }
    }

    /// The subscription was refused: there is no room for another topic.
    pub fn handle_topics_full(&mut self, cx: &Context, tag: Tag, out: &mut Outputs) {
        if let SessionState::Http(http) = &mut self.state {
            http.handle_topics_full(cx, tag, out);
        }
    }

    /// A publish has come to an end.
    pub fn handle_published(
        &mut self,
        cx: &Context,
        tag: Tag,
        outcome: &PublishOutcome,
        out: &mut Outputs,
    ) {
        match &mut self.state {
            SessionState::Proxied(_) | SessionState::Stream(_) | SessionState::Held(_) => {}
            SessionState::Http(http) => http.handle_published(cx, tag, outcome, out),
            SessionState::WebSocket(ws) => ws.handle_published(cx, outcome, out),
        }
    }

    /// The node answers a question about itself.
    pub fn handle_reply(&mut self, cx: &Context, reply: &Reply, out: &mut Outputs) {
        if let SessionState::Http(http) = &mut self.state {
            http.handle_reply(cx, reply, out);
        }
    }

    /// Its deadline has come.
    pub fn handle_timeout(&mut self, cx: &Context, out: &mut Outputs) {
        match &mut self.state {
            SessionState::Proxied(proxied) => proxied.handle_timeout(out),
            SessionState::Http(http) => http.handle_timeout(cx, out),
            SessionState::WebSocket(ws) => ws.socket.handle_timeout(cx, out),
            SessionState::Stream(stream) => stream.handle_timeout(cx, out),
            SessionState::Held(held) => {
                let answer = held.handle_timeout(cx, out);
                self.answer_held(cx, answer, out);
            }
        }
    }

    /// The client will send no more.
    pub fn handle_eof(&mut self, out: &mut Outputs) {
        match &mut self.state {
            SessionState::Proxied(proxied) => proxied.handle_eof(out),
            SessionState::Http(http) => http.handle_eof(out),
            SessionState::WebSocket(ws) => ws.socket.handle_eof(out),
            SessionState::Stream(stream) => stream.handle_eof(out),
            SessionState::Held(held) => held.handle_eof(out),
        }
    }

    /// It reads too slowly: what was not sent yet is dropped.
    pub fn handle_slow(&mut self, cx: &Context, out: &mut Outputs) {
        match &mut self.state {
            SessionState::Proxied(_) | SessionState::Http(_) => {
                out.act(Action::Abort(CloseReason::SlowConsumer));
            }
            SessionState::WebSocket(ws) => ws.socket.handle_slow(cx, out),
            SessionState::Stream(stream) => stream.handle_slow(out),
            SessionState::Held(held) => held.handle_slow(out),
        }
    }

    /// The node goes away; a client that comes back should wait `retry_ms` milliseconds.
    pub fn handle_drain(&mut self, cx: &Context, retry_ms: u64, out: &mut Outputs) {
        match &mut self.state {
            SessionState::Proxied(_) => out.finish_draining(),
            SessionState::Http(http) => http.handle_drain(out),
            SessionState::WebSocket(ws) => ws.socket.handle_drain(cx, retry_ms, out),
            SessionState::Stream(stream) => stream.handle_drain(retry_ms, out),
            SessionState::Held(held) => {
                let answer = held.handle_drain(out);
                self.answer_held(cx, answer, out);
            }
        }
    }

    /// Whether bytes can be given to it now; not while an answer is on its way that must come
    /// first.
    #[must_use]
    pub fn takes_bytes(&self, limits: &Limits) -> bool {
        match &self.state {
            SessionState::Proxied(_) | SessionState::Stream(_) => true,
            SessionState::Held(_) => false,
            SessionState::Http(http) => http.takes_bytes(),
            SessionState::WebSocket(ws) => ws.socket.takes_bytes(limits),
        }
    }

    /// When it has something to do if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Time {
        match &self.state {
            SessionState::Proxied(proxied) => proxied.deadline(),
            SessionState::Http(http) => http.deadline(),
            SessionState::WebSocket(ws) => ws.socket.deadline(),
            SessionState::Stream(stream) => stream.deadline(),
            SessionState::Held(held) => held.deadline(),
        }
    }

    /// A long poll that has its answer is HTTP again.
    fn answer_held(&mut self, cx: &Context, answer: Option<held::HeldAnswer>, out: &mut Outputs) {
        if let Some((exchange, recovery)) = answer {
            let http = HttpSession::answering(cx, exchange, &recovery, out);
            self.state = SessionState::Http(Box::new(http));
        }
    }
}

#[cfg(test)]
mod tests;
