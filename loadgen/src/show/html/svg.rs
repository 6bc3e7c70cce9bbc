//! The frame of a plot: its axes, its grid, its texts. What is drawn in it comes from outside.
//!
//! All plots are drawn for the width of a phone and grow with the page: a text that is large
//! enough there is large enough everywhere.

use std::fmt::Write;

use super::axis::{Axis, CHARACTER};
use super::escape;
use super::legend::COLOURS;

/// Width of every drawing.
pub(crate) const WIDTH: f64 = 380.0;

/// Room for one line of text.
pub(crate) const LINE: f64 = 15.0;

/// Room right of an area: half of the widest text under it, `99.999`.
pub(crate) const MARGIN: f64 = 22.0;

/// A rectangle of a drawing.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Area {
    /// Its left edge.
    pub left: f64,
    /// Its upper edge.
    pub top: f64,
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
}

impl Area {
    /// Where a value of the horizontal axis stands.
    #[must_use]
    pub(crate) fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + self.width * axis.place(value)
    }

    /// Where a value of the vertical axis stands.
    #[must_use]
    pub(crate) fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.top + self.height * (1.0 - axis.place(value))
    }

    /// The lower edge.
    #[must_use]
    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// The right edge.
    #[must_use]
    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }
}

/// A drawing that is being made.
#[derive(Debug)]
pub(crate) struct Drawing {
    text: String,
    height: f64,
    label: String,
}

/// Where a text stands at its point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

impl Drawing {
    /// An empty one; `label` is what is read out to those who do not see it.
    #[must_use]
    pub(crate) fn new(height: f64, label: &str) -> Self {
        Self {
            text: String::new(),
            height,
            label: label.to_owned(),
        }
    }

    /// Any element, already written.
    pub(crate) fn push(&mut self, element: &str) {
        self.text.push_str(element);
        self.text.push('\n');
    }

    /// A straight line.
    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.push(&format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A text with its base line at a point.
    pub(crate) fn text(&mut self, class: &str, at: (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(&format!(
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            at.0,
            at.1,
            escape(text)
        ));
    }

    /// A line through points.
    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        if points.len() < 2 {
            return;
        }
        let mut path = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let verb = if i == 0 { 'M' } else { 'L' };
            let written = write!(path, "{verb}{x:.1} {y:.1}");
            debug_assert!(written.is_ok());
        }
        self.push(&format!("<path class=\"line {class}\" d=\"{path}\"/>"));
    }

    /// A mark at a point; the shape goes with the series, so that it is told apart without
    /// colours.
    pub(crate) fn mark(&mut self, series: usize, (x, y): (f64, f64)) {
        let class = format!("mark c{}", series % COLOURS);
        let element = match series % 4 {
            0 => format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.2\"/>"),
            1 => format!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"5.6\" height=\"5.6\"/>",
                x - 2.8,
                y - 2.8
            ),
            2 => format!(
                "<path class=\"{class}\" d=\"M{x:.1} {:.1}l3.6 6.4h-7.2z\"/>",
                y - 3.8
            ),
            _ => format!(
                "<path class=\"{class}\" d=\"M{x:.1} {:.1}l3.8 3.8l-3.8 3.8l-3.8 -3.8z\"/>",
                y - 3.8
            ),
        };
        self.push(&element);
    }

    /// The horizontal axis under an area: grid, ticks and title.
    pub(crate) fn horizontal(&mut self, area: &Area, axis: &Axis) {
        for (value, text) in axis.ticks_along(area.width) {
            let x = area.x(axis, value);
            self.line("grid", (x, area.top), (x, area.bottom()));
            self.text("tick", (x, area.bottom() + 16.0), Anchor::Middle, &text);
        }
        let middle = area.left + area.width / 2.0;
        // A title wider than the axis is centred under the whole drawing.
        let wide = axis.title.chars().count() as f64 * CHARACTER > area.width;
        let x = if wide { WIDTH / 2.0 } else { middle };
        self.text(
            "title",
            (x, area.bottom() + 32.0),
            Anchor::Middle,
            &axis.title,
        );
    }

    /// The vertical axis left of an area; its title stands above, where it can be read.
    pub(crate) fn vertical(&mut self, area: &Area, axis: &Axis) {
        for (value, text) in axis.ticks() {
            let y = area.y(axis, value);
            self.line("grid", (area.left, y), (area.right(), y));
            self.text("tick", (area.left - 5.0, y + 4.0), Anchor::End, &text);
        }
        self.text("title", (4.0, area.top - 10.0), Anchor::Start, &axis.title);
    }

    /// What was drawn, without a frame.
    #[must_use]
    pub(crate) fn into_elements(self) -> String {
        self.text
    }

    /// The element.
    #[must_use]
    pub(crate) fn finish(self) -> String {
        format!(
            "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
            self.height,
            escape(&self.label),
            self.text
        )
    }
}

/// How wide the texts of a vertical axis are.
#[must_use]
pub(crate) fn ticks_width(axis: &Axis) -> f64 {
    let longest = axis
        .ticks()
        .iter()
        .map(|(_, text)| text.chars().count())
        .max();
    longest.unwrap_or(0) as f64 * CHARACTER + 8.0
}
