//! Every figure of a comparison by name: what it is, and where it stands in what was measured.

use std::collections::BTreeMap;

use crate::base::num::median;
use crate::measure::stats::micros;

use super::{Figure, Repeat};

/// What a figure is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Microseconds.
    Micros,
    /// Bytes.
    Bytes,
    /// Percent.
    Percent,
    /// A plain number, or one a second.
    Number,
}

/// One kind of figure.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name in JSON and in `--fail`.
    pub name: &'static str,
    /// Its name for people, short enough for the head of a column.
    pub title: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Which side is better, where one is.
    pub better: Better,
    /// What it says, in a sentence without its full stop.
    pub meaning: &'static str,
    from: fn(&Repeat) -> Option<f64>,
}

/// Which of two values is the better one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// The higher one.
    Higher,
    /// The lower one.
    Lower,
    /// Neither.
    Neither,
}

const fn kind(
    name: &'static str,
    title: &'static str,
    unit: Unit,
    better: Better,
    meaning: &'static str,
    from: fn(&Repeat) -> Option<f64>,
) -> Kind {
    Kind {
        name,
        title,
        unit,
        better,
        meaning,
        from,
    }
}

use Better::{Higher, Lower, Neither};
use Unit::{Bytes, Micros, Number, Percent};

/// All of them, in the order of a report.
pub const KINDS: &[Kind] = &[
    kind(
        "reach_percent",
        "delivered",
        Percent,
        Higher,
        "deliveries that came, of those that were due",
        |r| r.arm.deliveries.reach_percent,
    ),
    kind(
        "lost",
        "lost",
        Number,
        Lower,
        "deliveries that never came",
        |r| Some(r.arm.deliveries.lost as f64),
    ),
    kind(
        "merged_percent",
        "merged",
        Percent,
        Neither,
        "deliveries that came together with a later one and were never shown alone",
        |r| r.arm.deliveries.merged_percent,
    ),
    kind(
        "left_out_percent",
        "left out",
        Percent,
        Neither,
        "publications that were left out by design: conflated, or skipped by the newest",
        |r| {
            let got = &r.arm.deliveries;
            let skips = r.arm.conflate_ms.is_some() || r.arm.newest;
            share(got.left_out, got.left_out + got.expected).filter(|_| skips)
        },
    ),
    kind(
        "outdated_percent",
        "shows old data",
        Percent,
        Lower,
        "share of time in which a client did not have the newest publication",
        |r| r.arm.deliveries.outdated_percent,
    ),
    kind(
        "staleness_mean_us",
        "mean",
        Micros,
        Lower,
        "mean time from the intended publish time to the client",
        |r| r.staleness.mean().map(|nanos| nanos / 1e3),
    ),
    kind(
        "staleness_p50_us",
        "p50",
        Micros,
        Lower,
        "half of the deliveries took at most this",
        |r| at(r, 50.0),
    ),
    kind(
        "staleness_p95_us",
        "p95",
        Micros,
        Lower,
        "95 % took at most this",
        |r| at(r, 95.0),
    ),
    kind(
        "staleness_p99_us",
        "p99",
        Micros,
        Lower,
        "99 % took at most this",
        |r| at(r, 99.0),
    ),
    kind(
        "staleness_p999_us",
        "p99.9",
        Micros,
        Lower,
        "99.9 % took at most this",
        |r| at(r, 99.9),
    ),
    kind(
        "staleness_max_us",
        "max",
        Micros,
        Lower,
        "the slowest delivery",
        |r| r.staleness.max().map(micros),
    ),
    kind(
        "requests_per_second",
        "requests/s",
        Number,
        Lower,
        "requests a second of all clients of the arm",
        |r| r.arm.traffic.requests_per_second,
    ),
    kind(
        "requests_per_delivery",
        "requests a delivery",
        Number,
        Lower,
        "requests for one delivered update",
        |r| r.arm.traffic.requests_per_delivery,
    ),
    kind(
        "empty_percent",
        "empty answers",
        Percent,
        Lower,
        "answers that brought nothing",
        |r| r.arm.traffic.empty_percent,
    ),
    kind(
        "late_polls_percent",
        "late polls",
        Percent,
        Lower,
        "polls that came due while the one before had no answer",
        |r| share(r.arm.traffic.late_polls, r.arm.traffic.requests),
    ),
    kind(
        "answer_p50_us",
        "answer p50",
        Micros,
        Lower,
        "half of the answers came within this of the moment at which they were due to be asked",
        |r| r.arm.traffic.answer_time.p50_us,
    ),
    kind(
        "answer_p99_us",
        "answer p99",
        Micros,
        Lower,
        "99 % of the answers did",
        |r| r.arm.traffic.answer_time.p99_us,
    ),
    kind(
        "app_bytes_per_delivery",
        "app B a delivery",
        Bytes,
        Lower,
        "bytes at the socket, both directions, for one delivered update",
        |r| r.arm.traffic.app_bytes_per_delivery,
    ),
    kind(
        "wire_bytes_per_delivery",
        "wire B a delivery",
        Bytes,
        Lower,
        "the same with the heads of TCP and IP and all acknowledgements",
        |r| r.arm.traffic.wire.as_ref()?.bytes_per_delivery,
    ),
    kind(
        "ethernet_bytes_per_delivery",
        "Ethernet B a delivery",
        Bytes,
        Lower,
        "an estimate of the same on Ethernet",
        |r| {
            r.arm
                .traffic
                .wire
                .as_ref()?
                .ethernet_estimate_bytes_per_delivery
        },
    ),
    kind(
        "app_up_bytes_per_client_second",
        "app B/s up",
        Bytes,
        Lower,
        "bytes that one client sends in a second",
        |r| per_client_second(r, r.arm.traffic.app_up_bytes),
    ),
    kind(
        "app_down_bytes_per_client_second",
        "app B/s down",
        Bytes,
        Lower,
        "bytes that one client receives in a second",
        |r| per_client_second(r, r.arm.traffic.app_down_bytes),
    ),
    kind(
        "wire_up_bytes_per_client_second",
        "wire B/s up",
        Bytes,
        Lower,
        "the same with TCP and IP",
        |r| per_client_second(r, r.arm.traffic.wire.as_ref()?.up_bytes),
    ),
    kind(
        "wire_down_bytes_per_client_second",
        "wire B/s down",
        Bytes,
        Lower,
        "the same with TCP and IP",
        |r| per_client_second(r, r.arm.traffic.wire.as_ref()?.down_bytes),
    ),
    kind(
        "wire_bytes_per_client_second",
        "wire B/s",
        Bytes,
        Lower,
        "both directions of one client in a second",
        |r| r.arm.traffic.wire.as_ref()?.bytes_per_client_second,
    ),
    kind(
        "segments_per_delivery",
        "segments a delivery",
        Number,
        Lower,
        "TCP segments, both directions, for one delivered update",
        |r| {
            let wire = r.arm.traffic.wire.as_ref()?;
            crate::base::num::ratio(
                wire.segments_up + wire.segments_down,
                r.arm.traffic.deliveries,
            )
        },
    ),
    kind(
        "server_cpu_per_delivery_us",
        "server CPU a delivery",
        Micros,
        Lower,
        "CPU of the server for one delivered update",
        |r| r.arm.server.cpu_per_delivery_us,
    ),
    kind(
        "server_cpu_per_client_second_us",
        "CPU a client and second",
        Micros,
        Lower,
        "CPU of the server for one client in a second",
        |r| r.arm.server.cpu_per_client_second_us,
    ),
    kind(
        "memory_per_client_bytes",
        "memory a client",
        Bytes,
        Lower,
        "resident memory of the server for one client",
        |r| r.arm.server.memory_per_client_bytes,
    ),
    kind(
        "kernel_memory_per_client_bytes",
        "kernel memory a client",
        Bytes,
        Lower,
        "memory of the kernel for one client, both ends being on this host",
        |r| r.arm.server.kernel_memory_per_client_bytes,
    ),
];

