//! The report of a run: every figure once, in the form in which JSON, text and thresholds see it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::num::{median, ratio};
use crate::plan::{Pace, PublishBy};
use crate::run::metrics_url::Metrics;
use crate::run::{Connected, Measured, ServerUse, join_repeats};
use crate::sample::Machine;
use crate::stats::{Latency, Summary, micros};
use crate::thresholds::{Figures, Outcome};

use self::arm::Arm;
use self::hlog::Interval;
use self::recording::{Memory, Run, StageRun, StormRun};

pub mod arm;
mod arms;
pub mod hgrm;
pub mod hlog;
pub mod page;
pub mod recording;
pub mod text;
pub mod verdict;

/// The form of the JSON; it changes when a figure changes its name or meaning.
pub const SCHEMA_VERSION: u32 = 2;

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
}

/// The load that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// The server's URL.
    pub target: String,
    /// Whether the run started it.
    pub own_node: bool,
    /// All clients.
    pub clients: u32,
    /// Of them, those that never read.
    pub slow_readers: u32,
    /// Topics.
    pub topics: usize,
    /// `ws`, `http` or `none`.
    pub publish: &'static str,
    /// Publishing connections.
    pub publishers: u32,
    /// Bytes of a payload.
    pub size_bytes: usize,
    /// Publications a second, in an open loop.
    pub rate: Option<f64>,
    /// Publications under way, in a closed loop.
    pub in_flight: Option<u32>,
    /// Processes of the generator.
    pub workers: u32,
    /// Of everything random.
    pub seed: u64,
    /// How long stragglers were waited for.
    pub drain_ms: u64,
}

/// Figures about connecting.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectFigures {
    /// Clients that came in.
    pub connected: u64,
    /// Clients that did not, by reason.
    pub failures: BTreeMap<String, u64>,
    /// From the first attempt to the last answer.
    pub seconds: f64,
    /// Connections a second.
    pub rate: f64,
    /// Begin of connect to the open TCP connection.
    pub tcp: Summary,
    /// Open TCP connection to 101, TLS included.
    pub upgrade: Summary,
    /// Both.
    pub total: Summary,
    /// CPU that one connection cost the server.
    pub server_cpu_per_connect_us: Option<f64>,
    /// The busiest worker's share of a core, in percent.
    pub generator_cpu_percent: f64,
}

/// Figures of one repeat, or of all.
#[derive(Clone, Debug, Serialize)]
pub struct RoundFigures {
    /// First publication to last delivery.
    pub seconds: f64,
    /// Publications.
    pub published: u64,
    /// Publications that the timetable wanted.
    pub offered: u64,
    /// Published of offered, in percent.
    pub achieved_percent: f64,
    /// Publications a second.
    pub publications_per_second: f64,
    /// Deliveries that were due.
    pub expected: u64,
    /// Deliveries that came.
    pub received: u64,
    /// Received of expected, in percent.
    pub reach_percent: Option<f64>,
    /// Deliveries that did not come.
    pub lost: u64,
    /// Deliveries of what was there already.
    pub duplicated: u64,
    /// Deliveries after a later one of the same stream.
    pub reordered: u64,
    /// Deliveries a second.
    pub deliveries_per_second: f64,
    /// Bytes received a second, with framing.
    pub received_bytes_per_second: f64,
    /// All deliveries, from the intended moment.
    pub latency: Summary,
    /// All deliveries, from the actual send.
    pub latency_uncorrected: Summary,
    /// First delivery of each publication, from the intended moment.
    pub first: Summary,
    /// Median delivery of each publication.
    pub median: Summary,
    /// Last delivery of each publication.
    pub last: Summary,
    /// First to last delivery of each publication.
    pub spread: Summary,
    /// How late publications left, behind the timetable.
    pub lateness: Summary,
    /// Publications that some subscriber never got.
    pub incomplete: u64,
    /// Publications of a closed loop that were given up.
    pub stalled: u64,
    /// Times when the server did not take a publication that was due.
    pub blocked: u64,
    /// Publications whose first, median and last delivery are not in the figures.
    pub evicted: u64,
    /// Stamps of other runs and rounds.
    pub foreign: u64,
    /// Messages without a stamp.
    pub unstamped: u64,
    /// POSTs that were refused, by status.
    pub refused: BTreeMap<String, u64>,
    /// The server's CPU, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// The same of its busiest thread.
    pub server_busiest_thread_percent: Option<f64>,
    /// CPU that one delivery cost the server.
    pub server_cpu_per_delivery_us: Option<f64>,
    /// CPU that one delivery cost the generator.
    pub generator_cpu_per_delivery_us: Option<f64>,
    /// The busiest worker's share of a core, in percent.
    pub generator_cpu_percent: f64,
    /// Bytes that a read brought on average.
    pub read_bytes: Option<f64>,
    /// Reads that filled the receive buffer.
    pub full_reads: u64,
}

