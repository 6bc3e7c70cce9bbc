//! So many publications to so many subscribers of one shard whose system takes every byte at once.
//!
//! Not for a clock: `scripts/bench instructions` runs it under valgrind, where the difference
//! between two runs is what a publication and a subscriber cost, the same on every machine.

use std::env;
use std::process::ExitCode;

use altavoz::testing::bench::Turns;

fn main() -> ExitCode {
    let numbers: Vec<usize> = env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    // Without numbers it is `cargo bench`, which runs all benches one after the other.
    let (subscribers, publications) = match numbers.as_slice() {
        [subscribers, publications] => (*subscribers, *publications),
        _ => (1_000, 10),
    };
    let mut turns = Turns::new(subscribers);
    let before = turns.sends();
    for _ in 0..publications {
        turns.publish();
    }
    let expected = (subscribers + 1) * publications;
    if turns.sends() - before == expected as u64 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
