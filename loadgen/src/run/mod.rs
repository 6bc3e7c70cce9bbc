//! Runs from the coordinator's side: what is begun when, what is waited for, what is joined.

use std::time::Duration;

use altavoz::base::{Time, clock};

use self::crew::Crew;
use self::live::Live;
use crate::base::counts::add_counts;
use crate::base::failure::Failure;
use crate::base::num::{nanos, whole};
use crate::host::sample::{self, Sample};
use crate::lines::{Back, Command, Connects, Finished, Notice, Published, Round};
use crate::options::{OutputOptions, TargetOptions};
use crate::plan::course::Course;
use crate::plan::{Pace, Plan};
use crate::recording::measured::{Connected, Measured, ServerUse, join_connects, join_rounds};
use crate::recording::{Memory, Run};
use crate::server::node::ChildServer;
use crate::speak::target::Target;

pub mod capacity;
pub mod compare;
pub mod connect;
pub mod crew;
pub mod delay;
pub mod fanout;
pub mod live;
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

/// A run in which everybody is connected and nothing has been measured yet.
#[must_use]
pub fn begun(command: &str, plan: &Plan, server: &Server, connected: Connected) -> Run {
    Run {
        own_node: server.is_own(),
        ..Run::new(command, plan, connected, server.pids.first().copied())
    }
}

/// A run with what its crew saw, and how it ended.
#[must_use]
pub fn ended(run: Run, crew: &mut Crew, finished: Finished) -> Run {
    Run {
        samples: std::mem::take(&mut crew.samples),
        intervals: std::mem::take(&mut crew.intervals),
        finished,
        ..run
    }
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
