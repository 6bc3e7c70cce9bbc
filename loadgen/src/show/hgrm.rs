//! Percentiles as HdrHistogram prints them (`.hgrm`), for its plotter and for wrk2's readers.
//!
//! Values are in milliseconds, as wrk2 prints them.

use std::fmt::Write;

use crate::measure::stats::Latency;

/// Nanoseconds in one unit of the file.
const UNIT_NANOS: f64 = 1e6;

/// Steps towards 100 % in each halving of the distance; HdrHistogram's own default.
const TICKS_PER_HALF: u32 = 5;

/// The text of one histogram.
#[must_use]
pub(crate) fn hgrm(latency: &Latency) -> String {
    let histogram = latency.histogram();
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / UNIT_NANOS;
        row(&mut text, value, step.quantile_iterated_to(), total);
    }
    footer(&mut text, latency);
    text
}

fn row(text: &mut String, value: f64, quantile: f64, total: u64) {
    let inverse = 1.0 / (1.0 - quantile);
    let written = if inverse.is_finite() {
        writeln!(
            text,
            "{value:12.3} {quantile:.12} {total:>10} {inverse:>14.2}"
        )
    } else {
        // Java's writer leaves the last column out at 100 %.
        writeln!(text, "{value:12.3} {quantile:.12} {total:>10}")
    };
    debug_assert!(written.is_ok());
}

fn footer(text: &mut String, latency: &Latency) {
    let histogram = latency.histogram();
    let mean = latency.mean().unwrap_or(0.0) / UNIT_NANOS;
    let deviation = if latency.is_empty() {
        0.0
    } else {
        histogram.stdev() / UNIT_NANOS
    };
    let max = latency.max().unwrap_or(0) as f64 / UNIT_NANOS;
    let (total, buckets) = (latency.len(), histogram.buckets());
    let written = write!(
        text,
        "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]\n\
         #[Max     = {max:12.3}, Total count    = {total:>12}]\n\
         #[Buckets = {buckets:>12}, SubBuckets     = {:>12}]\n",
        2048
    );
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the rows back, as a plotter does.
    fn rows(text: &str) -> Vec<(f64, f64, u64)> {
        let rows = text.lines().skip(2).filter(|line| !line.starts_with('#'));
        rows.map(|line| {
            let mut columns = line.split_whitespace();
            let value = columns.next().and_then(|c| c.parse().ok());
            let quantile = columns.next().and_then(|c| c.parse().ok());
            let total = columns.next().and_then(|c| c.parse().ok());
            (
                value.expect("value"),
                quantile.expect("quantile"),
                total.expect("total"),
            )
        })
        .collect()
    }

    #[test]
    fn a_plotter_reads_back_the_percentiles() {
        let mut latency = Latency::new();
        (1..=1000).for_each(|ms| latency.record(ms * 1_000_000));
        let text = hgrm(&latency);
        let rows = rows(&text);
        let median = rows.iter().find(|row| row.1 >= 0.5).expect("a median");
        assert!((median.0 - 500.0).abs() < 1.0, "{median:?}");
        let last = rows.last().expect("a last row");
        assert_eq!((last.1, last.2), (1.0, 1000));
        assert!(rows.is_sorted_by_key(|row| row.2));
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }

    #[test]
    fn nothing_recorded_is_a_file_without_rows() {
        let text = hgrm(&Latency::new());
        assert!(rows(&text).is_empty());
        assert!(text.contains("#[Mean    =        0.000"));
    }
}
