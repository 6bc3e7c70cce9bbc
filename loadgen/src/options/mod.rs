//! The command line of interface.md §6, as clap reads it. What it means is in [`crate::plan`].

mod measuring;
pub mod preset;
mod shared;
pub mod stage;
mod tools;

use clap::{Parser, Subcommand};

pub use self::measuring::{
    CapacityOptions, CapacityUnit, CompareOptions, ConnectOptions, FanoutOptions,
};
pub use self::shared::{
    DriverKind, LoadOptions, OutputOptions, Publish, ReadingOptions, TargetOptions,
};
pub use self::tools::{
    BareOptions, DiffOptions, DoctorOptions, MergeOptions, NodeOptions, ReportOptions,
};

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
