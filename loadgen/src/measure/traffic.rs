//! What the clients of an arm sent and received, in numbers that only grow: a span of time is
//! the difference of two looks at them.

use std::collections::BTreeMap;

use altavoz::io::TcpCounters;
use serde::{Deserialize, Serialize};

use crate::base::counts::{add_counts, count};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tally {
    /// Publications that a client got for the first time.
    Deliveries,
    /// Requests sent.
    Requests,
    /// Whole answers.
    Answers,
    /// Answers with no publication.
    Empty,
    /// Answers that were 304.
    NotModified,
    /// Polls that were due while the one before had no answer.
    Late,
    /// Requests whose answer never came.
    Broken,
    /// Connections that were opened.
    Opened,
    /// Bytes that the program sent.
    UpBytes,
    /// Bytes that the program received.
    DownBytes,
    /// Connections that were gone before TCP could be asked.
    Unseen,
    /// Segments sent.
    SegmentsUp,
    /// Segments received.
    SegmentsDown,
    /// Segments with data sent.
    DataSegmentsUp,
    /// Segments with data received.
    DataSegmentsDown,
    /// Bytes of data that TCP brought to the server.
    TcpUpBytes,
    /// Bytes of data that TCP brought from the server.
    TcpDownBytes,
}

/// How many there are.
const TALLIES: usize = Tally::TcpDownBytes as usize + 1;

/// The numbers of one arm.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Traffic {
    tallies: [u64; TALLIES],
    /// Answers that refuse, by status.
    pub refused: BTreeMap<String, u64>,
}

impl Traffic {
    /// Counts.
    pub fn add(&mut self, tally: Tally, count: u64) {
        self.tallies[tally as usize] += count;
    }

    /// Counts publications that a client got for the first time.
    pub fn deliver(&mut self, fresh: u64) {
        self.add(Tally::Deliveries, fresh);
    }

    /// Counts an answer that refuses.
    pub fn refuse(&mut self, status: u16) {
        count(&mut self.refused, &status.to_string());
    }

    /// Counts what TCP counted on a connection.
    pub fn add_tcp(&mut self, tcp: &TcpCounters) {
        let counts = [
            (Tally::SegmentsUp, tcp.segments_sent),
            (Tally::SegmentsDown, tcp.segments_received),
            (Tally::DataSegmentsUp, tcp.data_segments_sent),
            (Tally::DataSegmentsDown, tcp.data_segments_received),
            // The SYN is acknowledged like a byte.
            (Tally::TcpUpBytes, tcp.bytes_acknowledged.saturating_sub(1)),
            (Tally::TcpDownBytes, tcp.bytes_received),
        ];
        counts
            .into_iter()
            .for_each(|(tally, count)| self.add(tally, count));
    }

    /// Adds everything of another one.
    pub fn join(&mut self, other: &Self) {
        for (into, from) in self.tallies.iter_mut().zip(other.tallies) {
            *into += from;
        }
        add_counts(&mut self.refused, &other.refused);
    }

    /// What was added since an earlier look.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut difference = self.clone();
        for (into, from) in difference.tallies.iter_mut().zip(before.tallies) {
            *into = into.saturating_sub(from);
        }
        for (status, from) in &before.refused {
            let into = difference.refused.entry(status.clone()).or_default();
            *into = into.saturating_sub(*from);
        }
        difference.refused.retain(|_, count| *count > 0);
        difference
    }

    /// One of the numbers.
    #[must_use]
    pub fn of(&self, tally: Tally) -> u64 {
        self.tallies[tally as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_difference_of_two_looks() {
        let mut running = Traffic::default();
        running.add(Tally::Requests, 3);
        running.refuse(503);
        let before = running.clone();
        running.add(Tally::Requests, 4);
        running.refuse(503);
        running.refuse(404);
        running.add_tcp(&TcpCounters {
            bytes_acknowledged: 101,
            segments_sent: 5,
            ..TcpCounters::default()
        });
        let span = running.since(&before);
        assert_eq!(span.of(Tally::Requests), 4);
        assert_eq!(
            (span.of(Tally::TcpUpBytes), span.of(Tally::SegmentsUp)),
            (100, 5)
        );
        let refused = BTreeMap::from([("404".to_owned(), 1), ("503".to_owned(), 1)]);
        assert_eq!(span.refused, refused);
        let mut joined = before;
        joined.join(&span);
        assert_eq!(joined, running);
    }
}
