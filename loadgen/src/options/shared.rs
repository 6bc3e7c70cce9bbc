//! Options that several commands have: target, reading, load, results.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::preset::HeaderPreset;
use crate::base::quantities::{duration, positive, size};
use crate::base::transport::Transport;
use crate::speak::target::Target;

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
