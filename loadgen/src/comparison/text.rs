//! The comparison for people at a terminal: a table for each group of figures, within 80 columns.

use crate::base::number;
use crate::figures::arm_figure::ArmFigure;
use crate::show::text::{COLUMNS, Lines, broken, columns, or_dash};

use super::cell::{ArmResult, Cell};
use super::figure::Figure;
use super::groups::{self, GROUPS, Group};
use super::result::Comparison;
use super::{lubbers, tables};

/// Room for the name of an arm.
const NAME: usize = 16;

/// The whole text.
#[must_use]
pub(crate) fn text(comparison: &Comparison) -> String {
    let mut out = Lines::default();
    head(&mut out, comparison);
    for cell in &comparison.cells {
        self::cell(&mut out, cell);
    }
    findings(&mut out, comparison);
    bytes(&mut out, comparison);
    crossings(&mut out, comparison);
    lubbers(&mut out, comparison);
    verdict(&mut out, comparison);
    out.into_text()
}

fn head(out: &mut Lines, comparison: &Comparison) {
    let machine = &comparison.machine;
    let preset = comparison.preset.as_deref();
    let preset = preset.map_or_else(String::new, |preset| format!(" --preset {preset}"));
    out.line(format!("loadgen compare{preset}: {}", comparison.target));
    if comparison.quick {
        out.paragraph("QUICK: every interval and duration is a tenth of what the preset says");
    }
    out.line(format!(
        "  {} x {}, Linux {}, {:.0} s",
        machine.cpus, machine.cpu, machine.kernel, comparison.duration_seconds
    ));
    out.paragraph(&format!("staleness: {}", comparison.latency_basis));
    for note in &comparison.notes {
        out.paragraph(note);
    }
}

fn cell(out: &mut Lines, cell: &Cell) {
    out.line("");
    out.line(format!("== {} ==", cell.name));
    out.paragraph(&groups::workload(cell));
    for group in GROUPS {
        let kinds = group.kinds(cell);
        if !kinds.is_empty() {
            table(out, cell, group, &kinds);
        }
    }
}

fn table(out: &mut Lines, cell: &Cell, group: &Group, kinds: &[&ArmFigure]) {
    let width = (COLUMNS - NAME) / kinds.len().max(1);
    out.line("");
    out.line(group.title);
    for line in heads(kinds, width) {
        out.line(line);
    }
    for arm in &cell.arms {
        rows(out, arm, kinds, width);
    }
}

/// The heads of the columns, broken into as many lines as they need.
fn heads(kinds: &[&ArmFigure], width: usize) -> Vec<String> {
    let heads: Vec<Vec<String>> = kinds
        .iter()
        .map(|kind| broken(&groups::head(kind), width - 1))
        .collect();
    let height = heads.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|row| {
            let word = |head: &'_ Vec<String>| {
                let skipped = height - head.len();
                let word = row.checked_sub(skipped).and_then(|i| head.get(i));
                word.cloned().unwrap_or_default()
            };
            let line = columns(heads.iter().map(word), width);
            format!("{:NAME$}{line}", "").trim_end().to_owned()
        })
        .collect()
}

fn rows(out: &mut Lines, arm: &ArmResult, kinds: &[&ArmFigure], width: usize) {
    let cell = |of: &dyn Fn(&ArmFigure, &Figure) -> String| {
        let text = |kind: &&ArmFigure| {
            let figure = arm.figures.get(kind.name);
            figure.map_or_else(String::new, |figure| of(kind, figure))
        };
        columns(kinds.iter().map(text), width)
    };
    let measured = cell(&|kind, figure| groups::value(kind, figure.median));
    out.named(&arm.name, NAME - 2, &measured);
    let predicted = cell(&|kind, figure| {
        figure
            .predicted
            .map_or_else(String::new, |p| groups::value(kind, p))
    });
    let error = cell(&|_, figure| {
        let error = figure.error_percent;
        let mark = if figure.agrees() == Some(false) {
            "!"
        } else {
            ""
        };
        error.map_or_else(String::new, |error| format!("{mark}{error:+.1} %"))
    });
    for (name, cells) in [("  predicted", predicted), ("  off by", error)] {
        if !cells.trim().is_empty() {
            out.named(name, NAME - 2, &cells);
        }
    }
}

fn findings(out: &mut Lines, comparison: &Comparison) {
    if comparison.findings.is_empty() {
        return;
    }
    out.line("");
    out.line("== what follows ==");
    for finding in &comparison.findings {
        out.paragraph(finding);
    }
}

