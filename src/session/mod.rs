//! One client's state machine: PROXY head, HTTP requests, then perhaps a WebSocket.
//!
//! Pure: bytes, time and answers go in by `handle_*`, and what it wants comes out in [`Outputs`].
//! It knows no socket and no topic's contents; `shard::dispatch` turns its wishes into calls.
//! A session replaces itself: keep-alive HTTP, upgrade and WebSocket are one enum that becomes
//! its next form.

mod context;
mod http;
mod output;
mod proxied;
mod websocket;

pub use context::{Context, Rules};
pub use output::{Action, Outputs, Question, Reply};

use self::http::HttpSession;
use self::proxied::Proxied;
use self::websocket::WebSocketSession;
use crate::base::{Time, TopicName};
use crate::config::Limits;
use crate::hub::{PublishOutcome, Recovery};
use crate::wire::prepared::WireForm;

/// One client.
#[derive(Debug)]
pub struct Session {
    state: State,
}

/// What the client is to us now.
#[derive(Debug)]
enum State {
    /// A proxy is about to say who the client is.
    Proxied(Box<Proxied>),
    /// It speaks HTTP/1.
    Http(Box<HttpSession>),
    /// It speaks WebSocket frames.
    WebSocket(WebSocketSession),
}

impl Session {
    /// The session of a connection that was just accepted.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        let state = if context.door().proxy {
            State::Proxied(Box::new(Proxied::new(context)))
        } else {
            State::Http(Box::new(HttpSession::new(context)))
        };
        Self { state }
    }

    /// Takes bytes, at least one of them, and says how many. Call only while it
    /// [takes bytes](Session::takes_bytes), and again with the rest.
    pub fn handle_bytes(&mut self, cx: &Context, bytes: &mut [u8], out: &mut Outputs) -> usize {
        match &mut self.state {
            State::Proxied(proxied) => {
                let (taken, done) = proxied.handle_bytes(cx, bytes, out);
                if done {
                    self.state = State::Http(Box::new(HttpSession::new(cx)));
                }
                taken
            }
            State::Http(http) => {
                let (taken, upgraded) = http.handle_bytes(cx, bytes, out);
                if let Some(ws) = upgraded {
                    self.state = State::WebSocket(ws);
                }
                taken
            }
            State::WebSocket(ws) => ws.handle_bytes(cx, bytes, out),
        }
    }

    /// The subscription is there: `recovery` says from where.
    pub fn handle_subscribed(
        &mut self,
        cx: &Context,
        topic: &TopicName,
        recovery: &Recovery,
        out: &mut Outputs,
    ) {
        let State::Http(http) = &mut self.state else {
            return;
        };
        if let Some(ws) = http.handle_subscribed(cx, topic, recovery, out) {
            self.state = State::WebSocket(ws);
        }
    }

    /// The subscription was refused: there is no room for another topic.
    pub fn handle_topics_full(&mut self, cx: &Context, out: &mut Outputs) {
        if let State::Http(http) = &mut self.state {
            http.handle_topics_full(cx, out);
        }
    }

    /// A publish has come to an end.
    pub fn handle_published(&mut self, cx: &Context, outcome: &PublishOutcome, out: &mut Outputs) {
        match &mut self.state {
            State::Proxied(_) => {}
            State::Http(http) => http.handle_published(cx, outcome, out),
            State::WebSocket(ws) => ws.handle_published(cx, outcome, out),
        }
    }

    /// The node answers a question about itself.
    pub fn handle_reply(&mut self, cx: &Context, reply: &Reply, out: &mut Outputs) {
        if let State::Http(http) = &mut self.state {
            http.handle_reply(cx, reply, out);
        }
    }

    /// Its deadline has come.
    pub fn handle_timeout(&mut self, cx: &Context, out: &mut Outputs) {
        match &mut self.state {
            State::Proxied(proxied) => proxied.handle_timeout(out),
            State::Http(http) => http.handle_timeout(cx, out),
            State::WebSocket(ws) => ws.handle_timeout(cx, out),
        }
    }

    /// The client will send no more.
    pub fn handle_eof(&mut self, out: &mut Outputs) {
        match &mut self.state {
            State::Proxied(proxied) => proxied.handle_eof(out),
            State::Http(http) => http.handle_eof(out),
            State::WebSocket(ws) => ws.handle_eof(out),
        }
    }

    /// It reads too slowly: what was not sent yet is dropped.
    pub fn handle_slow(&mut self, cx: &Context, out: &mut Outputs) {
        if let State::WebSocket(ws) = &mut self.state {
            ws.handle_slow(cx, out);
        }
    }

    /// The node goes away; a client that comes back should wait `retry_ms` milliseconds.
    pub fn handle_drain(&mut self, cx: &Context, retry_ms: u64, out: &mut Outputs) {
        match &mut self.state {
            State::Proxied(_) => out.finish_draining(),
            State::Http(http) => http.handle_drain(out),
            State::WebSocket(ws) => ws.handle_drain(cx, retry_ms, out),
        }
    }

    /// Whether bytes can be given to it now; not while an answer is on its way that must come
    /// first.
    #[must_use]
    pub fn takes_bytes(&self, limits: &Limits) -> bool {
        match &self.state {
            State::Proxied(_) => true,
            State::Http(http) => http.takes_bytes(),
            State::WebSocket(ws) => ws.takes_bytes(limits),
        }
    }

    /// When it has something to do if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Time {
        match &self.state {
            State::Proxied(proxied) => proxied.deadline(),
            State::Http(http) => http.deadline(),
            State::WebSocket(ws) => ws.deadline(),
        }
    }

    /// In which form it wants publications.
    #[must_use]
    pub fn form(&self) -> WireForm {
        match &self.state {
            State::Http(http) => http.form(),
            State::Proxied(_) | State::WebSocket(_) => WireForm::Plain,
        }
    }
}

#[cfg(test)]
mod tests;
