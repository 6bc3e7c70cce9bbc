//! Why a node ends that was not asked to.

/// Why the node is not running any more.
#[derive(Debug)]
pub enum ServeError {
    /// It could not start.
    Start(String),
    /// It failed while it ran, or was told to stop twice.
    Run(String),
}
