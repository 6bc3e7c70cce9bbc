//! Options of the commands that measure: `fanout`, `connect`, `compare`, `capacity`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::preset::{HeaderPreset, Preset};
use super::shared::{DriverKind, LoadOptions, OutputOptions, ReadingOptions, TargetOptions};
use super::stage::Stage;
use crate::base::quantities::{duration, positive, size};
use crate::base::transport::Transport;
use crate::model::Arrivals;

/// Options of `fanout`.
#[derive(Args, Clone, Debug)]
pub struct FanoutOptions {
    /// Where to.
    #[command(flatten)]
    pub target: TargetOptions,
    /// How clients read.
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// How many and how fast.
    #[command(flatten)]
    pub load: LoadOptions,
    /// Publications a second over all publishers and topics, on a fixed timetable (open loop) [default: 10].
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    pub rate: Option<f64>,
    /// How publications are spread over time: at even distances, or at random ones (Poisson).
    #[arg(long, value_enum, default_value_t = Arrivals::Even)]
    pub arrivals: Arrivals,
    /// Instead of a rate: so many publications under way, the next one when all its subscribers have one (closed loop).
    #[arg(long, value_name = "W", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub in_flight: Option<u32>,
    /// End each repeat after so many publications.
    #[arg(long, value_name = "M", conflicts_with = "duration", value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
    /// End each repeat after this time [default: 10s].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Publish this long before anything is measured.
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = duration)]
    pub warmup: Duration,
    /// Measure so many times; the report says the median and the range.
    #[arg(long, default_value_t = 1, value_name = "R", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub repeats: u8,
    /// Stay idle this long between connecting and publishing.
    #[arg(long, default_value = "0", value_name = "TIME", value_parser = duration)]
    pub hold: Duration,
    /// How long to wait for stragglers behind the last publication [default: 2s, and the longest --interval].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub drain: Option<Duration>,
    /// So many of the clients never read; they are not in the ledger.
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub slow_readers: u32,
    /// Slow readers read again this long after measuring began, and their close codes are counted.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "slow_readers")]
    pub resume_after: Option<Duration>,
    /// A stage instead of repeats, one behind the other; repeatable: ramp:10s:5..50, hold:10s,
    /// spike:2s:200, churn:10s:100, vanish:10s:100, reconnect-storm:10s, slow-readers:10s.
    #[arg(
        long = "stage",
        value_name = "KIND:TIME[:VALUE]",
        value_parser = Stage::parse,
        conflicts_with_all = ["repeats", "messages", "duration", "in_flight"]
    )]
    pub stages: Vec<Stage>,
    /// Clients beside the measured ones that churn, vanish and reconnect-storm cut and bring back.
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub crowd: u32,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `connect`.
#[derive(Args, Clone, Debug)]
pub struct ConnectOptions {
    /// Where to.
    #[command(flatten)]
    pub target: TargetOptions,
    /// How clients read.
    #[command(flatten)]
    pub reading: ReadingOptions,
    /// How many and how fast.
    #[command(flatten)]
    pub load: LoadOptions,
    /// Keep the connections this long before memory is measured.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub hold: Duration,
    /// Go on where a source address has no free port left: shows how many it has, and why.
    #[arg(long)]
    pub until_full: bool,
    /// After the hold cut all connections at once and reconnect.
    #[arg(long)]
    pub storm: bool,
    /// Each client of a storm waits a random part of this before it reconnects (full jitter).
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = duration)]
    pub jitter: Duration,
    /// Connections that stay through a storm and keep receiving, on a topic of their own.
    #[arg(long, default_value_t = 100)]
    pub bystanders: u32,
    /// Publications a second to the bystanders.
    #[arg(long, default_value = "10", value_name = "PER_SECOND", value_parser = positive)]
    pub rate: f64,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `compare`.
