//! Who set a value.

use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SettingSource {
    /// Nobody set it.
    Default,
    /// A flag.
    Flag,
    /// A variable of the environment.
    Environment,
    /// A line of the configuration file, counted from 1.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
    },
}
