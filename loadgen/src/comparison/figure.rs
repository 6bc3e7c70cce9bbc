//! One figure of an arm, measured beside predicted.

use serde::{Deserialize, Serialize};

/// One figure of an arm.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Half of the repeats are at most this.
    pub median: f64,
    /// The least of the repeats.
    pub min: f64,
    /// The most of the repeats.
    pub max: f64,
    /// What the model says.
    pub predicted: Option<f64>,
    /// Measured less predicted, in percent of predicted; none where nothing was predicted, or
    /// nothing but 0.
    pub error_percent: Option<f64>,
    /// How far off counts as agreement, where that was asked for.
    pub tolerance_percent: Option<f64>,
}

impl Figure {
    /// Whether the prediction holds; `None` where none was asked for.
    #[must_use]
    pub(crate) fn agrees(&self) -> Option<bool> {
        let (predicted, tolerance) = (self.predicted?, self.tolerance_percent?);
        let off = (self.median - predicted).abs();
        // Where next to nothing is predicted, next to nothing is agreement.
        let slack = if self.error_percent.is_none() && tolerance > 0.0 {
            SLACK
        } else {
            ROUNDING
        };
        Some(off <= predicted.abs() * tolerance / 100.0 + slack)
    }
}

/// What floating point may be off by.
const ROUNDING: f64 = 1e-6;

/// What a share of less than a percent may be off by, in points.
const SLACK: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_agrees_within_its_tolerance() {
        let figure = |median, predicted| Figure {
            median,
            min: median,
            max: median,
            predicted,
            error_percent: predicted.filter(|p| *p > 0.0).map(|p| median - p),
            tolerance_percent: Some(5.0),
        };
        assert_eq!(figure(104.9, Some(100.0)).agrees(), Some(true));
        assert_eq!(figure(105.1, Some(100.0)).agrees(), Some(false));
        assert_eq!(figure(0.4, Some(0.0)).agrees(), Some(true));
        assert_eq!(figure(0.6, Some(0.0)).agrees(), Some(false));
        assert_eq!(figure(1.0, None).agrees(), None);
    }
}
