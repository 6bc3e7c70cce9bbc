//! What a worker measures: every delivery is entered here, and nothing else is known here.
//!
//! Nothing is allocated for a message. The moment of a delivery is the moment of the read that
//! brought it: the clock is asked once a read, not once a frame.

use altavoz::base::Time;

use crate::base::num::{between, id};
use crate::base::transport::Transport;
use crate::lines::{ArmRound, IntervalNote, Round};
use crate::measure::ledger::{Arrival, Ledger};
use crate::measure::publications::{
    Audience, Publications, Row, place_in_topic, streams_of, topic_of,
};
use crate::measure::stamp::{Stamp, StampReader};
use crate::measure::stats::Latency;
use crate::plan::arms::ArmPlan;
use crate::plan::{Pace, Plan, PublishBy};

/// Rows kept for the join with other workers: 100 MiB. What comes after them is counted but
/// does not enter the figures of first, median and last delivery.
const ROWS_MAX: usize = 1 << 20;

/// The measurements of one worker.
#[derive(Debug)]
pub struct Meter {
    reader: StampReader,
    book: MeterBook,
}

/// All but the reader, so that both can be borrowed at once.
#[derive(Debug)]
struct MeterBook {
    run: u32,
    passive: bool,
    /// The run and round whose publications count; `None` until the first one of somebody else.
    current: Option<(u32, u8)>,
    round: u8,
    topics: usize,
    streams: usize,
    is_closed_loop: bool,
    is_alone: bool,
    ledger: Ledger,
    publications: Publications,
    /// Subscribers of each topic.
    audiences: Vec<Audience>,
    /// The arms that get only the newest of what comes together.
    selective: Vec<bool>,
    /// Subscribers of each arm and topic.
    arm_audiences: Vec<Vec<u32>>,
    /// When each subscriber last got something.
    fresh_at: Vec<u64>,
    /// Publishing, from when to when: time beyond it makes nobody outdated.
    span: (Time, Time),
    /// What came since the last interval.
    interval: Intervals,
    results: Round,
    /// Publications that all subscribers here have, since they were last taken.
    done: Vec<(u32, u32)>,
}

#[derive(Debug, Default)]
struct Intervals {
    corrected: Latency,
    uncorrected: Latency,
    /// By arm, where there are several.
    arms: Vec<Latency>,
}

impl Intervals {
    fn new(arms: usize) -> Self {
        let several = if arms > 1 { arms } else { 0 };
        Self {
            arms: vec![Latency::new(); several],
            ..Self::default()
        }
    }

    fn clear(&mut self) {
        self.corrected.clear();
        self.uncorrected.clear();
        self.arms.iter_mut().for_each(Latency::clear);
    }
}

/// The subscribers of a worker: which are open, and what each listens to.
pub trait Subscribers {
    /// How many there are, open or not.
    fn count(&self) -> usize;
    /// Whether one is open.
    fn is_open(&self, subscriber: usize) -> bool;
    /// Its topic.
    fn topic(&self, subscriber: usize) -> usize;
    /// Its arm.
    fn arm(&self, subscriber: usize) -> usize;
}

/// Who gets a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reader {
    /// Which subscriber.
    pub subscriber: usize,
    /// Its topic.
    pub topic: usize,
    /// Its arm.
    pub arm: usize,
}

/// What a message carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageContent {
    /// Stamps, of whatever run.
    pub stamps: usize,
    /// Publications of this round that were not there before.
    pub fresh: u64,
}

impl Meter {
    /// For a worker with so many subscribers.
    #[must_use]
    pub fn new(plan: &Plan, subscribers: usize) -> Self {
        let passive = plan.publish == PublishBy::Others;
        let window = match plan.pace {
            Pace::Open { .. } => 0,
            Pace::Closed { in_flight } => in_flight as usize,
        };
        let streams = plan.streams as usize;
        let book = MeterBook {
            run: plan.run,
            passive,
            current: None,
            round: 0,
            topics: plan.topics.len(),
            streams,
            is_closed_loop: window > 0,
            is_alone: plan.workers == 1,
            ledger: Ledger::new(subscribers, plan.streams_per_topic(), passive),
            publications: Publications::new(streams, window),
            audiences: vec![Audience { all: 0, open: 0 }; plan.topics.len()],
            selective: plan.arms.iter().map(|arm| leaves_out(plan, arm)).collect(),
            arm_audiences: vec![vec![0; plan.topics.len()]; plan.arms.len()],
            fresh_at: vec![0; subscribers],
            span: (Time::ZERO, Time::NEVER),
            interval: Intervals::new(plan.arms.len()),
            results: Round::default(),
            done: Vec::with_capacity(1024),
        };
        Self {
            reader: StampReader::new(),
            book,
        }
    }

