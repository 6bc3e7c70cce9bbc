//! How a command ends other than well, and the exit code of it.

use std::fmt;

/// A threshold of `--fail` did not hold.
pub const EXIT_THRESHOLD: u8 = 1;
/// The command line is wrong, or the run could not start.
pub const EXIT_USAGE: u8 = 2;
/// The generator was the limit, or the load was not reached.
pub const EXIT_LIMITED: u8 = 3;

/// Why a command could not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The process's exit code.
    pub code: u8,
    /// What happened and what to do next.
    pub message: String,
}

impl Failure {
    /// The command line or the host does not allow it.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            code: EXIT_USAGE,
            message: message.into(),
        }
    }

    /// It was begun and did not get to its end.
    #[must_use]
    pub fn limited(message: impl Into<String>) -> Self {
        Self {
            code: EXIT_LIMITED,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
