//! The figures of a repeat, or of all: what was published, what came, when, and at what cost.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::num::{percent, ratio};
use crate::lines::Posts;
use crate::measure::stats::Summary;
use crate::recording::measured::{Measured, ServerUse};

/// Figures of one repeat, or of all.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RoundFigures {
    /// First publication to last delivery.
    pub seconds: f64,
    /// Publications.
    pub published: u64,
    /// Publications that the timetable wanted.
    pub offered: u64,
    /// Published of offered, in percent.
    pub achieved_percent: Option<f64>,
    /// Publications a second.
    pub publications_per_second: f64,
    /// Deliveries that were due.
    pub expected: u64,
    /// Deliveries that came.
    pub received: u64,
    /// Received of expected, in percent.
    pub reach_percent: Option<f64>,
    /// Deliveries that did not come.
    pub lost: u64,
    /// Deliveries of what was there already.
    pub duplicated: u64,
    /// Deliveries after a later one of the same stream.
    pub reordered: u64,
    /// Deliveries a second.
    pub deliveries_per_second: f64,
    /// Bytes received a second, with framing.
    pub received_bytes_per_second: f64,
    /// All deliveries, from the intended moment.
    pub latency: Summary,
    /// All deliveries, from the actual send.
    pub latency_uncorrected: Summary,
    /// First delivery of each publication, from the intended moment.
    pub first: Summary,
    /// Median delivery of each publication.
    pub median: Summary,
    /// Last delivery of each publication.
    pub last: Summary,
    /// First to last delivery of each publication.
    pub spread: Summary,
    /// How late publications left, behind the timetable.
    pub lateness: Summary,
    /// Publications that some subscriber never got.
    pub incomplete: u64,
    /// Publications of a closed loop that were given up.
    pub stalled: u64,
    /// Times when the server did not take a publication that was due.
    pub blocked: u64,
    /// Publications whose first, median and last delivery are not in the figures.
    pub evicted: u64,
    /// Stamps of other runs and rounds.
    pub foreign: u64,
    /// Messages without a stamp.
    pub unstamped: u64,
    /// POSTs that were refused, by status.
    pub refused: BTreeMap<String, u64>,
    /// What became of publishers' connections.
    #[serde(flatten)]
    pub posts: Posts,
    /// The server's CPU, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// The same of its busiest thread.
    pub server_busiest_thread_percent: Option<f64>,
    /// CPU that one delivery cost the server.
    pub server_cpu_per_delivery_us: Option<f64>,
    /// CPU that one delivery cost the generator.
    pub generator_cpu_per_delivery_us: Option<f64>,
    /// The busiest worker's share of a core, in percent.
    pub generator_cpu_percent: f64,
    /// Bytes that a read brought on average.
    pub read_bytes: Option<f64>,
    /// Reads that filled the receive buffer.
    pub full_reads: u64,
}

impl RoundFigures {
    pub(super) fn new(measured: &Measured) -> Self {
        let Measured {
            round, published, ..
        } = measured;
        let count: u64 = published.streams.iter().map(|n| u64::from(*n)).sum();
        let received = round.counts.received;
        let per_second = |n: u64| n as f64 / measured.seconds.max(1e-9);
        let server = measured.server;
        let cores = |of: fn(&ServerUse) -> f64| server.as_ref().map(|s| 100.0 * of(s));
        let micros_each = |cpu_ns: u64| ratio(cpu_ns, received).map(|nanos| nanos / 1e3);
        Self {
            seconds: measured.seconds,
            published: count,
            offered: published.offered,
            achieved_percent: percent(count, published.offered),
            publications_per_second: per_second(count),
            expected: round.expected,
            received,
            reach_percent: percent(received, round.expected),
            lost: round.expected.saturating_sub(received),
            duplicated: round.counts.duplicated,
            reordered: round.counts.reordered,
            deliveries_per_second: per_second(received),
            received_bytes_per_second: per_second(round.bytes),
            latency: round.corrected.summary(),
            latency_uncorrected: round.uncorrected.summary(),
            first: round.first.summary(),
            median: round.median.summary(),
            last: round.last.summary(),
            spread: round.spread.summary(),
            lateness: published.lateness.summary(),
            incomplete: round.incomplete,
            stalled: published.stalled,
            blocked: published.blocked,
            evicted: round.evicted,
            foreign: round.foreign,
            unstamped: round.unstamped,
            refused: published.refused.clone(),
            posts: published.posts,
            server_cpu_percent: cores(|s| s.cores),
            server_busiest_thread_percent: cores(|s| s.busiest),
            server_cpu_per_delivery_us: server.and_then(|s| micros_each(s.cpu_ns)),
            generator_cpu_per_delivery_us: micros_each(measured.generator_cpu_ns),
            generator_cpu_percent: 100.0 * measured.generator_share,
            read_bytes: ratio(round.bytes, round.reads),
            full_reads: round.full_reads,
        }
    }
}
