//! A round: what is published in it, what is told of it while it lasts, and how it ends.

use std::time::Duration;

use altavoz::base::Time;
use altavoz::io::Driver;

use crate::base::num::between;
use crate::lines::{Notice, Tick};
use crate::plan::course::Course;

use super::core::WorkerCore;
use super::places::SubscribersOf;
use super::publisher::Publisher;
use super::{RoundPhase, Worker};

/// The interval of the log, in nanoseconds.
const INTERVAL_NANOS: u64 = 1_000_000_000;

/// How often a drain asks each subscriber whether it has everything.
const DRAIN_LOOK: Duration = Duration::from_millis(50);

/// Publications in one turn: between them, deliveries are read.
const PUBLISHES_PER_TURN_MAX: u32 = 1024;

/// How long the answers to the last POSTs are waited for.
const ANSWER: Duration = Duration::from_secs(5);

impl<D: Driver, C: Fn() -> Time> Worker<D, C> {
    pub(super) fn begin(&mut self, round: u8, now: Time) {
        self.core
            .meter
            .begin(round, &SubscribersOf::new(&self.core.clients));
        let driver = &self.gate.driver;
        self.core.windows.open(now, &self.core.clients, driver);
        self.round = round;
        self.begun = now;
        self.cpu_begun = self.cpu_nanos();
        self.second = 0;
        self.phase = RoundPhase::Measuring;
        self.notices.push(Notice::Ready);
    }

    pub(super) fn begin_publishing(&mut self, start: Time, course: Course) {
        let plan = &self.plan.plan;
        let publisher = Publisher::new(plan, self.round, start, course);
        self.timetable = publisher.schedule().cloned();
        self.publisher = Some(publisher);
    }

    /// A closed loop's publications that arrived everywhere here.
    pub(super) fn exchange_done(&mut self) {
        if self.plan.plan.workers == 1 {
            if let Some(publisher) = &mut self.publisher {
                self.core
                    .meter
                    .take_done(|stream, seq| publisher.complete(stream, seq));
            }
            return;
        }
        let mut ids = Vec::new();
        self.core
            .meter
            .take_done(|stream, seq| ids.push((stream, seq)));
        if !ids.is_empty() {
            self.notices.push(Notice::Complete(ids));
        }
    }

    pub(super) fn publish(&mut self, now: Time) {
        let Some(publisher) = &mut self.publisher else {
            return;
        };
        for status in self.core.refusals.drain(..) {
            publisher.refused(&status.to_string());
        }
        for _ in 0..PUBLISHES_PER_TURN_MAX {
            // The moment is read for each: it is what the stamp says.
            let moment = (self.clock)();
            let core = &mut self.core;
            let Some(stamp) = publisher.poll_due(moment, |stream| core.has_room(stream)) else {
                break;
            };
            core.publish(&stamp);
        }
        if is_published(publisher, &self.core, now)
            && let Some(publisher) = self.publisher.take()
        {
            let mut published = publisher.finish(now);
            published.posts = std::mem::take(&mut self.core.posts);
            self.notices.push(Notice::Published(Box::new(published)));
        }
    }

    pub(super) fn look_at_drain(&mut self, now: Time) {
        let RoundPhase::Draining {
            published,
            until,
            next_look,
        } = &mut self.phase
        else {
            return;
        };
        let is_active = !published.is_empty();
        let has_all =
            is_active && self.core.meter.received() >= self.core.meter.expected(published);
        let mut is_over = has_all || now >= *until;
        if !is_over && is_active && now >= *next_look {
            *next_look = now + DRAIN_LOOK;
            let subscribers = SubscribersOf::new(&self.core.clients);
            is_over = self.core.meter.is_complete(published, &subscribers);
        }
        if !is_over {
            return;
        }
        let published = std::mem::take(published);
        self.phase = RoundPhase::Waiting;
        self.close_interval();
        let end = self.core.meter.last_delivery().max(self.begun);
        let subscribers = SubscribersOf::new(&self.core.clients);
        let mut round = self.core.meter.finish(&published, &subscribers);
        let windows = {
            let driver = &self.gate.driver;
            self.core.windows.close(now, &self.core.clients, driver)
        };
        for (arm, (nanos, traffic)) in round.arms.iter_mut().zip(windows) {
            (arm.window_ns, arm.traffic) = (nanos, traffic);
        }
        round.cpu_ns = self.cpu_nanos() - self.cpu_begun;
        round.wall_ns = between(self.begun, now);
        round.last_delivery = end.as_nanos();
        self.notices.push(Notice::Round(Box::new(round)));
    }

    pub(super) fn tick(&mut self, now: Time) {
        let in_round = matches!(
            self.phase,
            RoundPhase::Measuring | RoundPhase::Draining { .. }
        );
        let mut tick = Tick {
            open: self.core.open(),
            received: if in_round {
                self.core.meter.received()
            } else {
                0
            },
            ..Tick::default()
        };
        if in_round && between(self.begun, now) >= (self.second + 1) * INTERVAL_NANOS {
            (tick.p50_ns, tick.p99_ns) = self.close_interval();
            self.second = between(self.begun, now) / INTERVAL_NANOS;
        }
        self.notices.push(Notice::Tick(tick));
    }

    fn close_interval(&mut self) -> (u64, u64) {
        let wanted = self.plan.plan.intervals;
        let start = self.begun + Duration::from_nanos(self.second * INTERVAL_NANOS);
        let (note, p50, p99) = self.core.meter.end_interval(self.second, start, wanted);
        if let Some(note) = note {
            self.notices.push(Notice::Interval(Box::new(note)));
        }
        (p50, p99)
    }
}

/// Whether a round has nothing more to publish, or nobody who could.
fn is_published(publisher: &mut Publisher, core: &WorkerCore, now: Time) -> bool {
    let is_over = publisher.is_done(now) || !core.can_publish();
    let is_late = publisher.last_sent() + ANSWER < now;
    is_over && (is_late || !core.has_unanswered())
}
