//! The report for people: every row says its unit.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::measure::stats::Summary;

use super::{ConnectFigures, MemoryFigures, Report, RoundFigures, StormFigures};

mod arms;

/// The whole text.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = Lines::default();
    head(&mut out, report);
    connect(&mut out, &report.connect);
    if let Some(memory) = &report.memory {
        self::memory(&mut out, memory);
    }
    if let Some(idle) = &report.idle
        && let Some(each) = idle.server_cpu_per_client_second_us
    {
        let percent = idle.server_cpu_percent.unwrap_or(0.0);
        out.row(
            "server CPU, holding",
            format!("{percent:.1} % of a core, {each:.2} us a client and second"),
        );
    }
    if let Some(storm) = &report.storm {
        self::storm(&mut out, storm);
    }
    if let Some(total) = &report.total {
        latency(&mut out, total, report);
        ledger(&mut out, total);
    }
    arms::tables(&mut out, report);
    if let Some(total) = &report.total {
        cost(&mut out, total, report);
    }
    stages(&mut out, report);
    ends(&mut out, report);
    repeats(&mut out, report);
    verdict(&mut out, report);
    out.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }

    fn row(&mut self, name: &str, value: impl AsRef<str>) {
        let written = writeln!(self.0, "  {name:<26} {}", value.as_ref());
        debug_assert!(written.is_ok());
    }

    /// A histogram's row, in milliseconds.
    fn summary(&mut self, name: &str, summary: &Summary) {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), millis);
        let columns = [
            summary.p50_us,
            summary.p90_us,
            summary.p99_us,
            summary.p999_us,
            summary.max_us,
            summary.mean_us,
        ];
        let mut text = String::new();
        for value in columns {
            text.push_str(&format!("{:>10}", cell(value)));
        }
        self.row(name, text);
    }

    fn columns(&mut self, name: &str) {
        let mut text = format!("{name:<29}");
        for column in ["p50", "p90", "p99", "p99.9", "max", "mean"] {
            text.push_str(&format!("{column:>10}"));
        }
        self.line(text);
    }
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
    out.columns("delivery latency by stage, ms");
    for (stage, figures) in report.stages.iter().zip(&report.repeats) {
        out.summary(&stage.name, &figures.latency);
        if figures.lost > 0 {
            out.row("", format!("{} of {} lost", figures.lost, figures.expected));
        }
        if let Some(back) = &stage.back {
            out.summary("  cut to back", &back.reconnect);
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

fn connect(out: &mut Lines, connect: &ConnectFigures) {
    out.line("");
    out.columns("time to connect, ms");
    out.summary("TCP", &connect.tcp);
    out.summary("upgrade", &connect.upgrade);
    out.summary("both", &connect.total);
    out.row(
        "connected",
        format!(
            "{} clients in {:.2} s, {:.0}/s",
            connect.connected, connect.seconds, connect.rate
        ),
    );
    for (reason, count) in &connect.failures {
        out.row("failed", format!("{count} clients: {reason}"));
    }
    if let Some(cpu) = connect.server_cpu_per_connect_us {
        out.row("server CPU", format!("{cpu:.1} us a connection"));
    }
    out.row(
        "generator CPU",
        format!(
            "{:.0} % of a core (busiest worker)",
            connect.generator_cpu_percent
        ),
    );
}

fn memory(out: &mut Lines, memory: &MemoryFigures) {
    out.line("");
    out.line(format!(
        "memory for {} connections, growth since before the first",
        memory.total.connections
    ));
    let rows = [
        (
            "server, resident",
            memory.total.server_bytes,
            memory.server_per_connection_bytes,
        ),
        (
            "kernel, both ends",
            memory.total.kernel_bytes,
            memory.kernel_per_connection_bytes,
        ),
        (
            "generator, resident",
            Some(memory.total.generator_bytes),
            memory.generator_per_connection_bytes,
        ),
    ];
    for (name, total, each) in rows {
        let value = match (total, each) {
            (Some(total), Some(each)) => {
                format!("{:.1} MiB, {each:.0} bytes a connection", mebibytes(total))
            }
            _ => {
                "not readable here (--server-pid names the server; slabinfo needs root)".to_owned()
            }
        };
        out.row(name, value);
    }
    if let Some(all) = memory.all_per_connection_bytes {
        out.row("all together", format!("{all:.0} bytes a connection"));
    }
}

fn storm(out: &mut Lines, storm: &StormFigures) {
    out.line("");
    out.columns("storm, ms");
    out.summary("cut to back", &storm.reconnect);
    out.summary("bystanders before", &storm.bystanders_calm);
    if let Some(during) = &storm.bystanders_storm {
        out.summary("bystanders meanwhile", during);
    }
    out.row("back", format!("{} of {} clients", storm.back, storm.cut));
    let until = storm
        .back_99_us
        .map_or_else(|| "never".to_owned(), |us| format!("{:.2} s", us / 1e6));
    out.row("until 99 % were back", until);
    for (reason, count) in &storm.failures {
        out.row("failed and repeated", format!("{count} attempts: {reason}"));
    }
}

fn latency(out: &mut Lines, total: &RoundFigures, report: &Report) {
    out.line("");
    out.columns("delivery latency, ms");
    let is_open = report.options.rate.is_some();
    out.summary("all deliveries", &total.latency);
    if is_open {
        out.summary("  uncorrected (from send)", &total.latency_uncorrected);
    }
    out.summary("first of a publication", &total.first);
    out.summary("median of a publication", &total.median);
    out.summary("last of a publication", &total.last);
    out.summary("first to last", &total.spread);
    if is_open {
        out.summary("publisher's lateness", &total.lateness);
    }
}

fn ledger(out: &mut Lines, total: &RoundFigures) {
    out.line("");
    out.line("ledger");
    out.row(
        "published",
        format!(
            "{} of {} ({}), {:.1}/s for {:.2} s",
            total.published,
            total.offered,
            percent(total.achieved_percent, 2),
            total.publications_per_second,
            total.seconds
        ),
    );
    let reach = total.reach_percent.map_or_else(
        || "-".to_owned(),
        |reach| format!("{} %", reach_text(reach)),
    );
    out.row(
        "delivered / expected",
        format!("{} / {} = {reach}", total.received, total.expected),
    );
    out.row("lost", format!("{} deliveries", total.lost));
    out.row("duplicated", format!("{} deliveries", total.duplicated));
    out.row("reordered", format!("{} deliveries", total.reordered));
    out.row(
        "rate",
        format!(
            "{:.0} deliveries/s, {:.2} MiB/s",
            total.deliveries_per_second,
            total.received_bytes_per_second / 1024.0 / 1024.0
        ),
    );
    for (status, count) in &total.refused {
        out.row("refused", format!("{count} POSTs: {status}"));
    }
    let posts = &total.posts;
    let counts = [
        (
            "connected again",
            posts.reconnects,
            "publishers' connections",
        ),
        ("sent again", posts.retried, "POSTs"),
        ("never answered", posts.unanswered, "POSTs"),
        ("not sent", posts.unsent, "publications without a publisher"),
    ];
    for (name, count, what) in counts.into_iter().filter(|(_, count, _)| *count > 0) {
        out.row(name, format!("{count} {what}"));
    }
}

fn cost(out: &mut Lines, total: &RoundFigures, report: &Report) {
    out.line("");
    out.line("cost");
    let of = |percent: f64, each: Option<f64>| {
        let each = each.map_or_else(String::new, |us| format!(", {us:.2} us a delivery"));
        format!("{percent:.0} % of a core{each}")
    };
    match total.server_cpu_percent {
        Some(percent) => out.row("server CPU", of(percent, total.server_cpu_per_delivery_us)),
        None => out.row(
            "server CPU",
            "not known: name it with --server-pid or --metrics-url",
        ),
    }
    if let Some(bytes) = report.server_rss_peak_bytes {
        out.row(
            "server memory",
            format!("{:.1} MiB resident at most", mebibytes(bytes)),
        );
    }
    let buffers = report
        .run
        .samples
        .iter()
        .map(|s| s.sockets.buffer_bytes)
        .max();
    let buffers = mebibytes(buffers.unwrap_or(0));
    out.row(
        "socket buffers",
        format!("{buffers:.1} MiB at most, of the whole host"),
    );
    out.row(
        "generator CPU",
        format!(
            "{} (busiest worker)",
            of(
                total.generator_cpu_percent,
                total.generator_cpu_per_delivery_us
            )
        ),
    );
    if let Some(bytes) = total.read_bytes {
        out.row("read", format!("{bytes:.0} bytes a system call"));
    }
    for (name, value) in &report.server_metrics {
        if name.starts_with("process_") {
            out.row(name, format!("{value}"));
        }
    }
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

/// Enough digits that one lost delivery in a million shows, and 100 only if it is.
fn reach_text(reach: f64) -> String {
    let text = format!("{reach:.4}");
    if text == "100.0000" && reach < 100.0 {
        return "99.9999".to_owned();
    }
    text
}

/// Of nothing there is no part.
fn percent(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$} %"))
}

fn millis(micros: f64) -> String {
    format!("{:.3}", micros / 1e3)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_percent_is_written_only_if_nothing_was_lost() {
        assert_eq!(reach_text(100.0), "100.0000");
        assert_eq!(reach_text(99.999_999), "99.9999");
        assert_eq!(reach_text(99.5), "99.5000");
    }
}
