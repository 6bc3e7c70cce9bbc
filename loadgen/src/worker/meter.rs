//! What a worker measures: every delivery is entered here, and nothing else is known here.
//!
//! Nothing is allocated for a message. The moment of a delivery is the moment of the read that
//! brought it: the clock is asked once a read, not once a frame.

use crate::ledger::{Arrival, Ledger};
use crate::num::id;
use crate::plan::{Pace, Plan, PublishBy};
use crate::protocol::{IntervalNote, Round};
use crate::publications::{Audience, Publications, Row, place_in_topic, streams_of, topic_of};
use crate::stamp::{Stamp, StampReader};
use crate::stats::Latency;

/// Rows kept for the join with other workers: 100 MiB. What comes after them is counted but
/// does not enter the figures of first, median and last delivery.
const ROWS_MAX: usize = 1 << 20;

/// The measurements of one worker.
#[derive(Debug)]
pub struct Meter {
    reader: StampReader,
    book: Book,
}

/// All but the reader, so that both can be borrowed at once.
#[derive(Debug)]
struct Book {
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
}

/// The subscribers of a worker: which are open, and what each listens to.
pub trait Subscribers {
    /// How many there are, open or not.
    fn count(&self) -> usize;
    /// Whether one is open.
    fn is_open(&self, subscriber: usize) -> bool;
    /// Its topic.
    fn topic(&self, subscriber: usize) -> usize;
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
        let book = Book {
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
            interval: Intervals::default(),
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
        book.interval = Intervals::default();
        book.done.clear();
        book.audiences.fill(Audience { all: 0, open: 0 });
        let open = (0..subscribers.count()).filter(|s| subscribers.is_open(*s));
        for subscriber in open {
            let audience = &mut book.audiences[subscribers.topic(subscriber)];
            audience.all += 1;
            audience.open += 1;
        }
    }

    /// Enters a message to a subscriber.
    pub fn deliver(&mut self, subscriber: usize, topic: usize, message: &[u8], now: u64) {
        let Self { reader, book } = self;
        let found = reader.each(message, |stamp| book.enter(subscriber, topic, &stamp, now));
        book.results.unstamped += u64::from(found == 0);
    }

    /// Enters a read.
    pub fn note_read(&mut self, bytes: usize, is_full: bool) {
        let results = &mut self.book.results;
        results.bytes += bytes as u64;
        results.reads += 1;
        results.full_reads += u64::from(is_full);
    }

    /// A subscriber closed: in a closed loop nobody waits for it any more.
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
        start: u64,
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
            start,
            latency: interval.corrected.clone(),
        });
        interval.corrected.clear();
        interval.uncorrected.clear();
        (note, p50, p99)
    }

    /// Deliveries of the round so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.book.ledger.counts().received
    }

    /// When the last delivery came.
    #[must_use]
    pub fn last_delivery(&self) -> u64 {
        self.book.results.last_delivery
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
            self.book.owed(subscribers)
        } else {
            self.expected(published)
        };
        self.end_interval(0, 0, false);
        let rest: Vec<Row> = self.book.publications.drain().collect();
        rest.into_iter().for_each(|row| self.book.settle(row));
        let mut results = std::mem::take(&mut self.book.results);
        results.expected = expected;
        results.counts = self.book.ledger.counts();
        results
    }
}

impl Book {
    fn enter(&mut self, subscriber: usize, topic: usize, stamp: &Stamp, now: u64) {
        if !self.is_ours(topic, stamp) {
            self.results.foreign += 1;
            return;
        }
        let place = place_in_topic(stamp.stream, self.topics);
        if self.ledger.record(subscriber, place, stamp.seq) == Arrival::Duplicate {
            return;
        }
        let interval = &mut self.interval;
        interval
            .corrected
            .record(now.saturating_sub(stamp.intended));
        interval.uncorrected.record(now.saturating_sub(stamp.sent));
        self.results.last_delivery = now;
        if let Some(row) = self.publications.record(stamp, self.audiences[topic], now) {
            let is_evicted = row.seq != stamp.seq;
            self.results.evicted += u64::from(is_evicted);
            self.settle(row);
        }
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
        if !self.is_closed_loop {
            return;
        }
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
            enter_row(&mut self.results, &row);
        } else if self.results.rows.len() < ROWS_MAX {
            self.results.rows.push(row);
        } else {
            self.results.evicted += 1;
        }
    }

    /// What is due when somebody else publishes: from the first that each saw to the last that
    /// anybody here saw.
    fn owed(&self, subscribers: &impl Subscribers) -> u64 {
        let mut owed = 0;
        for stream in (0..self.streams).map(id) {
            let topic = topic_of(stream, self.topics);
            let place = place_in_topic(stream, self.topics);
            let listening = (0..subscribers.count()).filter(|s| subscribers.topic(*s) == topic);
            let highest = self.ledger.highest(listening.clone(), place);
            owed += listening
                .map(|s| self.ledger.owed(s, place, highest))
                .sum::<u64>();
        }
        owed
    }
}

/// Enters a publication's first, median and last delivery.
pub fn enter_row(into: &mut Round, row: &Row) {
    let since = |moment: u64| moment.saturating_sub(row.intended);
    into.first.record(since(row.first));
    into.last.record(since(row.last));
    into.spread.record(row.last - row.first);
    if row.median != 0 {
        into.median.record(since(row.median));
    }
    into.incomplete += u64::from(!row.complete);
}
