//! One process of a run: one event loop, its connections and their measurements.
//!
//! It takes commands on its standard input and answers on its standard output
//! ([`crate::lines`]); the end of its input is the end of the process.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use altavoz::base::{Address, clock};
use altavoz::io::{Driver, EpollDriver, EpollOptions, UringDriver, UringOptions};

use crate::host::doctor::raise_descriptors;
use crate::lines::{ArmConnects, Command, Connects, Notice, Tick};
use crate::options::DriverKind;
use crate::plan::WorkerPlan;
use crate::plan::course::Course;

use self::core::{Core, RECEIVE_BUFFER_BYTES};
use self::metronome::Metronome;
use self::places::SubscribersOf;
use self::publisher::Publisher;
use self::storm::Storm;

pub mod connection;
pub mod core;
pub mod courier;
pub mod cursor;
pub mod meter;
pub mod metronome;
pub mod outbox;
pub mod places;
pub mod publisher;
pub mod reader;
pub mod request;
pub mod rota;
pub mod storm;
pub mod windows;

/// Attempts under way at once: enough to keep a server busy, few enough that its accept queue
/// is not what is measured.
const OPENING_MAX: usize = 128;

/// How long an attempt to connect may take.
const OPENING_TIMEOUT_NANOS: u64 = 30_000_000_000;

/// What is said of those who are not let in any more.
const NOT_TRIED: &str = "not tried, since nobody was answered before";

/// How often the live view hears of a worker.
const TICK_NANOS: u64 = 250_000_000;

/// The interval of the log.
const INTERVAL_NANOS: u64 = 1_000_000_000;

/// How often a drain asks each subscriber whether it has everything.
const DRAIN_LOOK_NANOS: u64 = 50_000_000;

/// Publications in one turn: between them, deliveries are read.
const PUBLISHES_PER_TURN_MAX: u32 = 1024;

/// How long the answers to the last POSTs are waited for.
const ANSWER_NANOS: u64 = 5_000_000_000;

/// The longest sleep: the loop looks at its deadlines at least so often.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// Runs a worker until it is told to finish.
///
/// # Errors
/// When the plan cannot be read or the event loop cannot be set up.
pub fn run() -> Result<(), String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|e| e.to_string())?;
    let plan: WorkerPlan = serde_json::from_str(&line).map_err(|e| e.to_string())?;
    let _ = raise_descriptors();
    if let Some(core) = plan.plan.pin {
        let id = core + plan.worker as usize;
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    match plan.plan.driver {
        DriverKind::Auto | DriverKind::Epoll => {
            let driver = EpollDriver::new(EpollOptions {
                receive_buffer_bytes: RECEIVE_BUFFER_BYTES,
                // Few, so that a publication does not wait long behind what arrives.
                events_per_turn_max: 256,
                ..EpollOptions::default()
            });
            run_on(driver.map_err(|e| format!("event loop: {e}"))?, plan)
        }
        DriverKind::Uring => {
            let connections = plan.plan.connections() / u64::from(plan.plan.workers) + 1;
            let driver = UringDriver::new(UringOptions {
                connections_max: usize::try_from(connections).unwrap_or(usize::MAX),
                ..UringOptions::default()
            });
            run_on(driver.map_err(|e| format!("io_uring: {e}"))?, plan)
        }
    }
}

fn run_on(mut driver: impl Driver<Target = Address>, plan: WorkerPlan) -> Result<(), String> {
    let (to_worker, commands) = channel();
    let waker = driver.waker();
    thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for command in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            if to_worker.send(command).is_err() {
                break;
            }
            waker.wake();
        }
        drop(to_worker);
        waker.wake();
    });
    let metronome = Metronome::start(driver.waker());
    let mut worker = Worker::new(plan, metronome)?;
    worker.run(&mut driver, &commands)
}

struct Worker {
    plan: WorkerPlan,
    core: Core,
    metronome: Metronome,
    publisher: Option<Publisher>,
    phase: Phase,
    next_tick: u64,
    /// Of the round: its number, when it began, the CPU time then, and which second is under way.
    round: u8,
    begun: u64,
    cpu_begun: u64,
    second: u64,
    storm: Option<Storm>,
}

enum Phase {
    Waiting,
    /// The next place to connect, and when connecting began.
    Connecting {
        next: usize,
        start: u64,
        cpu: u64,
        oldest: usize,
    },
    Measuring,
    Draining {
        published: Vec<u32>,
        until: u64,
        next_look: u64,
    },
    Over,
}

impl Worker {
    fn new(plan: WorkerPlan, metronome: Metronome) -> Result<Self, String> {
        Ok(Self {
            core: Core::new(&plan)?,
            plan,
            metronome,
            publisher: None,
            phase: Phase::Waiting,
            next_tick: 0,
            round: 0,
            begun: 0,
            cpu_begun: 0,
            second: 0,
            storm: None,
        })
    }

