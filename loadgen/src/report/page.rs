//! The report of a run as an HTML page.

use crate::base::number;
use crate::figures::histogram::Histogram;
use crate::measure::stats::Summary;
use crate::show::html::axis::Axis;
use crate::show::html::bars::{Bar, Bars};
use crate::show::html::latency::{self, Curve, by_percentile, series};
use crate::show::html::table::{Cell, Table};
use crate::show::html::{Block, Lines, Page, Section};

use super::figures::StageFigures;
use super::round::RoundFigures;
use super::whole::Report;
use crate::figures::arm::Arm;

/// Histograms that are drawn as curves, where they hold anything.
const CURVES: &[Histogram] = &[
    Histogram::Deliveries,
    Histogram::First,
    Histogram::Median,
    Histogram::Last,
    Histogram::Reconnect,
    Histogram::Connect,
];

/// The page.
#[must_use]
pub(crate) fn page(report: &Report) -> Page {
    let mut sections = Vec::new();
    if let Some(total) = &report.total {
        sections.push(latencies(report, total));
    }
    if report.arms.len() > 1 || report.total.is_none() {
        sections.push(arms(report));
    }
    sections.extend(stages(report));
    sections.push(connecting(report));
    sections.extend(server(report));
    Page {
        title: format!("loadgen {}", report.command),
        subtitle: subtitle(report),
        alerts: alerts(report),
        facts: facts(report),
        sections,
    }
}

fn subtitle(report: &Report) -> String {
    let options = &report.options;
    format!(
        "{} clients on {} topic(s), {} bytes a publication, against {}{}.",
        number::figure(f64::from(options.clients)),
        number::figure(options.topics as f64),
        options.size_bytes,
        options.target,
        if options.own_node {
            ", a node of its own"
        } else {
            ""
        }
    )
}

fn alerts(report: &Report) -> Vec<String> {
    let mut alerts: Vec<String> = report
        .limits
        .iter()
        .map(|l| format!("Limit: {l}"))
        .collect();
    let failed = report.thresholds.iter().filter(|outcome| !outcome.passed);
    alerts.extend(failed.map(|outcome| format!("Threshold failed: {}", outcome.expression)));
    if let Some(lost) = report
        .total
        .as_ref()
        .map(|t| t.lost)
        .filter(|lost| *lost > 0)
    {
        alerts.push(format!(
            "{} deliveries were lost",
            number::figure(lost as f64)
        ));
    }
    alerts
}

fn facts(report: &Report) -> Vec<(String, String)> {
    let options = &report.options;
    let pace = match (options.rate, options.in_flight) {
        (Some(rate), _) => format!("open loop, {} publications/s", number::figure(rate)),
        (None, in_flight) => format!("closed loop, {} in flight", in_flight.unwrap_or(0)),
    };
    let mut facts = vec![
        ("Machine", report.machine.to_string()),
        ("Generator", format!("loadgen {}", report.generator_version)),
        ("Began", crate::base::num::utc(report.started_unix_ms)),
        ("Pace", pace),
        ("Latency", report.latency_basis.to_owned()),
        ("Seed", options.seed.to_string()),
        ("Workers", options.workers.to_string()),
    ];
    if let Some(total) = &report.total {
        let reach = total.reach_percent.unwrap_or(0.0);
        facts.push((
            "Delivered",
            format!(
                "{} of {}, {reach:.4} %",
                number::figure(total.received as f64),
                number::figure(total.expected as f64)
            ),
        ));
    }
    facts.extend(report.warnings.iter().map(|w| ("Note", w.clone())));
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    facts.into_iter().map(named).collect()
}

fn latencies(report: &Report, total: &RoundFigures) -> Section {
    let rows = [
        (Histogram::Deliveries, &total.latency),
        (Histogram::Uncorrected, &total.latency_uncorrected),
        (Histogram::First, &total.first),
        (Histogram::Median, &total.median),
        (Histogram::Last, &total.last),
        (Histogram::Spread, &total.spread),
        (Histogram::Lateness, &total.lateness),
    ];
    let rows = rows.map(|(which, summary)| (which.title(), summary));
    let table = summaries("Delivery latency", rows.into_iter());
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(curves(report).map(Block::Lines));
    blocks.extend(over_time(report).map(Block::Lines));
    Section {
        title: "Latency".to_owned(),
        text: Vec::new(),
        blocks,
    }
}

