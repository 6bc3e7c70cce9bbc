//! `loadgen connect`: ramp, hold, look at memory; then, if wanted, a storm.

use std::time::Duration;

use altavoz::base::clock;

use crate::base::failure::Failure;
use crate::options::ConnectOptions;
use crate::plan::Plan;
use crate::plan::course::Extent;
use crate::recording::StormRun;
use crate::recording::measured::Measured;
use crate::recording::measured::join_backs;
use crate::report::whole::Report;
use crate::run::crew::Crew;

use super::server::Server;
use super::{SETTLE, memory, metrics_url, round};

/// How long bystanders are measured before a storm, as what to compare with.
const CALM: Duration = Duration::from_secs(3);

/// How long a storm may take beyond its jitter.
const STORM_PATIENCE: Duration = Duration::from_secs(60);

/// How long stragglers of the bystanders are waited for.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs it and gives back its report.
///
/// # Errors
/// When it cannot be started or a worker is gone.
pub(crate) fn run(options: &ConnectOptions) -> Result<Report, Failure> {
    let server = Server::new(&options.target)?;
    let mut plan = Plan::connect(options, server.target.clone())?;
    plan.settle()?;
    let mut crew = super::crew(&plan, &server, &options.output)?;
    crew.rest(SETTLE)?;
    let metrics_before = metrics_url::read(options.target.metrics_url.as_deref())?;
    let started = clock::unix();
    let before = memory::look(&mut crew);
    let connected = super::connect_all(&mut crew, &plan)?;
    crew.announce("holding");
    let idle = round::hold(&mut crew, options.hold)?;
    let memory = memory::memory(&before, &mut crew, &server, connected.connects.connected);
    let mut run = super::begun("connect", &plan, &server, connected);
    run.started = started;
    if options.storm && !crew.is_stopped() {
        run.storm = Some(storm(&mut crew, &plan, options, &mut run.repeats)?);
    }
    let metrics_after = metrics_url::read(options.target.metrics_url.as_deref());
    let finished = super::finish(&mut crew)?;
    run.memory = Some(memory);
    run.idle = Some(idle);
    run.enter_metrics(&metrics_before, metrics_after);
    run.drain = DRAIN;
    Ok(Report::new(super::ended(run, &mut crew, finished)))
}

/// Measures the bystanders in the calm and then while all others are cut and come back.
fn storm(
    crew: &mut Crew,
    plan: &Plan,
    options: &ConnectOptions,
    repeats: &mut Vec<Measured>,
) -> Result<StormRun, Failure> {
    crew.announce("calm");
    let calm = round::measure(crew, plan, 1, Extent::lasting(CALM), DRAIN)?;
    crew.announce("storm");
    crew.tell(&super::storm_command(options.jitter))?;
    let extent = Extent::lasting(options.jitter + Duration::from_secs(2));
    repeats.push(round::measure(crew, plan, 2, extent, DRAIN)?);
    let until = clock::now() + STORM_PATIENCE;
    let backs = super::wait_back(crew, plan.workers as usize, until)?;
    Ok(StormRun {
        back: join_backs(&backs),
        calm: calm.round.corrected,
    })
}
