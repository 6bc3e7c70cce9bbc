//! A comparison: arms of several transports under one workload, measured beside predicted.
//!
//! Data and what follows from it alone: [`figures`] names every figure and finds it in what was
//! measured, [`predict`] asks [`crate::model`] for it, [`text`] and [`page`] show it. Who runs
//! the arms is [`crate::run::compare`]; nothing here knows of processes or sockets.
//!
//! The JSON of a comparison holds everything, histograms included, so that a report can be drawn
//! again and runs of several machines can be joined without loss.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::figures::thresholds::{Figures, Outcome};
use crate::host::sample::Machine;
use crate::measure::stats::{Latency, micros};
use crate::plan::workload::Workload;
use crate::report::arm::{Arm, ArmDeliveries};

pub mod bytes;
pub mod crossing;
pub mod figures;
pub mod groups;
pub mod logs;
pub mod lubbers;
pub mod page;
pub mod predict;
pub mod tables;
pub mod text;

#[cfg(test)]
pub(crate) mod synthetic;

/// The form of the JSON; it changes when a field changes its name or meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// One comparison, as it stands in JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Comparison {
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

/// One workload and the arms that met it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// What it is called: `one update a second`.
    pub name: String,
    /// What was asked for.
    pub workload: Workload,
    /// Whether all arms ran at once; otherwise each ran alone, in turns over the repeats.
    pub side_by_side: bool,
    /// The arms.
    pub arms: Vec<ArmResult>,
}

/// One arm in one cell.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ArmResult {
    /// Its name, such as `ws` or `poll-2s`; once in a cell.
    pub name: String,
    /// What was known before the run: bytes of heads, what the server sends in a second.
    pub basis: Basis,
    /// Median and range over the repeats, and the prediction, by name.
    pub figures: BTreeMap<String, Figure>,
    /// What each repeat measured.
    pub repeats: Vec<Repeat>,
}

/// One repeat of an arm.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Repeat {
    /// When it began, since 1970.
    pub started_unix_ms: u64,
    /// Everything that was counted.
    pub arm: Arm,
    /// Every delivery's staleness.
    pub staleness: Latency,
    /// The same, second by second.
    pub seconds: Vec<Second>,
}

/// The deliveries of about a second.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Second {
    /// From the first publication, in milliseconds.
    pub start_ms: f64,
    /// Their staleness.
    pub staleness: Latency,
}

/// What a prediction starts from: bytes that were read off one exchange, and two times from a
/// calibration before the run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Basis {
    /// A whole request.
    pub request_bytes: Option<f64>,
    /// An answer with publications, without them.
    pub full_answer_bytes: Option<f64>,
    /// An answer without publications.
    pub empty_answer_bytes: Option<f64>,
    /// One publication as it arrives: framed, or in an answer.
    pub publication_bytes: Option<f64>,
    /// What keeps a silent connection alive: bytes of one round.
    pub keepalive_bytes: Option<f64>,
    /// From one of these to the next, or the timeout of a long poll.
    pub keepalive_seconds: Option<f64>,
    /// From a publication to its first delivery.
    pub delay_us: Option<f64>,
    /// From its first delivery to its last.
    pub drain_us: Option<f64>,
}

/// One figure of an arm.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figure {
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
    pub fn agrees(&self) -> Option<bool> {
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

impl Comparison {
    /// All of it as JSON.
    ///
    /// # Panics
    /// Never: every field is a number, a text, a list or a map of them.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When it is no comparison, or of another version.
    pub fn parse(text: &str) -> Result<Self, String> {
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
    pub fn arm_names(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.arms().map(|arm| &arm.name).collect();
        names.into_iter().cloned().collect()
    }

    /// Every delivery of all arms.
    #[must_use]
    pub fn staleness(&self) -> Latency {
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

fn percentile_us(staleness: &Latency, percentile: Option<f64>) -> Option<f64> {
    match percentile {
        None => staleness.mean().map(|nanos| nanos / 1e3),
        Some(place) => staleness.percentile(place).map(micros),
    }
}

/// Figures of an arm that add up over its repeats and workloads; of the others the worst counts.
const SUMS: &[&str] = &[
    "expected",
    "received",
    "lost",
    "duplicated",
    "reordered",
    "late",
    "broken",
];

impl Figures for Comparison {
    fn percentile(&self, prefix: &str, percentile: Option<f64>) -> Option<f64> {
        prefix
            .is_empty()
            .then(|| percentile_us(&self.staleness(), percentile))?
    }

    fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64> {
        percentile_us(&joined(self.arms_of(arm)), percentile)
    }

    fn arm_numbers(&self, arm: &str) -> BTreeMap<&'static str, f64> {
        let mut numbers: BTreeMap<&'static str, f64> = BTreeMap::new();
        let repeats = self.arms_of(arm).flat_map(|arm| &arm.repeats);
        for (name, value) in repeats.flat_map(|repeat| repeat.arm.numbers()) {
            let Some(value) = value else { continue };
            let all = match numbers.get(name) {
                None => value,
                Some(so_far) if SUMS.contains(&name) => so_far + value,
                Some(so_far) if matches!(name, "reach" | "connected") => so_far.min(value),
                Some(so_far) => so_far.max(value),
            };
            numbers.insert(name, all);
        }
        numbers
    }

    /// Sums over all arms, and the worst of them where a sum makes no sense.
    fn numbers(&self) -> BTreeMap<&'static str, f64> {
        let arms = || self.arms();
        let repeats = || arms().flat_map(|arm| &arm.repeats);
        let sum = |of: fn(&ArmDeliveries) -> u64| {
            let counts = repeats().map(|repeat| of(&repeat.arm.deliveries));
            counts.sum::<u64>() as f64
        };
        let reach = arms().filter_map(|arm| Some(arm.figures.get("reach_percent")?.min));
        let figures = arms().flat_map(|arm| arm.figures.values());
        let off = figures.filter(|figure| figure.agrees() == Some(false));
        let mut numbers = BTreeMap::from([
            ("expected", sum(|got| got.expected)),
            ("received", sum(|got| got.received)),
            ("lost", sum(|got| got.lost)),
            ("duplicated", sum(|got| got.duplicated)),
            ("reordered", sum(|got| got.reordered)),
            ("disagreements", off.count() as f64),
        ]);
        if let Some(worst) = reach.min_by(f64::total_cmp) {
            numbers.insert("reach", worst);
        }
        numbers
    }
}

impl ArmResult {
    /// Puts the repeats of an arm into figures; predictions follow by [`predict`].
    #[must_use]
    pub fn new(name: &str, basis: Basis, repeats: Vec<Repeat>) -> Self {
        let mut result = Self {
            name: name.to_owned(),
            basis,
            figures: BTreeMap::new(),
            repeats,
        };
        result.figures = figures::measured(&result.repeats);
        result
    }

    /// Every delivery of all repeats.
    #[must_use]
    pub fn staleness(&self) -> Latency {
        let mut all = Latency::new();
        self.repeats.iter().for_each(|r| all.add(&r.staleness));
        all
    }

    /// A figure's median, if it was measured.
    #[must_use]
    pub fn median(&self, name: &str) -> Option<f64> {
        Some(self.figures.get(name)?.median)
    }

    /// The arm as its first repeat describes it.
    #[must_use]
    pub fn arm(&self) -> Option<&Arm> {
        Some(&self.repeats.first()?.arm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::golden;

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
        assert_eq!(
            comparison.arm_numbers("ws")["lost"].to_bits(),
            12f64.to_bits()
        );
    }

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
