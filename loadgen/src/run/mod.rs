//! Runs from the coordinator's side: what is begun when, what is waited for, what is joined.

use std::time::Duration;

use altavoz::base::{Time, clock};
use serde::{Deserialize, Serialize};

use crate::crew::{Crew, Sample};
use crate::failure::Failure;
use crate::live::Live;
use crate::node::ChildServer;
use crate::num::{nanos, whole};
use crate::options::{OutputOptions, TargetOptions};
use crate::plan::{Course, Pace, Plan};
use crate::protocol::{
    ArmRound, Back, Command, Connects, Finished, Notice, Published, Round, add_counts,
};
use crate::publications::{Row, join};
use crate::report::recording::Memory;
use crate::sample;
use crate::target::Target;
use crate::worker::meter::enter_row;

pub mod capacity;
pub mod compare;
pub mod connect;
pub mod delay;
pub mod fanout;
pub mod metrics_url;
pub mod stages;

/// Between the order to publish and the first publication, so that it is not late already.
const LEAD: Duration = Duration::from_millis(20);

/// Between the last upgrade and the first publication: a server may answer 101 a moment before
/// the subscription counts.
const SETTLE: Duration = Duration::from_millis(250);

/// Says something beside the report; whoever does not read it misses nothing.
pub fn say(line: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// The server of a run: named, or children of our own.
#[derive(Debug)]
pub struct Server {
    /// Where it is.
    pub target: Target,
    /// Its processes, if they are on this host and known.
    pub pids: Vec<u32>,
    /// Held so that they end with the run.
    children: Vec<ChildServer>,
}

impl Server {
    /// Resolves the target, or starts nodes.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(options: &TargetOptions) -> Result<Self, Failure> {
        if let Some(url) = &options.target {
            return Ok(Self {
                pids: options.server_pids.clone(),
                ..Self::named(url)?
            });
        }
        let children = ChildServer::start_several(options.nodes)?;
        Ok(Self {
            target: Target::parse(&format!("ws://{}", children[0].authority))?,
            pids: children.iter().map(ChildServer::pid).collect(),
            children,
        })
    }

    /// One that somebody else runs.
    ///
    /// # Errors
    /// When its URL is none.
    pub fn named(url: &str) -> Result<Self, Failure> {
        Ok(Self {
            target: Target::parse(url)?,
            pids: Vec::new(),
            children: Vec::new(),
        })
    }

    /// Whether the run started it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        !self.children.is_empty()
    }
}

