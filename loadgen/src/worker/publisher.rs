//! Who publishes, and when: the timetable of the open loop, the window of the closed one.
//!
//! Decides and stamps; the connections that carry the frames belong to the worker.

use std::time::Duration;

use altavoz::base::Time;

use crate::base::num::{between, id, index, whole};
use crate::base::schedule::Schedule;
use crate::lines::Published;
use crate::measure::stamp::Stamp;
use crate::model::Arrivals;
use crate::plan::course::Course;
use crate::plan::{Pace, Plan};

/// How long a closed loop waits for a publication to arrive everywhere.
const STALL: Duration = Duration::from_secs(5);

/// How long past its end an open loop waits for a server that does not take what was due.
const OVERTIME: Duration = Duration::from_secs(5);

/// The publishing side of one round.
#[derive(Debug)]
pub struct Publisher {
    run: u32,
    round: u8,
    pace: PublisherPace,
    /// Publications left to send.
    left: u64,
    /// Nothing is sent from here on.
    end: Time,
    sent: u64,
    stopped: bool,
    results: Published,
}

#[derive(Debug)]
enum PublisherPace {
    Open(Schedule),
    Closed {
        in_flight: usize,
        flying: Vec<PublicationUnderWay>,
    },
}

#[derive(Debug)]
struct PublicationUnderWay {
    stream: u32,
    seq: u32,
    since: Time,
}

impl Publisher {
    /// Of a round that begins at `start`.
    #[must_use]
    pub fn new(plan: &Plan, round: u8, start: Time, course: Course) -> Self {
        let extent = course.extent;
        let end = start + Duration::from_nanos(course.lead) + Duration::from_nanos(extent.nanos);
        let mut left = extent.messages;
        let pace = match plan.pace {
            Pace::Open { rate } => {
                let schedule = schedule(plan, round, start, course, rate);
                left = schedule.count();
                PublisherPace::Open(schedule)
            }
            Pace::Closed { in_flight } => PublisherPace::Closed {
                in_flight: in_flight as usize,
                flying: Vec::with_capacity(in_flight as usize),
            },
        };
        Self {
            run: plan.run,
            round,
            pace,
            left,
            end,
            sent: 0,
            stopped: false,
            results: Published {
                streams: vec![0; plan.streams as usize],
                ..Published::default()
            },
        }
    }

    /// Stamps the next publication if it is due. `has_room` says whether the connection of a
    /// stream takes more; if not, the publication stays due, with its moment.
    pub fn poll_due(&mut self, now: Time, has_room: impl Fn(u32) -> bool) -> Option<Stamp> {
        if self.stopped || self.left == 0 {
            return None;
        }
        let stream = self.next_stream();
        let due = match &self.pace {
            PublisherPace::Open(schedule) => schedule.next_at()? <= now,
            PublisherPace::Closed { in_flight, flying } => {
                now < self.end && flying.len() < *in_flight
            }
        };
        if !due {
            return None;
        }
        if !has_room(stream) {
            self.results.blocked += 1;
            return None;
        }
        Some(self.stamp(stream, now))
    }

    /// A publication arrived everywhere.
    pub fn complete(&mut self, stream: u32, seq: u32) {
        if let PublisherPace::Closed { flying, .. } = &mut self.pace {
            let at = flying
                .iter()
                .position(|f| (f.stream, f.seq) == (stream, seq));
            at.map(|at| flying.swap_remove(at));
        }
    }

    /// Sends nothing more.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Gives up what has stalled, and says whether the round is published.
    pub fn is_done(&mut self, now: Time) -> bool {
        match &mut self.pace {
            PublisherPace::Open(_) => {
                let late = now >= self.end + OVERTIME;
                self.stopped || self.left == 0 || late
            }
            PublisherPace::Closed { flying, .. } => {
                let before = flying.len();
                flying.retain(|f| now < f.since + STALL);
                self.results.stalled += (before - flying.len()) as u64;
                let over = self.stopped || self.left == 0 || now >= self.end;
                over && (self.stopped || flying.is_empty())
            }
        }
    }

    /// Whether more is due now than one turn took.
    #[must_use]
    pub fn is_behind(&self, now: Time, has_room: impl Fn(u32) -> bool) -> bool {
        let PublisherPace::Open(schedule) = &self.pace else {
            return false;
        };
        let is_due = schedule.next_at().is_some_and(|at| at <= now);
        is_due && !self.stopped && has_room(self.next_stream())
    }

    /// When the last publication left; the clock's origin before the first.
    #[must_use]
    pub fn last_sent(&self) -> Time {
        Time::from_nanos(self.results.last)
    }

