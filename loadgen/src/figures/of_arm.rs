//! The figures of an arm, each once: its name, what it is counted in, which side is better, what
//! it says, and where it stands in what was measured.

use crate::base::num::{percent, ratio};
use crate::measure::stats::{Latency, micros};

use super::arm::Arm;
use super::unit::{Better, Unit};

use Better::{Higher, Lower, Neither};
use Unit::{Bytes, Count, Percent, Time};

/// What figures of an arm are taken from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
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
    from: fn(Seen<'_>) -> Option<f64>,
}

impl ArmFigure {
    /// Its value.
    #[must_use]
    pub(crate) fn of(&self, seen: Seen<'_>) -> Option<f64> {
        (self.from)(seen)
    }
}

/// A figure by its name in JSON.
#[must_use]
pub(crate) fn find(name: &str) -> Option<&'static ArmFigure> {
    COMPARED.iter().copied().find(|figure| figure.name == name)
}

/// Those that comparisons measure, in the order of a report.
pub(crate) const COMPARED: &[&ArmFigure] = &[
    &REACH,
    &LOST,
    &MERGED,
    &LEFT_OUT,
    &OUTDATED,
    &STALENESS_MEAN,
    &STALENESS_P50,
    &STALENESS_P95,
    &STALENESS_P99,
    &STALENESS_P999,
    &STALENESS_MAX,
    &REQUESTS_RATE,
    &REQUESTS_PER_DELIVERY,
    &EMPTY,
    &LATE_SHARE,
    &ANSWER_P50,
    &ANSWER_P99,
    &APP_BYTES,
    &WIRE_BYTES,
    &ETHERNET_BYTES,
    &APP_UP_RATE,
    &APP_DOWN_RATE,
    &WIRE_UP_RATE,
    &WIRE_DOWN_RATE,
    &WIRE_RATE,
    &SEGMENTS,
    &CPU_PER_DELIVERY,
    &CPU_PER_CLIENT,
    &MEMORY,
    &KERNEL_MEMORY,
];

/// Those whose range over the repeats of a run is told.
pub(crate) const RANGED: &[&ArmFigure] = &[
    &STALENESS_P50,
    &STALENESS_P99,
    &STALENESS_MAX,
    &STALENESS_MEAN,
    &OUTDATED,
    &REACH,
    &REQUESTS_RATE,
    &EMPTY,
    &APP_BYTES,
    &WIRE_BYTES,
];