/// One repeat, joined over all workers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
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
pub struct ServerUse {
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
pub struct Connected {
    /// The attempts.
    pub connects: Connects,
    /// From the first attempt to the last answer, in seconds.
    pub seconds: f64,
    /// What the server used.
    pub server: Option<ServerUse>,
    /// The busiest worker's share of a core, from 0 to 1.
    pub generator_share: f64,
}

/// Starts the workers of a plan.
///
/// # Errors
/// When they cannot be started.
pub fn crew(plan: &Plan, server: &Server, output: &OutputOptions) -> Result<Crew, Failure> {
    let live = Live::new(output.quiet, &output.label);
    Crew::start(plan, &server.pids, live)
}

/// Connects everybody.
///
/// # Errors
/// When a worker is gone, or nobody could connect.
pub fn connect_all(crew: &mut Crew, plan: &Plan) -> Result<Connected, Failure> {
    crew.announce("connecting");
    let before = crew.sample();
    crew.tell(&Command::Connect)?;
    let parts = crew.wait_all(|notice| match notice {
        Notice::Connected(connects) => Some(*connects),
        _ => None,
    })?;
    let after = crew.sample();
    let share = |c: &Connects| share(c.cpu_ns, c.last.saturating_sub(c.first));
    let generator_share = parts.iter().map(share).fold(0.0, f64::max);
    let connects = join_connects(&parts);
    let wall = connects.last.saturating_sub(connects.first);
    if connects.connected == 0 && !connects.failures.is_empty() {
        let reasons: Vec<_> = connects.failures.keys().map(String::as_str).collect();
        return Err(Failure::limited(format!(
            "nobody could connect to {} ({}): {}",
            plan.target.url(),
            plan.target.address,
            reasons.join("; ")
        )));
    }
    Ok(Connected {
        seconds: wall as f64 / 1e9,
        server: server_use(before, after, wall),
        generator_share,
        connects,
    })
}

/// A look at what connections will be measured against.
#[derive(Debug)]
pub struct Look {
    sample: Sample,
    generator_bytes: u64,
}

/// Looks at the server and the generator now.
pub fn look(crew: &mut Crew) -> Look {
    Look {
        sample: crew.sample(),
        generator_bytes: crew.rss_bytes(),
    }
}

/// What `connections` have cost since then.
pub fn memory(before: &Look, crew: &mut Crew, server: &Server, connections: u64) -> Memory {
    let after = look(crew);
    let rss = |look: &Look| look.sample.server.map(|p| p.rss_bytes);
    let slab = |look: &Look| look.sample.sockets.slab_bytes;
    let buffers = |look: &Look| look.sample.sockets.buffer_bytes;
    let grown = |(before, after): (u64, u64)| after.saturating_sub(before);
    let buffer_bytes = grown((buffers(before), buffers(&after)));
    let kernel = slab(before).zip(slab(&after)).map(grown);
    Memory {
        connections,
        server_bytes: rss(before).zip(rss(&after)).map(grown),
        server_pss_bytes: sample::pss(&server.pids),
        generator_bytes: grown((before.generator_bytes, after.generator_bytes)),
        kernel_bytes: kernel.map(|bytes| bytes + buffer_bytes),
        buffer_bytes,
    }
}

/// Lets time pass and measures what clients send and receive meanwhile although nothing is
/// published.
///
/// # Errors
/// When a worker is gone.
pub fn hold(crew: &mut Crew, time: Duration) -> Result<Measured, Failure> {
    let before = crew.sample();
    begin(crew, 0)?;
    let start = clock::now();
    let end = (start + time).as_nanos();
    let start_nanos = start.as_nanos();
    crew.tell(&Command::Window {
        start: start_nanos,
        end,
    })?;
    crew.rest(time)?;
    let until = clock::now();
    let rounds = drain(crew, Vec::new(), until.as_nanos())?;
    let wall = nanos(until.since(start));
    let after = crew.sample();
    Ok(joined(
        rounds,
        Published::default(),
        wall,
        server_use(before, after, wall),
    ))
}

/// Publishes and measures one round.
///
/// # Errors
/// When a worker is gone.
pub fn measure(
    crew: &mut Crew,
    plan: &Plan,
    round: u8,
    course: impl Into<Course>,
    patience: Duration,
) -> Result<Measured, Failure> {
    let course = course.into();
    let before = crew.sample();
    crew.forget_arrived();
    begin(crew, round)?;
    let start = (clock::now() + LEAD).as_nanos();
    let from = start.saturating_add(course.lead);
    let end = from.saturating_add(length(plan, course));
    crew.tell(&Command::Window { start: from, end })?;
    let published = wait_published(crew, plan, start, course)?;
    if end < u64::MAX {
        // The time behind the last publication is as much a part of the round as any other.
        crew.wait_one(Time::from_nanos(end), |_| None::<()>)?;
    }
    // Ctrl-C may have ended it before its time.
    let timetable = (end < u64::MAX).then(|| (start, end.min(clock::now().as_nanos())));
    let until = (clock::now() + patience).as_nanos();
    let rounds = drain(crew, published.streams.clone(), until)?;
    let after = crew.sample();
    let last = rounds.iter().map(|r| r.last_delivery).max().unwrap_or(0);
    let first = match published.first {
        0 => start,
        first => first,
    };
    let wall = wall(timetable, (first, published.last.max(last)));
    Ok(joined(
        rounds,
        published,
        wall,
        server_use(before, after, wall),
    ))
}

/// How long a round lasted, in nanoseconds: from the beginning of its timetable to the end of it
/// and of all deliveries. A single publication in a minute is one a minute, and not one in the
/// moment that it took. Without a timetable, from the first publication to the last delivery.
fn wall(timetable: Option<(u64, u64)>, seen: (u64, u64)) -> u64 {
    let (first, last) = match timetable {
        Some((start, end)) => (start, end.max(seen.1)),
        None => seen,
    };
    last.saturating_sub(first)
}

fn begin(crew: &mut Crew, round: u8) -> Result<(), Failure> {
    crew.tell(&Command::Begin(round))?;
    crew.wait_all(|notice| matches!(notice, Notice::Ready).then_some(()))?;
    Ok(())
}

fn drain(crew: &mut Crew, published: Vec<u32>, until: u64) -> Result<Vec<Round>, Failure> {
    crew.tell(&Command::Drain { published, until })?;
    crew.wait_all(|notice| match notice {
        Notice::Round(round) => Some(*round),
        _ => None,
    })
}

fn joined(
    rounds: Vec<Round>,
    published: Published,
    wall: u64,
    server: Option<ServerUse>,
) -> Measured {
    let generator_share = rounds.iter().map(|r| share(r.cpu_ns, wall.max(1)).min(1.0));
    Measured {
        generator_share: generator_share.fold(0.0, f64::max),
        generator_cpu_ns: rounds.iter().map(|r| r.cpu_ns).sum(),
        round: join_rounds(rounds),
        published,
        seconds: wall as f64 / 1e9,
        server,
    }
}

/// How long a round is measured, in nanoseconds; `u64::MAX` if only its end will tell.
fn length(plan: &Plan, course: Course) -> u64 {
    let extent = course.extent;
    let by_count = match (plan.pace, course.rates) {
        (_, Some(_)) => u64::MAX,
        (Pace::Open { rate }, None) => whole(extent.messages as f64 / rate * 1e9),
        (Pace::Closed { .. }, None) => return u64::MAX,
    };
    extent.nanos.min(by_count)
}

/// Ends the workers and says how connections ended.
///
/// # Errors
/// When a worker is gone.
pub fn finish(crew: &mut Crew) -> Result<Finished, Failure> {
    crew.announce("closing");
    crew.tell(&Command::Finish)?;
    let parts = crew.wait_all(|notice| match notice {
        Notice::Finished(finished) => Some(*finished),
        _ => None,
    })?;
    crew.end_view();
    let mut joined = Finished::default();
    for part in &parts {
        add_counts(&mut joined.closes, &part.closes);
        add_counts(&mut joined.slow_closes, &part.slow_closes);
        add_counts(&mut joined.publisher_closes, &part.publisher_closes);
        joined.slow_messages += part.slow_messages;
    }
    Ok(joined)
}

/// Waits until everybody who was cut is back; what is known so far when it takes too long.
///
/// # Errors
/// When a worker is gone.
pub fn wait_back(crew: &mut Crew, workers: usize, until: Time) -> Result<Vec<Back>, Failure> {
    let mut asked = false;
    while crew.backs.len() < workers && !crew.is_stopped() {
        let is_late = clock::now() >= until;
        if is_late && asked {
            break;
        }
        if is_late {
            crew.tell(&Command::EndStorm)?;
            asked = true;
        }
        crew.wait_one(clock::now() + Duration::from_secs(1), |notice: Notice| {
            matches!(notice, Notice::Failed(_)).then_some(())
        })?;
    }
    Ok(std::mem::take(&mut crew.backs))
}

/// What several workers report of a storm.
#[must_use]
pub fn join_backs(backs: &[Back]) -> Back {
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
pub fn join_repeats(repeats: &[Measured]) -> Measured {
    let mut all = Measured::default();
    repeats
        .iter()
        .for_each(|repeat| add_measured(&mut all, repeat));
    all
}

/// Adds one repeat behind another: counts, histograms, and their time.
pub fn add_measured(all: &mut Measured, repeat: &Measured) {
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

fn wait_published(
    crew: &mut Crew,
    plan: &Plan,
    start: u64,
    course: Course,
) -> Result<Published, Failure> {
    let take = |notice| match notice {
        Notice::Published(published) => Some(*published),
        _ => None,
    };
    if plan.publishers == 0 {
        let end = Time::from_nanos(start.saturating_add(course.extent.nanos));
        crew.wait_one(end, take)?;
        return Ok(Published::default());
    }
    crew.tell_one(0, &Command::Publish { start, course })?;
    if let Some(published) = crew.wait_one(Time::NEVER, take)? {
        return Ok(published);
    }
    // Ctrl-C: the publishers stop, and the rest goes on as if this were the end of the round.
    crew.tell_one(0, &Command::StopPublishing)?;
    let mut published = None;
    let until = clock::now() + Duration::from_secs(5);
    while published.is_none() && clock::now() < until {
        published = crew.wait_even_if_stopped(until, take)?;
    }
    published.ok_or_else(|| Failure::limited("the publishers did not stop"))
}

fn join_rounds(rounds: Vec<Round>) -> Round {
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
        enter_row(&mut joined, &join(group));
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
pub fn join_connects(parts: &[Connects]) -> Connects {
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

/// What a server used between two looks, spread over the time in which it had work.
fn server_use(before: Sample, after: Sample, wall_ns: u64) -> Option<ServerUse> {
    let span_ns = after.at_us.saturating_sub(before.at_us) * 1000;
    let (before, after) = (before.server?, after.server?);
    let cpu_ns = after.cpu_ns.saturating_sub(before.cpu_ns);
    let busiest = after
        .busiest_thread_cpu_ns
        .saturating_sub(before.busiest_thread_cpu_ns);
    Some(ServerUse {
        cpu_ns,
        span_ns,
        cores: share(cpu_ns, wall_ns),
        busiest: share(busiest, wall_ns),
    })
}

fn share(cpu_ns: u64, wall_ns: u64) -> f64 {
    cpu_ns as f64 / wall_ns.max(1) as f64
}

/// The command that a plan's pace needs when publishing is done by time alone.
#[must_use]
pub fn storm_command(jitter: Duration) -> Command {
    Command::Storm {
        jitter: nanos(jitter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_lasts_as_long_as_its_timetable_and_its_last_delivery() {
        // One publication near the end, or at once, or a straggler behind the end.
        assert_eq!(wall(Some((100, 15_100)), (14_900, 14_905)), 15_000);
        assert_eq!(wall(Some((100, 15_100)), (101, 105)), 15_000);
        assert_eq!(wall(Some((100, 15_100)), (101, 16_100)), 16_000);
        // Nothing came at all.
        assert_eq!(wall(Some((100, 15_100)), (100, 0)), 15_000);
    }

    #[test]
    fn a_round_without_a_timetable_lasts_as_long_as_its_deliveries() {
        assert_eq!(wall(None, (200, 900)), 700);
        assert_eq!(wall(None, (200, 0)), 0);
    }
}
