//! The comparison for people at a terminal: a table for each group of figures, within 80 columns.

use crate::base::number;
use crate::figures::of_arm::ArmFigure;

use super::cell::{ArmResult, Cell};
use super::figure::Figure;
use super::groups::{self, GROUPS, Group};
use super::result::Comparison;
use super::{lubbers, tables};

/// The widest line.
pub const COLUMNS: usize = 80;

/// Room for the name of an arm.
const NAME: usize = 16;

/// The whole text.
#[must_use]
pub fn text(comparison: &Comparison) -> String {
    let mut out = Vec::new();
    head(&mut out, comparison);
    for cell in &comparison.cells {
        self::cell(&mut out, cell);
    }
    findings(&mut out, comparison);
    bytes(&mut out, comparison);
    crossings(&mut out, comparison);
    lubbers(&mut out, comparison);
    verdict(&mut out, comparison);
    let mut text = out.join("\n");
    text.push('\n');
    text
}

fn head(out: &mut Vec<String>, comparison: &Comparison) {
    let machine = &comparison.machine;
    let preset = comparison.preset.as_deref();
    let preset = preset.map_or_else(String::new, |preset| format!(" --preset {preset}"));
    out.push(format!("loadgen compare{preset}: {}", comparison.target));
    if comparison.quick {
        wrap(
            out,
            "  ",
            "QUICK: every interval and duration is a tenth of what the preset says",
        );
    }
    out.push(format!(
        "  {} x {}, Linux {}, {:.0} s",
        machine.cpus, machine.cpu, machine.kernel, comparison.duration_seconds
    ));
    wrap(
        out,
        "  ",
        &format!("staleness: {}", comparison.latency_basis),
    );
    for note in &comparison.notes {
        wrap(out, "  ", note);
    }
}

fn cell(out: &mut Vec<String>, cell: &Cell) {
    out.push(String::new());
    out.push(format!("== {} ==", cell.name));
    wrap(out, "  ", &groups::workload(cell));
    for group in GROUPS {
        let kinds = group.kinds(cell);
        if !kinds.is_empty() {
            table(out, cell, group, &kinds);
        }
    }
}

fn table(out: &mut Vec<String>, cell: &Cell, group: &Group, kinds: &[&ArmFigure]) {
    let width = (COLUMNS - NAME) / kinds.len().max(1);
    out.push(String::new());
    out.push(group.title.to_owned());
    for line in heads(kinds, width) {
        out.push(line);
    }
    for arm in &cell.arms {
        rows(out, arm, kinds, width);
    }
}

