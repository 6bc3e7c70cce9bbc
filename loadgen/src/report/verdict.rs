//! Whether the figures are about the server: when the generator was the limit, and when the load
//! that was asked for was not reached.

use std::collections::BTreeMap;

use crate::base::failure::advice;
use crate::base::transport::Transport;
use crate::measure::stats::Summary;
use crate::plan::{Plan, PublishBy};

use super::round::RoundFigures;
use super::whole::Report;

/// A thread that uses this much of a core has none left.
const BUSY_PERCENT: f64 = 90.0;

/// Publications may leave so late; beyond it the timetable is the generator's wish only.
const LATENESS_US_MAX: f64 = 10_000.0;

/// The same where publishers waited for the server.
const LATENESS_BLOCKED_US_MAX: f64 = 1_000_000.0;

/// Less of the timetable than this is another load than the one asked for.
const ACHIEVED_PERCENT_MIN: f64 = 98.0;

/// Why the result is not one about the server under the load asked for.
#[must_use]
pub(crate) fn limits(report: &Report) -> Vec<String> {
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
    if lateness > LATENESS_BLOCKED_US_MAX && total.blocked > 0 {
        limits.push(format!(
            "the load was not reached: {share} % of its publications left over {:.1} s late, since \
             their publishers waited for answers (more of them at once: --publishers)",
            lateness / 1e6
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
    limits.extend(short_of(report, total));
    limits.extend(nothing(report, total));
    limits
}

/// Fewer publications than were asked for.
fn short_of(report: &Report, total: &RoundFigures) -> Option<String> {
    let achieved = total.achieved_percent.unwrap_or(100.0);
    let unsent = total.posts.unsent;
    if achieved >= ACHIEVED_PERCENT_MIN && unsent == 0 {
        return None;
    }
    let reason = match report.run.plan.publish {
        _ if unsent > 0 => {
            let reasons: Vec<&str> = report.publisher_closes.keys().map(String::as_str).collect();
            format!(
                "; {unsent} of them had no publisher any more: {}",
                reasons.join("; ")
            )
        }
        _ if total.blocked == 0 => String::new(),
        PublishBy::Http => {
            "; the server did not answer as fast: a publisher posts one by one, use more \
             --publishers"
                .to_owned()
        }
        _ => "; the server did not take them as fast".to_owned(),
    };
    Some(format!(
        "the load was not reached: {} of {} publications were sent ({achieved:.1} %){reason}",
        total.published, total.offered
    ))
}

/// Why there is nothing to judge a server by.
fn nothing(report: &Report, total: &RoundFigures) -> Option<String> {
    let plan = &report.run.plan;
    if plan.publish == PublishBy::Others {
        return None;
    }
    let refused: u64 = total.refused.values().sum();
    let why = if total.published == 0 {
        "not one publication was sent".to_owned()
    } else if refused > 0 && refused + total.posts.unanswered >= total.published {
        format!(
            "no POST of {} was taken: {}",
            total.published,
            statuses(&total.refused)
        )
    } else if total.posts.unanswered >= total.published {
        format!("no POST of {} was answered", total.published)
    } else if total.expected == 0 {
        "nobody was there to read".to_owned()
    } else {
        return None;
    };
    Some(format!("nothing was measured: {why}"))
}

/// Statuses with what to do about each.
fn statuses(refused: &BTreeMap<String, u64>) -> String {
    let one = |(status, count): (&String, &u64)| {
        let advice = status.parse().map_or("", advice);
        format!("{count} were answered {status}{advice}")
    };
    refused.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Where a source address ended, and why: what is true of one client is not true of a port.
fn ports(report: &Report, plan: &Plan) -> Option<String> {
    if !plan.until_full {
        return None;
    }
    let addresses = plan.sources().ok()?.count().max(1) as u64;
    let connected = report.connect.connected;
    let range = report.run.port_range.as_deref().unwrap_or("unknown");
    let is_full = report
        .connect
        .failures
        .keys()
        .any(|why| is_port_shortage(why));
    let end = if is_full {
        "no port was left, since a connection is its two addresses and its two ports, and only \
         the client's port can differ"
    } else {
        "there were ports left"
    };
    Some(format!(
        "{connected} connections to one port of the server from {addresses} address(es), \
         {} each: {end}; ports of this host for clients: {range} (net.ipv4.ip_local_port_range)",
        connected / addresses
    ))
}

fn is_port_shortage(why: &str) -> bool {
    why.contains("address not available") || why.contains("in use")
}

/// What a reader should know besides.
#[must_use]
pub(crate) fn warnings(report: &Report, plan: &Plan) -> Vec<String> {
    let mut warnings: Vec<String> = ports(report, plan).into_iter().collect();
    warnings.extend(report.run.notes.iter().cloned());
    if plan.insecure {
        warnings.push("the server's certificate was not looked at (--insecure)".to_owned());
    }
    if plan.size < 1024 && plan.target.tls {
        warnings.push("TLS costs the generator as much as the server".to_owned());
    }
    let is_asked = plan.has(Transport::Ask);
    if plan.publish == PublishBy::Others && report.total.is_some() && !is_asked {
        warnings.push(
            "somebody else publishes: a loss before the first and after the last delivery is not \
             seen"
                .to_owned(),
        );
    }
    let Some(total) = &report.total else {
        return warnings;
    };
    warnings.extend(counted(total));
    warnings.extend(silence(total, plan));
    if let Some(rate) = report.options.rate.filter(|rate| *rate < 5.0) {
        warnings.push(format!(
            "at {rate} publications a second sockets idle for over 200 ms acknowledge at once: \
             a delivery costs about half as much again as at higher rates"
        ));
    }
    warnings
}

/// What was counted that should not be there.
fn counted(total: &RoundFigures) -> Vec<String> {
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
        (
            total.posts.retried,
            "POSTs were sent a second time, since an idle connection ended under them: whatever \
             was taken twice is counted as duplicated",
        ),
        (
            total.posts.unanswered,
            "POSTs were never answered: whether they were taken nobody knows",
        ),
    ];
    let counted = counts.into_iter().filter(|(count, _)| *count > 0);
    let mut warnings: Vec<String> = counted
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if !total.refused.is_empty() {
        warnings.push(format!("POSTs were refused: {}", statuses(&total.refused)));
    }
    warnings
}

/// Where to look if nothing arrived.
fn silence(total: &RoundFigures, plan: &Plan) -> Option<String> {
    let why = match plan.publish {
        _ if total.received > 0 || plan.has(Transport::Ask) => return None,
        PublishBy::Others => "does somebody publish, on this host, by another loadgen?",
        _ if total.expected == 0 => return None,
        _ => {
            "is this where the server has the topic (--topic, --path), and does what is published \
             there reach those who read it?"
        }
    };
    Some(format!("nothing arrived: {why}"))
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
fn remedy(failures: &BTreeMap<String, u64>) -> &'static str {
    let says = |words: &str| failures.keys().any(|reason| reason.contains(words));
    if says("refused") {
        " (refused: nobody listens there)"
    } else if failures.keys().any(|why| is_port_shortage(why)) {
        " (no free ports: see loadgen doctor, and --source)"
    } else if says("timed out") {
        " (timed out: the accept queue is full, use --connect-rate)"
    } else {
        ""
    }
}