#[derive(Args, Clone, Debug)]
pub struct CompareOptions {
    /// Where to.
    #[command(flatten)]
    pub target: TargetOptions,
    /// A comparison that has a name; what else is said here overrides it.
    #[arg(long, value_enum, help_heading = "Comparison")]
    pub preset: Option<Preset>,
    /// A tenth of every interval and duration, for a first look: under a minute, and no result.
    #[arg(long, help_heading = "Comparison")]
    pub quick: bool,
    /// Which transports; each is an arm [default: all but ask].
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "LIST",
        help_heading = "Comparison",
        conflicts_with = "preset"
    )]
    pub transports: Vec<Transport>,
    /// From one poll of a client to its next; repeatable, each is an arm.
    #[arg(
        long = "interval",
        value_name = "TIME",
        value_parser = duration,
        default_values = ["2s", "5s", "10s"],
        help_heading = "Comparison"
    )]
    pub intervals: Vec<Duration>,
    /// The server sends at most one publication in this time: an arm more for ws, sse and stream.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Comparison")]
    pub conflate: Vec<Duration>,
    /// A connection for each poll and long poll.
    #[arg(long, help_heading = "Comparison")]
    pub no_keep_alive: bool,
    /// Polls and long polls say If-None-Match, and are answered 304 if nothing is new.
    #[arg(long, help_heading = "Comparison")]
    pub etag: bool,
    /// Polls are answered the newest publication alone.
    #[arg(long, conflicts_with = "etag", help_heading = "Comparison")]
    pub newest: bool,
    /// How long the heads of requests are; repeatable, each is an arm more.
    #[arg(
        long,
        value_enum,
        default_values = ["minimal"],
        help_heading = "Comparison"
    )]
    pub header_preset: Vec<HeaderPreset>,
    /// Publications a second; repeatable, each is a workload of its own.
    #[arg(
        long = "rate",
        value_name = "PER_SECOND",
        value_parser = positive,
        default_values = ["1", "0.2"],
        help_heading = "Comparison"
    )]
    pub rates: Vec<f64>,
    /// How publications are spread over time [default: poisson].
    #[arg(long, value_enum, help_heading = "Comparison")]
    pub arrivals: Option<Arrivals>,
    /// Clients of each arm [default: 1000, or the preset's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Comparison")]
    pub clients: Option<u32>,
    /// Bytes of a publication; the first 60 carry its stamp [default: 64, or the preset's].
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Comparison")]
    pub size: Option<usize>,
    /// Measure each arm this long; polling at least two intervals [default: 10s, or the preset's].
    #[arg(long, value_parser = duration, help_heading = "Comparison")]
    pub duration: Option<Duration>,
    /// Measure each arm so many times, in turns with all others [default: the preset's].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100), help_heading = "Comparison")]
    pub repeats: Option<u8>,
    /// All arms at once also where updates are frequent; CPU of each is not known then.
    #[arg(long, help_heading = "Comparison")]
    pub side_by_side: bool,
    /// Source addresses: auto spreads large loads over 127/8 for loopback targets.
    #[arg(
        long,
        default_value = "auto",
        value_name = "auto|FIRST-LAST",
        help_heading = "Comparison"
    )]
    pub source: String,
    /// Processes; as many as the descriptor limit asks for by default.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Comparison")]
    pub workers: Option<u32>,
    /// How the generator meets the kernel; with uring, TCP cannot be asked for bytes on the wire.
    #[arg(long, value_enum, default_value_t = DriverKind::Auto, value_name = "NAME", help_heading = "Comparison")]
    pub driver: DriverKind,
    /// Pin the generator to this core; further workers to the ones behind it.
    #[arg(long, value_name = "CORE", help_heading = "Comparison")]
    pub pin: Option<usize>,
    /// Seed of everything random; a random one by default.
    #[arg(long, help_heading = "Comparison")]
    pub seed: Option<u64>,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `capacity`.
#[derive(Args, Clone, Debug)]
pub struct CapacityOptions {
    /// What is searched for.
    #[arg(long, value_enum, default_value_t = CapacityUnit::Rate, help_heading = "Search")]
    pub of: CapacityUnit,
    /// A bound that must hold, as --fail has them; repeatable.
    #[arg(
        long = "bound",
        value_name = "EXPR",
        default_values = ["p99<50ms", "reach>=100%"],
        help_heading = "Search"
    )]
    pub bounds: Vec<String>,
    /// The first level: clients, or publications a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Search")]
    pub start: u64,
    /// The highest level that is tried.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..), help_heading = "Search")]
    pub max: u64,
    /// How long the level that was found must hold in the end [default: three times --duration].
    #[arg(long, value_parser = duration, help_heading = "Search")]
    pub confirm: Option<Duration>,
    /// The load of each level; --duration is 5s here if it is not given.
    #[command(flatten)]
    pub load: FanoutOptions,
}

/// What a capacity is counted in.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum CapacityUnit {
    /// Subscribers, at the rate that is given.
    Clients,
    /// Publications a second, to the clients that are given.
    Rate,
}

impl CompareOptions {
    /// Where the page of a preset goes if no file was asked for: a long run is not lost.
    #[must_use]
    pub fn page_by_default(&self) -> Option<String> {
        let OutputOptions {
            json,
            html,
            hlog,
            hgrm,
            ..
        } = &self.output;
        let is_asked = [json, html, hlog, hgrm].iter().any(|file| file.is_some());
        let preset = self.preset.filter(|_| !is_asked)?;
        Some(format!("loadgen-{}.html", preset.name()))
    }
}
