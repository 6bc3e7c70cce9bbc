//! Options of the commands that measure nothing: of results, of the host, of what a run starts.

use clap::Args;

use super::shared::{DriverKind, OutputOptions};

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