/// Memory, divided.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryFigures {
    /// The sums.
    #[serde(flatten)]
    pub total: Memory,
    /// The server's resident memory for one connection.
    pub server_per_connection_bytes: Option<f64>,
    /// The generator's.
    pub generator_per_connection_bytes: Option<f64>,
    /// The kernel's, both ends.
    pub kernel_per_connection_bytes: Option<f64>,
    /// Server, generator and kernel together.
    pub all_per_connection_bytes: Option<f64>,
}

/// A hold in figures.
#[derive(Clone, Debug, Serialize)]
pub struct IdleFigures {
    /// How long it was.
    pub seconds: f64,
    /// The server's CPU, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// CPU that one client cost the server in a second.
    pub server_cpu_per_client_second_us: Option<f64>,
}

/// A storm in figures.
#[derive(Clone, Debug, Serialize)]
pub struct StormFigures {
    /// Clients that were cut.
    pub cut: u64,
    /// Clients that are back.
    pub back: u64,
    /// Cut to upgrade.
    pub reconnect: Summary,
    /// From the cut until 99 % of all were back; none if they never were.
    pub back_99_us: Option<f64>,
    /// Attempts that failed and were repeated, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Deliveries to the bystanders before it.
    pub bystanders_calm: Summary,
    /// Deliveries to the bystanders while it lasted.
    pub bystanders_storm: Option<Summary>,
}

/// A stage; its other figures are those of the repeat in the same place.
#[derive(Clone, Debug, Serialize)]
pub struct StageFigures {
    /// As it was asked for.
    pub name: String,
    /// Who was cut and came back.
    pub back: Option<BackFigures>,
}

/// Who was cut and came back, in figures.
#[derive(Clone, Debug, Serialize)]
pub struct BackFigures {
    /// Clients that were cut.
    pub cut: u64,
    /// Clients that are back.
    pub back: u64,
    /// Cut to upgrade.
    pub reconnect: Summary,
    /// Attempts that failed and were repeated, by reason.
    pub failures: BTreeMap<String, u64>,
}

