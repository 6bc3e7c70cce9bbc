//! The report of a run: every figure once, in the form in which JSON, text and thresholds see it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::figures::arm::Arm;
use crate::figures::arm_bounds::ArmBound;
use crate::figures::histogram::Histogram;
use crate::figures::metric::Figures;
use crate::figures::of_arm::Seen;
use crate::figures::of_run::RunKey;
use crate::figures::range::{Range, ranges};
use crate::figures::thresholds::Outcome;
use crate::host::sample::Machine;
use crate::measure::stats::Latency;
use crate::plan::Pace;
use crate::recording::measured::{Measured, join_repeats};
use crate::recording::metrics::Metrics;

pub use self::figures::{
    ConnectFigures, IdleFigures, MemoryFigures, Options, RoundFigures, StageFigures, StormFigures,
};
use crate::recording::{Run, SCHEMA_VERSION};
use crate::show::hlog::{self, Interval};

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
    histograms: BTreeMap<Histogram, Latency>,
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
            report.over_repeats = ranges(&report.repeats, RANGED.iter().copied());
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
            Some(_) => &self.histograms[&Histogram::Deliveries],
            None => &self.histograms[&Histogram::Connect],
        }
    }

    /// A histogram; of a storm only where there was one.
    #[must_use]
    pub fn histogram(&self, which: Histogram) -> Option<&Latency> {
        self.histograms.get(&which)
    }

    /// What figures of an arm are taken from.
    fn seen(&self, arm: &str) -> Option<Seen<'_>> {
        let place = self.arms.iter().position(|it| it.name == arm)?;
        Some(Seen {
            arm: &self.arms[place],
            staleness: self.arm_histograms.get(place)?,
        })
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
    fn percentile(&self, of: Histogram, percentile: Option<f64>) -> Option<f64> {
        self.histograms.get(&of)?.micros_at(percentile)
    }

    fn number(&self, key: RunKey) -> Option<f64> {
        let (connect, memory) = (&self.connect, self.memory.as_ref());
        let total = self.total.as_ref();
        let sum = |counts: &BTreeMap<String, u64>| Some(counts.values().sum::<u64>() as f64);
        // Where nothing was due, nothing can be wrong with it.
        let due = total.filter(|total| total.expected > 0);
        match key {
            RunKey::Reach => total?.reach_percent,
            RunKey::Expected => Some(total?.expected as f64),
            RunKey::Received => Some(total?.received as f64),
            RunKey::Lost => Some(due?.lost as f64),
            RunKey::Duplicated => Some(due?.duplicated as f64),
            RunKey::Reordered => Some(due?.reordered as f64),
            RunKey::Closed => sum(&self.closes),
            RunKey::DeliveriesRate => Some(total?.deliveries_per_second),
            RunKey::PublicationsRate => Some(total?.publications_per_second),
            RunKey::Achieved => total?.achieved_percent,
            RunKey::Connected => Some(connect.connected as f64),
            RunKey::ConnectFailures => sum(&connect.failures),
            RunKey::ConnectRate => Some(connect.rate),
            RunKey::Back99 => self.storm.as_ref()?.back_99_us,
            RunKey::RssPerConn => memory?.server_per_connection_bytes,
            RunKey::KernelPerConn => memory?.kernel_per_connection_bytes,
            RunKey::GeneratorRssPerConn => memory?.generator_per_connection_bytes,
            RunKey::RssPeak => self.server_rss_peak_bytes.map(|bytes| bytes as f64),
            RunKey::ServerCpu => total?.server_cpu_percent,
            RunKey::GeneratorCpu => Some(match total {
                Some(total) => total.generator_cpu_percent,
                None => connect.generator_cpu_percent,
            }),
            RunKey::CpuPerDelivery => total?.server_cpu_per_delivery_us,
            RunKey::CpuPerConnect => connect.server_cpu_per_connect_us,
            RunKey::Disagreements => None,
        }
    }

    fn arm_percentile(&self, arm: &str, percentile: Option<f64>) -> Option<f64> {
        self.seen(arm)?.staleness.micros_at(percentile)
    }

    fn arm_number(&self, arm: &str, bound: &ArmBound) -> Option<f64> {
        bound.of(self.seen(arm))
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

fn histograms(run: &Run, all: &Measured) -> BTreeMap<Histogram, Latency> {
    let (connects, storm) = (&run.connected.connects, run.storm.as_ref());
    let of = |which: Histogram| match which {
        Histogram::Deliveries => Some(&all.round.corrected),
        Histogram::Uncorrected => Some(&all.round.uncorrected),
        Histogram::First => Some(&all.round.first),
        Histogram::Median => Some(&all.round.median),
        Histogram::Last => Some(&all.round.last),
        Histogram::Spread => Some(&all.round.spread),
        Histogram::Connect => Some(&connects.total),
        Histogram::Tcp => Some(&connects.tcp),
        Histogram::Upgrade => Some(&connects.upgrade),
        Histogram::Reconnect => Some(&storm?.back.back),
        Histogram::Lateness => Some(&all.published.lateness),
    };
    let all = Histogram::ALL.into_iter();
    all.filter_map(|which| Some((which, of(which)?.clone())))
        .collect()
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

/// Figures of a repeat whose range over the repeats is told.
type Ranged = (&'static str, fn(&RoundFigures) -> Option<f64>);

const RANGED: &[Ranged] = &[
    ("p50_us", |it| it.latency.p50_us),
    ("p99_us", |it| it.latency.p99_us),
    ("max_us", |it| it.latency.max_us),
    ("last_p50_us", |it| it.last.p50_us),
    ("last_p99_us", |it| it.last.p99_us),
    ("deliveries_per_second", |it| Some(it.deliveries_per_second)),
    ("reach_percent", |it| it.reach_percent),
    ("server_cpu_per_delivery_us", |it| {
        it.server_cpu_per_delivery_us
    }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::golden;
    use crate::figures::of_run::{OF_RUN, RunFigure};
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
        let number = |figure: &RunFigure| Some((figure.bound, report.number(figure.key)?));
        let numbers: BTreeMap<_, _> = OF_RUN.iter().filter_map(number).collect();
        golden::check("figures.txt", &format!("{numbers:#?}\n"));
    }
}
