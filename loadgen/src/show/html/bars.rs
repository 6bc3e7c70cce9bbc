//! Bars side by side: one value of each arm, with what was predicted as a tick on it.

use super::axis::{Axis, CHARACTER};
use super::svg::{Anchor, Area, Drawing, LINE, WIDTH};
use crate::base::number;

/// From one bar to the next.
const PITCH: f64 = 26.0;

/// How thick a bar is.
const THICK: f64 = 14.0;

/// One bar.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Bar {
    /// What it is of.
    pub label: String,
    /// Its colour.
    pub number: usize,
    /// How long it is; without a value there is none, and a word says so.
    pub value: Option<f64>,
    /// Where the tick of the prediction stands.
    pub predicted: Option<f64>,
}

/// A plot of bars, the first at the top.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Bars {
    /// What it shows, in a few words.
    pub title: String,
    /// What else a reader must know.
    pub note: String,
    /// What the axis says, with the unit.
    pub axis: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

impl Bars {
    /// The drawing.
    #[must_use]
    pub(crate) fn svg(&self) -> String {
        let values = self.bars.iter().flat_map(|bar| [bar.value, bar.predicted]);
        let axis = Axis::linear(&self.axis, values.flatten());
        let area = self.area();
        let mut drawing = Drawing::new(area.bottom() + 2.5 * LINE, &self.title);
        drawing.horizontal(&area, &axis);
        for (i, bar) in self.bars.iter().enumerate() {
            let middle = area.top + (i as f64 + 0.5) * PITCH;
            let class = super::legend::line_class(bar.number);
            drawing.text(
                "tick",
                (area.left - 6.0, middle + 4.0),
                Anchor::End,
                &bar.label,
            );
            let end = area.x(&axis, bar.value.unwrap_or(0.0));
            drawing.push(&format!(
                "<rect class=\"bar {class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{THICK}\"/>",
                area.left,
                middle - THICK / 2.0,
                (end - area.left).max(0.0)
            ));
            let mut free = end;
            if let Some(predicted) = bar.predicted {
                let x = area.x(&axis, predicted);
                let half = THICK / 2.0 + 3.0;
                drawing.line("predicted", (x, middle - half), (x, middle + half));
                free = free.max(x);
            }
            let text = bar
                .value
                .map_or_else(|| "not known".to_owned(), number::figure);
            drawing.text("value", (free + 5.0, middle + 4.0), Anchor::Start, &text);
        }
        drawing.finish()
    }

    /// Room for the labels at the left and for the values behind the longest bar.
    fn area(&self) -> Area {
        let longest = |of: fn(&Bar) -> usize| self.bars.iter().map(of).max().unwrap_or(0) as f64;
        let left = longest(|bar| bar.label.chars().count()) * CHARACTER + 10.0;
        let values = longest(|bar| bar.value.map_or(9, |v| number::figure(v).len()));
        let right = values * CHARACTER + 10.0;
        Area {
            left,
            top: 6.0,
            width: (WIDTH - left - right).max(80.0),
            height: self.bars.len() as f64 * PITCH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, value: Option<f64>, predicted: Option<f64>) -> Bar {
        Bar {
            label: label.to_owned(),
            number: 0,
            value,
            predicted,
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bars = Bars {
            title: "bytes".to_owned(),
            note: String::new(),
            axis: "bytes".to_owned(),
            bars: vec![
                bar("ws", Some(100.0), Some(110.0)),
                bar("poll-10s", Some(50.0), None),
                bar("sse", None, None),
            ],
        };
        let svg = bars.svg();
        let widths: Vec<f64> = svg
            .split("class=\"bar")
            .skip(1)
            .filter_map(|rest| {
                rest.split("width=\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        assert_eq!(widths.len(), 3);
        assert!((widths[0] / widths[1] - 2.0).abs() < 0.01, "{widths:?}");
        assert_eq!(widths[2], 0.0);
        assert_eq!(svg.matches("class=\"predicted\"").count(), 1);
        assert!(svg.contains("not known"));
    }
}