    /// Forgets the round before and begins one.
    pub fn begin(&mut self, round: u8, subscribers: &impl Subscribers) {
        let book = &mut self.book;
        book.round = round;
        book.current = (!book.passive).then_some((book.run, round));
        book.ledger.clear();
        book.publications.drain().for_each(drop);
        book.results = Round::default();
        book.interval.clear();
        book.done.clear();
        book.audiences.fill(Audience { all: 0, open: 0 });
        let arms = book.arm_audiences.len();
        book.results.arms.resize_with(arms, ArmRound::default);
        book.arm_audiences
            .iter_mut()
            .for_each(|topics| topics.fill(0));
        book.fresh_at.fill(0);
        book.span = (Time::ZERO, Time::NEVER);
        let open = (0..subscribers.count()).filter(|s| subscribers.is_open(*s));
        for subscriber in open {
            let topic = subscribers.topic(subscriber);
            let audience = &mut book.audiences[topic];
            audience.all += 1;
            audience.open += 1;
            book.arm_audiences[subscribers.arm(subscriber)][topic] += 1;
        }
    }

    /// Says from when to when is published.
    pub fn watch(&mut self, start: Time, end: Time) {
        self.book.span = (start, end);
    }

    /// Nothing more is published.
    pub fn watch_until(&mut self, now: Time) {
        let span = &mut self.book.span;
        span.1 = span.1.min(now);
    }

    /// Enters a message to a subscriber.
    pub fn deliver(&mut self, to: Reader, message: &[u8], now: Time) -> MessageContent {
        let carried = self.enter_all(to, message, now);
        self.book.results.unstamped += u64::from(carried.stamps == 0);
        carried
    }

    /// Enters an answer, which may be empty, and may carry several publications at once.
    pub fn deliver_answer(&mut self, to: Reader, body: &[u8], now: Time) -> MessageContent {
        let carried = self.enter_all(to, body, now);
        self.book.arm(to.arm).merged += carried.fresh.saturating_sub(1);
        carried
    }

    /// Enters that a server owned to a gap.
    pub fn note_unrecovered(&mut self, arm: usize) {
        self.book.arm(arm).unrecovered += 1;
    }

    /// Enters how late the generator itself came to a poll.
    pub fn note_turn(&mut self, arm: usize, nanos: u64) {
        self.book.arm(arm).lateness.record(nanos);
    }

    /// Enters how long the answer to a poll took.
    pub fn note_answer_time(&mut self, arm: usize, nanos: u64) {
        self.book.arm(arm).answer_time.record(nanos);
    }

    /// Enters a message that carries no stamp.
    pub fn note_unstamped(&mut self) {
        self.book.results.unstamped += 1;
    }

    /// Enters a read.
    pub fn note_read(&mut self, bytes: usize, is_full: bool) {
        let results = &mut self.book.results;
        results.bytes += bytes as u64;
        results.reads += 1;
        results.full_reads += u64::from(is_full);
    }

    /// A subscriber closed: nobody waits for it any more.
    pub fn leave(&mut self, subscriber: usize, topic: usize) {
        self.book.leave(subscriber, topic);
    }

    /// Takes out what arrived everywhere here since the last time.
    pub fn take_done(&mut self, mut on: impl FnMut(u32, u32)) {
        self.book
            .done
            .drain(..)
            .for_each(|(stream, seq)| on(stream, seq));
    }

