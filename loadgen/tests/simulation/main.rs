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

use altavoz::testing::batch::run_batch;

use self::world::run;

#[test]
fn every_figure_is_what_was() {
    run_batch("-p loadgen --test simulation", run);
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(3, false), run(3, false));
    assert_ne!(run(3, false), run(4, false));
}
