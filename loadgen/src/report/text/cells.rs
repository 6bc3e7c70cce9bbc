//! How the text of a report writes its values, and the columns of a histogram.

use crate::measure::stats::Summary;
use crate::show::text::{Lines, columns, or_dash};

/// Room for a column.
const WIDTH: usize = 10;

/// The heads of a histogram's columns.
pub(super) fn heads(out: &mut Lines, name: &str) {
    let heads = ["p50", "p90", "p99", "p99.9", "max", "mean"];
    out.line(format!("{name:<29}{}", columns(heads, WIDTH)));
}

/// A histogram's row, in milliseconds.
pub(super) fn summary(out: &mut Lines, name: &str, summary: &Summary) {
    let values = [
        summary.p50_us,
        summary.p90_us,
        summary.p99_us,
        summary.p999_us,
        summary.max_us,
        summary.mean_us,
    ];
    let cells = values.map(|us| or_dash(us, millis));
    out.row(name, columns(cells, WIDTH));
}

/// Enough digits that one lost delivery in a million shows, and 100 only if it is.
pub(super) fn reach_text(reach: f64) -> String {
    let text = format!("{reach:.4}");
    if text == "100.0000" && reach < 100.0 {
        return "99.9999".to_owned();
    }
    text
}

/// Of nothing there is no part.
pub(super) fn percent(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$} %"))
}

pub(super) fn millis(micros: f64) -> String {
    format!("{:.3}", micros / 1e3)
}

pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_percent_is_written_only_if_nothing_was_lost() {
        assert_eq!(reach_text(100.0), "100.0000");
        assert_eq!(reach_text(99.999_999), "99.9999");
        assert_eq!(reach_text(99.5), "99.5000");
    }
}
