//! `loadgen fanout`: connect, warm up, measure, repeat.

use std::time::Duration;

use altavoz::base::clock;

use crate::crew::Crew;
use crate::failure::Failure;
use crate::options::FanoutOptions;
use crate::plan::{Extent, Plan};
use crate::protocol::Command;
use crate::report::{Report, Run};

use super::{Measured, SETTLE, Server, metrics_url};

/// How long slow readers that read again are given for what still comes and their close.
const SLOW_PATIENCE: Duration = Duration::from_secs(8);

/// Runs it and gives back its report.
///
/// # Errors
/// When it cannot be started or a worker is gone.
pub fn run(options: &FanoutOptions) -> Result<Report, Failure> {
    let server = Server::new(&options.target)?;
    let plan = Plan::fanout(options, server.target.clone())?;
    let drain = plan.drain(options.drain);
    let mut crew = super::crew(&plan, &server, options.output.quiet)?;
    crew.rest(SETTLE)?;
    let started = clock::unix();
    let before = super::look(&mut crew);
    let connected = super::connect_all(&mut crew)?;
    crew.announce("at rest");
    crew.rest(SETTLE + options.hold)?;
    let memory = super::memory(&before, &mut crew, &server, connected.connects.connected);
    let mut repeats = Vec::new();
    let metrics_before = metrics_url::read(options.target.metrics_url.as_deref())?;
    rounds(&mut crew, &plan, options, drain, &mut repeats)?;
    let metrics_after = metrics_url::read(options.target.metrics_url.as_deref())?;
    if options.resume_after.is_some() {
        crew.announce("slow readers read");
        crew.tell(&Command::Resume)?;
        crew.rest(SLOW_PATIENCE)?;
    }
    let finished = super::finish(&mut crew)?;
    Ok(Report::new(Run {
        command: "fanout",
        plan: &plan,
        server: &server,
        crew: &crew,
        started,
        connected,
        repeats,
        finished,
        memory: Some(memory),
        idle: None,
        storm: None,
        metrics: metrics_url::difference(&metrics_before, &metrics_after),
        drain,
    }))
}

/// The warm-up, whose figures nobody sees, and the repeats.
fn rounds(
    crew: &mut Crew,
    plan: &Plan,
    options: &FanoutOptions,
    drain: Duration,
    repeats: &mut Vec<Measured>,
) -> Result<(), Failure> {
    if !options.warmup.is_zero() && plan.publishers > 0 {
        crew.announce("warming up");
        let extent = Extent::lasting(options.warmup);
        super::measure(crew, plan, 0, extent, drain)?;
        crew.intervals.clear();
    }
    let extent = Extent::new(options.messages, options.duration);
    crew.resume_at = options.resume_after.map(|after| clock::now() + after);
    for round in 1..=options.repeats {
        if crew.is_stopped() && !repeats.is_empty() {
            break;
        }
        crew.announce(&format!("repeat {round} of {}", options.repeats));
        repeats.push(super::measure(crew, plan, round, extent, drain)?);
    }
    Ok(())
}
