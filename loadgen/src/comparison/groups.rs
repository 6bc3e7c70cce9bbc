//! The tables of a comparison: which figures stand together, and how a value is written.

use crate::base::number;
use crate::figures::arm_figure::ArmFigure;
use crate::figures::unit::Unit;
use crate::figures::{got, took};

use super::cell::{ArmResult, Cell};
use super::figure::Figure;

/// One table of each cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Its title.
    pub title: &'static str,
    /// What else a reader must know.
    pub note: &'static str,
    /// Its figures.
    figures: &'static [&'static ArmFigure],
}

/// All of them, in order.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "Delivery",
        note: "Merged updates came in one answer with a later one: they arrived, and nobody saw \
               them alone.",
        figures: &[
            &got::REACH,
            &got::LOST,
            &got::MERGED,
            &got::LEFT_OUT,
            &got::OUTDATED,
        ],
    },
    Group {
        title: "Staleness",
        note: "From the intended publish time to the read that brought the update.",
        figures: &[
            &got::STALENESS_P50,
            &got::STALENESS_P95,
            &got::STALENESS_P99,
            &got::STALENESS_P999,
            &got::STALENESS_MAX,
        ],
    },
    Group {
        title: "Requests",
        note: "Polls are scheduled, with phases spread evenly; one that comes due while the one \
               before has no answer counts as late.",
        figures: &[
            &took::REQUESTS_RATE,
            &took::REQUESTS_PER_DELIVERY,
            &took::EMPTY,
            &took::LATE_SHARE,
            &took::ANSWER_P50,
            &took::ANSWER_P99,
        ],
    },
    Group {
        title: "Bytes of a delivered update",
        note: "Both directions. Wire: with the heads of TCP and IP and every acknowledgement, as \
               TCP counted its segments. Ethernet is an estimate.",
        figures: &[
            &took::APP_BYTES,
            &took::WIRE_BYTES,
            &took::ETHERNET_BYTES,
            &took::SEGMENTS,
        ],
    },
    Group {
        title: "Bytes of a client in a second",
        note: "",
        figures: &[
            &took::APP_UP_RATE,
            &took::APP_DOWN_RATE,
            &took::WIRE_UP_RATE,
            &took::WIRE_DOWN_RATE,
            &took::WIRE_RATE,
        ],
    },
    Group {
        title: "Cost of the server",
        note: "Known only for arms that ran alone. Memory of the kernel is for both ends, since \
               both are on this host.",
        figures: &[
            &took::CPU_PER_DELIVERY,
            &took::CPU_PER_CLIENT,
            &took::MEMORY,
            &took::KERNEL_MEMORY,
        ],
    },
];

impl Group {
    /// Its figures that at least one arm of a cell has.
    #[must_use]
    pub(crate) fn kinds(&self, cell: &Cell) -> Vec<&'static ArmFigure> {
        let is_there = |kind: &&ArmFigure| {
            let has = |arm: &ArmResult| arm.figures.contains_key(kind.name);
            cell.arms.iter().any(has)
        };
        self.figures.iter().copied().filter(is_there).collect()
    }
}

/// A value as people read it, with its unit where the head of its column cannot say it.
#[must_use]
pub(crate) fn value(kind: &ArmFigure, value: f64) -> String {
    match kind.unit {
        // A ten-thousandth of a percent is nothing.
        Unit::Percent if value.abs() < 1e-4 => "0 %".to_owned(),
        unit => unit.text(value),
    }
}

/// The head of a column, with the unit where values do not carry it.
#[must_use]
pub(crate) fn head(kind: &ArmFigure) -> String {
    let says_bytes = kind.title.split(' ').any(|word| word.starts_with('B'));
    if kind.unit == Unit::Bytes && !says_bytes {
        return format!("{} (B)", kind.title);
    }
    kind.title.to_owned()
}

/// The prediction and how far off it was, each of which stays on its line; empty without one.
#[must_use]
pub(crate) fn prediction(kind: &ArmFigure, figure: &Figure) -> String {
    let Some(predicted) = figure.predicted else {
        return String::new();
    };
    let error = figure.error_percent;
    let error = error.map_or_else(String::new, |error| format!(" {}{TIE}%", signed(error)));
    format!("{}{error}", tied(&value(kind, predicted)))
}

/// The range over repeats; empty where all are the same.
#[must_use]
pub(crate) fn range(kind: &ArmFigure, figure: &Figure) -> String {
    let (min, max) = (value(kind, figure.min), value(kind, figure.max));
    if min == max {
        return String::new();
    }
    format!("{} to {}", tied(&min), tied(&max))
}

/// A space at which no line breaks.
const TIE: char = '\u{a0}';

/// A number and its unit, which stay together.
#[must_use]
pub(crate) fn tied(text: &str) -> String {
    text.replace(' ', &TIE.to_string())
}

/// A percentage with a sign and one digit that matters behind the point at most.
fn signed(percent: f64) -> String {
    match percent.abs() {
        ..0.05 => "±0".to_owned(),
        ..10.0 => format!("{percent:+.1}"),
        _ => format!("{percent:+.0}"),
    }
}

/// A cell's workload in a sentence.
#[must_use]
pub(crate) fn workload(cell: &Cell) -> String {
    let load = &cell.workload;
    let arrivals = match load.arrivals {
        crate::model::Arrivals::Even => "at even distances",
        crate::model::Arrivals::Poisson => "at random distances (Poisson)",
    };
    let published = if load.rate > 0.0 {
        format!(
            "{} publications/s {arrivals}, {} bytes each, by {} publisher(s) to {} topic(s)",
            number::figure(load.rate),
            load.size_bytes,
            load.publishers,
            load.topics
        )
    } else {
        "nothing published".to_owned()
    };
    let how = if cell.side_by_side {
        "all arms side by side"
    } else {
        "each arm alone, in turns"
    };
    let repeats = cell.arms.iter().map(|arm| arm.repeats.len()).max();
    format!(
        "{} clients an arm, {published}; {how}, {} repeat(s)",
        number::figure(f64::from(load.clients)),
        repeats.unwrap_or(0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_of_one_is_never_rounded_away() {
        let reach = &got::REACH;
        let cases = [
            (100.0, "100 %"),
            (99.99, "99.99 %"),
            (99.999_999, "99.9999 %"),
        ];
        for (percent, text) in cases {
            assert_eq!(value(reach, percent), text);
        }
        assert_eq!(value(reach, 1e-9), "0 %");
    }

    #[test]
    fn errors_are_short() {
        let cases = [(0.01, "±0"), (1.26, "+1.3"), (-12.6, "-13")];
        for (percent, text) in cases {
            assert_eq!(signed(percent), text);
        }
    }
}