/// A row for each histogram that holds anything.
fn summaries<'a>(title: &str, rows: impl Iterator<Item = (&'a str, &'a Summary)>) -> Table {
    let row = |(name, summary): (&str, &Summary)| {
        let time = |us: Option<f64>| Cell::of(us, number::micros);
        vec![
            Cell::new(name),
            time(summary.p50_us),
            time(summary.p90_us),
            time(summary.p99_us),
            time(summary.p999_us),
            time(summary.max_us),
            time(summary.mean_us),
        ]
    };
    let head = ["", "p50", "p90", "p99", "p99.9", "max", "mean"];
    Table {
        title: title.to_owned(),
        note: String::new(),
        head: head.map(str::to_owned).to_vec(),
        rows: rows.filter(|(_, s)| s.count > 0).map(row).collect(),
    }
}

fn curves(report: &Report) -> Option<Lines> {
    let is_drawn = |which: &&Histogram| report.total.is_none() || **which != Histogram::Connect;
    let wanted = CURVES.iter().filter(is_drawn).filter_map(|which| {
        let latency = report.histogram(*which)?;
        (!latency.is_empty()).then_some((which.title(), latency))
    });
    let numbered = wanted.enumerate();
    let curves: Vec<Curve<'_>> = numbered
        .map(|(i, (name, latency))| (name, i, latency))
        .collect();
    Some(Lines {
        title: "Latency by percentile".to_owned(),
        note: "Each step to the right is one nine more.".to_owned(),
        ..by_percentile("percentile, in %", "latency in ms", &curves)?
    })
}

fn over_time(report: &Report) -> Option<Lines> {
    let intervals = report.intervals();
    let first = intervals.first()?.start;
    let at = |percentile: f64| -> Vec<(f64, f64)> {
        let point = |interval: &crate::show::hlog::Interval| {
            let seconds = interval.start.saturating_sub(first).as_secs_f64();
            let nanos = interval.latency.percentile(percentile)?;
            Some((seconds, nanos as f64 / 1e6))
        };
        intervals.iter().filter_map(point).collect()
    };
    let places = [(50.0, "p50"), (99.0, "p99"), (100.0, "max")];
    let places = places.into_iter().enumerate();
    let of = |(number, (percentile, name))| series(name, number, at(percentile));
    Some(Lines {
        title: "Latency over time".to_owned(),
        note: "What arrived in each second.".to_owned(),
        ..latency::over_time("latency in ms", places.map(of).collect())
    })
}

fn arms(report: &Report) -> Section {
    let time = |us: Option<f64>| Cell::of(us, number::micros);
    let plain = |value: Option<f64>| Cell::of(value, number::figure);
    let row = |arm: &Arm| {
        let wire = arm.traffic.wire.as_ref();
        vec![
            Cell::new(arm.name.clone()),
            plain(arm.deliveries.reach_percent),
            time(arm.deliveries.staleness.p50_us),
            time(arm.deliveries.staleness.p99_us),
            time(arm.deliveries.staleness.max_us),
            plain(arm.traffic.requests_per_second),
            plain(arm.traffic.empty_percent),
            plain(arm.traffic.app_bytes_per_client_second),
            plain(wire.and_then(|wire| wire.bytes_per_client_second)),
        ]
    };
    let head = [
        "arm",
        "delivered (%)",
        "p50",
        "p99",
        "max",
        "requests/s",
        "empty (%)",
        "app B/s a client",
        "wire B/s a client",
    ];
    let bar = |(number, arm): (usize, &Arm)| Bar {
        label: arm.name.clone(),
        number,
        value: arm
            .traffic
            .wire
            .as_ref()
            .and_then(|wire| wire.bytes_per_client_second),
        predicted: None,
    };
    Section {
        title: "Arms".to_owned(),
        text: Vec::new(),
        blocks: vec![
            Block::Table(Table {
                title: "What each arm got and took".to_owned(),
                note: String::new(),
                head: head.map(str::to_owned).to_vec(),
                rows: report.arms.iter().map(row).collect(),
            }),
            Block::Bars(Bars {
                title: "Wire bytes of a client in a second".to_owned(),
                note: String::new(),
                axis: "bytes on the wire (IP + TCP) in a second".to_owned(),
                bars: report.arms.iter().enumerate().map(bar).collect(),
            }),
        ],
    }
}

