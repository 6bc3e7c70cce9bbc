//! What every owner of a shard is lent: settings, time, and where it counts what it does.

use std::sync::Arc;

use super::settings::Settings;
use crate::base::{ShardId, Time};
use crate::config::Limits;
use crate::mesh::NodeState;
use crate::metrics::ShardMetrics;

/// What all parts of a shard look at and none of them changes, but for the turn, which moves time.
pub(super) struct Surroundings {
    pub(super) id: ShardId,
    /// The moment of this turn.
    pub(super) now: Time,
    pub(super) settings: Arc<Settings>,
    pub(super) node: Arc<NodeState>,
    pub(super) metrics: Arc<ShardMetrics>,
    pub(super) clock: Box<dyn Fn() -> Time>,
}

impl Surroundings {
    /// Every bound.
    pub(super) fn limits(&self) -> &Limits {
        &self.settings.rules.limits
    }

    /// The present moment, within the turn.
    pub(super) fn clock(&self) -> Time {
        (self.clock)()
    }
}
