//! The load of one cell of a comparison.

use serde::{Deserialize, Serialize};

use crate::model::Arrivals;

/// What is published to whom.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Workload {
    /// Clients of each arm.
    pub clients: u32,
    /// Topics; the clients of an arm are spread over them.
    pub topics: u32,
    /// Publishers.
    pub publishers: u32,
    /// Publications a second over all topics; 0 for an idle cell.
    pub rate: f64,
    /// How they are spread over time.
    pub arrivals: Arrivals,
    /// Bytes of a payload.
    pub size_bytes: u64,
}

impl Workload {
    /// Publications a second that one client is to get.
    #[must_use]
    pub fn rate_of_a_client(&self) -> f64 {
        self.rate / f64::from(self.topics.max(1))
    }
}