    /// Closes the interval: its figures, and the log entry if one is wanted.
    pub fn end_interval(
        &mut self,
        second: u64,
        start: Time,
        wanted: bool,
    ) -> (Option<IntervalNote>, u64, u64) {
        let book = &mut self.book;
        let interval = &mut book.interval;
        let at = |percentile| interval.corrected.percentile(percentile).unwrap_or(0);
        let (p50, p99) = (at(50.0), at(99.0));
        book.results.corrected.add(&interval.corrected);
        book.results.uncorrected.add(&interval.uncorrected);
        let is_due = wanted && !interval.corrected.is_empty();
        let note = is_due.then(|| IntervalNote {
            second,
            round: book.round,
            start: start.as_nanos(),
            latency: interval.corrected.clone(),
            arms: interval.arms.clone(),
        });
        interval.clear();
        (note, p50, p99)
    }

    /// Deliveries of the round so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.book.ledger.counts().received
    }

    /// When the last delivery came.
    #[must_use]
    pub fn last_delivery(&self) -> Time {
        Time::from_nanos(self.book.results.last_delivery)
    }

    /// What is due of so many publications a stream. A subscriber counts if it was open when
    /// the round began.
    #[must_use]
    pub fn expected(&self, published: &[u32]) -> u64 {
        let book = &self.book;
        let due = |(stream, count): (usize, &u32)| {
            let audience = book.audiences[topic_of(id(stream), book.topics)];
            u64::from(audience.all) * u64::from(*count)
        };
        published.iter().enumerate().map(due).sum()
    }

    /// Whether every open subscriber has everything.
    #[must_use]
    pub fn is_complete(&self, published: &[u32], subscribers: &impl Subscribers) -> bool {
        let book = &self.book;
        let has_all = |subscriber: usize| {
            let topic = subscribers.topic(subscriber);
            streams_of(topic, book.topics, book.streams).all(|stream| {
                let place = place_in_topic(stream, book.topics);
                let count = published.get(stream as usize).copied().unwrap_or(0);
                book.ledger.is_complete(subscriber, place, count)
            })
        };
        let open = (0..subscribers.count()).filter(|s| subscribers.is_open(*s));
        open.into_iter().all(has_all)
    }

    /// The results of the round.
    pub fn finish(&mut self, published: &[u32], subscribers: &impl Subscribers) -> Round {
        let expected = if self.book.passive {
            self.book.owed(subscribers, None)
        } else {
            self.expected(published)
        };
        self.end_interval(0, Time::ZERO, false);
        let rest: Vec<Row> = self.book.publications.drain().collect();
        rest.into_iter().for_each(|row| self.book.settle(row));
        let mut results = std::mem::take(&mut self.book.results);
        results.expected = expected;
        results.counts = self.book.ledger.counts();
        self.finish_arms(&mut results, published, subscribers);
        results
    }

    fn finish_arms(&self, results: &mut Round, published: &[u32], subscribers: &impl Subscribers) {
        let book = &self.book;
        let span = between(book.span.0, book.span.1);
        if let [only] = &mut results.arms[..] {
            only.corrected = results.corrected.clone();
            only.uncorrected = results.uncorrected.clone();
        }
        for (arm, round) in results.arms.iter_mut().enumerate() {
            let audiences = &book.arm_audiences[arm];
            round.clients = audiences.iter().map(|count| u64::from(*count)).sum();
            round.watched_ns = span.saturating_mul(round.clients);
            round.expected = if book.passive {
                book.owed(subscribers, Some(arm))
            } else {
                let due = |(stream, count): (usize, &u32)| {
                    let audience = audiences[topic_of(id(stream), book.topics)];
                    u64::from(audience) * u64::from(*count)
                };
                published.iter().enumerate().map(due).sum()
            };
            if book.selective[arm] {
                // What is left out by design is not due, and what comes again is no fault.
                round.left_out = round.expected.saturating_sub(round.counts.received);
                round.expected -= round.left_out;
                results.expected = results.expected.saturating_sub(round.left_out);
                results.counts.duplicated -= round.counts.duplicated;
                round.counts.duplicated = 0;
            }
        }
    }

    fn enter_all(&mut self, to: Reader, message: &[u8], now: Time) -> MessageContent {
        let Self { reader, book } = self;
        // Stamps are nanoseconds, and so are rows and histograms.
        let now = now.as_nanos();
        let mut fresh = 0;
        let stamps = reader.each(message, |stamp| {
            fresh += u64::from(book.enter(to, &stamp, now));
        });
        MessageContent { stamps, fresh }
    }
}

