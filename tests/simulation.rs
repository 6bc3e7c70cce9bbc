//! A batch of simulated nodes, one a seed. `SIM_SEED=17` runs one of them alone, `SIM_TRACE=1`
//! tells what happens in it; `SIM_COUNT` and `SIM_FIRST` choose another batch (`scripts/sim`).

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use altavoz::testing::node::{Report, run};

/// Seeds of `cargo test`.
const SEEDS: u64 = 256;

#[test]
fn every_seed_keeps_every_promise() {
    let trace = variable("SIM_TRACE").is_some();
    if let Some(seed) = variable("SIM_SEED") {
        show(&run(seed, trace));
        return;
    }
    let (first, count) = (variable("SIM_FIRST").unwrap_or(0), variable("SIM_COUNT"));
    let report = run_batch(first, first + count.unwrap_or(SEEDS), trace);
    show(&report);
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
    let workers = thread::available_parallelism().map_or(1, usize::from);
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
                panic!("seed {seed} failed, see above; replay: SIM_SEED={seed} SIM_TRACE=1 cargo test --test simulation")
            });
            report.merge(&report_of_one);
        }
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut sum = Report::default();
        for handle in handles {
            sum.merge(
                &handle
                    .join()
                    .unwrap_or_else(|why| std::panic::resume_unwind(why)),
            );
        }
        sum
    })
}

#[expect(
    clippy::print_stdout,
    reason = "cargo test shows it on failure and with --nocapture"
)]
fn show(report: &Report) {
    println!("{report}");
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
