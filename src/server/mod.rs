//! Starts and stops the node.

use crate::config::{Bound, Plan};

/// Why the node is not running any more.
#[derive(Debug)]
pub enum ServeError {
    /// It could not start.
    Start(String),
    /// It failed while it ran, or was told to stop twice.
    Run(String),
}

/// Runs the node until it is asked to stop, and calls `announce` when its listeners are there.
///
/// # Errors
/// When it cannot start, or fails while it runs.
pub fn serve(_plan: Plan, _announce: impl FnOnce(&[Bound])) -> Result<(), ServeError> {
    Err(ServeError::Start("this build has no server".into()))
}
