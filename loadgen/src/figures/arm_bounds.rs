//! Which figures of an arm `--fail ARM.NAME` knows, by what name, and what of several repeats is
//! held against a bound.

use super::of_arm::{self, ArmFigure, Seen};

use Over::{Due, Least, Most, Sum};

/// A figure of an arm as `--fail` knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmBound {
    /// Its name behind that of an arm.
    pub name: &'static str,
    /// The figure.
    pub figure: &'static ArmFigure,
    over: Over,
}

/// What of several repeats, and of several workloads, is held against a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Over {
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
    bound("reach", Least, &of_arm::REACH),
    bound("expected", Due, &of_arm::EXPECTED),
    bound("received", Due, &of_arm::RECEIVED),
    bound("lost", Due, &of_arm::LOST),
    bound("duplicated", Due, &of_arm::DUPLICATED),
    bound("reordered", Due, &of_arm::REORDERED),
    bound("merged", Most, &of_arm::MERGED),
    bound("outdated", Most, &of_arm::OUTDATED),
    bound("requests_rate", Most, &of_arm::REQUESTS_RATE),
    bound(
        "requests_per_delivery",
        Most,
        &of_arm::REQUESTS_PER_DELIVERY,
    ),
    bound("empty", Most, &of_arm::EMPTY),
    bound("late", Sum, &of_arm::LATE),
    bound("broken", Sum, &of_arm::BROKEN),
    bound("app_bytes", Most, &of_arm::APP_BYTES),
    bound("wire_bytes", Most, &of_arm::WIRE_BYTES),
    bound("connected", Least, &of_arm::CONNECTED),
    bound("rss_per_conn", Most, &of_arm::MEMORY),
    bound("cpu_per_delivery", Most, &of_arm::CPU_PER_DELIVERY),
];

const fn bound(name: &'static str, over: Over, figure: &'static ArmFigure) -> ArmBound {
    ArmBound { name, figure, over }
}

impl ArmBound {
    /// What is held against the bound.
    #[must_use]
    pub(crate) fn of<'a>(&self, repeats: impl IntoIterator<Item = Seen<'a>>) -> Option<f64> {
        let is_due = |seen: &Seen<'_>| self.over != Due || seen.arm.deliveries.expected > 0;
        let values = repeats.into_iter().filter(is_due);
        let values = values.filter_map(|seen| self.figure.of(seen));
        values.reduce(match self.over {
            Due | Sum => |a, b| a + b,
            Least => f64::min,
            Most => f64::max,
        })
    }
}
