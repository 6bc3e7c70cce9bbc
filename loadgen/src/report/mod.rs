//! The report of a run: every figure once, in the form in which JSON, text and thresholds see it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::base::num::median;
use crate::figures::thresholds::{Figures, Outcome};
use crate::host::sample::Machine;
use crate::measure::stats::{Latency, micros};
use crate::plan::Pace;
use crate::recording::measured::{Measured, join_repeats};
use crate::recording::metrics::Metrics;

use self::arm::Arm;
pub use self::figures::{
    ConnectFigures, IdleFigures, MemoryFigures, Options, Range, RoundFigures, StageFigures,
    StormFigures,
};
use crate::recording::{Run, SCHEMA_VERSION};
use crate::show::hlog::{self, Interval};

pub mod arm;
mod arms;
pub mod figures;
pub mod page;
pub mod text;
pub mod verdict;

/// The report, as it stands in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    schema_version: u32,
    generator: &'static str,
    generator_version: &'static str,
    /// `fanout` or `connect`.
    pub command: String,
    started_unix_ms: u64,
    /// How latency is measured, in words.
    pub latency_basis: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// How the generator met the kernel.
    pub backend: &'static str,
    /// What was asked for.
    pub options: Options,
    /// Figures about connecting.
    pub connect: ConnectFigures,
    /// The clients by how they read, in the order in which that was asked for.
    pub arms: Vec<Arm>,
    /// All repeats together; none if nothing was published.
    pub total: Option<RoundFigures>,
    /// Each repeat, or each stage.
    pub repeats: Vec<RoundFigures>,
    /// What each of them was, if they are stages.
    pub stages: Vec<StageFigures>,
    /// Median and range over the repeats, by figure.
    pub over_repeats: BTreeMap<String, Range>,
    /// What connections cost.
    pub memory: Option<MemoryFigures>,
    /// What connections cost that were only held.
    pub idle: Option<IdleFigures>,
    /// A storm.
    pub storm: Option<StormFigures>,
    /// Connections that the server ended, by close code or reason.
    pub closes: BTreeMap<String, u64>,
    /// Slow readers that the server ended, the same way.
    pub slow_closes: BTreeMap<String, u64>,
    /// Whole messages that slow readers got after they read again.
    pub slow_messages: u64,
    /// Publishing connections that the server ended, the same way.
    pub publisher_closes: BTreeMap<String, u64>,
    /// The most memory that the server was seen with.
    pub server_rss_peak_bytes: Option<u64>,
    /// CPUs that the server may use.
    pub server_cpus: Option<u64>,
    /// What the server said at `--metrics-url`: counters by their growth, gauges at the end.
    pub server_metrics: Metrics,
    /// Why the generator was the limit or the load not reached; empty if neither.
    pub limits: Vec<String>,
    /// What else a reader should know.
    pub warnings: Vec<String>,
    /// What became of `--fail`.
    pub thresholds: Vec<Outcome>,
    /// Everything that was counted, with all histograms: what the figures were made of.
    pub run: Run,
    #[serde(skip)]
    histograms: BTreeMap<&'static str, Latency>,
    /// Staleness by arm.
    #[serde(skip)]
    arm_histograms: Vec<Latency>,
}

