//! `loadgen connect`: ramp, hold, look at memory; then, if wanted, a storm.

use std::time::Duration;

use altavoz::base::{Time, clock};

use crate::crew::Crew;
use crate::failure::Failure;
use crate::options::ConnectOptions;
use crate::plan::{Extent, Plan};
use crate::protocol::{Back, Command, Notice, add_counts};
use crate::report::{Report, Run, StormRun};

use super::{SETTLE, Server, metrics_url};

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
pub fn run(options: &ConnectOptions) -> Result<Report, Failure> {
    let server = Server::new(&options.target)?;
    let plan = Plan::connect(options, server.target.clone())?;
    let mut crew = super::crew(&plan, &server, options.output.quiet)?;
    crew.rest(SETTLE)?;
    let started = clock::unix();
    let metrics_before = metrics_url::read(options.target.metrics_url.as_deref())?;
    let before = super::look(&mut crew);
    let connected = super::connect_all(&mut crew)?;
    crew.announce("holding");
    let idle = super::hold(&mut crew, &plan, options.hold)?;
    let memory = super::memory(&before, &mut crew, &server, connected.connects.connected);
    let mut repeats = Vec::new();
    let storm = if options.storm && !crew.is_stopped() {
        Some(storm(&mut crew, &plan, options, &mut repeats)?)
    } else {
        None
    };
    let metrics_after = metrics_url::read(options.target.metrics_url.as_deref())?;
    let finished = super::finish(&mut crew)?;
    Ok(Report::new(Run {
        command: "connect",
        plan: &plan,
        server: &server,
        crew: &crew,
        started,
        connected,
        repeats,
        finished,
        memory: Some(memory),
        idle: Some(idle),
        storm,
        metrics: metrics_url::difference(&metrics_before, &metrics_after),
        drain: DRAIN,
    }))
}

/// Measures the bystanders in the calm and then while all others are cut and come back.
fn storm(
    crew: &mut Crew,
    plan: &Plan,
    options: &ConnectOptions,
    repeats: &mut Vec<super::Measured>,
) -> Result<StormRun, Failure> {
    crew.announce("calm");
    let calm = super::measure(crew, plan, 1, Extent::lasting(CALM), DRAIN)?;
    crew.announce("storm");
    crew.tell(&super::storm_command(options.jitter))?;
    let extent = Extent::lasting(options.jitter + Duration::from_secs(2));
    repeats.push(super::measure(crew, plan, 2, extent, DRAIN)?);
    let until = clock::now() + STORM_PATIENCE;
    let backs = wait_back(crew, plan.workers as usize, until)?;
    let mut joined = Back::default();
    for back in &backs {
        joined.cut += back.cut;
        joined.back.add(&back.back);
        add_counts(&mut joined.failures, &back.failures);
    }
    Ok(StormRun {
        back: joined,
        calm: calm.round.corrected,
    })
}

/// Waits until everybody is back; what is known so far when it takes too long.
fn wait_back(crew: &mut Crew, workers: usize, until: Time) -> Result<Vec<Back>, Failure> {
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
