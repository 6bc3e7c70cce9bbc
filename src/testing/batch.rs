//! Batches of simulated runs, one a seed, on all cores; the environment says which seeds.
//!
//! `SIM_SEED=17` runs one of them alone, `SIM_TRACE=1` tells what happens in it; `SIM_COUNT` and
//! `SIM_FIRST` choose another batch. What a run is, and what of it is counted, is the caller's.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Seeds of `cargo test`.
const SEEDS: u64 = 256;

/// Something that must happen in a batch of runs, or the batch proves nothing about it.
pub trait Milestone: Copy + 'static {
    /// All that there are, in the order of their numbers.
    const ALL: &'static [Self];

    /// What it is, in words.
    fn text(self) -> &'static str;

    /// Its place in the list.
    fn number(self) -> usize;
}

/// Writes an enum of milestones: their names, and what they are.
#[macro_export]
macro_rules! milestones {
    ($(#[$doc:meta])* $visibility:vis enum $enum:ident { $($name:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $visibility enum $enum { $(#[doc = $text] $name,)* }

        impl $crate::testing::batch::Milestone for $enum {
            const ALL: &'static [Self] = &[$(Self::$name,)*];

            fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            fn number(self) -> usize {
                self as usize
            }
        }
    };
}

pub use milestones;

/// Counts of one run, or of many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchReport<M> {
    counts: Vec<u64>,
    /// All that happened, as one number; of many runs their sum.
    history: u64,
    milestones: PhantomData<M>,
}

impl<M: Milestone> Default for BatchReport<M> {
    fn default() -> Self {
        Self {
            counts: vec![0; M::ALL.len()],
            history: 0,
            milestones: PhantomData,
        }
    }
}

impl<M: Milestone> BatchReport<M> {
    /// Counts one.
    pub fn count(&mut self, what: M) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&mut self, what: M, n: u64) {
        self.counts[what.number()] += n;
    }

    /// Notes all that happened in a run.
    pub fn note_history(&mut self, history: u64) {
        self.history = history;
    }

    /// Adds another run's counts.
    fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.history = self.history.wrapping_add(other.history);
    }

    /// What never happened.
    fn missing(&self) -> Vec<&'static str> {
        let never = M::ALL.iter().filter(|what| self.counts[what.number()] == 0);
        never.map(|what| what.text()).collect()
    }
}

impl<M: Milestone> fmt::Display for BatchReport<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for what in M::ALL {
            writeln!(f, "{:>9}  {}", self.counts[what.number()], what.text())?;
        }
        writeln!(f, "history {:016x}", self.history)
    }
}

/// Runs the batch that the environment asks for, and shows what happened in it. `run` is given a
/// seed, and whether to tell what happens; `test` is how `cargo test` is told which test it is.
///
/// # Panics
/// When a run fails, with the line that replays it, or when something never happened in a batch of
/// at least as many seeds as `cargo test` runs.
pub fn run_batch<M: Milestone + Send>(
    test: &str,
    run: impl Fn(u64, bool) -> BatchReport<M> + Sync,
) {
    let trace = variable("SIM_TRACE").is_some();
    if let Some(seed) = variable("SIM_SEED") {
        show(&run(seed, trace));
        return;
    }
    let (first, count) = (variable("SIM_FIRST").unwrap_or(0), variable("SIM_COUNT"));
    let seeds = first..first + count.unwrap_or(SEEDS);
    let report = run_all(test, seeds, |seed| run(seed, trace));
    show(&report);
    if count.is_none_or(|count| count >= SEEDS) {
        let missing = report.missing();
        assert!(missing.is_empty(), "the batch never saw: {missing:?}");
    }
}

/// The first seed that fails ends the batch.
fn run_all<M: Milestone + Send>(
    test: &str,
    seeds: Range<u64>,
    run: impl Fn(u64) -> BatchReport<M> + Sync,
) -> BatchReport<M> {
    let next = AtomicU64::new(seeds.start);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (next, run) = (&next, &run);
    let work = move || {
        let mut report = BatchReport::default();
        loop {
            // Relaxed: the counter hands out numbers and orders nothing else.
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return report;
            }
            // A run that fails leaves nothing that another one looks at.
            let one = catch_unwind(AssertUnwindSafe(|| run(seed)));
            report.merge(&one.unwrap_or_else(|_| {
                // Nobody begins with another one.
                next.store(seeds.end, Ordering::Relaxed);
                panic!("seed {seed} failed, see above; replay: SIM_SEED={seed} SIM_TRACE=1 cargo test {test}")
            }));
        }
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut sum = BatchReport::default();
        for handle in handles {
            sum.merge(&handle.join().unwrap_or_else(|why| resume_unwind(why)));
        }
        sum
    })
}

/// Says something; `cargo test` shows it on failure and with `--nocapture`.
#[expect(
    clippy::print_stdout,
    reason = "cargo test shows it on failure and with --nocapture"
)]
pub fn show(what: &impl fmt::Display) {
    println!("{what}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "which seed is run is asked of the person who runs the test, not of a configuration"
)]
fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
