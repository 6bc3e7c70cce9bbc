//! Whether the figures are about the server: when the generator was the limit, and when the load
//! that was asked for was not reached.

use crate::plan::{Plan, PublishBy};
use crate::stats::Summary;

use super::{Report, RoundFigures};

/// A thread that uses this much of a core has none left.
const BUSY_PERCENT: f64 = 90.0;

/// Publications may leave so late; beyond it the timetable is the generator's wish only.
const LATENESS_US_MAX: f64 = 10_000.0;

/// Less of the timetable than this is another load than the one asked for.
const ACHIEVED_PERCENT_MIN: f64 = 98.0;

/// Why the result is not one about the server under the load asked for.
#[must_use]
pub fn limits(report: &Report) -> Vec<String> {
    let mut limits = Vec::new();
    if !report.connect.failures.is_empty() {
        let failed: u64 = report.connect.failures.values().sum();
        limits.push(format!(
            "the load was not reached: {failed} connections failed{}",
            remedy(&report.connect.failures)
        ));
    }
    let Some(total) = &report.total else {
        return limits;
    };
    if total.generator_cpu_percent >= BUSY_PERCENT && !is_server_busy(total, report.server_cpus) {
        limits.push(format!(
            "the generator was the limit: its busiest worker used {:.0} % of a core and the server \
             was not busy; use more --workers, or fewer deliveries",
            total.generator_cpu_percent
        ));
    }
    let (share, lateness) = tail(&total.lateness);
    if lateness > LATENESS_US_MAX && total.blocked == 0 {
        limits.push(format!(
            "the generator was the limit: {share} % of its publications left over {:.1} ms late",
            lateness / 1e3
        ));
    }
    for arm in &report.arms {
        let (share, lateness) = tail(&arm.traffic.lateness);
        if lateness > LATENESS_US_MAX {
            limits.push(format!(
                "the generator was the limit: {share} % of the polls of {} left over {:.1} ms late",
                arm.name,
                lateness / 1e3
            ));
        }
    }
    if total.achieved_percent < ACHIEVED_PERCENT_MIN {
        let reason = if total.blocked > 0 {
            "; the server did not take them as fast"
        } else {
            ""
        };
        limits.push(format!(
            "the load was not reached: {} of {} publications were sent ({:.1} %){reason}",
            total.published, total.offered, total.achieved_percent
        ));
    }
    limits
}

/// What a reader should know besides.
#[must_use]
pub fn warnings(report: &Report, plan: &Plan, publishing_seconds: Option<f64>) -> Vec<String> {
    let mut warnings = Vec::new();
    for arm in &report.arms {
        let interval = arm.interval_ms.unwrap_or(0.0) / 1e3;
        if publishing_seconds.is_some_and(|seconds| interval * 2.0 > seconds * 1.01) {
            warnings.push(format!(
                "{}: the run is shorter than two intervals, so that requests, shares and bytes \
                 include its beginning, when polls find less",
                arm.name
            ));
        }
    }
    if plan.size < 1024 && plan.target.tls {
        warnings.push("TLS costs the generator as much as the server".to_owned());
    }
    if plan.publish == PublishBy::Others && report.total.is_some() {
        warnings.push(
            "somebody else publishes: a loss before the first and after the last delivery is not \
             seen"
                .to_owned(),
        );
    }
    let Some(total) = &report.total else {
        return warnings;
    };
    let counts = [
        (
            total.stalled,
            "publications of the closed loop were given up after 5 s",
        ),
        (
            total.foreign,
            "deliveries belonged to another run or came after their round",
        ),
        (total.unstamped, "messages had no stamp"),
        (
            total.evicted,
            "publications are not in first, median and last delivery: too many under way",
        ),
        (
            total.full_reads,
            "reads filled the receive buffer: the generator was behind then",
        ),
        (total.refused.values().sum(), "POSTs were refused"),
    ];
    let counted = counts.into_iter().filter(|(count, _)| *count > 0);
    warnings.extend(counted.map(|(count, what)| format!("{count} {what}")));
    if let Some(rate) = report.options.rate.filter(|rate| *rate < 5.0) {
        warnings.push(format!(
            "at {rate} publications a second sockets idle for over 200 ms acknowledge at once: \
             a delivery costs about half as much again as at higher rates"
        ));
    }
    warnings
}

/// The share of values that the tail is, and where it begins: of few, one is no tail.
fn tail(summary: &Summary) -> (u32, f64) {
    if summary.count < 100 {
        return (10, summary.p90_us.unwrap_or(0.0));
    }
    (1, summary.p99_us.unwrap_or(0.0))
}

/// All its cores, or the one thread that everything waits for.
fn is_server_busy(total: &RoundFigures, cpus: Option<u64>) -> bool {
    let whole = total.server_cpu_percent.unwrap_or(0.0) / cpus.unwrap_or(1).max(1) as f64;
    let thread = total.server_busiest_thread_percent.unwrap_or(0.0);
    whole >= BUSY_PERCENT || thread >= BUSY_PERCENT
}

/// What lifts the limit that attempts ran into, if their reasons say which.
fn remedy(failures: &std::collections::BTreeMap<String, u64>) -> &'static str {
    let says = |words: &str| failures.keys().any(|reason| reason.contains(words));
    if says("refused") {
        " (refused: nobody listens there)"
    } else if says("address not available") || says("in use") {
        " (no free ports: see loadgen doctor, and --source)"
    } else if says("timed out") {
        " (timed out: the accept queue is full, use --connect-rate)"
    } else if says("503") {
        " (503: the server's own limit of connections)"
    } else {
        ""
    }
}
