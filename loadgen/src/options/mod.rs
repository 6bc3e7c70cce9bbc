//! The command line of interface.md §6, as clap reads it. What it means is in [`crate::plan`].

pub mod preset;
pub mod stage;

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use self::preset::{HeaderPreset, Preset};
use self::stage::Stage;
use crate::base::quantities::{duration, positive, size};
use crate::base::transport::Transport;
use crate::model::Arrivals;
use crate::speak::target::Target;

/// Load generator for push servers: delivery latency, fan-out, connections, by WebSocket,
/// server-sent events, long polling, streaming and polling.
///
/// Latency is measured from the moment a publication was meant to leave (open loop), so that a
/// stalled server cannot hide behind a publisher that waits for it (coordinated omission).
/// Polls leave on a timetable too, and one that is late is counted.
/// Publishers and subscribers share one clock: both run on this host.
///
/// Exit codes: 0 pass; 1 a threshold of --fail did not hold; 2 usage, or could not start;
/// 3 the generator was the limit or the load was not reached (with --fail or --strict,
/// else a warning).
#[derive(Parser, Debug)]
#[command(name = "loadgen", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// N subscribers, publishers on a schedule: delivery latency, fan-out spread, deliveries/s.
    Fanout(FanoutOptions),
    /// Ramp to N connections and hold: rate, time to connect, memory per connection.
    Connect(ConnectOptions),
    /// One schedule and one payload by several transports: measured beside predicted.
    Compare(CompareOptions),
    /// The largest number of clients or publications/s that keeps bounds such as p99<50ms.
    Capacity(CapacityOptions),
    /// Draws a result again: text, and whatever files are asked for.
    Report(ReportOptions),
    /// Compares two results within the noise of their repeats.
    Diff(DiffOptions),
    /// Joins the results of generators that ran at the same time on several machines.
    Merge(MergeOptions),
    /// What this host lets a generator do, and the command that lifts each limit.
    Doctor(DoctorOptions),
    /// One process of a run; started by the generator itself.
    #[command(hide = true)]
    Worker,
    /// The node that a run without --target measures; started by the generator itself.
    #[command(hide = true)]
    Node(NodeOptions),
    /// The leanest possible broadcast loop, as a yardstick for servers.
    #[command(hide = true)]
    Bare(BareOptions),
}

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
    #[arg(long, value_enum, default_value_t = CapacityOf::Rate, help_heading = "Search")]
    pub of: CapacityOf,
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
pub enum CapacityOf {
    /// Subscribers, at the rate that is given.
    Clients,
    /// Publications a second, to the clients that are given.
    Rate,
}

/// Options of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportOptions {
    /// The JSON of a run or a comparison (`-`: standard input).
    #[arg(value_name = "A.json")]
    pub file: String,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffOptions {
    /// The JSON of the first run.
    #[arg(value_name = "A.json")]
    pub first: String,
    /// The JSON of the second run, which is judged.
    #[arg(value_name = "B.json")]
    pub second: String,
    /// Name the figures without a difference too.
    #[arg(long)]
    pub all: bool,
    /// Exit 1 if anything is worse.
    #[arg(long)]
    pub strict: bool,
}