impl Report {
    /// Puts a run into figures.
    #[must_use]
    pub fn new(run: Run) -> Self {
        let all = join_repeats(&run.repeats);
        let is_measured = !run.repeats.is_empty();
        let samples = run.samples.iter();
        let rss_peak = samples.filter_map(|s| Some(s.server?.rss_bytes)).max();
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            generator: "loadgen",
            generator_version: env!("CARGO_PKG_VERSION"),
            command: run.command.clone(),
            started_unix_ms: u64::try_from(run.started.as_millis()).unwrap_or(u64::MAX),
            latency_basis: basis(run.plan.pace),
            machine: run.machine.clone(),
            backend: run.plan.driver.name(),
            options: Options::new(&run),
            connect: ConnectFigures::new(&run.connected),
            arms: arms::arms(&run, &all),
            total: is_measured.then(|| RoundFigures::new(&all)),
            repeats: run.repeats.iter().map(RoundFigures::new).collect(),
            stages: run.stages.iter().map(StageFigures::new).collect(),
            over_repeats: BTreeMap::new(),
            memory: run.memory.as_ref().map(MemoryFigures::new),
            idle: run.idle.as_ref().map(|idle| {
                let clients = run.connected.connects.connected;
                IdleFigures::new(idle, clients)
            }),
            storm: run.storm.as_ref().map(|s| StormFigures::new(s, &all)),
            closes: run.finished.closes.clone(),
            slow_closes: run.finished.slow_closes.clone(),
            slow_messages: run.finished.slow_messages,
            publisher_closes: run.finished.publisher_closes.clone(),
            server_rss_peak_bytes: rss_peak,
            server_cpus: run.server_cpus,
            server_metrics: run.metrics.clone(),
            limits: Vec::new(),
            warnings: Vec::new(),
            thresholds: Vec::new(),
            histograms: histograms(&run, &all),
            arm_histograms: all
                .round
                .arms
                .iter()
                .map(|it| it.corrected.clone())
                .collect(),
            run,
        };
        if report.stages.is_empty() {
            report.over_repeats = over_repeats(&report.repeats);
        }
        report.limits = verdict::limits(&report);
        report.warnings = verdict::warnings(&report, &report.run.plan);
        report
    }

    /// What its arms are called.
    #[must_use]
    pub fn arm_names(&self) -> Vec<String> {
        self.arms.iter().map(|arm| arm.name.clone()).collect()
    }

    /// The histogram that `.hgrm` shows: deliveries, or connects where nothing is published.
    #[must_use]
    pub fn main_histogram(&self) -> &Latency {
        match self.total {
            Some(_) => &self.histograms[""],
            None => &self.histograms["connect_"],
        }
    }

    /// A histogram by the prefix of its figures.
    #[must_use]
    pub fn histogram(&self, prefix: &str) -> Option<&Latency> {
        self.histograms.get(prefix)
    }

    /// Deliveries second by second, where that was wanted.
    #[must_use]
    pub fn intervals(&self) -> Vec<Interval> {
        intervals(&self.run, None)
    }

    /// The interval logs, each with a name for its file: the first, without one, is of all
    /// clients; where they read in several ways, each arm has its own as well.
    #[must_use]
    pub fn hlogs(&self) -> Vec<(String, String)> {
        let comment = format!("loadgen {}, {}", self.command, self.latency_basis);
        let mut logs = vec![(String::new(), hlog::hlog(&comment, &self.intervals()))];
        if self.arms.len() > 1 {
            let of = |(place, arm): (usize, &Arm)| {
                let comment = format!("{comment}\nthe clients that read by {}", arm.name);
                let text = hlog::hlog(&comment, &intervals(&self.run, Some(place)));
                (arm.name.clone(), text)
            };
            logs.extend(self.arms.iter().enumerate().map(of));
        }
        logs
    }

    /// All figures as JSON.
    ///
    /// # Panics
    /// Never: every figure is a number, a text or a map of them.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("plain data");
        text.push('\n');
        text
    }
}

impl Figures for Report {
    fn percentile(&self, prefix: &str, percentile: Option<f64>) -> Option<f64> {
        read_percentile(self.histograms.get(prefix)?, percentile)
    }

    fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64> {
        let place = self.arms.iter().position(|it| it.name == arm)?;
        read_percentile(self.arm_histograms.get(place)?, percentile)
    }

    fn arm_numbers(&self, arm: &str) -> BTreeMap<&'static str, f64> {
        let arm = self.arms.iter().find(|it| it.name == arm);
        let numbers = arm.map(Arm::numbers).unwrap_or_default().into_iter();
        numbers
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    fn numbers(&self) -> BTreeMap<&'static str, f64> {
        let connect = &self.connect;
        let closed: u64 = self.closes.values().sum();
        let mut numbers = vec![
            ("closed", Some(closed as f64)),
            ("connected", Some(connect.connected as f64)),
            (
                "connect_failures",
                Some(connect.failures.values().sum::<u64>() as f64),
            ),
            ("connect_rate", Some(connect.rate)),
            ("cpu_per_connect", connect.server_cpu_per_connect_us),
            ("rss_peak", self.server_rss_peak_bytes.map(|b| b as f64)),
            ("back_99", self.storm.as_ref().and_then(|s| s.back_99_us)),
            ("generator_cpu", Some(connect.generator_cpu_percent)),
        ];
        if let Some(memory) = &self.memory {
            numbers.extend([
                ("rss_per_conn", memory.server_per_connection_bytes),
                ("kernel_per_conn", memory.kernel_per_connection_bytes),
                (
                    "generator_rss_per_conn",
                    memory.generator_per_connection_bytes,
                ),
            ]);
        }
        if let Some(total) = &self.total {
            numbers.extend(total.numbers());
        }
        let known = numbers
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        known.collect()
    }
}

