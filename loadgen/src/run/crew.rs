//! The workers of a run, seen from the coordinator: starting them, commanding them, waiting for
//! them, while the server is sampled and the live view is drawn.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use altavoz::base::{HashKey, Map, Time, clock};
use serde::Serialize;

use crate::base::failure::Failure;
use crate::host::sample::{self, Sample};
use crate::host::signals;
use crate::lines::{Back, Command, IntervalNote, Notice, Tick};
use crate::plan::{Plan, WorkerPlan};
use crate::run::live::Live;

/// How often the server is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);

/// How long a worker may be silent although it has something to say.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// All workers, the server's samples, and the view.
#[derive(Debug)]
pub(crate) struct Crew {
    workers: Vec<Worker>,
    notices: Receiver<(usize, Notice)>,
    server_pids: Vec<u32>,
    next_sample: Time,
    begun: Time,
    /// What was seen of the server.
    pub samples: Vec<Sample>,
    /// What the interval log will hold.
    pub intervals: Vec<IntervalNote>,
    ticks: Vec<Tick>,
    live: Live,
    stop: Arc<AtomicBool>,
    /// When slow readers are to read again.
    pub resume_at: Option<Time>,
    /// Storms that workers have reported as over.
    pub backs: Vec<Back>,
    /// How many workers have a publication everywhere, until all have.
    arrived: Map<(u32, u32), usize>,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    input: ChildStdin,
}

impl Crew {
    /// Starts a worker for each part of the plan.
    ///
    /// # Errors
    /// When one cannot be started.
    pub(crate) fn start(plan: &Plan, server_pids: &[u32], live: Live) -> Result<Self, Failure> {
        let (to_us, notices) = channel();
        let mut workers = Vec::new();
        for index in 0..plan.workers {
            workers.push(start_worker(plan, index, to_us.clone())?);
        }
        Ok(Self {
            ticks: vec![Tick::default(); workers.len()],
            workers,
            notices,
            server_pids: server_pids.to_vec(),
            next_sample: Time::ZERO,
            begun: clock::now(),
            samples: Vec::new(),
            intervals: Vec::new(),
            live,
            stop: signals::stop()?,
            resume_at: None,
            backs: Vec::new(),
            arrived: Map::with_hasher(HashKey(0, 0)),
        })
    }

    /// Tells all workers.
    ///
    /// # Errors
    /// When one is gone.
    pub(crate) fn tell(&mut self, command: &Command) -> Result<(), Failure> {
        (0..self.workers.len()).try_for_each(|worker| self.tell_one(worker, command))
    }

