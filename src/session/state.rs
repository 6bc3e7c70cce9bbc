//! What a client is to the node, and what it becomes by a subscription.

use super::held::HeldSession;
use super::http::HttpSession;
use super::proxied::ProxiedSession;
use super::stream::StreamSession;
use super::subscription::{Subscription, SubscriptionGoal};
use super::websocket::WebSocketSession;
use super::{Context, Outputs};
use crate::base::TopicName;
use crate::hub::Recovery;

/// What the client is to us now.
#[derive(Debug)]
pub(super) enum SessionState {
    /// A proxy is about to say who the client is.
    Proxied(Box<ProxiedSession>),
    /// It speaks HTTP/1.
    Http(Box<HttpSession>),
    /// It speaks WebSocket frames.
    WebSocket(WebSocketSession),
    /// It reads an answer that does not end.
    Stream(StreamSession),
    /// It waits for the answer to a long poll.
    Held(HeldSession),
}

impl SessionState {
    /// The subscription is there: `recovery` says from where.
    pub(super) fn subscribed(
        subscription: Subscription,
        cx: &Context,
        topic: &TopicName,
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Self {
        match subscription.becomes {
            SubscriptionGoal::WebSocket(switch, form) => {
                let on = (topic.clone(), form);
                let ws = WebSocketSession::subscriber(cx, &switch, on, recovery, out);
                Self::WebSocket(ws)
            }
            SubscriptionGoal::Stream(form) => Self::Stream(StreamSession::begin(
                cx,
                &subscription.exchange,
                form,
                recovery,
                out,
            )),
            SubscriptionGoal::Held(timeout) => {
                let position = recovery.position;
                let held = HeldSession::begin(cx, subscription.exchange, position, timeout, out);
                Self::Held(held)
            }
        }
    }
}
