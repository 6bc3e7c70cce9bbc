//! What was measured of one workload: its arms, their repeats, and what was known before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::figures::arm::Arm;
use crate::figures::arm_figure::{ArmEvidence, ArmFigure};
use crate::figures::of_arm::COMPARED;
use crate::figures::range::Range;
use crate::measure::stats::Latency;
use crate::plan::workload::Workload;

use super::figure::Figure;

/// One workload and the arms that met it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
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
pub(crate) struct ArmResult {
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
pub(crate) struct Repeat {
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
pub(crate) struct Second {
    /// From the first publication, in milliseconds.
    pub start_ms: f64,
    /// Their staleness.
    pub staleness: Latency,
}

/// What a prediction starts from: bytes that were read off one exchange, and two times from a
/// calibration before the run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Basis {
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

impl Repeat {
    /// What its figures are taken from.
    #[must_use]
    pub(crate) fn seen(&self) -> ArmEvidence<'_> {
        ArmEvidence {
            arm: &self.arm,
            staleness: &self.staleness,
        }
    }
}

impl ArmResult {
    /// Puts the repeats of an arm into figures; predictions follow by [`super::predict`].
    #[must_use]
    pub(crate) fn new(name: &str, basis: Basis, repeats: Vec<Repeat>) -> Self {
        let mut result = Self {
            name: name.to_owned(),
            basis,
            figures: BTreeMap::new(),
            repeats,
        };
        result.figures = measured(&result.repeats);
        result
    }

    /// Every delivery of all repeats.
    #[must_use]
    pub(crate) fn staleness(&self) -> Latency {
        let mut all = Latency::new();
        self.repeats.iter().for_each(|r| all.add(&r.staleness));
        all
    }

    /// A figure's median, if it was measured.
    #[must_use]
    pub(crate) fn median(&self, figure: &ArmFigure) -> Option<f64> {
        Some(self.figures.get(figure.name)?.median)
    }

    /// The arm as its first repeat describes it.
    #[must_use]
    pub(crate) fn arm(&self) -> Option<&Arm> {
        Some(&self.repeats.first()?.arm)
    }
}

/// Median and range of every figure that the repeats have.
fn measured(repeats: &[Repeat]) -> BTreeMap<String, Figure> {
    let figure = |figure: &&ArmFigure| {
        let values: Vec<f64> = repeats
            .iter()
            .filter_map(|it| figure.of(it.seen()))
            .collect();
        let Range { median, min, max } = Range::of(&values)?;
        let found = Figure {
            median,
            min,
            max,
            predicted: None,
            error_percent: None,
            tolerance_percent: None,
        };
        Some((figure.name.to_owned(), found))
    };
    COMPARED.iter().filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn a_figure_is_the_median_of_its_repeats() {
        let repeats: Vec<Repeat> = [90.0, 100.0, 98.0]
            .into_iter()
            .map(|reach| {
                let mut repeat = synthetic::repeat("ws", 0);
                repeat.arm.deliveries.reach_percent = Some(reach);
                repeat
            })
            .collect();
        let figures = measured(&repeats);
        let reach = &figures["reach_percent"];
        assert_eq!((reach.median, reach.min, reach.max), (98.0, 90.0, 100.0));
        assert!(measured(&[]).is_empty());
    }
}
