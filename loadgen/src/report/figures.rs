//! The figures of a report that are not about publications, by what they are about.
//!
//! Sums and histograms go in, numbers with their units in their names come out; nothing is
//! measured here.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::num::ratio;
use crate::measure::stats::Summary;
use crate::plan::{Pace, PublishBy};
use crate::recording::measured::{Connected, Measured};
use crate::recording::{Memory, Run, StageRun, StormRun};

/// The load that was asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Options {
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
pub(crate) struct ConnectFigures {
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

/// Memory, divided.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MemoryFigures {
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
pub(crate) struct IdleFigures {
    /// How long it was.
    pub seconds: f64,
    /// The server's CPU, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// CPU that one client cost the server in a second.
    pub server_cpu_per_client_second_us: Option<f64>,
}

/// A storm in figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StormFigures {
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
pub(crate) struct StageFigures {
    /// As it was asked for.
    pub name: String,
    /// Clients that were cut in it and came back.
    pub back: Option<BackFigures>,
}

/// Clients that came back, in figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BackFigures {
    /// Clients that were cut.
    pub cut: u64,
    /// Of these, those that are back.
    pub back: u64,
    /// Cut to upgrade.
    pub reconnect: Summary,
    /// Attempts that failed and were repeated, by reason.
    pub failures: BTreeMap<String, u64>,
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
