//! One run: the clock, the network, the workers and their turns, and the coordinator that tells
//! them what begins when, as `loadgen fanout` does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use altavoz::base::Time;
use altavoz::testing::{SimNet, SimTarget};
use fastrand::Rng;
use loadgen::base::schedule::Schedule;
use loadgen::lines::{Command, IntervalNote, Notice};
use loadgen::measure::stamp::Stamp;
use loadgen::plan::WorkerPlan;
use loadgen::plan::course::Extent;
use loadgen::worker::Worker;
use loadgen::worker::gate::Gate;

use super::plan::{Draw, Faults, Weather};
use altavoz::testing::batch::show;

use super::report::{Milestone, Report};
use super::server::Server;
use super::truth::Truth;
use super::verdict;
use super::watch::{Log, TICK, Watched};

/// Between the order to publish and the first publication.
const LEAD: Duration = Duration::from_millis(20);

/// How long anything is waited for: far longer than it can take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A worker and its surroundings.
struct Process {
    worker: Worker<Watched, Box<dyn Fn() -> Time>>,
    /// How long its last sleep would have been.
    asleep: Rc<RefCell<Duration>>,
    wakes: Time,
    timetable: Option<Schedule>,
    /// What it has said and nobody has waited for yet.
    notices: Vec<Notice>,
    /// What it logged of the round.
    seconds: Vec<IntervalNote>,
}

struct World {
    draw: Draw,
    net: SimNet,
    rng: Rng,
    log: Log,
    processes: Vec<Process>,
    server: Server,
    truth: Truth,
    report: Report,
    trace: bool,
    /// When somebody else publishes, and in which round.
    others: Option<(Schedule, u8)>,
    /// What was published in the round, by stream.
    published: Vec<u32>,
    /// How many workers have a publication of a closed loop everywhere.
    arrived: BTreeMap<(u32, u32), usize>,
}

/// Runs a seed; panics where a worker does not say what was.
pub(crate) fn run(seed: u64, trace: bool) -> Report {
    let mut rng = Rng::with_seed(seed);
    let draw = Draw::new(&mut rng);
    if trace {
        show(&format_args!("seed {seed}: {draw:#?}"));
    }
    let mut world = World::new(draw, rng, trace);
    world.connect();
    let rounds = world.draw.rounds;
    for round in 1..=rounds {
        world.round(round, round == rounds);
    }
    world.finish();
    let counts = world.net.counts();
    let mut report = world.report;
    report.add(Milestone::ShortSends, counts.short_sends);
    report.add(Milestone::PendingSends, counts.pending_sends);
    report.note_history(world.net.history());
    report
}

impl World {
    fn new(draw: Draw, mut rng: Rng, trace: bool) -> Self {
        let net = SimNet::new(rng.u64(..), draw.profile.clone());
        let (target, log) = (net.target(), Log::default());
        let workers = 0..draw.plan.workers;
        let processes = workers.map(|worker| Process::new(&draw, worker, &net, target, &log));
        Self {
            processes: processes.collect(),
            server: Server::new(&net, target, &log, &draw, rng.fork()),
            truth: Truth::new(&draw.plan),
            report: Report::default(),
            published: vec![0; draw.plan.streams as usize],
            others: None,
            arrived: BTreeMap::new(),
            draw,
            net,
            rng,
            log,
            trace,
        }
    }

    fn tell(&mut self, worker: usize, command: Command) {
        if self.trace {
            show(&format_args!(
                "{:?} to {worker}: {command:?}",
                self.net.now()
            ));
        }
        // As the worker looks at the clock to obey.
        let now = self.net.now() + TICK;
        let part = &mut self.truth.parts[worker];
        match &command {
            Command::Begin(round) => self.truth.begin(worker, *round),
            Command::Window { start, end } => {
                let (from, to) = (Time::from_nanos(*start), Time::from_nanos(*end));
                self.truth.watch(worker, from, to);
            }
            Command::Drain { .. } => self.truth.watch_until(worker, now),
            Command::Resume => part.resumed = true,
            Command::Storm { .. } | Command::Churn { .. } => (part.cut, part.back) = (0, 0),
            _ => {}
        }
        let process = &mut self.processes[worker];
        process.worker.obey(command);
        if let Some(timetable) = process.worker.take_timetable() {
            process.timetable = Some(timetable);
        }
        process.wakes = Time::ZERO;
        self.hear();
        self.judge(worker);
    }

    fn tell_all(&mut self, command: &Command) {
        for worker in 0..self.processes.len() {
            self.tell(worker, command.clone());
        }
    }

