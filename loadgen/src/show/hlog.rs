//! The interval log (`.hlog`, version 1.3): one histogram a second, for HistogramLogProcessor
//! and hdr-plot. Logs of several generators can be joined without loss.
//!
//! No line has a tag: one reader passes over lines with tags unless it is told which, and others
//! add the lines of all tags up. What is to be told apart has a log of its own.

use std::fmt::Write;
use std::time::Duration;

use crate::measure::stats::Latency;

/// One interval of a run.
#[derive(Clone, Debug)]
pub(crate) struct Interval {
    /// When it began, since 1970.
    pub start: Duration,
    /// How long it was.
    pub length: Duration,
    /// What was measured in it.
    pub latency: Latency,
}

/// The text of the log; values in nanoseconds, the maximum column in milliseconds.
#[must_use]
pub(crate) fn hlog(comment: &str, intervals: &[Interval]) -> String {
    let start = intervals.first().map_or(Duration::ZERO, |i| i.start);
    let mut text = String::from("#[Histogram log format version 1.3]\n");
    for line in comment.lines() {
        text.push_str(&format!("#{line}\n"));
    }
    let seconds = start.as_secs_f64();
    text.push_str(&format!(
        "#[StartTime: {seconds:.3} (seconds since epoch)]\n"
    ));
    text.push_str(
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n",
    );
    for interval in intervals {
        let written = writeln!(
            text,
            "{:.3},{:.3},{:.3},{}",
            interval.start.as_secs_f64(),
            interval.length.as_secs_f64(),
            interval.latency.max().unwrap_or(0) as f64 / 1e6,
            interval.latency.encode()
        );
        debug_assert!(written.is_ok());
    }
    text
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    #[test]
    fn an_hdr_histogram_reader_reads_back_every_interval() {
        let intervals: Vec<_> = (0..3u64)
            .map(|i| {
                let mut latency = Latency::new();
                (1..100).for_each(|n| latency.record(n * 1_000 * (i + 1)));
                Interval {
                    start: Duration::from_secs(1_700_000_000 + i),
                    length: Duration::from_secs(1),
                    latency,
                }
            })
            .collect();
        let text = hlog("made by a test\nin two lines", &intervals);
        assert!(text.starts_with("#[Histogram log format version 1.3]\n"));
        let entries = IntervalLogIterator::new(text.as_bytes());
        let read: Vec<_> = entries
            .filter_map(|entry| match entry.expect("a legal line") {
                LogEntry::Interval(i) => Some((
                    i.start_timestamp().as_secs(),
                    Latency::decode(i.encoded_histogram()).expect("decodes"),
                )),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = intervals
            .into_iter()
            .map(|i| (i.start.as_secs(), i.latency))
            .collect();
        assert_eq!(read, expected);
    }
}