/// A figure over repeats.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// Half of the repeats are at most this.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
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
            backend: "epoll",
            options: options(&run),
            connect: connect_figures(&run.connected),
            arms: arms::arms(&run, &all),
            total: is_measured.then(|| RoundFigures::new(&all)),
            repeats: run.repeats.iter().map(RoundFigures::new).collect(),
            stages: run.stages.iter().map(stage_figures).collect(),
            over_repeats: BTreeMap::new(),
            memory: run.memory.as_ref().map(MemoryFigures::new),
            idle: run.idle.as_ref().map(|idle| {
                let clients = run.connected.connects.connected;
                IdleFigures::new(idle, clients)
            }),
            storm: run.storm.as_ref().map(|s| storm_figures(s, &all)),
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
            run,
        };
        if report.stages.is_empty() {
            report.over_repeats = over_repeats(&report.repeats);
        }
        report.limits = verdict::limits(&report);
        report.warnings = verdict::warnings(&report, &report.run.plan);
        report
    }

    /// The histogram that `.hgrm` shows: deliveries, or connects if nothing was delivered.
    #[must_use]
    pub fn main_histogram(&self) -> &Latency {
        let deliveries = &self.histograms[""];
        if deliveries.is_empty() {
            return &self.histograms["connect_"];
        }
        deliveries
    }

    /// A histogram by the prefix of its figures.
    #[must_use]
    pub fn histogram(&self, prefix: &str) -> Option<&Latency> {
        self.histograms.get(prefix)
    }

    /// Deliveries second by second, where that was wanted.
    #[must_use]
    pub fn intervals(&self) -> Vec<Interval> {
        intervals(&self.run)
    }

    /// The interval log.
    #[must_use]
    pub fn hlog(&self) -> String {
        let comment = format!("loadgen {}, {}", self.command, self.latency_basis);
        hlog::hlog(&comment, &self.intervals())
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
        let latency = self.histograms.get(prefix)?;
        match percentile {
            None => latency.mean().map(|nanos| nanos / 1e3),
            Some(place) => latency.percentile(place).map(micros),
        }
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

impl RoundFigures {
    fn new(measured: &Measured) -> Self {
        let Measured {
            round, published, ..
        } = measured;
        let count: u64 = published.streams.iter().map(|n| u64::from(*n)).sum();
        let received = round.counts.received;
        let per_second = |n: u64| n as f64 / measured.seconds.max(1e-9);
        let server = measured.server;
        let percent = |of: fn(&ServerUse) -> f64| server.as_ref().map(|s| 100.0 * of(s));
        let micros_each = |cpu_ns: u64| ratio(cpu_ns, received).map(|nanos| nanos / 1e3);
        Self {
            seconds: measured.seconds,
            published: count,
            offered: published.offered,
            achieved_percent: ratio(count, published.offered).map_or(100.0, |r| 100.0 * r),
            publications_per_second: per_second(count),
            expected: round.expected,
            received,
            reach_percent: ratio(received, round.expected).map(|r| 100.0 * r),
            lost: round.expected.saturating_sub(received),
            duplicated: round.counts.duplicated,
            reordered: round.counts.reordered,
            deliveries_per_second: per_second(received),
            received_bytes_per_second: per_second(round.bytes),
            latency: round.corrected.summary(),
            latency_uncorrected: round.uncorrected.summary(),
            first: round.first.summary(),
            median: round.median.summary(),
            last: round.last.summary(),
            spread: round.spread.summary(),
            lateness: published.lateness.summary(),
            incomplete: round.incomplete,
            stalled: published.stalled,
            blocked: published.blocked,
            evicted: round.evicted,
            foreign: round.foreign,
            unstamped: round.unstamped,
            refused: published.refused.clone(),
            server_cpu_percent: percent(|s| s.cores),
            server_busiest_thread_percent: percent(|s| s.busiest),
            server_cpu_per_delivery_us: server.and_then(|s| micros_each(s.cpu_ns)),
            generator_cpu_per_delivery_us: micros_each(measured.generator_cpu_ns),
            generator_cpu_percent: 100.0 * measured.generator_share,
            read_bytes: ratio(round.bytes, round.reads),
            full_reads: round.full_reads,
        }
    }

    fn numbers(&self) -> Vec<(&'static str, Option<f64>)> {
        vec![
            ("reach", self.reach_percent),
            ("expected", Some(self.expected as f64)),
            ("received", Some(self.received as f64)),
            ("lost", Some(self.lost as f64)),
            ("duplicated", Some(self.duplicated as f64)),
            ("reordered", Some(self.reordered as f64)),
            ("deliveries_rate", Some(self.deliveries_per_second)),
            ("publications_rate", Some(self.publications_per_second)),
            ("achieved", Some(self.achieved_percent)),
            ("server_cpu", self.server_cpu_percent),
            ("generator_cpu", Some(self.generator_cpu_percent)),
            ("cpu_per_delivery", self.server_cpu_per_delivery_us),
        ]
    }
}

impl IdleFigures {
    fn new(idle: &Measured, clients: u64) -> Self {
        let each = idle.server.and_then(|server| ratio(server.cpu_ns, clients));
        Self {
            seconds: idle.seconds,
            server_cpu_percent: idle.server.map(|server| 100.0 * server.cores),
            server_cpu_per_client_second_us: each.map(|ns| ns / 1e3 / idle.seconds.max(1e-9)),
        }
    }
}

impl MemoryFigures {
    fn new(memory: &Memory) -> Self {
        let each = |bytes: u64| ratio(bytes, memory.connections);
        let all = memory.server_bytes.zip(memory.kernel_bytes);
        Self {
            total: memory.clone(),
            server_per_connection_bytes: memory.server_bytes.and_then(each),
            generator_per_connection_bytes: each(memory.generator_bytes),
            kernel_per_connection_bytes: memory.kernel_bytes.and_then(each),
            all_per_connection_bytes: all
                .and_then(|(server, kernel)| each(server + kernel + memory.generator_bytes)),
        }
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

fn options(run: &Run) -> Options {
    let plan = &run.plan;
    let (rate, in_flight) = match plan.pace {
        Pace::Open { rate } => (Some(rate), None),
        Pace::Closed { in_flight } => (None, Some(in_flight)),
    };
    Options {
        target: plan.target.url(),
        own_node: run.own_node,
        clients: plan.subscribers + plan.slow + plan.crowd,
        slow_readers: plan.slow,
        topics: plan.topics.len(),
        publish: match plan.publish {
            PublishBy::Ws => "ws",
            PublishBy::Http => "http",
            PublishBy::Others => "none",
        },
        publishers: plan.publishers,
        size_bytes: plan.size,
        rate,
        in_flight,
        workers: plan.workers,
        seed: plan.seed,
        drain_ms: u64::try_from(run.drain.as_millis()).unwrap_or(u64::MAX),
    }
}

fn connect_figures(connected: &Connected) -> ConnectFigures {
    let connects = &connected.connects;
    let cpu = connected.server.map(|s| s.cpu_ns);
    ConnectFigures {
        connected: connects.connected,
        failures: connects.failures.clone(),
        seconds: connected.seconds,
        rate: connects.connected as f64 / connected.seconds.max(1e-9),
        tcp: connects.tcp.summary(),
        upgrade: connects.upgrade.summary(),
        total: connects.total.summary(),
        server_cpu_per_connect_us: cpu
            .and_then(|ns| ratio(ns, connects.connected))
            .map(|ns| ns / 1e3),
        generator_cpu_percent: 100.0 * connected.generator_share.min(1.0),
    }
}

fn storm_figures(storm: &StormRun, all: &Measured) -> StormFigures {
    let back = &storm.back;
    // The moment at which 99 of 100 of all that were cut were back, not of those that are back.
    let place = ratio(back.cut, back.back.len()).map(|r| 99.0 * r);
    let back_99 = place.filter(|place| *place <= 100.0);
    StormFigures {
        cut: back.cut,
        back: back.back.len(),
        reconnect: back.back.summary(),
        back_99_us: back_99.and_then(|p| back.back.percentile(p)).map(micros),
        failures: back.failures.clone(),
        bystanders_calm: storm.calm.summary(),
        bystanders_storm: (!all.round.corrected.is_empty()).then(|| all.round.corrected.summary()),
    }
}

fn stage_figures(stage: &StageRun) -> StageFigures {
    let back = stage.back.as_ref();
    StageFigures {
        name: stage.name.clone(),
        back: back.map(|back| BackFigures {
            cut: back.cut,
            back: back.back.len(),
            reconnect: back.back.summary(),
            failures: back.failures.clone(),
        }),
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

/// The notes of all workers, joined second by second; each begins when its first worker did.
fn intervals(run: &Run) -> Vec<Interval> {
    let mut joined: BTreeMap<(u8, u64), (u64, Latency)> = BTreeMap::new();
    for note in &run.intervals {
        let place = joined.entry((note.round, note.second));
        let (start, latency) = place.or_insert_with(|| (note.start, Latency::new()));
        *start = note.start.min(*start);
        latency.add(&note.latency);
    }
    let interval = |(start, latency)| Interval {
        tag: None,
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
