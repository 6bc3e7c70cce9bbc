//! A reader between its request and the answer of the topic's home.

use std::time::Duration;

use super::exchange::Exchange;
use super::held::HeldSession;
use super::socket::Switch;
use super::stream::StreamSession;
use super::websocket::WebSocketSession;
use super::{Context, Manner, Outputs, State};
use crate::base::TopicName;
use crate::hub::Recovery;
use crate::wire::prepared::WireForm;

/// What was asked for; it comes, or is refused, with the answer.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) exchange: Exchange,
    pub(super) manner: Manner,
    pub(super) becomes: Becomes,
}

/// What a session is once it is subscribed.
#[derive(Debug)]
pub(super) enum Becomes {
    WebSocket(Switch, WireForm),
    Stream(WireForm),
    /// For so long.
    Held(Duration),
}

impl Subscription {
    /// Whether the answer to a subscribe is all that a long poll waits for.
    pub(super) fn is_answered_by(&self, recovery: &Recovery) -> bool {
        match self.becomes {
            Becomes::Held(timeout) => {
                let is_new = !recovery.recovered || !recovery.publications.is_empty();
                let is_known = self.exchange.known.has(recovery.position);
                timeout.is_zero() || is_new && !is_known
            }
            Becomes::WebSocket(..) | Becomes::Stream(_) => false,
        }
    }

    /// The subscription is there: `recovery` says from where.
    pub(super) fn begin(
        self,
        cx: &Context,
        topic: &TopicName,
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> State {
        match self.becomes {
            Becomes::WebSocket(switch, form) => {
                let on = (topic.clone(), form);
                let ws = WebSocketSession::subscriber(cx, &switch, on, recovery, out);
                State::WebSocket(ws)
            }
            Becomes::Stream(form) => State::Stream(StreamSession::begin(
                cx,
                &self.exchange,
                form,
                recovery,
                out,
            )),
            Becomes::Held(timeout) => {
                let position = recovery.position;
                let held = HeldSession::begin(cx, self.exchange, position, timeout, out);
                State::Held(held)
            }
        }
    }
}