    /// One turn of everybody, and then the time until something is due.
    fn step(&mut self) {
        let mut order: Vec<usize> = (0..self.processes.len()).collect();
        self.rng.shuffle(&mut order);
        for worker in order {
            if self.rng.u8(0..100) < self.draw.stalls_percent {
                self.report.count(Milestone::Stalls);
                continue;
            }
            self.turn(worker);
        }
        self.pass_on();
        self.publish_others();
        self.server.turn(&mut self.truth, &mut self.report);
        let now = self.net.now();
        let processes = self.processes.iter_mut().map(|it| Some(it.next_at(now)));
        let others = self.others.as_ref().map(|(schedule, _)| schedule.next_at());
        let next = processes.chain([self.net.next_event(), self.server.next_at()]);
        let next = next.chain(others).flatten().min().unwrap_or(now);
        self.net.advance(next.since(now).max(TICK));
    }

    fn turn(&mut self, worker: usize) {
        let part = &mut self.truth.parts[worker];
        part.returned_before = part.returned;
        self.processes[worker].worker.advance();
        self.hear();
        self.judge(worker);
        let process = &mut self.processes[worker];
        process
            .worker
            .poll()
            .expect("the simulated driver is not broken");
        process.wakes = self.net.now() + *process.asleep.borrow();
        self.hear();
    }

    fn hear(&mut self) {
        for note in self.log.take() {
            if self.trace {
                show(&format_args!("{note:?}"));
            }
            self.truth.note(&note);
        }
    }

    /// Holds what a worker has just said against what was, before anything else happens.
    fn judge(&mut self, worker: usize) {
        let notices: Vec<Notice> = self.processes[worker].worker.take_notices().collect();
        for notice in notices {
            if matches!(notice, Notice::Tick(_)) {
                continue;
            }
            if self.trace {
                show(&format_args!(
                    "{:?} from {worker}: {notice:?}",
                    self.net.now()
                ));
            }
            self.judge_one(worker, &notice);
            self.processes[worker].notices.push(notice);
        }
    }

    fn judge_one(&mut self, worker: usize, notice: &Notice) {
        let (draw, truth, report) = (&self.draw, &mut self.truth, &mut self.report);
        match notice {
            Notice::Connected(said) => {
                verdict::check_connects(&truth.parts[worker], said, report);
            }
            Notice::Round(said) => {
                verdict::check_round(draw, truth, worker, said, &self.published, report);
                let seconds = std::mem::take(&mut self.processes[worker].seconds);
                if draw.plan.intervals {
                    verdict::check_intervals(said, &seconds, report);
                }
            }
            Notice::Published(said) => {
                self.published.clone_from(&said.streams);
                verdict::check_published(&draw.plan, &mut truth.parts[worker], said, report);
            }
            Notice::Back(said) => {
                verdict::check_back(draw, &mut truth.parts[worker], said, report);
            }
            Notice::Finished(said) => {
                verdict::check_finished(&draw.plan, &truth.parts[worker], said, report);
            }
            Notice::Interval(note) => self.processes[worker].seconds.push((**note).clone()),
            Notice::Ready | Notice::Tick(_) | Notice::Complete(_) | Notice::Failed(_) => {}
        }
    }

    /// Passes on what a closed loop waits for: publications that are everywhere.
    fn pass_on(&mut self) {
        let mut complete = Vec::new();
        for process in &mut self.processes {
            for notice in process
                .notices
                .extract_if(.., |it| matches!(it, Notice::Complete(_)))
            {
                if let Notice::Complete(ids) = notice {
                    complete.extend(ids);
                }
            }
        }
        let workers = self.processes.len();
        let mut everywhere = Vec::new();
        for id in complete {
            let count = self.arrived.entry(id).or_default();
            *count += 1;
            if *count == workers {
                everywhere.push(id);
            }
        }
        if !everywhere.is_empty() {
            self.tell(0, Command::Complete(everywhere));
        }
    }

    /// Waits until each of the first workers has said something, and takes it.
    fn wait(&mut self, workers: usize, is_it: impl Fn(&Notice) -> bool) {
        let until = self.net.now() + PATIENCE;
        for worker in 0..workers {
            while !self.processes[worker].notices.iter().any(&is_it) {
                assert!(
                    self.net.now() < until,
                    "a worker does not say what it should"
                );
                self.step();
            }
            self.processes[worker].notices.retain(|it| !is_it(it));
        }
    }

    fn rest_until(&mut self, until: Time) {
        while self.net.now() < until {
            self.step();
        }
    }

    fn connect(&mut self) {
        self.tell_all(&Command::Connect);
        let workers = self.processes.len();
        self.wait(workers, |it| matches!(it, Notice::Connected(_)));
        let settled = self.net.now() + Duration::from_millis(50);
        self.rest_until(settled);
    }

