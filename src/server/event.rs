//! What the main thread is told, by signals and by the threads of the shards.

/// What the main thread hears of.
#[derive(Debug)]
pub(super) enum NodeEvent {
    /// SIGTERM, SIGINT or SIGQUIT.
    Asked,
    /// SIGHUP.
    HungUp,
    /// A signal that would end other programs and says nothing to this one.
    Ignored(&'static str),
    /// A shard's thread is over; an error if it should not be.
    Ended(Result<(), String>),
}

impl NodeEvent {
    /// Writes a line about a signal that changes nothing.
    pub(super) fn note(&self) {
        match self {
            Self::HungUp => {
                tracing::info!(
                    "SIGHUP: there is nothing to reload, settings are read at the start"
                );
            }
            Self::Ignored(signal) => tracing::info!("{signal}: this signal changes nothing"),
            Self::Asked | Self::Ended(_) => {}
        }
    }
}
