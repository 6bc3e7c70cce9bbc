//! The figures of a report, by what they are about.
//!
//! Sums and histograms go in, numbers with their units in their names come out; nothing is
//! measured here.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::num::{percent, ratio};
use crate::lines::Posts;
use crate::measure::stats::Summary;
use crate::plan::{Pace, PublishBy};
use crate::recording::measured::{Connected, Measured, ServerUse};

use crate::recording::{Memory, Run, StageRun, StormRun};

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
    pub achieved_percent: Option<f64>,
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
    /// What became of publishers' connections.
    #[serde(flatten)]
    pub posts: Posts,
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
    /// Clients that were cut in it and came back.
    pub back: Option<BackFigures>,
}

/// Clients that came back, in figures.
#[derive(Clone, Debug, Serialize)]
pub struct BackFigures {
    /// Clients that were cut.
    pub cut: u64,
    /// Of these, those that are back.
    pub back: u64,
    /// Cut to upgrade.
    pub reconnect: Summary,
    /// Attempts that failed and were repeated, by reason.
    pub failures: BTreeMap<String, u64>,
}

impl RoundFigures {
    pub(super) fn new(measured: &Measured) -> Self {
        let Measured {
            round, published, ..
        } = measured;
        let count: u64 = published.streams.iter().map(|n| u64::from(*n)).sum();
        let received = round.counts.received;
        let per_second = |n: u64| n as f64 / measured.seconds.max(1e-9);
        let server = measured.server;
        let cores = |of: fn(&ServerUse) -> f64| server.as_ref().map(|s| 100.0 * of(s));
        let micros_each = |cpu_ns: u64| ratio(cpu_ns, received).map(|nanos| nanos / 1e3);
        Self {
            seconds: measured.seconds,
            published: count,
            offered: published.offered,
            achieved_percent: percent(count, published.offered),
            publications_per_second: per_second(count),
            expected: round.expected,
            received,
            reach_percent: percent(received, round.expected),
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
            posts: published.posts,
            server_cpu_percent: cores(|s| s.cores),
            server_busiest_thread_percent: cores(|s| s.busiest),
            server_cpu_per_delivery_us: server.and_then(|s| micros_each(s.cpu_ns)),
            generator_cpu_per_delivery_us: micros_each(measured.generator_cpu_ns),
            generator_cpu_percent: 100.0 * measured.generator_share,
            read_bytes: ratio(round.bytes, round.reads),
            full_reads: round.full_reads,
        }
    }
}

impl IdleFigures {
    pub(super) fn new(idle: &Measured, clients: u64) -> Self {
        let each = idle.server.and_then(|server| ratio(server.cpu_ns, clients));
        Self {
            seconds: idle.seconds,
            server_cpu_percent: idle.server.map(|server| 100.0 * server.cores),
            server_cpu_per_client_second_us: each.map(|ns| ns / 1e3 / idle.seconds.max(1e-9)),
        }
    }
}

impl MemoryFigures {
    pub(super) fn new(memory: &Memory) -> Self {
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

impl Options {
    pub(super) fn new(run: &Run) -> Self {
        let plan = &run.plan;
        let (rate, in_flight) = match plan.pace {
            Pace::Open { rate } => (Some(rate), None),
            Pace::Closed { in_flight } => (None, Some(in_flight)),
        };
        Self {
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
}

impl ConnectFigures {
    pub(super) fn new(connected: &Connected) -> Self {
        let connects = &connected.connects;
        let cpu = connected.server.map(|s| s.cpu_ns);
        Self {
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
}

impl StormFigures {
    pub(super) fn new(storm: &StormRun, all: &Measured) -> Self {
        let back = &storm.back;
        // The moment at which 99 of 100 of all that were cut were back, not of those that are back.
        let place = ratio(back.cut, back.back.len()).map(|r| 99.0 * r);
        let back_99 = place.filter(|place| *place <= 100.0);
        Self {
            cut: back.cut,
            back: back.back.len(),
            reconnect: back.back.summary(),
            back_99_us: back_99.and_then(|p| back.back.micros_at(Some(p))),
            failures: back.failures.clone(),
            bystanders_calm: storm.calm.summary(),
            bystanders_storm: (!all.round.corrected.is_empty())
                .then(|| all.round.corrected.summary()),
        }
    }
}

impl StageFigures {
    pub(super) fn new(stage: &StageRun) -> Self {
        Self {
            name: stage.name.clone(),
            back: stage.back.as_ref().map(|back| BackFigures {
                cut: back.cut,
                back: back.back.len(),
                reconnect: back.back.summary(),
                failures: back.failures.clone(),
            }),
        }
    }
}