/// Options of `merge`.
#[derive(Args, Clone, Debug)]
pub struct MergeOptions {
    /// The JSON of each generator's run.
    #[arg(value_name = "A.json", num_args = 2.., required = true)]
    pub files: Vec<String>,
    /// Where the results go.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of `doctor`.
#[derive(Args, Debug)]
pub struct DoctorOptions {
    /// For so many connections.
    #[arg(long, default_value_t = 1000)]
    pub clients: u64,
}

/// Options of the node that a run starts by itself.
#[derive(Args, Debug, Clone)]
pub struct NodeOptions {
    /// Flags of `altavoz serve`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub flags: Vec<String>,
}

/// Options of the bare loop.
#[derive(Args, Debug)]
pub struct BareOptions {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: String,
    /// How it sends: one by one (auto, epoll), what any client sends; or by hundreds (uring), what
    /// comes by POST.
    #[arg(long, value_enum, default_value_t = DriverKind::Auto, value_name = "NAME")]
    pub driver: DriverKind,
    /// The core to run on.
    #[arg(long)]
    pub pin: Option<usize>,
}

/// What the load goes to.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub struct TargetOptions {
    /// The server, ws://HOST:PORT or wss://HOST:PORT; without it a node of its own.
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Certificate authorities for wss://, or the server's own certificate, in PEM or DER; the
    /// host's own by default.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<String>,
    /// Take any certificate of a wss:// target, whoever signed it, whatever its name and time.
    #[arg(long, conflicts_with = "ca")]
    pub insecure: bool,
    /// So many nodes of its own, which share one port: each has its own descriptor limit.
    #[arg(long, default_value_t = 1, value_name = "K", conflicts_with = "target", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub nodes: u32,
    /// The topic; with several, NAME-0, NAME-1 and so on.
    #[arg(long, default_value = "loadgen", value_name = "NAME")]
    pub topic: String,
    /// Spread the clients over so many topics.
    #[arg(long, default_value_t = 1, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub topics: u32,
    /// The request path for servers without /topics; `{topic}` and `{mode}` in it are replaced.
    #[arg(long, value_name = "/PATH")]
    pub path: Option<String>,
    /// Another path for one of ws, sse, longpoll, stream, poll and publish; repeatable.
    #[arg(long = "path-for", value_name = "WHAT=/PATH")]
    pub paths: Vec<String>,
    /// Send this text on each WebSocket when it is open; `{topic}` in it is replaced.
    #[arg(long, value_name = "TEXT")]
    pub on_open: Option<String>,
    /// The same as a binary message, in hexadecimal digits.
    #[arg(long, value_name = "DIGITS", conflicts_with = "on_open")]
    pub on_open_hex: Option<String>,
    /// What is sent for a publication: text in which `{payload}` and `{topic}` are replaced.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,
    /// The same as a binary message: hexadecimal digits around `{payload}`.
    #[arg(long, value_name = "DIGITS", conflicts_with = "message")]
    pub message_hex: Option<String>,
    /// How publications get there: on WebSockets of their own, by POST, or by somebody else.
    #[arg(long, value_enum, default_value_t = Publish::Ws, value_name = "HOW")]
    pub publish: Publish,
    /// POST to http://HOST:PORT/PATH, which may be another server; `{topic}` in it is replaced.
    #[arg(long, value_name = "URL")]
    pub publish_url: Option<String>,
    /// Add a header to each request; it replaces one that the generator sends itself.
    #[arg(long = "header", value_name = "K: V")]
    pub headers: Vec<String>,
    /// The Origin header.
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// Authorization: Bearer.
    #[arg(long)]
    pub token: Option<String>,
    /// Measure this process of this host as the server; repeatable; its own child by default.
    #[arg(long = "server-pid", value_name = "PID", value_delimiter = ',')]
    pub server_pids: Vec<u32>,
    /// Where publishers connect to, if not to the target: what a comparison says where the way to
    /// its readers is made longer.
    #[arg(skip)]
    pub publish_to: Option<Target>,
    /// Read the server's metrics here before and after: CPU and memory of a server elsewhere.
    #[arg(long, value_name = "URL")]
    pub metrics_url: Option<String>,
}

/// How clients read.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Transports")]
pub struct ReadingOptions {
    /// Which ones; the clients are split evenly over them, and each has its own figures.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "ws",
        value_name = "LIST"
    )]
    pub transports: Vec<Transport>,
    /// From one poll of a client to its next; repeatable, each is an arm of its own [default: 2s].
    #[arg(long = "interval", value_name = "TIME", value_parser = duration)]
    pub intervals: Vec<Duration>,
    /// The server sends at most one publication in this time: an arm more for each of ws, sse
    /// and stream; repeatable.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub conflate: Vec<Duration>,
    /// A connection for each poll and long poll.
    #[arg(long)]
    pub no_keep_alive: bool,
    /// Polls do not say how far they are, and are answered the newest publication alone.
    #[arg(long, conflicts_with = "etag")]
    pub newest: bool,
    /// Polls and long polls say If-None-Match, and are answered 304 if nothing is new.
    #[arg(long)]
    pub etag: bool,
    /// How long a long poll asks to be held; what the server thinks right by default.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub longpoll_timeout: Option<Duration>,
    /// Fill the head of each request up to so many bytes, as browsers do.
    #[arg(long, value_enum, default_value_t = HeaderPreset::Minimal, value_name = "PRESET")]
    pub header_preset: HeaderPreset,
    /// The same with any length.
    #[arg(long, hide = true, value_name = "BYTES")]
    pub head_bytes: Option<u32>,
}

