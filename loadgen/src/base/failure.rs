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

/// What to do about a refusal, by its status; nothing where the status says it all.
#[must_use]
pub const fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => " (it redirects, which is not followed: name the place that is meant)",
        401 => " (it wants a key: see --token, or --header)",
        403 => " (it is forbidden: see --origin, --token and --header)",
        404 | 405 | 410 => " (nothing of this kind is there: see --path)",
        407 => " (a proxy is in the way, and none is used: name the server itself)",
        421 => " (the server has another name: see --header 'Host: NAME')",
        429 => " (too many requests: see --connect-rate)",
        502 | 504 => " (the proxy does not reach its server)",
        503 => " (503: the server's own limit of connections, or it is not ready)",
        _ => "",
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
