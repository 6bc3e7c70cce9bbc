//! A reader between its request and the answer of the topic's home.

use std::time::Duration;

use super::exchange::Exchange;
use super::manner::Manner;
use super::socket::Switch;
use crate::hub::Recovery;
use crate::wire::prepared::WireForm;

/// What was asked for; it comes, or is refused, with the answer.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) exchange: Exchange,
    pub(super) manner: Manner,
    pub(super) becomes: SubscriptionGoal,
}

/// What a session is once it is subscribed.
#[derive(Debug)]
pub(super) enum SubscriptionGoal {
    WebSocket(Switch, WireForm),
    Stream(WireForm),
    /// For so long.
    Held(Duration),
}

impl Subscription {
    /// Whether the answer to a subscribe is all that a long poll waits for.
    pub(super) fn is_answered_by(&self, recovery: &Recovery) -> bool {
        match self.becomes {
            SubscriptionGoal::Held(timeout) => {
                let is_new = !recovery.recovered || !recovery.publications.is_empty();
                let is_known = self.exchange.known.has(recovery.position);
                timeout.is_zero() || is_new && !is_known
            }
            SubscriptionGoal::WebSocket(..) | SubscriptionGoal::Stream(_) => false,
        }
    }
}
