//! Runs from the coordinator's side: what is begun when, what is waited for, what is joined.

pub(crate) mod capacity;
pub(crate) mod compare;
pub(crate) mod connect;
pub(crate) mod crew;
pub(crate) mod delay;
pub(crate) mod fanout;
pub(crate) mod live;
pub(crate) mod memory;
pub(crate) mod metrics_url;
pub(crate) mod round;
pub(crate) mod server;
pub(crate) mod stages;
mod used;

use std::time::Duration;

use altavoz::base::{Time, clock};

use crate::base::counts::add_counts;
use crate::base::failure::Failure;
use crate::base::num::nanos;
use crate::lines::{Back, Command, Connects, Finished, Notice};
use crate::options::OutputOptions;
use crate::plan::Plan;
use crate::recording::Run;
use crate::recording::measured::{Connected, join_connects};

use self::crew::Crew;
use self::live::Live;
use self::server::Server;
use self::used::{server_use, share};

/// Between the last upgrade and the first publication: a server may answer 101 a moment before
/// the subscription counts.
const SETTLE: Duration = Duration::from_millis(250);

/// Says something beside the report; whoever does not read it misses nothing.
pub(crate) fn say(line: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Starts the workers of a plan.
///
/// # Errors
/// When they cannot be started.
pub(crate) fn crew(plan: &Plan, server: &Server, output: &OutputOptions) -> Result<Crew, Failure> {
    let live = Live::new(output.quiet, &output.label);
    Crew::start(plan, &server.pids, live)
}

/// Connects everybody.
///
/// # Errors
/// When a worker is gone, or nobody could connect.
pub(crate) fn connect_all(crew: &mut Crew, plan: &Plan) -> Result<Connected, Failure> {
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
pub(crate) fn begun(command: &str, plan: &Plan, server: &Server, connected: Connected) -> Run {
    Run {
        own_node: server.is_own(),
        ..Run::new(command, plan, connected, server.pids.first().copied())
    }
}

/// A run with what its crew saw, and how it ended.
#[must_use]
pub(crate) fn ended(run: Run, crew: &mut Crew, finished: Finished) -> Run {
    Run {
        samples: std::mem::take(&mut crew.samples),
        intervals: std::mem::take(&mut crew.intervals),
        finished,
        ..run
    }
}

/// Ends the workers and says how connections ended.
///
/// # Errors
/// When a worker is gone.
pub(crate) fn finish(crew: &mut Crew) -> Result<Finished, Failure> {
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
pub(crate) fn wait_back(
    crew: &mut Crew,
    workers: usize,
    until: Time,
) -> Result<Vec<Back>, Failure> {
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

/// The command that a plan's pace needs when publishing is done by time alone.
#[must_use]
pub(crate) fn storm_command(jitter: Duration) -> Command {
    Command::Storm {
        jitter: nanos(jitter),
    }
}
