//! The report for people: every row says its unit.

use std::collections::BTreeMap;

use crate::show::text::Lines;

use super::whole::Report;

mod arms;
mod cells;
mod connecting;
mod delivering;

/// The whole text.
#[must_use]
pub(crate) fn text(report: &Report) -> String {
    let mut out = Lines::default();
    head(&mut out, report);
    connecting::connecting(&mut out, report);
    if let Some(total) = &report.total {
        delivering::latency(&mut out, total, report);
        delivering::ledger(&mut out, total);
    }
    arms::tables(&mut out, report);
    if let Some(total) = &report.total {
        delivering::cost(&mut out, total, report);
    }
    stages(&mut out, report);
    ends(&mut out, report);
    repeats(&mut out, report);
    verdict(&mut out, report);
    out.into_text()
}

fn head(out: &mut Lines, report: &Report) {
    let options = &report.options;
    let own = if options.own_node {
        " (a node of its own)"
    } else {
        ""
    };
    // Of a name, the address that was found.
    let address = report.run.plan.target.address.to_string();
    let address = match options.target.contains(&address) {
        true => String::new(),
        false => format!(" at {address}"),
    };
    out.line(format!(
        "loadgen {}: {}{address}{own}",
        report.command, options.target
    ));
    let slow = if options.slow_readers > 0 {
        format!(", {} of them never read", options.slow_readers)
    } else {
        String::new()
    };
    out.line(format!(
        "  {} clients{slow} by {}, {} topic(s), {} bytes, {} worker(s), {}, seed {}",
        options.clients,
        arms::names(&report.arms),
        options.topics,
        options.size_bytes,
        options.workers,
        report.backend,
        options.seed
    ));
    if report.total.is_some() {
        out.line(format!("  {}", pace(report)));
        out.line(format!("  latency: {}", report.latency_basis));
    }
    let machine = &report.machine;
    out.line(format!(
        "  {} x {}, {:.1} GiB, Linux {}",
        machine.cpus,
        machine.cpu,
        machine.memory_bytes as f64 / 1024f64.powi(3),
        machine.kernel
    ));
}

/// A row for each stage.
fn stages(out: &mut Lines, report: &Report) {
    if report.stages.is_empty() {
        return;
    }
    out.line("");
    cells::heads(out, "delivery latency by stage, ms");
    for (stage, figures) in report.stages.iter().zip(&report.repeats) {
        cells::summary(out, &stage.name, &figures.latency);
        if figures.lost > 0 {
            out.row("", format!("{} of {} lost", figures.lost, figures.expected));
        }
        if let Some(back) = &stage.back {
            cells::summary(out, "  cut to back", &back.reconnect);
            out.row("", format!("{} cut, {} back", back.cut, back.back));
            for (why, count) in &back.failures {
                out.row("", format!("{count} attempts failed: {why}"));
            }
        }
    }
}

fn pace(report: &Report) -> String {
    let options = &report.options;
    let how = match (options.rate, options.in_flight) {
        (Some(rate), _) => format!("open loop, {rate} publications/s"),
        (None, in_flight) => format!("closed loop, {} in flight", in_flight.unwrap_or(0)),
    };
    let own = if options.publish == "ws" {
        "; what publishers receive themselves is not counted"
    } else {
        ""
    };
    format!(
        "{how} by {} publisher(s) over {}{own}",
        options.publishers, options.publish
    )
}

fn ends(out: &mut Lines, report: &Report) {
    let groups: [(&str, &BTreeMap<String, u64>); 3] = [
        ("closed by the server", &report.closes),
        ("slow readers closed", &report.slow_closes),
        ("publishers closed", &report.publisher_closes),
    ];
    for (name, closes) in groups {
        for (why, count) in closes {
            out.row(name, format!("{count} connections: {why}"));
        }
    }
    if report.slow_messages > 0 {
        out.row(
            "slow readers read",
            format!("{} whole messages", report.slow_messages),
        );
    }
}

fn repeats(out: &mut Lines, report: &Report) {
    if report.over_repeats.is_empty() {
        return;
    }
    out.line("");
    out.line(format!(
        "over {} repeats: median (least to most)",
        report.repeats.len()
    ));
    for (name, range) in &report.over_repeats {
        out.row(
            name,
            format!("{:.3} ({:.3} to {:.3})", range.median, range.min, range.max),
        );
    }
}

fn verdict(out: &mut Lines, report: &Report) {
    out.line("");
    for warning in &report.warnings {
        out.line(format!("note: {warning}"));
    }
    for limit in &report.limits {
        out.line(format!("WARNING: {limit}"));
    }
    for outcome in &report.thresholds {
        let verdict = if outcome.passed { "pass" } else { "FAIL" };
        out.line(format!(
            "{verdict}: {} (measured: {})",
            outcome.expression,
            outcome.measured()
        ));
    }
}
