//! A batch of simulated generators, one a seed: workers on a simulated network, against a server
//! that does wrong on purpose and says what it does, so that every figure of theirs is known.
//! `SIM_SEED=17` runs one of them alone, `SIM_TRACE=1` tells what happens in it; `SIM_COUNT` and
//! `SIM_FIRST` choose another batch.
//!
//! - `plan` draws a run from the seed: what the generator is asked for, and which faults there are,
//! - `world` lets time pass, and is the coordinator,
//! - `server` is the other end, and `forms` what it writes,
//! - `watch` stands between a worker and its driver and notes what passes,
//! - `truth` keeps what workers were really handed, and `verdict` holds their figures against it.

mod forms;
mod plan;
mod report;
mod server;
mod truth;
mod verdict;
mod watch;
mod world;

use std::fmt;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::report::Report;
use self::world::run;

/// Seeds of `cargo test`.
const SEEDS: u64 = 256;

#[test]
fn every_figure_is_what_was() {
    let trace = variable("SIM_TRACE").is_some();
    if let Some(seed) = variable("SIM_SEED") {
        tell(format_args!("{}", run(seed, trace)));
        return;
    }
    let (first, count) = (variable("SIM_FIRST").unwrap_or(0), variable("SIM_COUNT"));
    let report = run_batch(first, first + count.unwrap_or(SEEDS), trace);
    tell(format_args!("{report}"));
    if count.is_none_or(|count| count >= SEEDS) {
        let missing = report.missing();
        assert!(missing.is_empty(), "the batch never saw: {missing:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(3, false), run(3, false));
    assert_ne!(run(3, false), run(4, false));
}

/// Runs the seeds on all cores; the first that fails ends the test.
fn run_batch(first: u64, end: u64, trace: bool) -> Report {
    let next = AtomicU64::new(first);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut report = Report::default();
        loop {
            // Relaxed: the counter hands out numbers and orders nothing else.
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return report;
            }
            let report_of_one = catch_unwind(|| run(seed, trace)).unwrap_or_else(|_| {
                // Nobody begins with another one.
                next.store(end, Ordering::Relaxed);
                panic!("seed {seed} failed, see above; replay: SIM_SEED={seed} SIM_TRACE=1 cargo test -p loadgen --test simulation")
            });
            report.merge(&report_of_one);
        }
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut sum = Report::default();
        for handle in handles {
            let part = handle.join();
            sum.merge(&part.unwrap_or_else(|why| std::panic::resume_unwind(why)));
        }
        sum
    })
}

#[expect(
    clippy::print_stdout,
    reason = "cargo test shows it on failure and with --nocapture"
)]
fn tell(what: fmt::Arguments<'_>) {
    println!("{what}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "which seed is run is asked of the person who runs the test, not of a configuration"
)]
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}
