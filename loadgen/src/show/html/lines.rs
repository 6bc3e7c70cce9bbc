//! Curves over an axis.

use super::axis::Axis;
use super::legend::{Legend, Style, line_class};
use super::svg::{Area, Drawing, LINE, MARGIN, WIDTH, ticks_width};

/// Height of the plot itself.
const HEIGHT: f64 = 200.0;

/// One curve.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its colour and shape: the same number is the same arm in every plot of a page.
    pub number: usize,
    /// How it is drawn.
    pub style: Style,
    /// Its points; those without a place on an axis are left out.
    pub points: Vec<(f64, f64)>,
}

/// A plot of curves.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Lines {
    /// What it shows, in a few words.
    pub title: String,
    /// What else a reader must know.
    pub note: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The curves.
    pub series: Vec<Series>,
}

impl Lines {
    /// The drawing.
    #[must_use]
    pub(crate) fn svg(&self) -> String {
        let left = ticks_width(&self.y);
        let area = Area {
            left,
            top: 2.0 * LINE,
            width: WIDTH - left - MARGIN,
            height: HEIGHT,
        };
        let mut drawing = Drawing::new(area.bottom() + 2.5 * LINE, &self.title);
        drawing.horizontal(&area, &self.x);
        drawing.vertical(&area, &self.y);
        for series in &self.series {
            self.draw(&mut drawing, &area, series);
        }
        drawing.finish()
    }

    /// The names of the curves.
    #[must_use]
    pub(crate) fn legend(&self) -> Vec<Legend> {
        let entry = |series: &Series| Legend {
            name: series.name.clone(),
            number: series.number,
            style: series.style,
        };
        self.series.iter().map(entry).collect()
    }

    fn draw(&self, drawing: &mut Drawing, area: &Area, series: &Series) {
        let has_place = |(x, y): &&(f64, f64)| self.x.has_place(*x) && self.y.has_place(*y);
        let points = series.points.iter().filter(has_place);
        let points: Vec<(f64, f64)> = points
            .map(|(x, y)| (area.x(&self.x, *x), area.y(&self.y, *y)))
            .collect();
        match series.style {
            Style::Line if points.len() == 1 => drawing.mark(series.number, points[0]),
            Style::Line => {
                drawing.path(&line_class(series.number), &points);
                // The shape at its end tells a curve apart where colours do not.
                points
                    .last()
                    .into_iter()
                    .for_each(|end| drawing.mark(series.number, *end));
            }
            Style::Dashed => {
                drawing.path(&format!("dashed {}", line_class(series.number)), &points);
            }
            Style::Marks => points
                .iter()
                .for_each(|point| drawing.mark(series.number, *point)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>, style: Style) -> String {
        let plot = Lines {
            title: "a <b>".to_owned(),
            note: String::new(),
            x: Axis::linear("time in s", points.iter().map(|p| p.0)),
            y: Axis::log("staleness in ms", points.iter().map(|p| p.1)),
            series: vec![Series {
                name: "ws".to_owned(),
                number: 1,
                style,
                points,
            }],
        };
        plot.svg()
    }

    #[test]
    fn a_curve_lies_within_its_axes() {
        let svg = plot(vec![(0.0, 1.0), (5.0, 10.0), (10.0, 100.0)], Style::Line);
        assert!(svg.contains("time in s") && svg.contains("staleness in ms"));
        assert!(svg.contains("a &lt;b&gt;"), "{svg}");
        let path = svg
            .split("d=\"M")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let numbers: Vec<f64> = path
            .expect("a path")
            .split(['L', ' '])
            .filter_map(|n| n.parse().ok())
            .collect();
        assert_eq!((numbers.len(), svg.matches("class=\"mark").count()), (6, 1));
        for pair in numbers.chunks(2) {
            assert!((0.0..=WIDTH).contains(&pair[0]), "{numbers:?}");
            assert!((30.0..=230.0).contains(&pair[1]), "{numbers:?}");
        }
    }

    #[test]
    fn what_has_no_place_is_left_out() {
        let points = vec![(1.0, 0.0), (2.0, f64::NAN), (3.0, 5.0)];
        let svg = plot(points.clone(), Style::Marks);
        assert_eq!(svg.matches("class=\"mark").count(), 1);
        assert!(!svg.contains("NaN"));
        let svg = plot(points, Style::Line);
        assert_eq!(
            svg.matches("class=\"mark").count(),
            1,
            "one point is a mark"
        );
        assert!(!plot(Vec::new(), Style::Line).contains("class=\"line"));
    }
}
