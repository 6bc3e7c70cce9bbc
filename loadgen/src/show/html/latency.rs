//! Plots of latency: by percentile, and over time.

use crate::measure::stats::Latency;

use super::axis::Axis;
use super::legend::Style;
use super::lines::{Lines, Series};

/// Points of a percentile curve.
const CURVE_POINTS: u32 = 120;

/// One curve by percentile: its name, the number of its colour, and what is drawn.
pub(crate) type Curve<'a> = (&'a str, usize, &'a Latency);

/// Histograms by percentile; nothing where there are none.
#[must_use]
pub(crate) fn by_percentile(x: &str, y: &str, curves: &[Curve<'_>]) -> Option<Lines> {
    let most = curves.iter().map(|(.., latency)| latency.len()).max()?;
    let x = Axis::percentiles(x, most);
    let of = |(name, number, latency): &Curve<'_>| series(name, *number, curve(latency, x.max));
    let series: Vec<Series> = curves.iter().map(of).collect();
    Some(Lines {
        title: String::new(),
        note: String::new(),
        y: Axis::log(y, points(&series).map(|point| point.1)),
        x,
        series,
    })
}

/// Points in milliseconds over seconds.
#[must_use]
pub(crate) fn over_time(y: &str, series: Vec<Series>) -> Lines {
    Lines {
        title: String::new(),
        note: String::new(),
        x: Axis::linear("time in s", points(&series).map(|point| point.0)),
        y: Axis::log(y, points(&series).map(|point| point.1)),
        series,
    }
}

/// A curve through points.
#[must_use]
pub(crate) fn series(name: &str, number: usize, points: Vec<(f64, f64)>) -> Series {
    Series {
        name: name.to_owned(),
        number,
        style: Style::Line,
        points,
    }
}

fn points(series: &[Series]) -> impl Iterator<Item = &(f64, f64)> {
    series.iter().flat_map(|series| &series.points)
}

/// Percentile and milliseconds, evenly over the nines.
fn curve(latency: &Latency, last: f64) -> Vec<(f64, f64)> {
    let nines = -(1.0 - last / 100.0).log10();
    (0..=CURVE_POINTS)
        .filter_map(|i| {
            let nine = nines * f64::from(i) / f64::from(CURVE_POINTS);
            let percentile = 100.0 * (1.0 - 10f64.powf(-nine));
            Some((percentile, latency.percentile(percentile)? as f64 / 1e6))
        })
        .collect()
}
