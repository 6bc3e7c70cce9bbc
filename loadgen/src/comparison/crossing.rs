//! The update rate above which polling takes fewer bytes than push: measured, and predicted.

use serde::{Deserialize, Serialize};

/// One polling interval against push.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Crossing {
    /// The polling arm.
    pub poll: String,
    /// The arm that is pushed to.
    pub push: String,
    /// From one poll to the next.
    pub interval_ms: f64,
    /// Whether the server conflates to one push an interval.
    pub conflated: bool,
    /// What was measured, by rising rate.
    pub points: Vec<Point>,
    /// The same curves from the model, at more rates.
    pub predicted_points: Vec<Point>,
    /// Updates a second where the measured curves cross.
    pub found_per_second: Option<f64>,
    /// Where the model's curves cross.
    pub predicted_per_second: Option<f64>,
    /// The rule of thumb, λ = c_poll/(T·c_push).
    pub rule_of_thumb_per_second: Option<f64>,
}

/// Both arms at one update rate.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Updates a second.
    pub rate: f64,
    /// Wire bytes of one polling client in a second.
    pub poll_bytes_per_second: f64,
    /// Wire bytes of one client in a second that is pushed to.
    pub push_bytes_per_second: f64,
}

impl Crossing {
    /// Looks for the crossing in the measured points.
    pub(crate) fn find(&mut self) {
        let points: Vec<(f64, f64, f64)> = self
            .points
            .iter()
            .map(|p| (p.rate, p.poll_bytes_per_second, p.push_bytes_per_second))
            .collect();
        self.found_per_second = crate::model::crossover::found(&points);
    }

    /// Found less predicted, in percent of predicted.
    #[must_use]
    pub(crate) fn error_percent(&self) -> Option<f64> {
        let (found, predicted) = (self.found_per_second?, self.predicted_per_second?);
        Some(100.0 * (found - predicted) / predicted)
    }
}
