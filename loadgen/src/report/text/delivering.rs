//! The rows of a report about publications: how fast they came, how many, and what they cost.

use crate::figures::histogram::Histogram;
use crate::show::text::Lines;

use super::super::round::RoundFigures;
use super::super::whole::Report;
use super::cells::{heads, mebibytes, percent, reach_text, summary};

pub(super) fn latency(out: &mut Lines, total: &RoundFigures, report: &Report) {
    out.line("");
    heads(out, "delivery latency, ms");
    let is_open = report.options.rate.is_some();
    summary(out, Histogram::Deliveries.title(), &total.latency);
    if is_open {
        summary(out, "  uncorrected (from send)", &total.latency_uncorrected);
    }
    summary(out, Histogram::First.title(), &total.first);
    summary(out, Histogram::Median.title(), &total.median);
    summary(out, Histogram::Last.title(), &total.last);
    summary(out, Histogram::Spread.title(), &total.spread);
    if is_open {
        summary(out, Histogram::Lateness.title(), &total.lateness);
    }
}

pub(super) fn ledger(out: &mut Lines, total: &RoundFigures) {
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

pub(super) fn cost(out: &mut Lines, total: &RoundFigures, report: &Report) {
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
