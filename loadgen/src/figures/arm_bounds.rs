//! Which figures of an arm `--fail ARM.NAME` knows, by what name, and what of several repeats is
//! held against a bound.

use super::arm_figure::{ArmEvidence, ArmFigure};
use super::{got, took};

use Folding::{Due, Least, Most, Sum};

/// A figure of an arm as `--fail` knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmBound {
    /// Its name behind that of an arm.
    pub name: &'static str,
    /// The figure.
    pub figure: &'static ArmFigure,
    over: Folding,
}

/// What of several repeats, and of several workloads, is held against a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Folding {
    /// All together; nothing where no delivery was due, since nothing can be wrong with it.
    Due,
    /// All together.
    Sum,
    /// The least.
    Least,
    /// The most.
    Most,
}

/// All of them.
pub(crate) const ARM_BOUNDS: &[ArmBound] = &[
    bound("reach", Least, &got::REACH),
    bound("expected", Due, &got::EXPECTED),
    bound("received", Due, &got::RECEIVED),
    bound("lost", Due, &got::LOST),
    bound("duplicated", Due, &got::DUPLICATED),
    bound("reordered", Due, &got::REORDERED),
    bound("merged", Most, &got::MERGED),
    bound("outdated", Most, &got::OUTDATED),
    bound("requests_rate", Most, &took::REQUESTS_RATE),
    bound("requests_per_delivery", Most, &took::REQUESTS_PER_DELIVERY),
    bound("empty", Most, &took::EMPTY),
    bound("late", Sum, &took::LATE),
    bound("broken", Sum, &took::BROKEN),
    bound("app_bytes", Most, &took::APP_BYTES),
    bound("wire_bytes", Most, &took::WIRE_BYTES),
    bound("connected", Least, &took::CONNECTED),
    bound("rss_per_conn", Most, &took::MEMORY),
    bound("cpu_per_delivery", Most, &took::CPU_PER_DELIVERY),
];

const fn bound(name: &'static str, over: Folding, figure: &'static ArmFigure) -> ArmBound {
    ArmBound { name, figure, over }
}

impl ArmBound {
    /// What is held against the bound.
    #[must_use]
    pub(crate) fn of<'a>(&self, repeats: impl IntoIterator<Item = ArmEvidence<'a>>) -> Option<f64> {
        let is_due = |seen: &ArmEvidence<'_>| self.over != Due || seen.arm.deliveries.expected > 0;
        let values = repeats.into_iter().filter(is_due);
        let values = values.filter_map(|seen| self.figure.of(seen));
        values.reduce(match self.over {
            Due | Sum => |a, b| a + b,
            Least => f64::min,
            Most => f64::max,
        })
    }
}
