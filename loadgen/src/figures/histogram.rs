//! The histograms of a run, by the names of their percentiles.

/// What was timed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Histogram {
    /// All deliveries, from the intended publish time.
    Deliveries,
    /// All deliveries, from the actual send.
    Uncorrected,
    /// First delivery of each publication.
    First,
    /// Median delivery of each publication.
    Median,
    /// Last delivery of each publication.
    Last,
    /// First to last delivery.
    Spread,
    /// From the beginning of connect to the upgrade.
    Connect,
    /// TCP connect.
    Tcp,
    /// Request to 101.
    Upgrade,
    /// Back after a storm.
    Reconnect,
    /// The generator's own timers.
    Lateness,
}

impl Histogram {
    /// All of them.
    pub(crate) const ALL: [Self; 11] = [
        Self::Deliveries,
        Self::Uncorrected,
        Self::First,
        Self::Median,
        Self::Last,
        Self::Spread,
        Self::Connect,
        Self::Tcp,
        Self::Upgrade,
        Self::Reconnect,
        Self::Lateness,
    ];

    /// What stands before a percentile in `--fail`.
    #[must_use]
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Deliveries => "",
            Self::Uncorrected => "uncorrected_",
            Self::First => "first_",
            Self::Median => "median_",
            Self::Last => "last_",
            Self::Spread => "spread_",
            Self::Connect => "connect_",
            Self::Tcp => "tcp_",
            Self::Upgrade => "upgrade_",
            Self::Reconnect => "reconnect_",
            Self::Lateness => "lateness_",
        }
    }

    /// What a report calls it.
    #[must_use]
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Deliveries => "all deliveries",
            Self::Uncorrected => "uncorrected, from the send",
            Self::First => "first of a publication",
            Self::Median => "median of a publication",
            Self::Last => "last of a publication",
            Self::Spread => "first to last",
            Self::Connect => "connect and upgrade",
            Self::Tcp => "TCP",
            Self::Upgrade => "upgrade or first answer",
            Self::Reconnect => "back after the storm",
            Self::Lateness => "publisher's lateness",
        }
    }
}
