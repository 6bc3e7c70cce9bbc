//! How long a round is published, how much, and at which rates.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::num::nanos;

/// What one round publishes.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Course {
    /// How much.
    pub extent: Extent,
    /// From how many a second to how many, where that differs from the plan.
    pub rates: Option<(f64, f64)>,
    /// How much earlier publishing begins than measuring, in nanoseconds: polls find what was
    /// published in the interval before them.
    pub lead: u64,
}

impl From<Extent> for Course {
    fn from(extent: Extent) -> Self {
        Self {
            extent,
            rates: None,
            lead: 0,
        }
    }
}

/// How long a round publishes, for the publishing worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Extent {
    /// At most so many publications.
    pub messages: u64,
    /// At most so long, in nanoseconds.
    pub nanos: u64,
}

impl Extent {
    /// From `--messages`, or else `--duration`.
    #[must_use]
    pub fn new(messages: Option<u64>, duration: Option<Duration>) -> Self {
        match messages {
            Some(messages) => Self {
                messages,
                nanos: u64::MAX,
            },
            None => Self::lasting(duration.unwrap_or(Duration::from_secs(10))),
        }
    }

    /// A time alone.
    #[must_use]
    pub fn lasting(duration: Duration) -> Self {
        Self {
            messages: u64::MAX,
            nanos: nanos(duration),
        }
    }
}
