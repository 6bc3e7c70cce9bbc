//! One round: begun, published, waited for, and joined over all workers.

use std::time::Duration;

use altavoz::base::{Time, clock};

use crate::base::failure::Failure;
use crate::base::num::{nanos, whole};
use crate::lines::{Command, Notice, Published, Round};
use crate::plan::course::Course;
use crate::plan::{Pace, Plan};
use crate::recording::measured::{Measured, ServerUse, join_rounds};

use super::crew::Crew;
use super::used::{server_use, share};

/// Between the order to publish and the first publication, so that it is not late already.
const LEAD: Duration = Duration::from_millis(20);

/// Lets time pass and measures what clients send and receive meanwhile although nothing is
/// published.
///
/// # Errors
/// When a worker is gone.
pub(crate) fn hold(crew: &mut Crew, time: Duration) -> Result<Measured, Failure> {
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
pub(crate) fn measure(
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
