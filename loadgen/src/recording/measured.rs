//! What was measured, joined: workers of a round, repeats of a run, runs of several generators.

use serde::{Deserialize, Serialize};

use crate::base::counts::add_counts;
use crate::lines::{ArmRound, Back, Connects, Published, Round};
use crate::measure::publications::{Row, join};

/// One repeat, joined over all workers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Deliveries.
    pub round: Round,
    /// Publications.
    pub published: Published,
    /// First publication to last delivery, in seconds.
    pub seconds: f64,
    /// What the server used, if it was seen.
    pub server: Option<ServerUse>,
    /// CPU time of all workers, in nanoseconds.
    pub generator_cpu_ns: u64,
    /// The busiest worker's share of a core, from 0 to 1.
    pub generator_share: f64,
}

/// CPU that a server used in a time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ServerUse {
    /// Of all its threads, in nanoseconds.
    pub cpu_ns: u64,
    /// From one look to the other, in nanoseconds.
    pub span_ns: u64,
    /// Cores' worth: 1 is one core all the time.
    pub cores: f64,
    /// The same of its busiest thread.
    pub busiest: f64,
}

/// Everything connected, joined over all workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Connected {
    /// The attempts.
    pub connects: Connects,
    /// From the first attempt to the last answer, in seconds.
    pub seconds: f64,
    /// What the server used.
    pub server: Option<ServerUse>,
    /// The busiest worker's share of a core, from 0 to 1.
    pub generator_share: f64,
}

/// What several workers report of a storm.
#[must_use]
pub(crate) fn join_backs(backs: &[Back]) -> Back {
    let mut joined = Back::default();
    for back in backs {
        joined.cut += back.cut;
        joined.back.add(&back.back);
        add_counts(&mut joined.failures, &back.failures);
    }
    joined
}

/// Several repeats as one.
#[must_use]
pub(crate) fn join_repeats(repeats: &[Measured]) -> Measured {
    let mut all = Measured::default();
    repeats
        .iter()
        .for_each(|repeat| add_measured(&mut all, repeat));
    all
}

/// Adds one repeat behind another: counts, histograms, and their time.
pub(crate) fn add_measured(all: &mut Measured, repeat: &Measured) {
    add_round(&mut all.round, &repeat.round);
    let arms = all.round.arms.iter_mut().zip(&repeat.round.arms);
    arms.for_each(|(into, from)| into.window_ns += from.window_ns);
    add_published(&mut all.published, &repeat.published);
    all.seconds += repeat.seconds;
    all.generator_cpu_ns += repeat.generator_cpu_ns;
    all.generator_share = all.generator_share.max(repeat.generator_share);
    if let Some(server) = repeat.server {
        let sum = all.server.get_or_insert_default();
        sum.cpu_ns += server.cpu_ns;
        sum.span_ns += server.span_ns;
        sum.cores = sum.cores.max(server.cores);
        sum.busiest = sum.busiest.max(server.busiest);
    }
}

/// What all workers measured in a round.
#[must_use]
pub(crate) fn join_rounds(rounds: Vec<Round>) -> Round {
    let mut joined = Round::default();
    let mut rows: Vec<Row> = Vec::new();
    for mut round in rounds {
        rows.append(&mut round.rows);
        add_round(&mut joined, &round);
        let arms = joined.arms.iter_mut().zip(&round.arms);
        arms.for_each(|(into, from)| into.window_ns = into.window_ns.max(from.window_ns));
    }
    rows.sort_unstable_by_key(|row| (row.stream, row.seq));
    for group in rows.chunk_by(|a, b| (a.stream, a.seq) == (b.stream, b.seq)) {
        joined.enter(&join(group));
    }
    joined
}

fn add_round(into: &mut Round, from: &Round) {
    let histograms = [
        (&mut into.corrected, &from.corrected),
        (&mut into.uncorrected, &from.uncorrected),
        (&mut into.first, &from.first),
        (&mut into.median, &from.median),
        (&mut into.last, &from.last),
        (&mut into.spread, &from.spread),
    ];
    histograms
        .into_iter()
        .for_each(|(into, from)| into.add(from));
    let counts = [
        (&mut into.expected, from.expected),
        (&mut into.counts.received, from.counts.received),
        (&mut into.counts.duplicated, from.counts.duplicated),
        (&mut into.counts.reordered, from.counts.reordered),
        (&mut into.foreign, from.foreign),
        (&mut into.unstamped, from.unstamped),
        (&mut into.incomplete, from.incomplete),
        (&mut into.evicted, from.evicted),
        (&mut into.bytes, from.bytes),
        (&mut into.reads, from.reads),
        (&mut into.full_reads, from.full_reads),
        (&mut into.cpu_ns, from.cpu_ns),
    ];
    counts.into_iter().for_each(|(into, from)| *into += from);
    if into.arms.len() < from.arms.len() {
        into.arms.resize_with(from.arms.len(), ArmRound::default);
    }
    let arms = into.arms.iter_mut().zip(&from.arms);
    arms.for_each(|(into, from)| into.join(from));
    into.last_delivery = into.last_delivery.max(from.last_delivery);
    into.wall_ns = into.wall_ns.max(from.wall_ns);
}

fn add_published(into: &mut Published, from: &Published) {
    // Whoever does not publish itself has no streams.
    let streams = into.streams.len().max(from.streams.len());
    into.streams.resize(streams, 0);
    for (into, from) in into.streams.iter_mut().zip(&from.streams) {
        *into += from;
    }
    into.offered += from.offered;
    into.lateness.add(&from.lateness);
    into.stalled += from.stalled;
    into.blocked += from.blocked;
    add_counts(&mut into.refused, &from.refused);
    into.posts.add(&from.posts);
}

/// The attempts of several generators or workers.
#[must_use]
pub(crate) fn join_connects(parts: &[Connects]) -> Connects {
    let mut joined = Connects {
        first: parts.iter().map(|p| p.first).min().unwrap_or(0),
        last: parts.iter().map(|p| p.last).max().unwrap_or(0),
        ..Connects::default()
    };
    for part in parts {
        joined.connected += part.connected;
        joined.cpu_ns += part.cpu_ns;
        joined.tcp.add(&part.tcp);
        joined.upgrade.add(&part.upgrade);
        joined.total.add(&part.total);
        add_counts(&mut joined.failures, &part.failures);
        if joined.arms.len() < part.arms.len() {
            joined.arms.resize_with(part.arms.len(), Default::default);
        }
        for (into, from) in joined.arms.iter_mut().zip(&part.arms) {
            into.connected += from.connected;
            into.failed += from.failed;
            into.upgrade.add(&from.upgrade);
        }
    }
    joined
}
