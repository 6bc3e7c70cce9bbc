//! The arms side by side: what they got, what it took, what it cost.

use super::super::whole::Report;
use super::cells::{millis, reach_text};
use crate::figures::arm::Arm;
use crate::show::text::{Lines, columns, or_dash};

/// Room for a column.
const WIDTH: usize = 10;

/// The tables, if there is anything to compare or anything but plain WebSockets.
pub(super) fn tables(out: &mut Lines, report: &Report) {
    let arms = &report.arms;
    if arms.len() == 1 && report.total.is_some() && arms[0].transport.is_push() {
        ends(out, arms);
        return;
    }
    if report.total.is_some() {
        deliveries(out, arms);
    }
    requests(out, arms);
    bytes(out, arms);
    ends(out, arms);
}

/// The names of all arms.
pub(super) fn names(arms: &[Arm]) -> String {
    let names: Vec<_> = arms.iter().map(|arm| arm.name.as_str()).collect();
    names.join(", ")
}

fn deliveries(out: &mut Lines, arms: &[Arm]) {
    out.line("");
    heads(
        out,
        "staleness by arm, ms",
        &["p50", "p90", "p99", "max", "outdated", "merged", "reach"],
    );
    for arm in arms {
        let got = &arm.deliveries;
        let staleness = &got.staleness;
        let times = [
            staleness.p50_us,
            staleness.p90_us,
            staleness.p99_us,
            staleness.max_us,
        ];
        let mut cells: Vec<String> = times.map(|us| or_dash(us, millis)).to_vec();
        cells.push(or_dash(got.outdated_percent, |p| format!("{p:.1} %")));
        cells.push(or_dash(got.merged_percent, |p| format!("{p:.1} %")));
        cells.push(or_dash(got.reach_percent, |p| {
            format!("{} %", reach_text(p))
        }));
        row(out, arm, &cells);
    }
    let wrong = |arm: &&Arm| {
        let got = &arm.deliveries;
        got.lost + got.duplicated + got.reordered > 0
    };
    for arm in arms.iter().filter(wrong) {
        let got = &arm.deliveries;
        out.row(
            &arm.name,
            format!(
                "{} lost, {} duplicated, {} reordered of {}",
                got.lost, got.duplicated, got.reordered, got.expected
            ),
        );
    }
}

fn requests(out: &mut Lines, arms: &[Arm]) {
    let asks = |arm: &&Arm| !arm.transport.is_push();
    if !arms.iter().any(|arm| asks(&arm)) {
        return;
    }
    out.line("");
    heads(
        out,
        "requests by arm",
        &[
            "a second", "a deliv.", "empty", "304", "late", "p50 ms", "p99 ms",
        ],
    );
    for arm in arms.iter().filter(asks) {
        let traffic = &arm.traffic;
        let time = &traffic.answer_time;
        let cells = [
            or_dash(traffic.requests_per_second, |n| format!("{n:.1}")),
            or_dash(traffic.requests_per_delivery, |n| format!("{n:.3}")),
            or_dash(traffic.empty_percent, |p| format!("{p:.1} %")),
            traffic.not_modified_answers.to_string(),
            traffic.late_polls.to_string(),
            or_dash(time.p50_us, millis),
            or_dash(time.p99_us, millis),
        ];
        row(out, arm, &cells);
    }
}

fn bytes(out: &mut Lines, arms: &[Arm]) {
    out.line("");
    heads(
        out,
        "bytes by arm",
        &[
            "app/deliv",
            "wire/dlv",
            "eth/dlv",
            "app/s",
            "wire/s",
            "segm. up",
            "segm. dn",
        ],
    );
    for arm in arms {
        let traffic = &arm.traffic;
        let wire = traffic.wire.as_ref();
        let whole = |bytes: f64| format!("{bytes:.0}");
        let fine = |bytes: f64| format!("{bytes:.1}");
        let segments = |count: Option<u64>| or_dash(count, |n| n.to_string());
        let cells = [
            or_dash(traffic.app_bytes_per_delivery, whole),
            or_dash(wire.and_then(|w| w.bytes_per_delivery), whole),
            or_dash(
                wire.and_then(|w| w.ethernet_estimate_bytes_per_delivery),
                whole,
            ),
            or_dash(traffic.app_bytes_per_client_second, fine),
            or_dash(wire.and_then(|w| w.bytes_per_client_second), fine),
            segments(wire.map(|w| w.segments_up)),
            segments(wire.map(|w| w.segments_down)),
        ];
        row(out, arm, &cells);
    }
    out.line("  app: as the programs wrote it; wire: with the heads of IP and TCP, from TCP_INFO;");
    out.line("  eth: an estimate for Ethernet; /s: for one client in a second");
}

/// What went wrong with requests, and gaps that the server owned to.
fn ends(out: &mut Lines, arms: &[Arm]) {
    for arm in arms {
        let traffic = &arm.traffic;
        for (status, count) in &traffic.refused_answers {
            out.row(&arm.name, format!("{count} answers refused: {status}"));
        }
        let counts = [
            (traffic.broken_requests, "requests got no whole answer"),
            (
                arm.deliveries.unrecovered,
                "times the server said that something is missing",
            ),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            out.row(&arm.name, format!("{count} {what}"));
        }
    }
}

fn heads(out: &mut Lines, name: &str, heads: &[&str]) {
    out.line(format!("{name:<22}{}", columns(heads, WIDTH)));
}

fn row(out: &mut Lines, arm: &Arm, cells: &[String]) {
    out.line(format!("  {:<20}{}", arm.name, columns(cells, WIDTH)));
}
