//! What a figure of an arm is, and what it is taken from.

use crate::measure::stats::Latency;

use super::arm::Arm;
use super::unit::{Better, Unit};

/// What figures of an arm are taken from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmEvidence<'a> {
    /// Everything that was counted.
    pub arm: &'a Arm,
    /// Every delivery's staleness.
    pub staleness: &'a Latency,
}

/// One figure of an arm.
#[derive(Clone, Debug)]
pub(crate) struct ArmFigure {
    /// Its name in JSON, with its unit.
    pub name: &'static str,
    /// Its name for people, short enough for the head of a column.
    pub title: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Which side is better, where one is.
    pub better: Better,
    /// What it says, in a sentence without its full stop.
    pub meaning: &'static str,
    from: fn(ArmEvidence<'_>) -> Option<f64>,
}

impl ArmFigure {
    /// Its value.
    #[must_use]
    pub(crate) fn of(&self, seen: ArmEvidence<'_>) -> Option<f64> {
        (self.from)(seen)
    }
}

/// One figure.
pub(super) const fn of(
    name: &'static str,
    title: &'static str,
    unit: Unit,
    better: Better,
    meaning: &'static str,
    from: fn(ArmEvidence<'_>) -> Option<f64>,
) -> ArmFigure {
    ArmFigure {
        name,
        title,
        unit,
        better,
        meaning,
        from,
    }
}

/// A count, which is always known.
#[expect(clippy::unnecessary_wraps, reason = "a count is always known")]
pub(super) fn count(count: u64) -> Option<f64> {
    Some(count as f64)
}