    fn round(&mut self, number: u8, is_last: bool) {
        let workers = self.processes.len();
        self.arrived.clear();
        self.tell_all(&Command::Begin(number));
        self.wait(workers, |it| matches!(it, Notice::Ready));
        let course = self.draw.plan.course(Extent::lasting(self.draw.length));
        let start = self.net.now() + LEAD;
        let from = start + Duration::from_nanos(course.lead);
        let end = from + self.draw.length;
        if self.draw.is_windowed {
            let (start, end) = (from.as_nanos(), end.as_nanos());
            self.tell_all(&Command::Window { start, end });
        }
        self.begin_weather(end);
        if self.draw.is_passive() {
            let count = self.rng.u64(1..60);
            let rate = count as f64 / self.draw.length.as_secs_f64();
            self.published.fill(0);
            self.others = Some((Schedule::new(start, rate, count), number));
        } else {
            let start = start.as_nanos();
            self.tell(0, Command::Publish { start, course });
            self.wait(1, |it| matches!(it, Notice::Published(_)));
        }
        if is_last && self.draw.resumes {
            self.tell_all(&Command::Resume);
        }
        self.rest_until(end);
        self.drain();
        self.end_weather();
    }

    fn drain(&mut self) {
        let published = if self.draw.is_passive() {
            Vec::new()
        } else {
            self.published.clone()
        };
        let until = (self.net.now() + self.draw.drain).as_nanos();
        self.tell_all(&Command::Drain { published, until });
        let workers = self.processes.len();
        self.wait(workers, |it| matches!(it, Notice::Round(_)));
        self.others = None;
    }

    fn begin_weather(&mut self, end: Time) {
        match self.draw.weather {
            Weather::Calm => {}
            Weather::Storm(jitter) => {
                let jitter = u64::try_from(jitter.as_nanos()).expect("a short time");
                self.report.count(Milestone::Storms);
                self.tell_all(&Command::Storm { jitter });
            }
            Weather::Churn(per_second, by) => {
                let until = end.as_nanos();
                self.report.count(Milestone::Churns);
                self.tell_all(&Command::Churn {
                    per_second,
                    until,
                    by,
                });
            }
        }
    }

    fn end_weather(&mut self) {
        if self.draw.weather == Weather::Calm {
            return;
        }
        self.tell_all(&Command::EndStorm);
        let workers = self.processes.len();
        self.wait(workers, |it| matches!(it, Notice::Back(_)));
    }

    /// Somebody else's publications that are due.
    fn publish_others(&mut self) {
        let (now, streams) = (self.net.now(), self.published.len());
        let Some((schedule, round)) = &mut self.others else {
            return;
        };
        while let Some(intended) = schedule.poll_due(now) {
            let stream = self.published.iter().map(|n| *n as usize).sum::<usize>() % streams;
            let stamp = Stamp {
                run: self.draw.plan.run ^ 7,
                round: *round,
                stream: u32::try_from(stream).expect("a stream"),
                seq: self.published[stream],
                intended: intended.as_nanos(),
                sent: now.as_nanos(),
            };
            self.published[stream] += 1;
            self.server
                .publish_itself(stamp, self.draw.plan.size, &mut self.report);
        }
    }

    /// What still comes is heard, and then the run ends.
    fn finish(&mut self) {
        self.server.faults = Faults::default();
        let quiet = self.net.now() + Duration::from_millis(200);
        self.rest_until(quiet);
        for worker in 0..self.processes.len() {
            self.tell(worker, Command::Finish);
            let process = &self.processes[worker];
            let is_said = |it: &Notice| matches!(it, Notice::Finished(_));
            assert!(process.notices.iter().any(is_said) && process.worker.is_over());
        }
    }
}

impl Process {
    fn new(draw: &Draw, worker: u32, net: &SimNet, target: SimTarget, log: &Log) -> Self {
        let asleep = Rc::new(RefCell::new(Duration::ZERO));
        let driver = Watched::new(net, worker as usize, log, &asleep);
        let clock = net.clone();
        let clock: Box<dyn Fn() -> Time> = Box::new(move || {
            clock.advance(TICK);
            clock.now()
        });
        let plan = WorkerPlan {
            plan: draw.plan.clone(),
            worker,
        };
        let worker = Worker::new(plan, Gate::new(driver, target, None), clock, || {
            Duration::ZERO
        });
        Self {
            worker: worker.expect("a plan without TLS"),
            asleep,
            wakes: Time::ZERO,
            timetable: None,
            notices: Vec::new(),
            seconds: Vec::new(),
        }
    }

    /// When it wakes up, if nothing happens on the network before.
    fn next_at(&mut self, now: Time) -> Time {
        let Some(timetable) = &mut self.timetable else {
            return self.wakes;
        };
        while timetable.poll_due(now).is_some() {}
        timetable
            .next_at()
            .map_or(self.wakes, |at| at.min(self.wakes))
    }
}
