//! The `loadgen` program: reads the command line and turns failures into words and exit codes.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use loadgen::options::Cli;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let line = loadgen::cli::public_line(&words);
    match loadgen::cli::main_of(Cli::parse(), &line) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            drop(writeln!(std::io::stderr(), "loadgen: {failure}"));
            ExitCode::from(failure.code)
        }
    }
}
