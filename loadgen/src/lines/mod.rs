//! What the coordinator and its workers say to each other: one JSON value a line, over the
//! worker's standard input and output. All times are nanoseconds of the host's one clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::ledger::Counts;
use crate::measure::publications::Row;
use crate::measure::stats::Latency;
use crate::measure::traffic::Traffic;
use crate::options::stage::Leaving;
use crate::plan::course::Course;

/// From the coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Connect everybody; `Connected` follows.
    Connect,
    /// Begin to measure a round, where 0 is the warm-up; `Ready` follows.
    Begin(u8),
    /// From when to when traffic counts, in the round that has begun.
    Window {
        /// One interval of the slowest poller behind the first publication.
        start: u64,
        /// When the round is published; `u64::MAX` if nobody knows.
        end: u64,
    },
    /// Publish in the round that has begun; `Published` follows.
    Publish {
        /// When the first publication is due.
        start: u64,
        /// What is published.
        course: Course,
    },
    /// Publish no more in this round.
    StopPublishing,
    /// Wait for stragglers; `Round` follows.
    Drain {
        /// Publications by stream; empty where somebody else publishes.
        published: Vec<u32>,
        /// No longer than this.
        until: u64,
    },
    /// Publications that arrived everywhere: stream and sequence number.
    Complete(Vec<(u32, u32)>),
    /// Slow readers read again.
    Resume,
    /// Slow readers read no more.
    Pause,
    /// The crowd is cut and comes back; `Back` follows.
    Storm {
        /// Each waits a random part of this.
        jitter: u64,
    },
    /// Some of the crowd are cut and come back at once, all the time; `Back` follows.
    Churn {
        /// How many a second, over all workers.
        per_second: f64,
        /// Nobody is cut any more from here on.
        until: u64,
        /// How they leave.
        by: Leaving,
    },
    /// Wait no longer for those who are not back; `Back` follows.
    EndStorm,
    /// The end; `Finished` follows.
    Finish,
}

/// From a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Notice {
    /// All attempts to connect have ended.
    Connected(Box<Connects>),
    /// What is published from now on will be measured.
    Ready,
    /// How it goes, four times a second.
    Tick(Tick),
    /// What a second brought, if an interval log is wanted.
    Interval(Box<IntervalNote>),
    /// The publishers of a round are done.
    Published(Box<Published>),
    /// Publications that arrived at all subscribers of this worker: stream and sequence number.
    Complete(Vec<(u32, u32)>),
    /// What a round brought.
    Round(Box<Round>),
    /// What a storm brought.
    Back(Box<Back>),
    /// What became of the connections.
    Finished(Box<Finished>),
    /// It cannot go on.
    Failed(String),
}

/// Attempts to connect.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Connects {
    /// Clients that are there.
    pub connected: u64,
    /// Clients that are not, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Begin of connect to the open TCP connection.
    pub tcp: Latency,
    /// Request to answer, TLS included.
    pub upgrade: Latency,
    /// Both.
    pub total: Latency,
    /// When the first attempt began.
    pub first: u64,
    /// When the last one ended.
    pub last: u64,
    /// CPU time that it took this worker.
    pub cpu_ns: u64,
    /// The same by arm.
    pub arms: Vec<ArmConnects>,
}

/// Attempts of the clients of one arm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ArmConnects {
    /// Clients that are there.
    pub connected: u64,
    /// Clients that are not.
    pub failed: u64,
    /// Request to open.
    pub upgrade: Latency,
}

/// A worker's state, for the live view.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tick {
    /// Open connections.
    pub open: u64,
    /// Deliveries of the round so far.
    pub received: u64,
    /// Median of the interval in nanoseconds, 0 without deliveries.
    pub p50_ns: u64,
    /// 99th percentile of the interval in nanoseconds.
    pub p99_ns: u64,
}

/// The deliveries of about a second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IntervalNote {
    /// Which second of the round.
    pub second: u64,
    /// Which round.
    pub round: u8,
    /// When it began.
    pub start: u64,
    /// From the intended moment.
    pub latency: Latency,
    /// The same by arm; empty where there is only one.
    pub arms: Vec<Latency>,
}

/// A round's publications.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Published {
    /// By stream.
    pub streams: Vec<u32>,
    /// How many the timetable wanted; those that were sent, in a closed loop.
    pub offered: u64,
    /// When the first one left, 0 if none did.
    pub first: u64,
    /// When the last one left.
    pub last: u64,
    /// How late each one left, behind the timetable.
    pub lateness: Latency,
    /// Publications that were given up because they did not arrive everywhere in time.
    pub stalled: u64,
    /// Times when the server did not take publications as fast as they were due.
    pub blocked: u64,
    /// Answers to POSTs other than 2xx, by status.
    pub refused: BTreeMap<String, u64>,
    /// What became of the publishers' connections.
    #[serde(default)]
    pub posts: Posts,
}

