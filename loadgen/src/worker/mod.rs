//! One process of a run: one event loop, its connections and their measurements.
//!
//! Commands of the coordinator are values that come in, notices are values that go out, and the
//! same code runs over the kernel and in a simulation: the system is a [`Driver`], the clock a
//! closure, randomness the plan's seed. [`process`] is the edge: pipes, threads, the real clock.

use std::io;
use std::time::Duration;

use altavoz::base::Time;
use altavoz::io::Driver;

use crate::base::num::{between, index, nanos, whole};
use crate::base::schedule::Schedule;
use crate::lines::{ArmConnects, Command, Connects, Notice};
use crate::plan::WorkerPlan;

use self::connection::ClientId;
use self::core::WorkerCore;
use self::gate::Gate;
use self::publisher::Publisher;
use self::storm::Storm;

pub mod clients;
pub mod connection;
pub mod core;
pub mod courier;
pub mod cursor;
pub mod gate;
pub mod meter;
pub mod metronome;
pub mod outbox;
pub mod places;
pub mod process;
pub mod publisher;
pub mod reader;
pub mod request;
pub mod rota;
mod rounds;
pub mod storm;
pub mod windows;

/// Attempts under way at once: enough to keep a server busy, few enough that its accept queue
/// is not what is measured.
const OPENING_MAX: usize = 128;

/// How long an attempt to connect may take.
const OPENING_TIMEOUT: Duration = Duration::from_secs(30);

/// What is said of those who are not let in any more.
const NOT_TRIED: &str = "not tried, since nobody was answered before";

/// How often the live view hears of a worker.
const TICK: Duration = Duration::from_millis(250);

/// The longest sleep: the loop looks at its deadlines at least so often.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// What sets the draws of storms apart from those of masks and keys, which the same seed brings.
const STORMS: u64 = 0x5707_0000_0000_0000;

/// One event loop of a run. Its owner obeys the coordinator's commands through it, lets it
/// [`advance`](Self::advance), says its notices, and lets it [`poll`](Self::poll), over and over.
pub struct Worker<D: Driver, C> {
    plan: WorkerPlan,
    gate: Gate<D>,
    /// Asked for each event, attempt and publication as it is handled, since these moments are
    /// what is measured; everything else that happens in a turn happens when the turn began.
    clock: C,
    /// CPU time that the whole process has used.
    cpu: fn() -> Duration,
    core: WorkerCore,
    publisher: Option<Publisher>,
    phase: RoundPhase,
    next_tick: Time,
    /// Of the round: its number, when it began, the CPU time then, and which second is under way.
    round: u8,
    begun: Time,
    cpu_begun: u64,
    second: u64,
    storm: Option<Storm>,
    random: fastrand::Rng,
    notices: Vec<Notice>,
    timetable: Option<Schedule>,
}

#[derive(Debug)]
enum RoundPhase {
    Waiting,
    /// The next place to connect, and when connecting began.
    Connecting {
        next: usize,
        start: Time,
        cpu: u64,
        oldest: usize,
    },
    Measuring,
    Draining {
        published: Vec<u32>,
        until: Time,
        next_look: Time,
    },
    Over,
}