/// A kind by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Median and range of every figure that the repeats have.
#[must_use]
pub fn measured(repeats: &[Repeat]) -> BTreeMap<String, Figure> {
    let figure = |kind: &Kind| {
        let values: Vec<f64> = repeats.iter().filter_map(kind.from).collect();
        let figure = Figure {
            median: median(&values)?,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            predicted: None,
            error_percent: None,
            tolerance_percent: None,
        };
        Some((kind.name.to_owned(), figure))
    };
    KINDS.iter().filter_map(figure).collect()
}

fn at(repeat: &Repeat, percentile: f64) -> Option<f64> {
    repeat.staleness.percentile(percentile).map(micros)
}

fn share(part: u64, of: u64) -> Option<f64> {
    crate::base::num::ratio(part, of).map(|ratio| 100.0 * ratio)
}

fn per_client_second(repeat: &Repeat, bytes: u64) -> Option<f64> {
    let spent = repeat.arm.connect.connected as f64 * repeat.arm.traffic.window_seconds;
    (spent > 0.0).then(|| bytes as f64 / spent)
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn names_are_there_once_and_carry_their_unit() {
        for (i, kind) in KINDS.iter().enumerate() {
            assert!(KINDS[..i].iter().all(|other| other.name != kind.name));
            let has_unit = match kind.unit {
                Micros => kind.name.ends_with("_us"),
                Bytes => kind.name.contains("bytes"),
                Percent => kind.name.ends_with("_percent"),
                Number => true,
            };
            assert!(has_unit, "{}", kind.name);
        }
    }

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