/// What became of publishers' connections, and of what was on its way on them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Posts {
    /// Connections that were begun in the place of one that had ended.
    pub reconnects: u64,
    /// POSTs that were sent a second time, since an idle connection ended under them.
    pub retried: u64,
    /// POSTs that the server may have taken or not: it never answered.
    pub unanswered: u64,
    /// Publications that were due when their publisher was lost.
    pub unsent: u64,
}

impl Posts {
    /// Adds those of another round.
    pub fn add(&mut self, other: &Self) {
        self.reconnects += other.reconnects;
        self.retried += other.retried;
        self.unanswered += other.unanswered;
        self.unsent += other.unsent;
    }
}

/// A round in one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Round {
    /// Deliveries that were due.
    pub expected: u64,
    /// Deliveries that came.
    pub counts: Counts,
    /// Stamps of other runs and rounds.
    pub foreign: u64,
    /// Messages without a stamp.
    pub unstamped: u64,
    /// All deliveries, from the intended moment.
    pub corrected: Latency,
    /// All deliveries, from the actual send.
    pub uncorrected: Latency,
    /// First delivery of each publication; empty if rows are given instead.
    pub first: Latency,
    /// Median delivery.
    pub median: Latency,
    /// Last delivery.
    pub last: Latency,
    /// First to last delivery.
    pub spread: Latency,
    /// Publications that some subscriber never got.
    pub incomplete: u64,
    /// Publications that were finished too late for the table of those under way.
    pub evicted: u64,
    /// Publications to be joined with those of other workers.
    pub rows: Vec<Row>,
    /// Bytes received, with framing.
    pub bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Reads that filled the receive buffer.
    pub full_reads: u64,
    /// When the last delivery came.
    pub last_delivery: u64,
    /// CPU time of this worker from the first to the last publication or delivery.
    pub cpu_ns: u64,
    /// How long that was.
    pub wall_ns: u64,
    /// The same by arm.
    pub arms: Vec<ArmRound>,
}

/// A round of one arm in one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ArmRound {
    /// Clients that were there when it began.
    pub clients: u64,
    /// Deliveries that were due.
    pub expected: u64,
    /// Deliveries that came.
    pub counts: Counts,
    /// Of these, deliveries behind which another stood in the same answer.
    pub merged: u64,
    /// Publications that were left out by design: conflated, or skipped by the newest.
    pub left_out: u64,
    /// Answers and greetings in which the server owned to a gap.
    pub unrecovered: u64,
    /// All deliveries, from the intended moment.
    pub corrected: Latency,
    /// All deliveries, from the actual send.
    pub uncorrected: Latency,
    /// Time for which clients did not have the newest publication, summed over them.
    pub outdated_ns: u64,
    /// Time for which that was looked at, summed over them.
    pub watched_ns: u64,
    /// From the moment at which a poll was due to its whole answer.
    pub answer_time: Latency,
    /// How late the generator itself came to a poll.
    pub lateness: Latency,
    /// How long traffic counted.
    pub window_ns: u64,
    /// What it was.
    pub traffic: Traffic,
}

impl ArmRound {
    /// Adds what another worker, or another repeat, measured; the windows of workers lie side by
    /// side, those of repeats behind each other.
    pub fn join(&mut self, other: &Self) {
        let counts = [
            (&mut self.clients, other.clients),
            (&mut self.expected, other.expected),
            (&mut self.counts.received, other.counts.received),
            (&mut self.counts.duplicated, other.counts.duplicated),
            (&mut self.counts.reordered, other.counts.reordered),
            (&mut self.merged, other.merged),
            (&mut self.left_out, other.left_out),
            (&mut self.unrecovered, other.unrecovered),
            (&mut self.outdated_ns, other.outdated_ns),
            (&mut self.watched_ns, other.watched_ns),
        ];
        counts.into_iter().for_each(|(into, from)| *into += from);
        self.corrected.add(&other.corrected);
        self.uncorrected.add(&other.uncorrected);
        self.answer_time.add(&other.answer_time);
        self.lateness.add(&other.lateness);
        self.traffic.join(&other.traffic);
    }
}

/// A storm in one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Back {
    /// Clients that were cut.
    pub cut: u64,
    /// From the cut to the new upgrade, of those that are back.
    pub back: Latency,
    /// Attempts that failed and were repeated, by reason.
    pub failures: BTreeMap<String, u64>,
}

/// The end of a run in one worker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Finished {
    /// Connections that the server ended, by close code or reason.
    pub closes: BTreeMap<String, u64>,
    /// What became of the slow readers, the same way.
    pub slow_closes: BTreeMap<String, u64>,
    /// Whole messages that slow readers got after they read again.
    pub slow_messages: u64,
    /// Publishers' connections that the server ended, the same way.
    pub publisher_closes: BTreeMap<String, u64>,
}

impl Round {
    /// Enters a publication's first, median and last delivery.
    pub fn enter(&mut self, row: &Row) {
        let since = |moment: u64| moment.saturating_sub(row.intended);
        self.first.record(since(row.first));
        self.last.record(since(row.last));
        self.spread.record(row.last - row.first);
        if row.median != 0 {
            self.median.record(since(row.median));
        }
        self.incomplete += u64::from(!row.complete);
    }
}
