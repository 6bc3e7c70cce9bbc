//! What all shards of a node share and nobody changes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::HashKey;
use crate::metrics::Format;
use crate::session::Rules;

/// The node's rules and bounds.
pub struct Settings {
    /// What sessions need to know: bounds, who may do what, and the listeners in the order in
    /// which each shard's driver has them.
    pub rules: Arc<Rules>,
    /// The secret of all maps, and of where a topic's home is.
    pub hash_key: HashKey,
    /// How long publications are collected before they are written; zero: until the turn ends.
    pub coalesce: Duration,
    /// What the node's own pages say.
    pub pages: Pages,
}

/// The bodies of the node's own pages.
pub struct Pages {
    /// The dashboard.
    pub dashboard: &'static str,
    /// One topic by every transport.
    pub compare: &'static str,
    /// The script of the client that falls back.
    pub client: &'static str,
    /// The script that both pages have.
    pub common: &'static str,
    /// Makes the text of `/metrics`.
    pub metrics: Box<dyn Fn(Format) -> String + Send + Sync>,
}

impl Settings {
    /// Whether a listener has one socket for all shards, so that what it accepts is handed
    /// around; the others have one socket a shard.
    #[must_use]
    pub fn is_shared(&self, door: u16) -> bool {
        self.rules
            .doors
            .get(usize::from(door))
            .is_some_and(|door| door.unix)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}