/// In microseconds; `None` is the mean.
fn read_percentile(latency: &Latency, percentile: Option<f64>) -> Option<f64> {
    match percentile {
        None => latency.mean().map(|nanos| nanos / 1e3),
        Some(place) => latency.percentile(place).map(micros),
    }
}

fn basis(pace: Pace) -> &'static str {
    match pace {
        Pace::Open { .. } => {
            "from the intended publish time of a fixed timetable (open loop), to the read that \
             brought the message: coordinated omission is corrected"
        }
        Pace::Closed { .. } => {
            "from the actual send (closed loop), to the read that brought the message: a stalled \
             server lowers the rate and hides from these percentiles (coordinated omission)"
        }
    }
}

fn histograms(run: &Run, all: &Measured) -> BTreeMap<&'static str, Latency> {
    let connects = &run.connected.connects;
    let mut histograms = BTreeMap::from([
        ("", all.round.corrected.clone()),
        ("uncorrected_", all.round.uncorrected.clone()),
        ("first_", all.round.first.clone()),
        ("median_", all.round.median.clone()),
        ("last_", all.round.last.clone()),
        ("spread_", all.round.spread.clone()),
        ("connect_", connects.total.clone()),
        ("tcp_", connects.tcp.clone()),
        ("upgrade_", connects.upgrade.clone()),
        ("lateness_", all.published.lateness.clone()),
    ]);
    if let Some(storm) = &run.storm {
        histograms.insert("reconnect_", storm.back.back.clone());
    }
    histograms
}

/// The notes of all workers, joined second by second, of one arm or of all; each begins when its
/// first worker did.
fn intervals(run: &Run, arm: Option<usize>) -> Vec<Interval> {
    let mut joined: BTreeMap<(u8, u64), (u64, Latency)> = BTreeMap::new();
    for note in &run.intervals {
        let place = joined.entry((note.round, note.second));
        let (start, latency) = place.or_insert_with(|| (note.start, Latency::new()));
        *start = note.start.min(*start);
        let of_arm = arm.and_then(|arm| note.arms.get(arm));
        latency.add(of_arm.unwrap_or(&note.latency));
    }
    let interval = |(start, latency)| Interval {
        start: run.epoch + Duration::from_nanos(start),
        length: Duration::from_secs(1),
        latency,
    };
    joined.into_values().map(interval).collect()
}

fn over_repeats(repeats: &[RoundFigures]) -> BTreeMap<String, Range> {
    let figures = repeats.iter().map(|repeat| {
        let cpu = repeat.server_cpu_per_delivery_us;
        vec![
            ("p50_us", repeat.latency.p50_us),
            ("p99_us", repeat.latency.p99_us),
            ("max_us", repeat.latency.max_us),
            ("last_p50_us", repeat.last.p50_us),
            ("last_p99_us", repeat.last.p99_us),
            ("deliveries_per_second", Some(repeat.deliveries_per_second)),
            ("reach_percent", repeat.reach_percent),
            ("server_cpu_per_delivery_us", cpu),
        ]
    });
    ranges(figures)
}

/// Median and range of each figure over the repeats; nothing for a single one.
fn ranges(
    repeats: impl Iterator<Item = Vec<(&'static str, Option<f64>)>>,
) -> BTreeMap<String, Range> {
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut count = 0;
    for figures in repeats {
        count += 1;
        for (name, value) in figures {
            values.entry(name.to_owned()).or_default().extend(value);
        }
    }
    let range = |(name, values): (String, Vec<f64>)| {
        let range = Range {
            median: median(&values)?,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        };
        Some((name, range))
    };
    let ranges = values.into_iter().filter(|_| count > 1);
    ranges.filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::golden;
    use crate::recording::synthetic;

    fn shown(run: Run) -> String {
        let report = Report::new(run);
        let html = page::page(&report).html();
        golden::report(&text::text(&report), &report.json(), &html)
    }

    #[test]
    fn the_report_of_a_run_is_what_it_was() {
        golden::check("run.txt", &shown(synthetic::whole()));
        golden::check("stages.txt", &shown(synthetic::staged()));
    }

    #[test]
    fn every_figure_of_a_run_is_what_it_was() {
        let report = Report::new(synthetic::whole());
        golden::check("figures.txt", &format!("{:#?}\n", report.numbers()));
    }
}
