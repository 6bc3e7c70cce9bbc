//! The figures of a whole run: single numbers, and percentiles of histograms.
//!
//! Each is in one table with its name and its unit; where its value comes from is asked by its
//! key of whoever has the run, who must know an answer for every key there is.

use super::unit::{Better, Unit};

use Better::{Higher, Lower, Neither};
use RunKey::{
    Achieved, Back99, Closed, ConnectFailures, ConnectRate, Connected, CpuPerConnect,
    CpuPerDelivery, DeliveriesRate, Disagreements, Duplicated, Expected, GeneratorCpu,
    GeneratorRssPerConn, KernelPerConn, Lost, PublicationsRate, Reach, Received, Reordered,
    RssPeak, RssPerConn, ServerCpu,
};
use Unit::{Bytes, Count, Percent, Time};

/// What a figure of a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RunKey {
    /// Deliveries that came, of those that were due.
    Reach,
    /// Deliveries that were due.
    Expected,
    /// Deliveries that came.
    Received,
    /// Deliveries that did not come.
    Lost,
    /// Deliveries of what was there already.
    Duplicated,
    /// Deliveries after a later one of the same stream.
    Reordered,
    /// Connections that the server ended.
    Closed,
    /// Deliveries a second.
    DeliveriesRate,
    /// Publications a second.
    PublicationsRate,
    /// Publications that were sent, of those that the timetable wanted.
    Achieved,
    /// Clients that came in.
    Connected,
    /// Clients that did not.
    ConnectFailures,
    /// Clients that came in, a second.
    ConnectRate,
    /// From the cut of a storm until 99 of 100 were back.
    Back99,
    /// Resident memory of the server for one connection.
    RssPerConn,
    /// The kernel's memory for one connection, both ends.
    KernelPerConn,
    /// Resident memory of the generator for one connection.
    GeneratorRssPerConn,
    /// The most memory that the server was seen with.
    RssPeak,
    /// The server's CPU, of one core.
    ServerCpu,
    /// The CPU of the generator's busiest worker, of one core.
    GeneratorCpu,
    /// CPU that one delivery cost the server.
    CpuPerDelivery,
    /// CPU that one connection cost the server.
    CpuPerConnect,
    /// Predictions that do not hold.
    Disagreements,
}

/// One figure of a run.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct RunFigure {
    pub key: RunKey,
    /// In `--fail`.
    pub bound: &'static str,
    /// In the JSON of a report.
    pub name: &'static str,
    pub unit: Unit,
    pub better: Better,
}

const fn of(
    key: RunKey,
    bound: &'static str,
    name: &'static str,
    unit: Unit,
    better: Better,
) -> RunFigure {
    RunFigure {
        key,
        bound,
        name,
        unit,
        better,
    }
}

/// All of them.
pub(crate) const OF_RUN: &[RunFigure] = &[
    of(Reach, "reach", "reach_percent", Percent, Higher),
    of(Expected, "expected", "expected", Count, Neither),
    of(Received, "received", "received", Count, Higher),
    of(Lost, "lost", "lost", Count, Lower),
    of(Duplicated, "duplicated", "duplicated", Count, Lower),
    of(Reordered, "reordered", "reordered", Count, Lower),
    of(Closed, "closed", "closes", Count, Lower),
    of(
        DeliveriesRate,
        "deliveries_rate",
        "deliveries_per_second",
        Count,
        Higher,
    ),
    of(
        PublicationsRate,
        "publications_rate",
        "publications_per_second",
        Count,
        Higher,
    ),
    of(Achieved, "achieved", "achieved_percent", Percent, Higher),
    of(Connected, "connected", "connected", Count, Higher),
    of(
        ConnectFailures,
        "connect_failures",
        "failures",
        Count,
        Lower,
    ),
    of(ConnectRate, "connect_rate", "connect_rate", Count, Higher),
    of(Back99, "back_99", "back_99_us", Time, Lower),
    of(
        RssPerConn,
        "rss_per_conn",
        "server_per_connection_bytes",
        Bytes,
        Lower,
    ),
    of(
        KernelPerConn,
        "kernel_per_conn",
        "kernel_per_connection_bytes",
        Bytes,
        Lower,
    ),
    of(
        GeneratorRssPerConn,
        "generator_rss_per_conn",
        "generator_per_connection_bytes",
        Bytes,
        Lower,
    ),
    of(RssPeak, "rss_peak", "server_rss_peak_bytes", Bytes, Lower),
    of(
        ServerCpu,
        "server_cpu",
        "server_cpu_percent",
        Percent,
        Lower,
    ),
    of(
        GeneratorCpu,
        "generator_cpu",
        "generator_cpu_percent",
        Percent,
        Lower,
    ),
    of(
        CpuPerDelivery,
        "cpu_per_delivery",
        "server_cpu_per_delivery_us",
        Time,
        Lower,
    ),
    of(
        CpuPerConnect,
        "cpu_per_connect",
        "server_cpu_per_connect_us",
        Time,
        Lower,
    ),
    of(
        Disagreements,
        "disagreements",
        "disagreements",
        Count,
        Lower,
    ),
];
