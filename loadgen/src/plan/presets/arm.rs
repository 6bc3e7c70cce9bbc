//! An arm of a comparison: what its clients do, and what it is called.

use std::time::Duration;

use crate::base::transport::Transport;
use crate::options::preset::HeaderPreset;
use crate::plan::arms::short;

/// By what a quick run divides intervals and durations, and multiplies rates.
pub(super) const QUICK: u32 = 10;

/// One arm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArmSpec {
    /// How its clients read.
    pub transport: Transport,
    /// From one poll to the next; nothing where nothing is polled.
    pub interval: Duration,
    /// At most one push in this time; nothing for all of them.
    pub conflate: Duration,
    /// Whether requests share a connection.
    pub keep_alive: bool,
    /// Whether requests say `If-None-Match`.
    pub etag: bool,
    /// Whether polls ask for the newest alone.
    pub newest: bool,
    /// How long the heads of requests are.
    pub head: Head,
}

/// How long the head of a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Head {
    /// One of the presets.
    Preset(HeaderPreset),
    /// As long as it takes for request and answer to have so many bytes together, but for what
    /// was published.
    Together(u32),
}

impl ArmSpec {
    /// A transport as it is.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self {
            transport,
            interval: Duration::ZERO,
            conflate: Duration::ZERO,
            keep_alive: true,
            etag: false,
            newest: false,
            head: Head::Preset(HeaderPreset::Minimal),
        }
    }

    /// Polling.
    #[must_use]
    pub const fn poll(interval: Duration) -> Self {
        let mut arm = Self::new(Transport::Poll);
        arm.interval = interval;
        arm
    }

    /// What it is called: what differs from the plainest client of its kind stands in it.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = self.transport.name().to_owned();
        if !self.interval.is_zero() {
            name.push_str(&format!("-{}", short(self.interval)));
        }
        if !self.conflate.is_zero() {
            name.push_str(&format!("-per-{}", short(self.conflate)));
        }
        let marks = [
            (!self.keep_alive, "-close"),
            (self.etag, "-etag"),
            (self.newest, "-newest"),
        ];
        marks
            .iter()
            .filter(|(is_so, _)| *is_so)
            .for_each(|(_, mark)| name.push_str(mark));
        match self.head {
            Head::Preset(preset) => {
                if let Some(bytes) = preset.bytes() {
                    name.push_str(&format!("-{bytes}B"));
                }
            }
            Head::Together(bytes) => name.push_str(&format!("-{bytes}B")),
        }
        name
    }

    /// Whether both can be in one run: only their transports and times may differ.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let of = |arm: &Self| (arm.keep_alive, arm.etag, arm.head);
        of(self) == of(other)
    }

    /// How long it is measured if everybody else is for `length`: whole intervals, two at least.
    #[must_use]
    pub fn length(&self, length: Duration) -> Duration {
        if self.interval.is_zero() {
            return length;
        }
        let intervals = length.as_nanos().div_ceil(self.interval.as_nanos()).max(2);
        self.interval * u32::try_from(intervals).unwrap_or(u32::MAX)
    }

    pub(super) fn quick(mut self) -> Self {
        self.interval /= QUICK;
        self.conflate /= QUICK;
        self
    }
}

/// WebSocket, server-sent events, long polling, streaming.
#[must_use]
pub fn held() -> Vec<ArmSpec> {
    let transports = [
        Transport::Ws,
        Transport::Sse,
        Transport::LongPoll,
        Transport::Stream,
    ];
    transports.map(ArmSpec::new).to_vec()
}
