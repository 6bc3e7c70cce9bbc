//! Colours and shapes: by what a reader tells one series from another, in a plot and beside it.

/// Colours that are told apart by day, by night and by the colour-blind; shapes and names help.
pub(crate) const COLOURS: usize = 8;

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// A line: what was measured all along.
    Line,
    /// A dashed line: what was predicted.
    Dashed,
    /// Marks: what was measured at some points.
    Marks,
}

/// One entry of a legend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Legend {
    /// Its name.
    pub name: String,
    /// Its colour and shape.
    pub number: usize,
    /// How it is drawn.
    pub style: Style,
}

/// The class of a line: its colour.
#[must_use]
pub(crate) fn line_class(number: usize) -> String {
    format!("c{}", number % COLOURS)
}