/// How much load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct LoadOptions {
    /// Clients, over all transports.
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub clients: u32,
    /// Connect at most so many a second; as fast as they go by default.
    #[arg(long, value_name = "PER_SECOND", value_parser = positive)]
    pub connect_rate: Option<f64>,
    /// Bytes of a publication; the first 60 carry its stamp.
    #[arg(long, default_value = "64", value_name = "SIZE", value_parser = size)]
    pub size: usize,
    /// Publishers, each on a connection of its own; on WebSockets at least one a topic.
    #[arg(long, default_value_t = 1, value_name = "P", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub publishers: u32,
    /// Source addresses: auto spreads large loads over 127/8 for loopback targets.
    #[arg(long, default_value = "auto", value_name = "auto|FIRST-LAST")]
    pub source: String,
    /// Processes; as many as the descriptor limit asks for by default.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub workers: Option<u32>,
    /// How the generator meets the kernel.
    #[arg(long, value_enum, default_value_t = DriverKind::Auto, value_name = "NAME")]
    pub driver: DriverKind,
    /// Pin the generator to this core; further workers to the ones behind it.
    #[arg(long, value_name = "CORE")]
    pub pin: Option<usize>,
    /// Seed of everything random; a random one by default, which the report names.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

/// Where results go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Results")]
pub struct OutputOptions {
    /// All figures as JSON (`-`: standard output).
    #[arg(long, value_name = "FILE")]
    pub json: Option<String>,
    /// A page with plots that needs nothing else (`-`: standard output).
    #[arg(long, value_name = "FILE")]
    pub html: Option<String>,
    /// Interval log for HdrHistogram's tools (`-`: standard output).
    #[arg(long, value_name = "FILE")]
    pub hlog: Option<String>,
    /// Percentiles as HdrHistogram prints them (`-`: standard output).
    #[arg(long, value_name = "FILE")]
    pub hgrm: Option<String>,
    /// A bound such as p99<50ms, reach>=99.999% or rss_per_conn<8KiB, or for one arm sse.p99<50ms
    /// or poll-2s.empty<60%; exit 1 if it does not hold.
    #[arg(long = "fail", value_name = "EXPR")]
    pub fail: Vec<String>,
    /// Exit 3 if the generator was the limit or the load was not reached.
    #[arg(long)]
    pub strict: bool,
    /// No live view; and no text report where another one goes to standard output.
    #[arg(long)]
    pub quiet: bool,
    /// What the live view calls the run.
    #[arg(skip)]
    pub label: String,
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

impl OutputOptions {
    /// Whether anything shows how latency changes from second to second.
    #[must_use]
    pub fn wants_intervals(&self) -> bool {
        self.hlog.is_some() || self.html.is_some() || self.json.is_some()
    }
}

/// How publications get to the server.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publish {
    /// As messages on WebSockets.
    Ws,
    /// As POST requests.
    Http,
    /// By another generator on this host.
    None,
}

/// The system behind the event loop.
#[derive(ValueEnum, Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverKind {
    /// The best there is: epoll.
    Auto,
    /// epoll.
    Epoll,
    /// io_uring.
    Uring,
}

impl DriverKind {
    /// The system that it is on this host.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto | Self::Epoll => "epoll",
            Self::Uring => "io_uring",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_preset_without_a_file_has_a_page() {
        let page = |line: &str| {
            let words = ["loadgen", "compare"].into_iter().chain(line.split(' '));
            match Cli::try_parse_from(words).map(|cli| cli.command) {
                Ok(Command::Compare(options)) => options.page_by_default(),
                other => panic!("{line}: {other:?}"),
            }
        };
        let seed = page("--preset seed --quick");
        assert_eq!(seed.as_deref(), Some("loadgen-seed.html"));
        assert_eq!(page("--preset seed --json -"), None);
        assert_eq!(page("--preset seed --html a.html"), None);
        assert_eq!(page("--transports ws"), None);
    }

    #[test]
    fn units_and_ranges_are_asked_for() {
        let wrong = [
            "--duration 30",
            "--rate 0",
            "--rate inf",
            "--clients 0",
            "--in-flight 0",
            "--in-flight 4 --rate 5",
            "--messages 4 --duration 5s",
            "--publish mqtt",
            "--on-open a --on-open-hex 00",
            "--message {payload} --message-hex {payload}",
            "--transports carrier-pigeon",
            "--interval 2",
            "--header-preset 100",
        ];
        for line in wrong {
            let words = ["loadgen", "fanout"].into_iter().chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