    fn run(
        &mut self,
        driver: &mut impl Driver<Target = Address>,
        commands: &Receiver<Command>,
    ) -> Result<(), String> {
        loop {
            loop {
                match commands.try_recv() {
                    Ok(command) => self.obey(driver, command),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    // The coordinator is gone.
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(()),
                }
            }
            if matches!(self.phase, Phase::Over) {
                return Ok(());
            }
            let now = clock::now().as_nanos();
            self.advance(driver, now);
            self.core.flush(driver);
            self.core.look(driver, now);
            let sleep = self.sleep();
            let core = &mut self.core;
            driver
                .poll(Some(sleep), |event| core.handle(event))
                .map_err(|e| format!("event loop: {e}"))?;
        }
    }

    fn obey(&mut self, driver: &mut impl Driver<Target = Address>, command: Command) {
        let now = clock::now().as_nanos();
        match command {
            Command::Connect => {
                let cpu = cpu_nanos();
                self.core.populate(now);
                self.core.connects = Connects {
                    first: now,
                    arms: vec![ArmConnects::default(); self.plan.plan.arms.len()],
                    ..Connects::default()
                };
                self.phase = Phase::Connecting {
                    next: 0,
                    start: now,
                    cpu,
                    oldest: 0,
                };
            }
            Command::Begin(round) => self.begin(driver, round, now),
            Command::Window { start, end } => {
                self.core.meter.watch(start, end);
                self.core.windows.set(start, end);
            }
            Command::Publish { start, course } => self.begin_publishing(start, course),
            Command::StopPublishing => {
                if let Some(publisher) = &mut self.publisher {
                    publisher.stop();
                }
            }
            Command::Drain { published, until } => {
                self.core.meter.watch_until(now);
                self.core.windows.end(now);
                self.phase = Phase::Draining {
                    published,
                    until,
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
                self.storm = Some(Storm::all(driver, &mut self.core, now, jitter));
            }
            Command::Churn {
                per_second,
                until,
                by,
            } => {
                let share = per_second / f64::from(self.plan.plan.workers);
                self.storm = Some(Storm::churn(&self.core, now, share, until, by));
            }
            Command::EndStorm => self.end_storm(),
            Command::Finish => self.finish(driver),
        }
    }

    fn begin(&mut self, driver: &impl Driver, round: u8, now: u64) {
        self.core
            .meter
            .begin(round, &SubscribersOf::new(&self.core.conns));
        self.core.windows.open(now, &self.core.conns, driver);
        self.round = round;
        self.begun = now;
        self.cpu_begun = cpu_nanos();
        self.second = 0;
        self.phase = Phase::Measuring;
        say(&Notice::Ready);
    }

    fn begin_publishing(&mut self, start: u64, course: Course) {
        let plan = &self.plan.plan;
        let publisher = Publisher::new(plan, self.round, start, course);
        if let Some(schedule) = publisher.schedule() {
            self.metronome.beat_at(schedule.clone());
        }
        self.publisher = Some(publisher);
    }

    /// Everything that time brings.
    fn advance(&mut self, driver: &mut impl Driver<Target = Address>, now: u64) {
        self.settle_places(driver, now);
        self.connect_more(driver, now);
        self.exchange_done();
        self.publish(now);
        self.core.advance(driver, now);
        self.look_at_drain(driver, now);
        if now >= self.next_tick {
            self.next_tick = now + TICK_NANOS;
            self.core.look_at_publishers(driver, now);
            self.tick(now);
        }
    }

    fn connect_more(&mut self, driver: &mut impl Driver<Target = Address>, now: u64) {
        let Phase::Connecting {
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
            crate::base::num::index(crate::base::num::whole(
                ((now - *start) as f64 / 1e9 * rate).floor(),
            )) + 1
        });
        while *next < self.core.conns.len().min(allowed) && self.core.opening < OPENING_MAX {
            self.core.connect(driver, *next);
            *next += 1;
        }
        // Attempts begin in order, so the oldest one is the first that is still under way.
        while *oldest < *next && !self.core.is_opening(*oldest) {
            *oldest += 1;
        }
        if *oldest < *next && self.core.conns[*oldest].since + OPENING_TIMEOUT_NANOS < now {
            self.core.give_up(driver, *oldest);
            // Where nobody is answered the rest would not be either, and each batch would wait.
            if self.core.connects.connected == 0 {
                let rest = std::mem::replace(next, self.core.conns.len())..self.core.conns.len();
                rest.for_each(|slot| self.core.note_failed(slot, NOT_TRIED));
            }
        }
        if *next == self.core.conns.len() && self.core.opening == 0 {
            let mut connects = std::mem::take(&mut self.core.connects);
            connects.last = now;
            connects.cpu_ns = cpu_nanos() - *cpu;
            self.phase = Phase::Waiting;
            say(&Notice::Connected(Box::new(connects)));
        }
    }

    /// Attempts that ended and places that became free.
    fn settle_places(&mut self, driver: &mut impl Driver<Target = Address>, now: u64) {
        let ended = std::mem::take(&mut self.core.ended);
        for (slot, failure) in ended {
            if let Some(storm) = &mut self.storm {
                storm.note(slot, failure, now, &self.core);
                continue;
            }
            match failure {
                None => self.core.note_connected(slot),
                Some(why) => self.core.note_failed(slot, &why),
            }
        }
        let gone = std::mem::take(&mut self.core.gone);
        if let Some(storm) = &mut self.storm {
            storm.advance(driver, &mut self.core, &gone, now);
            if storm.is_over(now) {
                self.end_storm();
            }
        }
    }