impl<D: Driver, C: Fn() -> Time> Worker<D, C> {
    /// A worker that waits for its first command.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        plan: WorkerPlan,
        gate: Gate<D>,
        clock: C,
        cpu: fn() -> Duration,
    ) -> Result<Self, String> {
        Ok(Self {
            core: WorkerCore::new(&plan)?,
            random: fastrand::Rng::with_seed(plan.plan.seed ^ u64::from(plan.worker) ^ STORMS),
            plan,
            gate,
            clock,
            cpu,
            publisher: None,
            phase: RoundPhase::Waiting,
            next_tick: Time::ZERO,
            round: 0,
            begun: Time::ZERO,
            cpu_begun: 0,
            second: 0,
            storm: None,
            notices: Vec::new(),
            timetable: None,
        })
    }

    /// Whether it was told to finish.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, RoundPhase::Over)
    }

    /// What the coordinator is to hear, since it was last taken.
    pub fn take_notices(&mut self) -> impl Iterator<Item = Notice> {
        self.notices.drain(..)
    }

    /// The timetable by which it wants to be woken, once it has another one.
    pub fn take_timetable(&mut self) -> Option<Schedule> {
        self.timetable.take()
    }

    /// Does everything that time brings, and sends what there is to send.
    pub fn advance(&mut self) {
        let now = (self.clock)();
        self.bring(now);
        self.core.flush(&mut self.gate.driver, &self.clock);
        self.core.look(&self.gate.driver, now);
    }

    /// Sleeps until something happens or is due, and takes what happened.
    ///
    /// # Errors
    /// When the driver is broken.
    pub fn poll(&mut self) -> io::Result<()> {
        let sleep = self.sleep();
        let Self {
            gate, core, clock, ..
        } = self;
        gate.driver
            .poll(Some(sleep), |event| core.handle(clock, event))
    }

    /// Does what the coordinator says.
    pub fn obey(&mut self, command: Command) {
        let now = (self.clock)();
        match command {
            Command::Connect => {
                let cpu = self.cpu_nanos();
                self.core.populate(now);
                self.core.connects = Connects {
                    first: now.as_nanos(),
                    arms: vec![ArmConnects::default(); self.plan.plan.arms.len()],
                    ..Connects::default()
                };
                self.phase = RoundPhase::Connecting {
                    next: 0,
                    start: now,
                    cpu,
                    oldest: 0,
                };
            }
            Command::Begin(round) => self.begin(round, now),
            Command::Window { start, end } => {
                let (start, end) = (Time::from_nanos(start), Time::from_nanos(end));
                self.core.meter.watch(start, end);
                self.core.windows.set(start, end);
            }
            Command::Publish { start, course } => {
                self.begin_publishing(Time::from_nanos(start), course);
            }
            Command::StopPublishing => {
                if let Some(publisher) = &mut self.publisher {
                    publisher.stop();
                }
            }
            Command::Drain { published, until } => {
                self.core.meter.watch_until(now);
                self.core.windows.end(now);
                self.phase = RoundPhase::Draining {
                    published,
                    until: Time::from_nanos(until),
                    next_look: now,
                };
            }
            Command::Complete(ids) => {
                let publisher = self.publisher.iter_mut();
                publisher.for_each(|p| {
                    ids.iter()
                        .for_each(|(stream, seq)| p.complete(*stream, *seq))
                });
            }
            Command::Resume => self.core.resume(),
            Command::Pause => self.core.pause(),
            Command::Storm { jitter } => {
                let random = self.random.fork();
                let storm = Storm::all(&mut self.gate, &mut self.core, now, jitter, random);
                self.storm = Some(storm);
            }
            Command::Churn {
                per_second,
                until,
                by,
            } => {
                let share = per_second / f64::from(self.plan.plan.workers);
                let cut = (Time::from_nanos(until), by);
                let random = self.random.fork();
                self.storm = Some(Storm::churn(&self.core, now, share, cut, random));
            }
            Command::EndStorm => self.end_storm(),
            Command::Finish => self.finish(),
        }
    }

    /// Everything that time brings.
    fn bring(&mut self, now: Time) {
        self.settle_places(now);
        self.connect_more(now);
        self.exchange_done();
        self.publish(now);
        self.core.advance(&mut self.gate, now);
        self.look_at_drain(now);
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.core.look_at_publishers(&mut self.gate.driver, now);
            self.tick(now);
        }
    }

    fn connect_more(&mut self, now: Time) {
        let RoundPhase::Connecting {
            next,
            start,
            cpu,
            oldest,
        } = &mut self.phase
        else {
            return;
        };
        let rate = self.plan.plan.connect_rate;
        let rate = rate.map(|rate| rate / f64::from(self.plan.plan.workers));
        let allowed = rate.map_or(usize::MAX, |rate| {
            index(whole((between(*start, now) as f64 / 1e9 * rate).floor())) + 1
        });
        while *next < self.core.clients.len().min(allowed) && self.core.opening < OPENING_MAX {
            self.core
                .connect(&mut self.gate, ClientId::at(*next), (self.clock)());
            *next += 1;
        }
        // Attempts begin in order, so the oldest one is the first that is still under way.
        while *oldest < *next && !self.core.is_opening(ClientId::at(*oldest)) {
            *oldest += 1;
        }
        if *oldest < *next && self.core.clients[ClientId::at(*oldest)].since + OPENING_TIMEOUT < now
        {
            self.core
                .give_up(&mut self.gate.driver, ClientId::at(*oldest));
            // Where nobody is answered the rest would not be either, and each batch would wait.
            if self.core.connects.connected == 0 {
                let rest =
                    std::mem::replace(next, self.core.clients.len())..self.core.clients.len();
                rest.map(ClientId::at)
                    .for_each(|client| self.core.note_failed(client, NOT_TRIED));
            }
        }
        if *next == self.core.clients.len() && self.core.opening == 0 {
            let mut connects = std::mem::take(&mut self.core.connects);
            connects.last = now.as_nanos();
            connects.cpu_ns = nanos((self.cpu)()) - *cpu;
            self.phase = RoundPhase::Waiting;
            self.notices.push(Notice::Connected(Box::new(connects)));
        }
    }

    /// Attempts that ended and places that became free.
    fn settle_places(&mut self, now: Time) {
        let ended = std::mem::take(&mut self.core.ended);
        for (client, failure) in ended {
            if let Some(storm) = &mut self.storm {
                storm.note(client, failure, now, &self.core);
                continue;
            }
            match failure {
                None => self.core.note_connected(client),
                Some(why) => self.core.note_failed(client, &why),
            }
        }
        let gone = std::mem::take(&mut self.core.gone);
        if let Some(storm) = &mut self.storm {
            storm.advance(&mut self.gate, &mut self.core, &gone, now, &self.clock);
            if storm.is_over(now) {
                self.end_storm();
            }
        }
    }

    fn end_storm(&mut self) {
        if let Some(storm) = self.storm.take() {
            self.notices.push(Notice::Back(Box::new(storm.finish())));
        }
    }

    fn sleep(&self) -> Duration {
        let now = (self.clock)();
        let publisher = self.publisher.as_ref();
        let is_late = publisher.is_some_and(|p| p.is_behind(now, |s| self.core.has_room(s)));
        let next = self.core.next_at().unwrap_or(Time::NEVER).since(now);
        let sleep = match (is_late, &self.storm) {
            (true, _) => Duration::ZERO,
            (false, Some(_)) => Duration::from_millis(1),
            (false, None) => self.phase.sleep(),
        };
        sleep.min(next)
    }

    fn finish(&mut self) {
        let finished = std::mem::take(&mut self.core.finished);
        for client in self.core.clients.ids() {
            self.core.cut(&mut self.gate.driver, client);
        }
        self.notices.push(Notice::Finished(Box::new(finished)));
        self.phase = RoundPhase::Over;
    }

    fn cpu_nanos(&self) -> u64 {
        nanos((self.cpu)())
    }
}

impl RoundPhase {
    fn sleep(&self) -> Duration {
        match self {
            // Connecting at a rate has its moments, the finest that epoll can wait for.
            Self::Connecting { .. } | Self::Draining { .. } => Duration::from_millis(1),
            Self::Waiting | Self::Measuring | Self::Over => SLEEP_MAX,
        }
    }
}