impl MeterBook {
    /// Whether it is a publication that was not there before.
    fn enter(&mut self, to: Reader, stamp: &Stamp, now: u64) -> bool {
        if !self.is_ours(to.topic, stamp) {
            self.results.foreign += 1;
            return false;
        }
        let place = place_in_topic(stamp.stream, self.topics);
        let arrival = self.ledger.record(to.subscriber, place, stamp.seq);
        self.arm(to.arm).counts.note(arrival);
        if arrival == Arrival::Duplicate {
            return false;
        }
        self.enter_times(to, stamp, now);
        if let Some(row) = self
            .publications
            .record(stamp, self.audiences[to.topic], now)
        {
            let is_evicted = row.seq != stamp.seq;
            self.results.evicted += u64::from(is_evicted);
            self.settle(row);
        }
        true
    }

    fn enter_times(&mut self, to: Reader, stamp: &Stamp, now: u64) {
        let corrected = now.saturating_sub(stamp.intended);
        let uncorrected = now.saturating_sub(stamp.sent);
        self.interval.corrected.record(corrected);
        self.interval.uncorrected.record(uncorrected);
        self.results.last_delivery = now;
        // It was outdated from the moment of the oldest publication that it had not got.
        let fresh_at = std::mem::replace(&mut self.fresh_at[to.subscriber], now);
        let outdated_from = stamp.intended.max(fresh_at).max(self.span.0.as_nanos());
        let until = now.min(self.span.1.as_nanos());
        if let Some(interval) = self.interval.arms.get_mut(to.arm) {
            interval.record(corrected);
        }
        let is_shared = self.arm_audiences.len() > 1;
        let arm = self.arm(to.arm);
        arm.outdated_ns += until.saturating_sub(outdated_from);
        if is_shared {
            arm.corrected.record(corrected);
            arm.uncorrected.record(uncorrected);
        }
    }

    /// The results of an arm; between rounds nobody looks at them.
    fn arm(&mut self, arm: usize) -> &mut ArmRound {
        let arms = &mut self.results.arms;
        if arms.len() <= arm {
            arms.resize_with(arm + 1, ArmRound::default);
        }
        &mut arms[arm]
    }

    fn is_ours(&mut self, topic: usize, stamp: &Stamp) -> bool {
        let current = *self.current.get_or_insert((stamp.run, stamp.round));
        current == (stamp.run, stamp.round)
            && (stamp.stream as usize) < self.streams
            && topic_of(stamp.stream, self.topics) == topic
    }

    fn leave(&mut self, subscriber: usize, topic: usize) {
        let audience = &mut self.audiences[topic];
        audience.open = audience.open.saturating_sub(1);
        let mut rows = Vec::new();
        for stream in streams_of(topic, self.topics, self.streams) {
            let place = place_in_topic(stream, self.topics);
            let had = |seq| self.ledger.has(subscriber, place, seq);
            self.publications
                .leave(stream, self.audiences[topic], had, |row| rows.push(row));
        }
        rows.into_iter().for_each(|row| self.settle(row));
    }

    /// A publication is over.
    fn settle(&mut self, row: Row) {
        if self.is_closed_loop {
            self.done.push((row.stream, row.seq));
        }
        if self.is_alone {
            self.results.enter(&row);
        } else if self.results.rows.len() < ROWS_MAX {
            self.results.rows.push(row);
        } else {
            self.results.evicted += 1;
        }
    }

    /// What is due when somebody else publishes: from the first that each saw to the last that
    /// anybody here saw.
    fn owed(&self, subscribers: &impl Subscribers, arm: Option<usize>) -> u64 {
        let mut owed = 0;
        for stream in (0..self.streams).map(id) {
            let topic = topic_of(stream, self.topics);
            let place = place_in_topic(stream, self.topics);
            let listening = (0..subscribers.count()).filter(|s| subscribers.topic(*s) == topic);
            let highest = self.ledger.highest(listening.clone(), place);
            owed += listening
                .filter(|s| arm.is_none_or(|arm| subscribers.arm(*s) == arm))
                .map(|s| self.ledger.owed(s, place, highest))
                .sum::<u64>();
        }
        owed
    }
}

