//! A whole comparison, as it stands in JSON, and what bounds on it are held against.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::figures::arm::ArmDeliveries;
use crate::figures::arm_bounds::ArmBound;
use crate::figures::got::REACH;
use crate::figures::histogram::Histogram;
use crate::figures::metric::Figures;
use crate::figures::of_run::RunKey;
use crate::figures::thresholds::Outcome;
use crate::host::sample::Machine;
use crate::measure::stats::Latency;

use super::cell::{ArmResult, Cell, Repeat};
use super::{bytes, crossing, lubbers};

/// The form of the JSON; it changes when a field changes its name or meaning.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// One comparison, as it stands in JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// The form of this JSON.
    pub schema_version: u32,
    /// `loadgen`.
    pub generator: String,
    /// The generator's version.
    pub generator_version: String,
    /// `compare`.
    pub command: String,
    /// The whole command line.
    pub command_line: String,
    /// `--preset`, if one was named.
    pub preset: Option<String>,
    /// Whether intervals and durations were divided by ten.
    pub quick: bool,
    /// When it began, since 1970.
    pub started_unix_ms: u64,
    /// How long it took.
    pub duration_seconds: f64,
    /// Where it ran.
    pub machine: Machine,
    /// The server's URL, or that it was a node of its own.
    pub target: String,
    /// How latency is measured, in words.
    pub latency_basis: String,
    /// How polls are spread, and what else belongs to every figure.
    pub notes: Vec<String>,
    /// The workloads, each with its arms.
    pub cells: Vec<Cell>,
    /// What an update, a poll and an idle hour cost, if that was asked for.
    #[serde(default)]
    pub bytes: Vec<bytes::Row>,
    /// The three cases of Lubbers and Greco, if they were asked for.
    pub lubbers: Vec<lubbers::Row>,
    /// Update rates at which polling becomes cheaper, if they were looked for.
    pub crossings: Vec<crossing::Crossing>,
    /// What follows from the figures, in sentences.
    pub findings: Vec<String>,
    /// Why the generator was the limit or the load not reached; empty if neither.
    pub limits: Vec<String>,
    /// What else a reader should know.
    pub warnings: Vec<String>,
    /// What became of `--fail`.
    pub thresholds: Vec<Outcome>,
}

impl Comparison {
    /// All of it as JSON.
    ///
    /// # Panics
    /// Never: every field is a number, a text, a list or a map of them.
    #[must_use]
    pub(crate) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When it is no comparison, or of another version.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let comparison: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if comparison.schema_version != SCHEMA_VERSION {
            return Err(format!(
                "its form is version {}, this program reads version {SCHEMA_VERSION}",
                comparison.schema_version
            ));
        }
        Ok(comparison)
    }

    /// What its arms are called, each once.
    #[must_use]
    pub(crate) fn arm_names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.arms().map(|arm| &arm.name).collect();
        names.into_iter().cloned().collect()
    }

    /// Every delivery of all arms.
    #[must_use]
    pub(crate) fn staleness(&self) -> Latency {
        joined(self.arms())
    }

    fn arms(&self) -> impl Iterator<Item = &ArmResult> {
        self.cells.iter().flat_map(|cell| &cell.arms)
    }

    fn arms_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ArmResult> {
        self.arms().filter(move |arm| arm.name == name)
    }
}

fn joined<'a>(arms: impl Iterator<Item = &'a ArmResult>) -> Latency {
    let mut all = Latency::new();
    arms.for_each(|arm| all.add(&arm.staleness()));
    all
}

impl Figures for Comparison {
    fn percentile(&self, of: Histogram, percentile: Option<f64>) -> Option<f64> {
        let staleness = (of == Histogram::Deliveries).then(|| self.staleness());
        staleness?.micros_at(percentile)
    }

    fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64> {
        joined(self.arms_of(arm)).micros_at(percentile)
    }

    fn arm_number(&self, arm: &str, bound: &ArmBound) -> Option<f64> {
        let repeats = self.arms_of(arm).flat_map(|arm| &arm.repeats);
        bound.of(repeats.map(Repeat::seen))
    }

    /// Sums over all arms, and the worst of them where a sum makes no sense.
    fn number(&self, key: RunKey) -> Option<f64> {
        let sum = |of: fn(&ArmDeliveries) -> u64| {
            let repeats = self.arms().flat_map(|arm| &arm.repeats);
            let counts = repeats.map(|repeat| of(&repeat.arm.deliveries));
            Some(counts.sum::<u64>() as f64)
        };
        match key {
            RunKey::Reach => {
                let figures = self.arms().filter_map(|arm| arm.figures.get(REACH.name));
                figures.map(|figure| figure.min).min_by(f64::total_cmp)
            }
            RunKey::Expected => sum(|got| got.expected),
            RunKey::Received => sum(|got| got.received),
            RunKey::Lost => sum(|got| got.lost),
            RunKey::Duplicated => sum(|got| got.duplicated),
            RunKey::Reordered => sum(|got| got.reordered),
            RunKey::Disagreements => {
                let figures = self.arms().flat_map(|arm| arm.figures.values());
                let off = figures.filter(|figure| figure.agrees() == Some(false));
                Some(off.count() as f64)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{page, synthetic, text};
    use super::*;
    use crate::base::golden;
    use crate::figures::arm_bounds::ARM_BOUNDS;

    #[test]
    fn a_comparison_survives_its_json() {
        let comparison = synthetic::comparison();
        let text = comparison.json();
        assert_eq!(Comparison::parse(&text), Ok(comparison));
        let other = text.replacen("\"schema_version\": 1", "\"schema_version\": 99", 1);
        let why = Comparison::parse(&other).expect_err("another version");
        assert!(why.contains("version 99"), "{why}");
        assert!(Comparison::parse("{}").is_err());
    }

    #[test]
    fn a_comparison_is_shown_as_it_was() {
        let comparison = synthetic::comparison();
        let html = page::page(&comparison).html();
        let shown = golden::report(&text::text(&comparison), &comparison.json(), &html);
        golden::check("comparison.txt", &shown);
    }

    #[test]
    fn each_repeat_of_an_arm_counts_once() {
        let mut comparison = synthetic::comparison();
        let arm = &mut comparison.cells[0].arms[0];
        let lost = [3, 4, 5].into_iter().zip(&mut arm.repeats);
        lost.for_each(|(lost, repeat)| repeat.arm.deliveries.lost = lost);
        comparison.cells.truncate(1);
        let lost = ARM_BOUNDS.iter().find(|bound| bound.name == "lost");
        let lost = lost.expect("a figure");
        assert_eq!(
            comparison.arm_number("ws", lost).map(f64::to_bits),
            Some(12f64.to_bits())
        );
    }
}
