//! The report of a run: every figure once, in the form in which JSON, text and bounds see it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::figures::arm::Arm;
use crate::figures::arm_bounds::ArmBound;
use crate::figures::arm_figure::ArmEvidence;
use crate::figures::histogram::Histogram;
use crate::figures::metric::Figures;
use crate::figures::of_run::RunKey;
use crate::figures::range::Range;
use crate::figures::thresholds::Outcome;
use crate::host::sample::Machine;
use crate::measure::stats::Latency;
use crate::recording::Run;
use crate::recording::metrics::Metrics;
use crate::show::hlog::{self, Interval};

use super::figures::{
    ConnectFigures, IdleFigures, MemoryFigures, Options, StageFigures, StormFigures,
};
use super::round::RoundFigures;

/// The report, as it stands in JSON.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(super) schema_version: u32,
    pub(super) generator: &'static str,
    pub(super) generator_version: &'static str,
    /// `fanout` or `connect`.
    pub command: String,
    pub(super) started_unix_ms: u64,
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
    pub(super) histograms: BTreeMap<Histogram, Latency>,
    /// Staleness by arm.
    #[serde(skip)]
    pub(super) arm_histograms: Vec<Latency>,
}

impl Report {
    /// What its arms are called.
    #[must_use]
    pub(crate) fn arm_names(&self) -> Vec<String> {
        self.arms.iter().map(|arm| arm.name.clone()).collect()
    }

    /// The histogram that `.hgrm` shows: deliveries, or connects where nothing is published.
    #[must_use]
    pub(crate) fn main_histogram(&self) -> &Latency {
        match self.total {
            Some(_) => &self.histograms[&Histogram::Deliveries],
            None => &self.histograms[&Histogram::Connect],
        }
    }

    /// A histogram; of a storm only where there was one.
    #[must_use]
    pub(crate) fn histogram(&self, which: Histogram) -> Option<&Latency> {
        self.histograms.get(&which)
    }

    /// What figures of an arm are taken from.
    fn seen(&self, arm: &str) -> Option<ArmEvidence<'_>> {
        let place = self.arms.iter().position(|it| it.name == arm)?;
        Some(ArmEvidence {
            arm: &self.arms[place],
            staleness: self.arm_histograms.get(place)?,
        })
    }

    /// Deliveries second by second, where that was wanted.
    #[must_use]
    pub(crate) fn intervals(&self) -> Vec<Interval> {
        intervals(&self.run, None)
    }

    /// The interval logs, each with a name for its file: the first, without one, is of all
    /// clients; where they read in several ways, each arm has its own as well.
    #[must_use]
    pub(crate) fn hlogs(&self) -> Vec<(String, String)> {
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
    pub(crate) fn json(&self) -> String {
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
