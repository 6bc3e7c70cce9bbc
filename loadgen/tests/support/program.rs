//! The program itself, run and read.

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the program.
pub(crate) fn loadgen(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(line.split(' '))
        .output()
        .expect("the program runs")
}

/// Runs it quietly and reads its JSON; the exit code too.
pub(crate) fn report(line: &str) -> (Value, Option<i32>) {
    let output = loadgen(&format!("{line} --quiet --json -"));
    let words = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words}"));
    (value, output.status.code())
}