    fn end_storm(&mut self) {
        if let Some(storm) = self.storm.take() {
            say(&Notice::Back(Box::new(storm.finish())));
        }
    }

    /// A closed loop's publications that arrived everywhere here.
    fn exchange_done(&mut self) {
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
            say(&Notice::Complete(ids));
        }
    }

    fn publish(&mut self, now: u64) {
        let Some(publisher) = &mut self.publisher else {
            return;
        };
        for status in self.core.refusals.drain(..) {
            publisher.refused(&status.to_string());
        }
        for _ in 0..PUBLISHES_PER_TURN_MAX {
            // The moment is read for each: it is what the stamp says.
            let moment = clock::now().as_nanos();
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
            say(&Notice::Published(Box::new(published)));
        }
    }

    fn look_at_drain(&mut self, driver: &impl Driver, now: u64) {
        let Phase::Draining {
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
            *next_look = now + DRAIN_LOOK_NANOS;
            let subscribers = SubscribersOf::new(&self.core.conns);
            is_over = self.core.meter.is_complete(published, &subscribers);
        }
        if !is_over {
            return;
        }
        let published = std::mem::take(published);
        self.phase = Phase::Waiting;
        self.close_interval();
        let end = self.core.meter.last_delivery().max(self.begun);
        let subscribers = SubscribersOf::new(&self.core.conns);
        let mut round = self.core.meter.finish(&published, &subscribers);
        let windows = self.core.windows.close(now, &self.core.conns, driver);
        for (arm, (nanos, traffic)) in round.arms.iter_mut().zip(windows) {
            (arm.window_ns, arm.traffic) = (nanos, traffic);
        }
        round.cpu_ns = cpu_nanos() - self.cpu_begun;
        round.wall_ns = now.saturating_sub(self.begun);
        round.last_delivery = end;
        say(&Notice::Round(Box::new(round)));
    }

    fn tick(&mut self, now: u64) {
        let in_round = matches!(self.phase, Phase::Measuring | Phase::Draining { .. });
        let mut tick = Tick {
            open: self.core.open(),
            received: if in_round {
                self.core.meter.received()
            } else {
                0
            },
            ..Tick::default()
        };
        if in_round && now >= self.begun + (self.second + 1) * INTERVAL_NANOS {
            (tick.p50_ns, tick.p99_ns) = self.close_interval();
            self.second = (now - self.begun) / INTERVAL_NANOS;
        }
        say(&Notice::Tick(tick));
    }

    fn close_interval(&mut self) -> (u64, u64) {
        let wanted = self.plan.plan.intervals;
        let start = self.begun + self.second * INTERVAL_NANOS;
        let (note, p50, p99) = self.core.meter.end_interval(self.second, start, wanted);
        if let Some(note) = note {
            say(&Notice::Interval(Box::new(note)));
        }
        (p50, p99)
    }

    fn sleep(&self) -> Duration {
        let now = clock::now().as_nanos();
        let publisher = self.publisher.as_ref();
        let is_late = publisher.is_some_and(|p| p.is_behind(now, |s| self.core.has_room(s)));
        let next = self
            .core
            .next_at()
            .map_or(u64::MAX, |at| at.saturating_sub(now));
        let sleep = match (is_late, &self.storm) {
            (true, _) => Duration::ZERO,
            (false, Some(_)) => Duration::from_millis(1),
            (false, None) => self.phase.sleep(),
        };
        sleep.min(Duration::from_nanos(next))
    }

    fn finish(&mut self, driver: &mut impl Driver<Target = Address>) {
        let finished = std::mem::take(&mut self.core.finished);
        for slot in 0..self.core.conns.len() {
            self.core.cut(driver, slot);
        }
        say(&Notice::Finished(Box::new(finished)));
        self.phase = Phase::Over;
    }
}

impl Phase {
    fn sleep(&self) -> Duration {
        match self {
            // Connecting at a rate has its moments, the finest that epoll can wait for.
            Self::Connecting { .. } | Self::Draining { .. } => Duration::from_millis(1),
            Self::Waiting | Self::Measuring | Self::Over => SLEEP_MAX,
        }
    }
}

/// Whether a round has nothing more to publish, or nobody who could.
fn is_published(publisher: &mut Publisher, core: &Core, now: u64) -> bool {
    let is_over = publisher.is_done(now) || !core.can_publish();
    let is_late = publisher.last_sent() + ANSWER_NANOS < now;
    is_over && (is_late || !core.has_unanswered())
}

/// Writes a notice; a coordinator that is gone is noticed at the commands' end.
fn say(notice: &Notice) {
    let mut out = std::io::stdout().lock();
    if let Ok(mut line) = serde_json::to_vec(notice) {
        line.push(b'\n');
        drop(out.write_all(&line).and_then(|()| out.flush()));
    }
}

fn cpu_nanos() -> u64 {
    crate::base::num::nanos(clock::process_cpu())
}