    /// Tells one worker.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn tell_one(&mut self, worker: usize, command: &Command) -> Result<(), Failure> {
        write_line(&mut self.workers[worker].input, command)
            .map_err(|_| Failure::limited("a worker of the generator is gone"))
    }

    /// Waits for one notice of each worker, which `take` picks out.
    ///
    /// # Errors
    /// When a worker is gone, or silent for two minutes.
    pub(crate) fn wait_all<T>(
        &mut self,
        mut take: impl FnMut(Notice) -> Option<T>,
    ) -> Result<Vec<T>, Failure> {
        let mut taken = Vec::new();
        let mut until = clock::now() + SILENCE_MAX;
        while taken.len() < self.workers.len() {
            let before = self.progress();
            if let Some((_, notice)) = self.next(until)? {
                taken.extend(take(notice));
            }
            if self.progress() != before {
                until = clock::now() + SILENCE_MAX;
            }
            if clock::now() >= until {
                return Err(Failure::limited(
                    "a worker of the generator does not answer",
                ));
            }
        }
        Ok(taken)
    }

    /// Waits for one notice of one worker, which `take` picks out; `None` when stopped by a
    /// signal or at `until`.
    ///
    /// # Errors
    /// When a worker is gone.
    pub(crate) fn wait_one<T>(
        &mut self,
        until: Time,
        mut take: impl FnMut(Notice) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        while clock::now() < until && !self.is_stopped() {
            if let Some((_, notice)) = self.next(until)?
                && let Some(taken) = take(notice)
            {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// The same, for what a signal has set off itself.
    ///
    /// # Errors
    /// When a worker is gone.
    pub(crate) fn wait_even_if_stopped<T>(
        &mut self,
        until: Time,
        take: impl FnOnce(Notice) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        Ok(self.next(until)?.and_then(|(_, notice)| take(notice)))
    }

    /// Lets time pass, unless stopped by a signal.
    ///
    /// # Errors
    /// When a worker is gone.
    pub(crate) fn rest(&mut self, time: Duration) -> Result<(), Failure> {
        let until = clock::now() + time;
        self.wait_one(until, |_| None::<()>).map(drop)
    }

    /// Whether somebody pressed Ctrl-C.
    #[must_use]
    pub(crate) fn is_stopped(&self) -> bool {
        // Pairs with the store of signal-hook's handler; nothing else depends on it.
        self.stop.load(Ordering::Relaxed)
    }

    /// Looks at the server now.
    pub(crate) fn sample(&mut self) -> Sample {
        let now = clock::now();
        self.next_sample = now + SAMPLE_EVERY;
        let sample = Sample {
            at_us: u64::try_from(now.since(self.begun).as_micros()).unwrap_or(u64::MAX),
            server: sample::processes(&self.server_pids),
            sockets: sample::sockets(),
        };
        self.samples.push(sample);
        sample
    }

    /// Resident memory of all workers, in bytes.
    #[must_use]
    pub(crate) fn rss_bytes(&self) -> u64 {
        let samples = self.workers.iter().map(|w| sample::process(w.child.id()));
        samples.flatten().map(|sample| sample.rss_bytes).sum()
    }

    /// Says what happens next, in the live view.
    pub(crate) fn announce(&mut self, phase: &str) {
        self.live.phase(phase);
        for tick in &mut self.ticks {
            tick.received = 0;
        }
    }

    /// Ends the live view.
    pub(crate) fn end_view(&mut self) {
        self.live.end();
    }

    fn progress(&self) -> u64 {
        self.ticks.iter().map(|t| t.open + t.received).sum()
    }

    /// The next notice that is no housekeeping, or `None` after a short while.
    fn next(&mut self, until: Time) -> Result<Option<(usize, Notice)>, Failure> {
        let now = clock::now();
        if now >= self.next_sample {
            self.sample();
            self.live.draw(&self.ticks, now);
        }
        if self.resume_at.is_some_and(|at| at <= now) {
            self.resume_at = None;
            self.tell(&Command::Resume)?;
        }
        let wait = until.min(self.next_sample).since(now);
        let (worker, notice) = match self.notices.recv_timeout(wait) {
            Ok(received) => received,
            Err(RecvTimeoutError::Timeout) => return Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::limited("the generator's workers are gone"));
            }
        };
        match notice {
            Notice::Tick(tick) => {
                self.ticks[worker] = keep_percentiles(self.ticks[worker], tick);
                Ok(None)
            }
            Notice::Interval(note) => {
                self.intervals.push(*note);
                Ok(None)
            }
            Notice::Back(back) => {
                self.backs.push(*back);
                Ok(None)
            }
            Notice::Complete(ids) => self.count_arrived(&ids).map(|()| None),
            Notice::Failed(why) => Err(Failure::usage(why)),
            other => Ok(Some((worker, other))),
        }
    }

    /// A publication is everywhere when every worker has said so.
    fn count_arrived(&mut self, ids: &[(u32, u32)]) -> Result<(), Failure> {
        let mut complete = Vec::new();
        for id in ids {
            let count = self.arrived.entry(*id).or_default();
            *count += 1;
            if *count == self.workers.len() {
                self.arrived.remove(id);
                complete.push(*id);
            }
        }
        if complete.is_empty() {
            return Ok(());
        }
        self.tell_one(0, &Command::Complete(complete))
    }

    /// Forgets the publications of a round that never arrived everywhere.
    pub(crate) fn forget_arrived(&mut self) {
        self.arrived.clear();
    }
}

impl Drop for Crew {
    /// The end of their input ends the workers.
    fn drop(&mut self) {
        self.live.end();
        for worker in self.workers.drain(..) {
            let Worker { mut child, input } = worker;
            drop(input);
            drop(child.wait());
        }
    }
}

/// Ticks carry percentiles once a second only; the last ones stay in view.
fn keep_percentiles(before: Tick, mut tick: Tick) -> Tick {
    if tick.p99_ns == 0 {
        (tick.p50_ns, tick.p99_ns) = (before.p50_ns, before.p99_ns);
    }
    tick
}

fn start_worker(
    plan: &Plan,
    index: u32,
    to_us: Sender<(usize, Notice)>,
) -> Result<Worker, Failure> {
    let failed = |e: std::io::Error| Failure::usage(format!("could not start a worker: {e}"));
    let mut process = Process::new(std::env::current_exe().map_err(failed)?);
    crate::server::node::own_group(&mut process);
    process
        .arg("worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = process.spawn().map_err(failed)?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(Failure::usage("could not start a worker: it has no pipes"));
    };
    let part = WorkerPlan {
        plan: plan.clone(),
        worker: index,
    };
    write_line(&mut input, &part).map_err(failed)?;
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let notice = serde_json::from_str(&line)
                .unwrap_or_else(|e| Notice::Failed(format!("a worker said nonsense: {e}")));
            if to_us.send((index as usize, notice)).is_err() {
                return;
            }
        }
    });
    Ok(Worker { child, input })
}

fn write_line(to: &mut impl Write, value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}