/// What each stage brought, where a run has stages.
fn stages(report: &Report) -> Option<Section> {
    let stages = &report.stages;
    if stages.is_empty() {
        return None;
    }
    let rows = stages.iter().zip(&report.repeats);
    let latency = rows.map(|(stage, figures)| (stage.name.as_str(), &figures.latency));
    let mut blocks = vec![Block::Table(summaries(
        "Delivery latency by stage",
        latency,
    ))];
    let back = |stage: &'_ StageFigures| {
        let back = stage.back.clone()?;
        Some((stage.name.clone(), back.reconnect))
    };
    let backs: Vec<(String, Summary)> = stages.iter().filter_map(back).collect();
    if !backs.is_empty() {
        let rows = backs.iter().map(|(name, back)| (name.as_str(), back));
        blocks.push(Block::Table(summaries("From cut to back, the crowd", rows)));
    }
    Some(Section {
        title: "Stages".to_owned(),
        text: Vec::new(),
        blocks,
    })
}

fn connecting(report: &Report) -> Section {
    let connect = &report.connect;
    let rows = [
        ("TCP", &connect.tcp),
        ("upgrade or first answer", &connect.upgrade),
        ("both", &connect.total),
    ];
    let mut text = vec![format!(
        "{} clients in {} s, {} a second.",
        number::figure(connect.connected as f64),
        number::figure(connect.seconds),
        number::figure(connect.rate)
    )];
    if let Some(memory) = &report.memory {
        let each = |bytes: Option<f64>| bytes.map_or_else(|| "–".to_owned(), number::figure);
        text.push(format!(
            "Memory of a connection: server {} B, kernel (both ends) {} B, generator {} B.",
            each(memory.server_per_connection_bytes),
            each(memory.kernel_per_connection_bytes),
            each(memory.generator_per_connection_bytes)
        ));
    }
    Section {
        title: "Connecting".to_owned(),
        text,
        blocks: vec![Block::Table(summaries("Time to connect", rows.into_iter()))],
    }
}

/// CPU and memory of the server, where they were seen.
fn server(report: &Report) -> Option<Section> {
    let samples = &report.run.samples;
    let known: Vec<_> = samples
        .iter()
        .filter_map(|s| Some((s.at_us as f64 / 1e6, s.server?)))
        .collect();
    if known.len() < 2 {
        return None;
    }
    let cpu = known.windows(2).filter_map(|pair| {
        let seconds = pair[1].0 - pair[0].0;
        let nanos = pair[1].1.cpu_ns.saturating_sub(pair[0].1.cpu_ns);
        (seconds > 0.0).then(|| (pair[1].0, 100.0 * nanos as f64 / 1e9 / seconds))
    });
    let memory = known
        .iter()
        .map(|(at, sample)| (*at, sample.rss_bytes as f64 / 1024f64.powi(2)));
    let plot = |title: &str, axis: &str, number, points: Vec<(f64, f64)>| {
        Block::Lines(Lines {
            title: title.to_owned(),
            note: String::new(),
            x: Axis::linear("time in s", points.iter().map(|p| p.0)),
            y: Axis::linear(axis, points.iter().map(|p| p.1)),
            series: vec![series(title, number, points)],
        })
    };
    Some(Section {
        title: "Server".to_owned(),
        text: Vec::new(),
        blocks: vec![
            plot(
                "CPU of the server",
                "CPU in % of one core",
                0,
                cpu.collect(),
            ),
            plot(
                "Memory of the server",
                "resident memory in MiB",
                2,
                memory.collect(),
            ),
        ],
    })
}