    /// The timetable of an open loop.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        match &self.pace {
            PublisherPace::Open(schedule) => Some(schedule),
            PublisherPace::Closed { .. } => None,
        }
    }

    /// Publications sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Counts an answer to a POST that refuses.
    pub fn refused(&mut self, status: &str) {
        crate::base::counts::count(&mut self.results.refused, status);
    }

    /// What came of it.
    #[must_use]
    pub fn finish(mut self, now: Time) -> Published {
        self.results.offered = match &self.pace {
            PublisherPace::Open(schedule) if self.stopped => schedule.offered(now),
            PublisherPace::Open(_) => self.sent + self.left,
            PublisherPace::Closed { .. } => self.sent,
        };
        self.results
    }

    /// Publications rotate over the streams.
    fn next_stream(&self) -> u32 {
        id(index(self.sent % self.results.streams.len() as u64))
    }

    fn stamp(&mut self, stream: u32, now: Time) -> Stamp {
        let seq = self.results.streams[stream as usize];
        self.results.streams[stream as usize] += 1;
        self.sent += 1;
        self.left -= 1;
        let intended = match &mut self.pace {
            PublisherPace::Open(schedule) => schedule.poll_due(now).unwrap_or(now),
            PublisherPace::Closed { flying, .. } => {
                flying.push(PublicationUnderWay {
                    stream,
                    seq,
                    since: now,
                });
                now
            }
        };
        self.results.lateness.record(between(intended, now));
        let (intended, now) = (intended.as_nanos(), now.as_nanos());
        if self.results.first == 0 {
            self.results.first = now;
        }
        self.results.last = now;
        Stamp {
            run: self.run,
            round: self.round,
            stream,
            seq,
            intended,
            sent: now,
        }
    }
}

/// The timetable of a round: the plan's, unless the round has rates of its own.
fn schedule(plan: &Plan, round: u8, start: Time, course: Course, rate: f64) -> Schedule {
    let Course {
        extent,
        rates,
        lead,
    } = course;
    if let Some((from, to)) = rates {
        return Schedule::ramp(start, from, to, extent.nanos);
    }
    let fits = whole((extent.nanos as f64 / 1e9 * rate).round()).max(1);
    let count = extent.messages.min(fits);
    match plan.arrivals {
        Arrivals::Even => {
            let before = whole((lead as f64 / 1e9 * rate).floor());
            Schedule::new(start, rate, count.saturating_add(before))
        }
        Arrivals::Poisson => {
            let seed = plan.seed ^ u64::from(round);
            Schedule::random(start, rate, count, lead, seed)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{Cli, Command};
    use crate::plan::course::Extent;
    use crate::speak::target::Target;

    /// What publishes ten seconds of a plan, from the first of them on.
    fn publisher(line: &str) -> Publisher {
        let target = Target::parse("ws://127.0.0.1:9").expect("a target");
        let words = ["loadgen", "fanout"].into_iter().chain(line.split(' '));
        let plan = match Cli::try_parse_from(words).expect(line).command {
            Command::Fanout(options) => Plan::fanout(&options, target).expect(line),
            other => panic!("{other:?}"),
        };
        let course = Extent::lasting(Duration::from_secs(10)).into();
        Publisher::new(&plan, 1, at(1_000), course)
    }

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    /// Streams and numbers of what is due.
    fn due(publisher: &mut Publisher, now: Time) -> Vec<(u32, u32)> {
        let stamps = std::iter::from_fn(|| publisher.poll_due(now, |_| true));
        stamps.map(|stamp| (stamp.stream, stamp.seq)).collect()
    }

    #[test]
    fn publications_rotate_over_streams_and_each_counts_from_zero() {
        let mut publisher = publisher("--rate 10 --topics 3");
        assert_eq!(due(&mut publisher, at(999)), []);
        let found = due(&mut publisher, at(1_350));
        assert_eq!(found, [(0, 0), (1, 0), (2, 0), (0, 1)]);
        assert!(!publisher.is_behind(at(1_350), |_| true));
    }

    #[test]
    fn what_a_server_does_not_take_stays_due_with_its_moment() {
        let mut publisher = publisher("--rate 10");
        assert_eq!(publisher.poll_due(at(1_000), |_| false), None);
        assert!(publisher.is_behind(at(1_000), |_| true));
        let stamp = publisher.poll_due(at(1_070), |_| true).expect("it is due");
        assert_eq!(stamp.intended, at(1_000).as_nanos());
        assert_eq!(stamp.sent, at(1_070).as_nanos());
        publisher.stop();
        let published = publisher.finish(at(1_250));
        assert_eq!((published.blocked, published.offered), (1, 3));
        assert!(published.lateness.max() >= Some(70_000_000));
    }

    #[test]
    fn a_closed_loop_goes_on_when_one_is_everywhere_and_gives_up_what_stalls() {
        let mut publisher = publisher("--in-flight 2");
        assert_eq!(due(&mut publisher, at(1_000)), [(0, 0), (0, 1)]);
        publisher.complete(0, 1);
        publisher.complete(0, 7);
        assert_eq!(due(&mut publisher, at(1_100)), [(0, 2)]);
        assert!(!publisher.is_done(at(6_050)));
        assert_eq!(due(&mut publisher, at(6_050)), [(0, 3)]);
        publisher.complete(0, 2);
        publisher.complete(0, 3);
        assert!(publisher.is_done(at(11_000)), "its time is over");
        let published = publisher.finish(at(11_000));
        assert_eq!((published.offered, published.stalled), (4, 1));
    }
}