/// The heads of the columns, broken into as many lines as they need.
fn heads(kinds: &[&ArmFigure], width: usize) -> Vec<String> {
    let columns: Vec<Vec<String>> = kinds
        .iter()
        .map(|kind| broken(&groups::head(kind), width - 1))
        .collect();
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|row| {
            let mut line = " ".repeat(NAME);
            for column in &columns {
                let skipped = height - column.len();
                let word = row.checked_sub(skipped).and_then(|i| column.get(i));
                line.push_str(&right(word.map_or("", String::as_str), width));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

fn rows(out: &mut Vec<String>, arm: &ArmResult, kinds: &[&ArmFigure], width: usize) {
    let cell = |of: &dyn Fn(&ArmFigure, &Figure) -> String| {
        let mut line = String::new();
        for kind in kinds {
            let figure = arm.figures.get(kind.name);
            let text = figure.map_or_else(String::new, |figure| of(kind, figure));
            line.push_str(&right(&text, width));
        }
        line
    };
    let measured = cell(&|kind, figure| groups::value(kind, figure.median));
    named(out, &arm.name, NAME - 2, &measured);
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
    if !predicted.trim().is_empty() {
        out.push(
            format!("    {:<12}{predicted}", "predicted")
                .trim_end()
                .to_owned(),
        );
    }
    if !error.trim().is_empty() {
        out.push(format!("    {:<12}{error}", "off by").trim_end().to_owned());
    }
}

/// A row behind its name; a name that is too long has a line of its own.
fn named(out: &mut Vec<String>, name: &str, width: usize, figures: &str) {
    let mut name = name;
    if name.chars().count() > width {
        out.push(format!("  {name}"));
        name = "";
    }
    out.push(format!("  {name:<width$}{figures}").trim_end().to_owned());
}

fn findings(out: &mut Vec<String>, comparison: &Comparison) {
    if comparison.findings.is_empty() {
        return;
    }
    out.push(String::new());
    out.push("== what follows ==".to_owned());
    for finding in &comparison.findings {
        wrap(out, "  ", finding);
    }
}

fn bytes(out: &mut Vec<String>, comparison: &Comparison) {
    if comparison.bytes.is_empty() {
        return;
    }
    out.push(String::new());
    out.push("== bytes up and down, beside what is claimed ==".to_owned());
    out.push(format!(
        "  {:<18}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "claimed", "empty poll", "an update", "an update", "idle hour"
    ));
    out.push(format!(
        "  {:<18}{:>12}{:>12}{:>12}{:>12}{:>12}",
        "", "(B)", "app (B)", "app (B)", "wire (B)", "wire (B)"
    ));
    let each = |bytes: Option<f64>| bytes.map_or_else(|| "-".to_owned(), number::figure);
    for row in &comparison.bytes {
        let figures = format!(
            "{:>12}{:>12}{:>12}{:>12}{:>12}",
            tables::claim(row).unwrap_or_else(|| "-".to_owned()),
            each(row.app_bytes_per_empty_request),
            each(row.app_bytes_per_delivery),
            each(row.wire_bytes_per_delivery),
            each(row.wire_bytes_per_idle_hour),
        );
        named(out, &row.arm, 18, &figures);
    }
}

fn crossings(out: &mut Vec<String>, comparison: &Comparison) {
    if comparison.crossings.is_empty() {
        return;
    }
    out.push(String::new());
    out.push("== where polling becomes cheaper in bytes ==".to_owned());
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
        wrap(
            out,
            "  ",
            &format!(
                "{} against {}{conflated}: found {}, predicted {}{error}",
                crossing.poll,
                crossing.push,
                rate(crossing.found_per_second),
                rate(crossing.predicted_per_second)
            ),
        );
    }
}

fn lubbers(out: &mut Vec<String>, comparison: &Comparison) {
    if comparison.lubbers.is_empty() {
        return;
    }
    out.push(String::new());
    out.push(
        "== Lubbers and Greco 2010, Mbit/s: polling, WebSocket, and their ratio ==".to_owned(),
    );
    out.push(format!(
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
        out.push(format!(
            "  {:<12}{:>22}{:>21}{:>21}",
            format!("{}{mark}", number::figure(f64::from(row.clients))),
            pair(Some(row.claimed_poll), Some(row.claimed_push)),
            pair(row.poll_app, row.push_app),
            pair(row.poll_wire, row.push_wire)
        ));
    }
    if comparison.lubbers.iter().any(lubbers_is_extrapolated) {
        wrap(
            out,
            "  ",
            "* extrapolated: measured with fewer clients, and multiplied",
        );
    }
}

fn lubbers_is_extrapolated(row: &lubbers::Row) -> bool {
    row.is_extrapolated()
}

fn verdict(out: &mut Vec<String>, comparison: &Comparison) {
    let groups = [
        ("LIMIT", &comparison.limits),
        ("warning", &comparison.warnings),
    ];
    for (name, lines) in groups {
        for line in lines {
            out.push(String::new());
            wrap(out, "  ", &format!("{name}: {line}"));
        }
    }
    for outcome in &comparison.thresholds {
        let verdict = if outcome.passed { "held" } else { "FAILED" };
        let measured = outcome.measured();
        out.push(format!(
            "  {verdict}: {} (measured: {measured})",
            outcome.expression
        ));
    }
}

fn right(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    format!("{}{text}", " ".repeat(missing))
}

/// The words of a text in lines of at most `width` characters.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A paragraph.
fn wrap(out: &mut Vec<String>, indent: &str, text: &str) {
    let lines = broken(text, COLUMNS - indent.len());
    out.extend(lines.into_iter().map(|line| format!("{indent}{line}")));
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