/// Whether an arm's clients skip publications by design.
fn leaves_out(plan: &Plan, arm: &ArmPlan) -> bool {
    arm.conflate_ms.is_some() || (plan.newest && arm.transport == Transport::Poll)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{Cli, Command};
    use crate::speak::target::Target;

    /// Three subscribers of one topic and one arm, the first so many of them open.
    struct Three(usize);

    impl Subscribers for Three {
        fn count(&self) -> usize {
            3
        }

        fn is_open(&self, subscriber: usize) -> bool {
            subscriber < self.0
        }

        fn topic(&self, _: usize) -> usize {
            0
        }

        fn arm(&self, _: usize) -> usize {
            0
        }
    }

    /// In a round with all of them.
    fn meter() -> (Meter, Plan) {
        let target = Target::parse("ws://127.0.0.1:9").expect("a target");
        let words = ["loadgen", "fanout", "--clients", "3", "--workers", "1"];
        let plan = match Cli::try_parse_from(words).expect("options").command {
            Command::Fanout(options) => Plan::fanout(&options, target).expect("a plan"),
            other => panic!("{other:?}"),
        };
        let mut meter = Meter::new(&plan, 3);
        meter.begin(1, &Three(3));
        (meter, plan)
    }

    fn message(plan: &Plan, round: u8, seq: u32) -> Vec<u8> {
        let mut message = Vec::new();
        let stamp = Stamp {
            run: plan.run,
            round,
            stream: 0,
            seq,
            intended: 100,
            sent: 200,
        };
        stamp.write(&mut message, 64);
        message
    }

    fn deliver(meter: &mut Meter, subscriber: usize, message: &[u8], at: u64) -> MessageContent {
        let to = Reader {
            subscriber,
            topic: 0,
            arm: 0,
        };
        meter.deliver(to, message, Time::from_nanos(at))
    }

    #[test]
    fn who_leaves_with_a_publication_does_not_end_it_for_others() {
        let (mut meter, plan) = meter();
        let message = message(&plan, 1, 0);
        deliver(&mut meter, 2, &message, 300);
        meter.leave(2, 0);
        deliver(&mut meter, 0, &message, 400);
        deliver(&mut meter, 1, &message, 500);
        let round = meter.finish(&[1], &Three(2));
        assert_eq!((round.expected, round.counts.received), (3, 3));
        assert_eq!((round.incomplete, round.last.len()), (0, 1));
        assert_eq!(round.last.max(), Some(400), "from the intended moment");
    }

    #[test]
    fn who_leaves_without_a_publication_is_not_waited_for_and_it_is_incomplete() {
        let (mut meter, plan) = meter();
        let message = message(&plan, 1, 0);
        deliver(&mut meter, 0, &message, 300);
        deliver(&mut meter, 1, &message, 400);
        meter.leave(2, 0);
        let round = meter.finish(&[1], &Three(2));
        assert_eq!((round.expected, round.counts.received), (3, 2));
        assert_eq!((round.incomplete, round.last.len()), (1, 1));
    }

    #[test]
    fn what_is_of_another_round_or_without_a_stamp_is_no_delivery() {
        let (mut meter, plan) = meter();
        let stamps = |stamps, fresh| MessageContent { stamps, fresh };
        assert_eq!(deliver(&mut meter, 0, b"hello", 300), stamps(0, 0));
        let (old, new) = (message(&plan, 0, 0), message(&plan, 1, 0));
        assert_eq!(deliver(&mut meter, 0, &old, 300), stamps(1, 0));
        assert_eq!(deliver(&mut meter, 0, &new, 300), stamps(1, 1));
        assert_eq!(deliver(&mut meter, 0, &new, 300), stamps(1, 0));
        let round = meter.finish(&[1], &Three(3));
        assert_eq!((round.foreign, round.unstamped), (1, 1));
        assert_eq!((round.counts.received, round.counts.duplicated), (1, 1));
        assert_eq!(round.corrected.len(), 1);
    }
}
