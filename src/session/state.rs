//! What a client is to the node, and what it becomes by a subscription.

use super::held::HeldSession;
use super::http::HttpSession;
use super::proxied::Proxied;
use super::stream::StreamSession;
use super::subscription::{Becomes, Subscription};
use super::websocket::WebSocketSession;
use super::{Context, Outputs};
use crate::base::TopicName;
use crate::hub::Recovery;

/// What the client is to us now.
#[derive(Debug)]
pub(super) enum State {
    /// A proxy is about to say who the client is.
    Proxied(Box<Proxied>),
    /// It speaks HTTP/1.
    Http(Box<HttpSession>),
    /// It speaks WebSocket frames.
    WebSocket(WebSocketSession),
    /// It reads an answer that does not end.
    Stream(StreamSession),
    /// It waits for the answer to a long poll.
    Held(HeldSession),
}

impl State {
    /// The subscription is there: `recovery` says from where.
    pub(super) fn subscribed(
        subscription: Subscription,
        cx: &Context,
        topic: &TopicName,
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Self {
        match subscription.becomes {
            Becomes::WebSocket(switch, form) => {
                let on = (topic.clone(), form);
                let ws = WebSocketSession::subscriber(cx, &switch, on, recovery, out);
                Self::WebSocket(ws)
            }
            Becomes::Stream(form) => Self::Stream(StreamSession::begin(
                cx,
                &subscription.exchange,
                form,
                recovery,
                out,
            )),
            Becomes::Held(timeout) => {
                let position = recovery.position;
                let held = HeldSession::begin(cx, subscription.exchange, position, timeout, out);
                Self::Held(held)
            }
        }
    }
}