const fn of(
    name: &'static str,
    title: &'static str,
    unit: Unit,
    better: Better,
    meaning: &'static str,
    from: fn(Seen<'_>) -> Option<f64>,
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

pub(crate) const REQUESTS_RATE: ArmFigure = of(
    "requests_per_second",
    "requests/s",
    Count,
    Lower,
    "requests a second of all clients of the arm",
    |of| of.arm.traffic.requests_per_second,
);

pub(crate) const REQUESTS_PER_DELIVERY: ArmFigure = of(
    "requests_per_delivery",
    "requests a delivery",
    Count,
    Lower,
    "requests for one delivered update",
    |of| of.arm.traffic.requests_per_delivery,
);

pub(crate) const EMPTY: ArmFigure = of(
    "empty_percent",
    "empty answers",
    Percent,
    Lower,
    "answers that brought nothing",
    |of| of.arm.traffic.empty_percent,
);

pub(crate) const LATE_SHARE: ArmFigure = of(
    "late_polls_percent",
    "late polls",
    Percent,
    Lower,
    "polls that came due while the one before had no answer",
    |of| percent(of.arm.traffic.late_polls, of.arm.traffic.requests),
);

pub(crate) const ANSWER_P50: ArmFigure = of(
    "answer_p50_us",
    "answer p50",
    Time,
    Lower,
    "half of the answers came within this of the moment at which they were due to be asked",
    |of| of.arm.traffic.answer_time.p50_us,
);

pub(crate) const ANSWER_P99: ArmFigure = of(
    "answer_p99_us",
    "answer p99",
    Time,
    Lower,
    "99 % of the answers did",
    |of| of.arm.traffic.answer_time.p99_us,
);

pub(crate) const APP_BYTES: ArmFigure = of(
    "app_bytes_per_delivery",
    "app B a delivery",
    Bytes,
    Lower,
    "bytes at the socket, both directions, for one delivered update",
    |of| of.arm.traffic.app_bytes_per_delivery,
);

pub(crate) const WIRE_BYTES: ArmFigure = of(
    "wire_bytes_per_delivery",
    "wire B a delivery",
    Bytes,
    Lower,
    "the same with the heads of TCP and IP and all acknowledgements",
    |of| of.arm.traffic.wire.as_ref()?.bytes_per_delivery,
);

pub(crate) const ETHERNET_BYTES: ArmFigure = of(
    "ethernet_bytes_per_delivery",
    "Ethernet B a delivery",
    Bytes,
    Lower,
    "an estimate of the same on Ethernet",
    |of| {
        of.arm
            .traffic
            .wire
            .as_ref()?
            .ethernet_estimate_bytes_per_delivery
    },
);

pub(crate) const APP_UP_RATE: ArmFigure = of(
    "app_up_bytes_per_client_second",
    "app B/s up",
    Bytes,
    Lower,
    "bytes that one client sends in a second",
    |of| per_client_second(of, of.arm.traffic.app_up_bytes),
);

pub(crate) const APP_DOWN_RATE: ArmFigure = of(
    "app_down_bytes_per_client_second",
    "app B/s down",
    Bytes,
    Lower,
    "bytes that one client receives in a second",
    |of| per_client_second(of, of.arm.traffic.app_down_bytes),
);

pub(crate) const WIRE_UP_RATE: ArmFigure = of(
    "wire_up_bytes_per_client_second",
    "wire B/s up",
    Bytes,
    Lower,
    "the same with TCP and IP",
    |of| per_client_second(of, of.arm.traffic.wire.as_ref()?.up_bytes),
);

pub(crate) const WIRE_DOWN_RATE: ArmFigure = of(
    "wire_down_bytes_per_client_second",
    "wire B/s down",
    Bytes,
    Lower,
    "the same with TCP and IP",
    |of| per_client_second(of, of.arm.traffic.wire.as_ref()?.down_bytes),
);

pub(crate) const WIRE_RATE: ArmFigure = of(
    "wire_bytes_per_client_second",
    "wire B/s",
    Bytes,
    Lower,
    "both directions of one client in a second",
    |of| of.arm.traffic.wire.as_ref()?.bytes_per_client_second,
);

pub(crate) const SEGMENTS: ArmFigure = of(
    "segments_per_delivery",
    "segments a delivery",
    Count,
    Lower,
    "TCP segments, both directions, for one delivered update",
    |of| {
        let wire = of.arm.traffic.wire.as_ref()?;
        ratio(
            wire.segments_up + wire.segments_down,
            of.arm.traffic.deliveries,
        )
    },
);

pub(crate) const CPU_PER_DELIVERY: ArmFigure = of(
    "server_cpu_per_delivery_us",
    "server CPU a delivery",
    Time,
    Lower,
    "CPU of the server for one delivered update",
    |of| of.arm.server.cpu_per_delivery_us,
);

pub(crate) const CPU_PER_CLIENT: ArmFigure = of(
    "server_cpu_per_client_second_us",
    "CPU a client and second",
    Time,
    Lower,
    "CPU of the server for one client in a second",
    |of| of.arm.server.cpu_per_client_second_us,
);

pub(crate) const MEMORY: ArmFigure = of(
    "memory_per_client_bytes",
    "memory a client",
    Bytes,
    Lower,
    "resident memory of the server for one client",
    |of| of.arm.server.memory_per_client_bytes,
);

pub(crate) const KERNEL_MEMORY: ArmFigure = of(
    "kernel_memory_per_client_bytes",
    "kernel memory a client",
    Bytes,
    Lower,
    "memory of the kernel for one client, both ends being on this host",
    |of| of.arm.server.kernel_memory_per_client_bytes,
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

pub(crate) const LATE: ArmFigure = of(
    "late_polls",
    "late",
    Count,
    Lower,
    "polls that came due while the one before had no answer",
    |of| count(of.arm.traffic.late_polls),
);

pub(crate) const BROKEN: ArmFigure = of(
    "broken_requests",
    "broken",
    Count,
    Lower,
    "requests whose connection ended before their answer was whole",
    |of| count(of.arm.traffic.broken_requests),
);

pub(crate) const CONNECTED: ArmFigure = of(
    "connected",
    "connected",
    Count,
    Higher,
    "clients that came in",
    |of| count(of.arm.connect.connected),
);

fn at(of: Seen<'_>, percentile: f64) -> Option<f64> {
    of.staleness.micros_at(Some(percentile))
}

#[expect(clippy::unnecessary_wraps, reason = "a count is always known")]
fn count(count: u64) -> Option<f64> {
    Some(count as f64)
}

fn per_client_second(of: Seen<'_>, bytes: u64) -> Option<f64> {
    let spent = of.arm.connect.connected as f64 * of.arm.traffic.window_seconds;
    (spent > 0.0).then(|| bytes as f64 / spent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_carry_their_unit() {
        for (i, figure) in COMPARED.iter().enumerate() {
            assert!(COMPARED[..i].iter().all(|other| other.name != figure.name));
            let has_unit = match figure.unit {
                Time => figure.name.ends_with("_us"),
                Bytes => figure.name.contains("bytes"),
                Percent => figure.name.ends_with("_percent"),
                Count => true,
            };
            assert!(has_unit, "{}", figure.name);
        }
    }
}
