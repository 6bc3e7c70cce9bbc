//! The node's program; everything is in the library, so that tests and loadgen run the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    altavoz::cli::main()
}
