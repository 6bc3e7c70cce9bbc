//! `loadgen fanout`: connect, warm up, measure, repeat.

use std::time::Duration;

use altavoz::base::clock;

use crate::base::failure::Failure;
use crate::lines::Command;
use crate::options::FanoutOptions;
use crate::plan::Plan;
use crate::plan::course::Extent;
use crate::recording::Run;
use crate::report::whole::Report;
use crate::run::crew::Crew;

use super::server::Server;
use super::{SETTLE, memory, metrics_url, round};

/// How long slow readers that read again are given for what still comes and their close.
const SLOW_PATIENCE: Duration = Duration::from_secs(8);

/// Runs it and gives back its report.
///
/// # Errors
/// When it cannot be started or a worker is gone.
pub(crate) fn run(options: &FanoutOptions) -> Result<Report, Failure> {
    let server = Server::new(&options.target)?;
    let mut plan = Plan::fanout(options, server.target.clone())?;
    plan.settle()?;
    let drain = plan.drain(options.drain);
    let mut crew = super::crew(&plan, &server, &options.output)?;
    crew.rest(SETTLE)?;
    let started = clock::unix();
    let before = memory::look(&mut crew);
    let connected = super::connect_all(&mut crew, &plan)?;
    crew.announce("at rest");
    crew.rest(SETTLE + options.hold)?;
    let memory = memory::memory(&before, &mut crew, &server, connected.connects.connected);
    let mut run = super::begun("fanout", &plan, &server, connected);
    run.started = started;
    let metrics_before = metrics_url::read(options.target.metrics_url.as_deref())?;
    rounds(&mut crew, &plan, options, drain, &mut run)?;
    let metrics_after = metrics_url::read(options.target.metrics_url.as_deref());
    if options.resume_after.is_some() {
        crew.announce("slow readers read");
        crew.tell(&Command::Resume)?;
        crew.rest(SLOW_PATIENCE)?;
    }
    let finished = super::finish(&mut crew)?;
    run.memory = Some(memory);
    run.enter_metrics(&metrics_before, metrics_after);
    run.drain = drain;
    Ok(Report::new(super::ended(run, &mut crew, finished)))
}

/// The warm-up, whose figures nobody sees, and the repeats.
fn rounds(
    crew: &mut Crew,
    plan: &Plan,
    options: &FanoutOptions,
    drain: Duration,
    run: &mut Run,
) -> Result<(), Failure> {
    if !options.warmup.is_zero() && plan.publishers > 0 {
        crew.announce("warming up");
        let extent = Extent::lasting(options.warmup);
        round::measure(crew, plan, 0, extent, drain)?;
        crew.intervals.clear();
    }
    if !options.stages.is_empty() {
        return super::stages::run(crew, plan, &options.stages, drain, run);
    }
    let repeats = &mut run.repeats;
    let course = plan.course(Extent::new(options.messages, options.duration));
    crew.resume_at = options.resume_after.map(|after| clock::now() + after);
    for round in 1..=options.repeats {
        if crew.is_stopped() && !repeats.is_empty() {
            break;
        }
        match options.repeats {
            1 => crew.announce("measuring"),
            repeats => crew.announce(&format!("repeat {round} of {repeats}")),
        }
        repeats.push(round::measure(crew, plan, round, course, drain)?);
    }
    Ok(())
}
