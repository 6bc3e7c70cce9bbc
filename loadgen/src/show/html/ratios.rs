//! Measured over predicted: a row for each figure, a mark for each arm, one where both agree.

use super::axis::{Axis, CHARACTER, Scale};
use super::legend::{Legend, Style};
use super::svg::{Anchor, Area, Drawing, LINE, WIDTH};

/// From one row to the next.
const PITCH: f64 = 24.0;

/// The widest ratio with a place of its own; beyond it a mark stands at the edge.
const RATIO_MAX: f64 = 2.0;

/// One figure.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Row {
    /// Its name.
    pub label: String,
    /// Number of the arm, and measured over predicted.
    pub ratios: Vec<(usize, f64)>,
}

/// A plot of ratios.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ratios {
    /// What it shows, in a few words.
    pub title: String,
    /// What else a reader must know.
    pub note: String,
    /// The rows, the first at the top.
    pub rows: Vec<Row>,
    /// Names of the arms by number.
    pub names: Vec<(usize, String)>,
    /// The band that counts as agreement, in percent.
    pub band_percent: f64,
}

impl Ratios {
    /// The drawing.
    #[must_use]
    pub(crate) fn svg(&self) -> String {
        let axis = Axis {
            title: "measured / predicted, as a ratio".to_owned(),
            scale: Scale::Log,
            min: 1.0 / RATIO_MAX,
            max: RATIO_MAX,
        };
        let longest = self.rows.iter().map(|row| row.label.chars().count()).max();
        let left = longest.unwrap_or(0) as f64 * CHARACTER + 12.0;
        let area = Area {
            left,
            top: 6.0,
            width: WIDTH - left - 18.0,
            height: self.rows.len() as f64 * PITCH,
        };
        let mut drawing = Drawing::new(area.bottom() + 2.5 * LINE, &self.title);
        let band = 1.0 + self.band_percent / 100.0;
        let (from, to) = (area.x(&axis, 1.0 / band), area.x(&axis, band));
        drawing.push(&format!(
            "<rect class=\"band\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            area.top,
            to - from,
            area.height
        ));
        drawing.horizontal(&area, &axis);
        for (i, row) in self.rows.iter().enumerate() {
            let middle = area.top + (i as f64 + 0.5) * PITCH;
            drawing.text(
                "tick",
                (area.left - 8.0, middle + 4.0),
                Anchor::End,
                &row.label,
            );
            for (arm, ratio) in &row.ratios {
                let legal = ratio.clamp(1.0 / RATIO_MAX, RATIO_MAX);
                drawing.mark(*arm, (area.x(&axis, legal), middle));
            }
        }
        drawing.finish()
    }

    /// The names of the arms.
    #[must_use]
    pub(crate) fn legend(&self) -> Vec<Legend> {
        let entry = |(number, name): &(usize, String)| Legend {
            name: name.clone(),
            number: *number,
            style: Style::Marks,
        };
        self.names.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_stands_in_the_middle_and_nonsense_at_the_edge() {
        let ratios = Ratios {
            title: "ratios".to_owned(),
            note: String::new(),
            rows: vec![Row {
                label: "requests".to_owned(),
                ratios: vec![(0, 1.0), (0, 100.0)],
            }],
            names: vec![(0, "ws".to_owned())],
            band_percent: 5.0,
        };
        let svg = ratios.svg();
        let marks: Vec<f64> = svg
            .split("cx=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.parse().ok())
            .collect();
        let (left, right) = (8.0 * CHARACTER + 12.0, WIDTH - 18.0);
        assert!(
            (marks[0] - f64::midpoint(left, right)).abs() < 0.1,
            "{marks:?}"
        );
        assert!((marks[1] - right).abs() < 0.1, "{marks:?}");
    }
}
