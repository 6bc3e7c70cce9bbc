//! First, median and last delivery of each publication.
//!
//! A ring of counters a stream, indexed by the sequence number: a delivery costs one
//! comparison and one addition. A publication leaves the ring when all its subscribers in this
//! process have it, or when a later one needs its place.

use serde::{Deserialize, Serialize};

use crate::base::num::id;
use crate::measure::stamp::Stamp;

/// What became of one publication in one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// Whose publication.
    pub stream: u32,
    /// Which one.
    pub seq: u32,
    /// How many subscribers of this process got it.
    pub count: u32,
    /// How many of those are closed by now.
    pub gone: u32,
    /// Whether all did.
    pub complete: bool,
    /// When it should have left, in nanoseconds, as all of these are.
    pub intended: u64,
    /// When it left.
    pub sent: u64,
    /// When the first subscriber had it.
    pub first: u64,
    /// When half of them had it; 0 if they never had.
    pub median: u64,
    /// When the last one that got it had it.
    pub last: u64,
}

/// The publications of a round that are under way.
#[derive(Debug)]
pub struct Publications {
    /// Entries of all streams, `ring` of them each; an entry is free when its `count` is 0.
    rows: Vec<Row>,
    ring: usize,
    /// By stream.
    under_way: Vec<UnderWay>,
}

/// Which entries of a ring are in use: so many, from the newest publication downwards.
#[derive(Clone, Copy, Debug, Default)]
struct UnderWay {
    newest: u32,
    count: usize,
}

impl Publications {
    /// Rings for `streams`, each with room for at least `window` publications.
    #[must_use]
    pub fn new(streams: usize, window: usize) -> Self {
        // 32 Ki rows are 2 MiB: a few streams get long rings, and thousands still get some.
        let ring = (32_768 / streams.max(1)).clamp(16, 4096).max(2 * window);
        let ring = ring.next_power_of_two();
        Self {
            rows: vec![Row::default(); ring * streams],
            ring,
            under_way: vec![UnderWay::default(); streams],
        }
    }

    /// Counts a delivery to one of a topic's subscribers; a row comes back when it leaves the
    /// ring. `None` too for one so late that its row is gone.
    pub fn record(&mut self, stamp: &Stamp, subscribers: Audience, now: u64) -> Option<Row> {
        let place = self.place(stamp.stream, stamp.seq)?;
        let row = &mut self.rows[place];
        let mut left = None;
        if row.count == 0 || row.seq != stamp.seq {
            if row.count != 0 && row.seq > stamp.seq {
                return None;
            }
            left = (row.count != 0).then_some(*row);
            *row = begin(stamp, now);
            let under_way = &mut self.under_way[stamp.stream as usize];
            under_way.newest = under_way.newest.max(stamp.seq);
            under_way.count += usize::from(left.is_none());
        }
        row.count += 1;
        row.last = now;
        if row.count == subscribers.all.div_ceil(2) {
            row.median = now;
        }
        left.or_else(|| self.take_complete(place, subscribers))
    }

    /// A subscriber closed: what only it kept waiting is complete as far as it can be.
    /// `had` says whether it got a sequence number.
    pub fn leave(
        &mut self,
        stream: u32,
        subscribers: Audience,
        had: impl Fn(u32) -> bool,
        mut done: impl FnMut(Row),
    ) {
        let Some(UnderWay { newest, count }) = self.under_way.get(stream as usize).copied() else {
            return;
        };
        let mut rest = count;
        for back in 0..id(self.ring) {
            let place = self.place(stream, newest.wrapping_sub(back));
            let Some(place) = place.filter(|_| rest > 0) else {
                return;
            };
            let row = &mut self.rows[place];
            if row.count != 0 {
                rest -= 1;
                row.gone += u32::from(had(row.seq));
                self.take_complete(place, subscribers).map(&mut done);
            }
        }
    }

    /// Takes out everything, at the end of a round.
    pub fn drain(&mut self) -> impl Iterator<Item = Row> {
        self.under_way.fill(UnderWay::default());
        let taken = self.rows.iter_mut().map(std::mem::take);
        taken.filter(|row| row.count != 0)
    }

    fn place(&self, stream: u32, seq: u32) -> Option<usize> {
        let place = stream as usize * self.ring + (seq as usize & (self.ring - 1));
        (place < self.rows.len()).then_some(place)
    }

    fn take_complete(&mut self, place: usize, subscribers: Audience) -> Option<Row> {
        let row = &mut self.rows[place];
        if row.count == 0 || row.count < subscribers.open + row.gone {
            return None;
        }
        let mut row = std::mem::take(row);
        self.under_way[row.stream as usize].count -= 1;
        row.complete = row.count >= subscribers.all;
        Some(row)
    }
}

