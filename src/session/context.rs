//! What a session needs to know of its surroundings when something happens.

use std::sync::Arc;

use crate::base::Time;
use crate::config::Limits;
use crate::http::{Door, Policy};

/// What is the same for all sessions of a node.
#[derive(Debug)]
pub struct Rules {
    /// Every bound.
    pub limits: Limits,
    /// Who may do what.
    pub policy: Policy,
    /// The listeners, by their number.
    pub doors: Vec<Door>,
}

/// The moment in which a session handles something.
#[derive(Clone, Debug)]
pub struct Context {
    /// The node's rules.
    pub rules: Arc<Rules>,
    /// The present moment.
    pub now: Time,
    /// By which listener the client came.
    pub door: u16,
    /// The node is full: this connection is from the reserve, for health checks and a 503.
    pub is_full: bool,
    /// Whether the node still takes new subscribers.
    pub takes_upgrades: bool,
    /// The node is going away: connections are not kept for a further request.
    pub is_draining: bool,
    /// A random number, for spreading.
    pub random: u64,
}

impl Context {
    /// Every bound.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.rules.limits
    }

    /// The listener by which the client came.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.rules.doors[usize::from(self.door)]
    }
}
