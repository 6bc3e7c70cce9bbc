//! A batch of simulated nodes, one a seed. `SIM_SEED=17` runs one of them alone, `SIM_TRACE=1`
//! tells what happens in it; `SIM_COUNT` and `SIM_FIRST` choose another batch (`scripts/sim`).

use altavoz::testing::batch::run_batch;
use altavoz::testing::node::run;

#[test]
fn every_seed_keeps_every_promise() {
    run_batch("--test simulation", run);
}

#[test]
fn the_same_seed_is_the_same_run() {
    assert_eq!(run(3, false), run(3, false));
    assert_ne!(run(3, false), run(4, false));
}