/// How many subscribers a topic has in this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Audience {
    /// At the beginning of the round.
    pub all: u32,
    /// Still connected.
    pub open: u32,
}

/// Joins what several processes saw of one publication. The median of several is the median of
/// their medians, weighted by their subscribers: exact for one process, close for more.
#[must_use]
pub fn join(rows: &[Row]) -> Row {
    let mut joined = rows[0];
    joined.first = rows.iter().map(|row| row.first).min().unwrap_or(0);
    joined.last = rows.iter().map(|row| row.last).max().unwrap_or(0);
    joined.count = rows.iter().map(|row| row.count).sum();
    joined.complete = rows.iter().all(|row| row.complete);
    let mut medians: Vec<(u64, u32)> = rows.iter().map(|r| (r.median, r.count)).collect();
    medians.sort_unstable();
    let mut below = 0;
    let half = joined.count.div_ceil(2);
    joined.median = medians
        .iter()
        .find(|(_, count)| {
            below += count;
            below >= half
        })
        .map_or(0, |(median, _)| *median);
    joined
}

/// Which streams are a topic's: those whose number leaves it as the remainder.
#[must_use]
pub fn topic_of(stream: u32, topics: usize) -> usize {
    stream as usize % topics.max(1)
}

/// A stream's place among its topic's.
#[must_use]
pub fn place_in_topic(stream: u32, topics: usize) -> usize {
    stream as usize / topics.max(1)
}

/// The streams of a topic.
pub fn streams_of(topic: usize, topics: usize, streams: usize) -> impl Iterator<Item = u32> {
    (topic..streams).step_by(topics.max(1)).map(id)
}

fn begin(stamp: &Stamp, now: u64) -> Row {
    Row {
        stream: stamp.stream,
        seq: stamp.seq,
        intended: stamp.intended,
        sent: stamp.sent,
        first: now,
        ..Row::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(seq: u32) -> Stamp {
        Stamp {
            run: 1,
            round: 1,
            stream: 1,
            seq,
            intended: 10,
            sent: 20,
        }
    }

    fn four() -> Audience {
        Audience { all: 4, open: 4 }
    }

    #[test]
    fn a_publication_does_not_wait_for_who_is_gone() {
        let mut ring = Publications::new(2, 1);
        for now in 101..=103 {
            assert_eq!(ring.record(&stamp(0), four(), now), None);
        }
        let mut done = Vec::new();
        let left = Audience { all: 4, open: 3 };
        ring.leave(1, left, |_| true, |row| done.push(row));
        assert_eq!(done, []);
        let left = Audience { all: 4, open: 2 };
        ring.leave(1, left, |_| false, |row| done.push(row));
        assert_eq!(done.len(), 1);
        assert_eq!((done[0].count, done[0].complete), (3, false));
    }

    #[test]
    fn a_publication_leaves_when_all_have_it() {
        let mut ring = Publications::new(2, 1);
        let rows: Vec<_> = (101..=104)
            .map(|now| ring.record(&stamp(0), four(), now))
            .collect();
        assert_eq!(rows[..3], [None, None, None]);
        let row = rows[3].expect("all four have it");
        assert_eq!((row.first, row.median, row.last), (101, 102, 104));
        assert!(row.complete && ring.drain().next().is_none());
    }

    #[test]
    fn an_incomplete_one_leaves_at_the_end_or_when_its_place_is_needed() {
        let mut ring = Publications::new(2, 1);
        assert_eq!(ring.record(&stamp(0), four(), 101), None);
        let pushed_out = ring.record(&stamp(4096), four(), 200).expect("same place");
        assert_eq!((pushed_out.seq, pushed_out.complete), (0, false));
        assert_eq!(ring.record(&stamp(0), four(), 300), None);
        let rest: Vec<_> = ring.drain().map(|row| (row.seq, row.count)).collect();
        assert_eq!(rest, [(4096, 1)]);
    }

    #[test]
    fn a_stream_that_nobody_knows_is_ignored() {
        let mut ring = Publications::new(1, 1);
        assert_eq!(ring.record(&stamp(0), four(), 1), None);
        assert!(ring.drain().next().is_none());
    }

    #[test]
    fn rows_of_several_processes_join() {
        let row = |count, first, median, last| Row {
            count,
            first,
            median,
            last,
            complete: true,
            ..Row::default()
        };
        let joined = join(&[row(10, 5, 50, 60), row(30, 8, 20, 90)]);
        assert_eq!(joined, row(40, 5, 20, 90));
    }

    #[test]
    fn streams_rotate_over_topics() {
        assert_eq!(streams_of(1, 3, 8).collect::<Vec<_>>(), [1, 4, 7]);
        assert_eq!((topic_of(7, 3), place_in_topic(7, 3)), (1, 2));
    }
}