fn bytes(out: &mut Lines, comparison: &Comparison) {
    if comparison.bytes.is_empty() {
        return;
    }
    out.line("");
    out.line("== bytes up and down, beside what is claimed ==");
    let heads = [
        "claimed",
        "empty poll",
        "an update",
        "an update",
        "idle hour",
    ];
    out.named("", 18, &columns(heads, 12));
    let units = ["(B)", "app (B)", "app (B)", "wire (B)", "wire (B)"];
    out.named("", 18, &columns(units, 12));
    let each = |bytes: Option<f64>| or_dash(bytes, number::figure);
    for row in &comparison.bytes {
        let cells = [
            or_dash(tables::claim(row), |claim| claim),
            each(row.app_bytes_per_empty_request),
            each(row.app_bytes_per_delivery),
            each(row.wire_bytes_per_delivery),
            each(row.wire_bytes_per_idle_hour),
        ];
        out.named(&row.arm, 18, &columns(cells, 12));
    }
}

fn crossings(out: &mut Lines, comparison: &Comparison) {
    if comparison.crossings.is_empty() {
        return;
    }
    out.line("");
    out.line("== where polling becomes cheaper in bytes ==");
    for crossing in &comparison.crossings {
        let rate = |rate: Option<f64>| match rate {
            Some(rate) => format!("{} updates/s", number::figure(rate)),
            None => "nowhere".to_owned(),
        };
        let conflated = if crossing.conflated {
            ", conflated"
        } else {
            ""
        };
        let error = crossing.error_percent();
        let error = error.map_or_else(String::new, |e| format!(" ({e:+.1} %)"));
        out.paragraph(&format!(
            "{} against {}{conflated}: found {}, predicted {}{error}",
            crossing.poll,
            crossing.push,
            rate(crossing.found_per_second),
            rate(crossing.predicted_per_second)
        ));
    }
}

fn lubbers(out: &mut Lines, comparison: &Comparison) {
    if comparison.lubbers.is_empty() {
        return;
    }
    out.line("");
    out.line("== Lubbers and Greco 2010, Mbit/s: polling, WebSocket, and their ratio ==");
    out.line(format!(
        "  {:<18}{:>20}{:>20}{:>20}",
        "clients", "their heads", "ours, app", "ours, wire"
    ));
    for row in &comparison.lubbers {
        let pair = |poll: Option<f64>, push: Option<f64>| match poll.zip(push) {
            Some((poll, push)) => format!(
                "{} / {} = {}x",
                number::figure(poll),
                number::figure(push),
                number::figure(poll / push)
            ),
            None => "not measured".to_owned(),
        };
        let mark = if row.is_extrapolated() { " *" } else { "" };
        out.line(format!(
            "  {:<12}{:>22}{:>21}{:>21}",
            format!("{}{mark}", number::figure(f64::from(row.clients))),
            pair(Some(row.claimed_poll), Some(row.claimed_push)),
            pair(row.poll_app, row.push_app),
            pair(row.poll_wire, row.push_wire)
        ));
    }
    if comparison.lubbers.iter().any(lubbers_is_extrapolated) {
        out.paragraph("* extrapolated: measured with fewer clients, and multiplied");
    }
}

fn lubbers_is_extrapolated(row: &lubbers::Row) -> bool {
    row.is_extrapolated()
}

fn verdict(out: &mut Lines, comparison: &Comparison) {
    let groups = [
        ("LIMIT", &comparison.limits),
        ("warning", &comparison.warnings),
    ];
    for (name, lines) in groups {
        for line in lines {
            out.line("");
            out.paragraph(&format!("{name}: {line}"));
        }
    }
    for outcome in &comparison.thresholds {
        let verdict = if outcome.passed { "held" } else { "FAILED" };
        let measured = outcome.measured();
        out.line(format!(
            "  {verdict}: {} (measured: {measured})",
            outcome.expression
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn every_line_fits_into_eighty_columns() {
        let mut comparison = synthetic::comparison();
        let long = "poll-10s-close-newest";
        comparison.cells[0].arms[6].name = long.to_owned();
        comparison.bytes[6].arm = long.to_owned();
        let text = text(&comparison);
        // Once in each group of figures, and in the table of bytes.
        let alone = text.matches(&format!("\n  {long}\n")).count();
        assert_eq!(alone, GROUPS.len() + 1, "{text}");
        for line in text.lines() {
            let length = line.chars().count();
            assert!(length <= COLUMNS, "{length}: {line}");
        }
    }

    #[test]
    fn a_prediction_that_does_not_hold_is_marked() {
        let text = text(&synthetic::comparison());
        assert!(text.contains("predicted"), "{text}");
        assert!(text.contains('!'), "{text}");
        assert!(text.contains("QUICK"));
        assert!(text.contains("extrapolated"));
        assert!(text.contains("nowhere"));
    }
}
