//! What a bound is about: a figure of a run or of one of its arms, by name.

use super::arm_bounds::{ARM_BOUNDS, ArmBound};
use super::histogram::Histogram;
use super::of_run::{OF_RUN, RunFigure, RunKey};
use super::unit::Unit;

/// Where figures come from.
pub(crate) trait Figures {
    /// A percentile of a histogram in microseconds; 100 is the maximum, `None` the mean.
    fn percentile(&self, of: Histogram, percentile: Option<f64>) -> Option<f64>;
    /// A single number.
    fn number(&self, key: RunKey) -> Option<f64>;
    /// A percentile of the staleness of one arm.
    fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64>;
    /// A single number of one arm.
    fn arm_number(&self, arm: &str, bound: &ArmBound) -> Option<f64>;
}

/// A figure that was named. A percentile of 100 is the maximum, `None` the mean.
#[derive(Clone, Debug)]
pub(crate) enum Metric {
    /// Of all deliveries, or of whatever else was timed.
    Percentile(Histogram, Option<f64>),
    Number(&'static RunFigure),
    /// Of the staleness of one arm.
    ArmPercentile(String, Option<f64>),
    ArmNumber(String, &'static ArmBound),
}

impl Metric {
    /// Reads a name, which may be behind that of one of `arms`, as in `sse.p99`.
    ///
    /// # Errors
    /// Says what is known.
    pub(crate) fn parse(name: &str, arms: &[&str]) -> Result<Self, String> {
        match split_arm(name) {
            Some((arm, _)) if !arms.contains(&arm) => Err(no_arm(arm, arms)),
            Some((arm, name)) => Self::of_arm(arm, name).ok_or_else(|| unknown_of_arm(name)),
            None => Self::of_run(name).ok_or_else(|| unknown(name)),
        }
    }

    fn of_run(name: &str) -> Option<Self> {
        if let Some(figure) = OF_RUN.iter().find(|known| known.bound == name) {
            return Some(Self::Number(figure));
        }
        // The empty prefix fits everything, so it comes last.
        Histogram::ALL.iter().rev().find_map(|histogram| {
            let place = name.strip_prefix(histogram.prefix())?;
            Some(Self::Percentile(*histogram, parse_place(place)?))
        })
    }

    fn of_arm(arm: &str, name: &str) -> Option<Self> {
        let arm = arm.to_owned();
        match ARM_BOUNDS.iter().find(|known| known.name == name) {
            Some(bound) => Some(Self::ArmNumber(arm, bound)),
            None => Some(Self::ArmPercentile(arm, parse_place(name)?)),
        }
    }

    /// What it is counted in.
    pub(crate) fn unit(&self) -> Unit {
        match self {
            Self::Percentile(..) | Self::ArmPercentile(..) => Unit::Time,
            Self::Number(figure) => figure.unit,
            Self::ArmNumber(_, bound) => bound.figure.unit,
        }
    }

    /// Its value, if that was measured.
    pub(crate) fn of(&self, figures: &impl Figures) -> Option<f64> {
        match self {
            Self::Percentile(histogram, place) => figures.percentile(*histogram, *place),
            Self::Number(figure) => figures.number(figure.key),
            Self::ArmPercentile(arm, place) => figures.arm_percentile(arm, *place),
            Self::ArmNumber(arm, bound) => figures.arm_number(arm, bound),
        }
    }
}

fn parse_place(place: &str) -> Option<Option<f64>> {
    match place {
        "max" => Some(Some(100.0)),
        "min" => Some(Some(0.0)),
        "mean" => Some(None),
        _ => {
            let digits = place.strip_prefix('p')?;
            let legal = digits.starts_with(|c: char| c.is_ascii_digit());
            let percentile: f64 = digits.parse().ok().filter(|_| legal)?;
            (percentile <= 100.0).then_some(Some(percentile))
        }
    }
}

/// An arm's name and what stands behind the point; a point in a number is none.
fn split_arm(name: &str) -> Option<(&str, &str)> {
    let (arm, rest) = name.split_once('.')?;
    rest.starts_with(|c: char| c.is_ascii_alphabetic())
        .then_some((arm, rest))
}

fn no_arm(arm: &str, arms: &[&str]) -> String {
    format!(
        "`{arm}` is no arm of this run; they are {}",
        arms.join(", ")
    )
}

fn unknown_of_arm(name: &str) -> String {
    let names: Vec<_> = ARM_BOUNDS.iter().map(|bound| bound.name).collect();
    format!(
        "`{name}` is no figure of an arm; known are p50, p99, p99.9, min, mean, max and {}",
        names.join(", ")
    )
}

fn unknown(name: &str) -> String {
    let prefixes = Histogram::ALL.map(Histogram::prefix);
    let names: Vec<_> = OF_RUN.iter().map(|figure| figure.bound).collect();
    format!(
        "`{name}` is no figure; known are p50, p99, p99.9, min, mean, max, also after {}, and {}",
        prefixes[1..].join(", "),
        names.join(", ")
    )
}
