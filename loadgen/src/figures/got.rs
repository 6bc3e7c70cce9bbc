//! The figures of an arm about what its clients got, each once.

use crate::base::num::percent;
use crate::measure::stats::micros;

use super::arm_figure::{ArmEvidence, ArmFigure, count, of};
use super::unit::{Better, Unit};

use Better::{Higher, Lower, Neither};
use Unit::{Count, Percent, Time};

pub(crate) const REACH: ArmFigure = of(
    "reach_percent",
    "delivered",
    Percent,
    Higher,
    "deliveries that came, of those that were due",
    |of| of.arm.deliveries.reach_percent,
);

pub(crate) const LOST: ArmFigure = of(
    "lost",
    "lost",
    Count,
    Lower,
    "deliveries that never came",
    |of| Some(of.arm.deliveries.lost as f64),
);

pub(crate) const MERGED: ArmFigure = of(
    "merged_percent",
    "merged",
    Percent,
    Neither,
    "deliveries that came together with a later one and were never shown alone",
    |of| of.arm.deliveries.merged_percent,
);

pub(crate) const LEFT_OUT: ArmFigure = of(
    "left_out_percent",
    "left out",
    Percent,
    Neither,
    "publications that were left out by design: conflated, or skipped by the newest",
    |of| {
        let got = &of.arm.deliveries;
        let skips = of.arm.conflate_ms.is_some() || of.arm.newest;
        percent(got.left_out, got.left_out + got.expected).filter(|_| skips)
    },
);

pub(crate) const OUTDATED: ArmFigure = of(
    "outdated_percent",
    "shows old data",
    Percent,
    Lower,
    "share of time in which a client did not have the newest publication",
    |of| of.arm.deliveries.outdated_percent,
);

pub(crate) const STALENESS_MEAN: ArmFigure = of(
    "staleness_mean_us",
    "mean",
    Time,
    Lower,
    "mean time from the intended publish time to the client",
    |of| of.staleness.micros_at(None),
);

pub(crate) const STALENESS_P50: ArmFigure = of(
    "staleness_p50_us",
    "p50",
    Time,
    Lower,
    "half of the deliveries took at most this",
    |of| at(of, 50.0),
);

pub(crate) const STALENESS_P95: ArmFigure = of(
    "staleness_p95_us",
    "p95",
    Time,
    Lower,
    "95 % took at most this",
    |of| at(of, 95.0),
);

pub(crate) const STALENESS_P99: ArmFigure = of(
    "staleness_p99_us",
    "p99",
    Time,
    Lower,
    "99 % took at most this",
    |of| at(of, 99.0),
);

pub(crate) const STALENESS_P999: ArmFigure = of(
    "staleness_p999_us",
    "p99.9",
    Time,
    Lower,
    "99.9 % took at most this",
    |of| at(of, 99.9),
);

pub(crate) const STALENESS_MAX: ArmFigure = of(
    "staleness_max_us",
    "max",
    Time,
    Lower,
    "the slowest delivery",
    |of| of.staleness.max().map(micros),
);

pub(crate) const EXPECTED: ArmFigure = of(
    "expected",
    "due",
    Count,
    Neither,
    "deliveries that were due",
    |of| count(of.arm.deliveries.expected),
);

pub(crate) const RECEIVED: ArmFigure = of(
    "received",
    "came",
    Count,
    Higher,
    "deliveries that came",
    |of| count(of.arm.deliveries.received),
);

pub(crate) const DUPLICATED: ArmFigure = of(
    "duplicated",
    "duplicated",
    Count,
    Lower,
    "deliveries of what was there already",
    |of| count(of.arm.deliveries.duplicated),
);

pub(crate) const REORDERED: ArmFigure = of(
    "reordered",
    "reordered",
    Count,
    Lower,
    "deliveries after a later one of the same stream",
    |of| count(of.arm.deliveries.reordered),
);

fn at(of: ArmEvidence<'_>, percentile: f64) -> Option<f64> {
    of.staleness.micros_at(Some(percentile))
}
