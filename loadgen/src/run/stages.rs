//! Stages of `loadgen fanout`: each is a round with a rate of its own, or with something that
//! the crowd or the slow readers do meanwhile.

use std::time::Duration;

use altavoz::base::clock;

use crate::base::failure::Failure;
use crate::base::num::nanos;
use crate::lines::{Back, Command};
use crate::options::stage::{Event, Stage};
use crate::plan::Plan;
use crate::plan::course::{Course, Extent};
use crate::recording::measured::join_backs;
use crate::recording::{Run, StageRun};
use crate::run::crew::Crew;

/// How long a stage may take beyond its length for the crowd to be back.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs all stages.
///
/// # Errors
/// When a worker is gone.
pub(crate) fn run(
    crew: &mut Crew,
    plan: &Plan,
    stages: &[Stage],
    drain: Duration,
    run: &mut Run,
) -> Result<(), Failure> {
    if plan.slow > 0 {
        // They read like all others until their stage comes.
        crew.tell(&Command::Resume)?;
    }
    for (round, stage) in (1..).zip(stages) {
        if crew.is_stopped() {
            break;
        }
        crew.announce(&stage.text);
        begin(crew, stage)?;
        let course = Course {
            extent: Extent::lasting(stage.length),
            rates: stage.rates(),
            lead: 0,
        };
        run.repeats
            .push(super::round::measure(crew, plan, round, course, drain)?);
        let back = end(crew, plan, stage)?;
        run.stages.push(StageRun {
            name: stage.text.clone(),
            back,
        });
    }
    Ok(())
}

fn begin(crew: &mut Crew, stage: &Stage) -> Result<(), Failure> {
    match stage.event {
        Event::Churn(per_second, by) => {
            let until = (clock::now() + stage.length).as_nanos();
            crew.tell(&Command::Churn {
                per_second,
                until,
                by,
            })
        }
        Event::ReconnectStorm => crew.tell(&Command::Storm {
            jitter: nanos(stage.length) / 2,
        }),
        Event::SlowReaders => crew.tell(&Command::Pause),
        Event::Ramp(..) | Event::Hold(_) | Event::Spike(_) => Ok(()),
    }
}

/// Who was cut and came back, once everybody is.
fn end(crew: &mut Crew, plan: &Plan, stage: &Stage) -> Result<Option<Back>, Failure> {
    if stage.event == Event::SlowReaders {
        crew.tell(&Command::Resume)?;
    }
    if !stage.needs_crowd() {
        return Ok(None);
    }
    let until = clock::now() + PATIENCE;
    let backs = super::wait_back(crew, plan.workers as usize, until)?;
    Ok(Some(join_backs(&backs)))
}
