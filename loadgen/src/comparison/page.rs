//! The comparison as an HTML page: tables, and the plots that belong to them.

use crate::base::number;
use crate::figures::arm_figure::ArmFigure;
use crate::figures::of_arm::COMPARED;
use crate::figures::{got, took};
use crate::measure::stats::Latency;
use crate::show::html::bars::{Bar, Bars};
use crate::show::html::latency::{self, Curve, by_percentile, series};
use crate::show::html::ratios::{Ratios, Row};
use crate::show::html::table::{Cell as TableCell, Table};
use crate::show::html::{Block, Lines, Page, Section, Series};

use super::cell::{ArmResult, Cell, Second};
use super::figure::Figure;
use super::groups::{self, GROUPS, Group};
use super::result::Comparison;
use super::tables;

/// The band of measured over predicted that counts as agreement.
const BAND_PERCENT: f64 = 5.0;

/// The page.
#[must_use]
pub(crate) fn page(comparison: &Comparison) -> Page {
    let names = ArmNames::new(comparison);
    let mut sections = Vec::new();
    if !comparison.findings.is_empty() {
        sections.push(Section {
            title: "What follows".to_owned(),
            text: comparison.findings.clone(),
            blocks: Vec::new(),
        });
    }
    sections.extend(tables::bytes(comparison));
    for cell in &comparison.cells {
        sections.push(self::cell(cell, &names));
    }
    sections.extend(tables::crossings(comparison));
    sections.extend(tables::lubbers(comparison));
    sections.push(tables::glossary());
    Page {
        title: title(comparison),
        subtitle: "One schedule and one payload by several transports: measured, and beside it \
                   what the model predicts."
            .to_owned(),
        alerts: alerts(comparison),
        facts: facts(comparison),
        sections,
    }
}

/// The arms of all cells, numbered, so that each has one colour throughout the page.
#[derive(Debug)]
struct ArmNames(Vec<String>);

impl ArmNames {
    fn new(comparison: &Comparison) -> Self {
        let mut names: Vec<String> = Vec::new();
        for arm in comparison.cells.iter().flat_map(|cell| &cell.arms) {
            if !names.contains(&arm.name) {
                names.push(arm.name.clone());
            }
        }
        Self(names)
    }

    fn number(&self, name: &str) -> usize {
        self.0.iter().position(|known| known == name).unwrap_or(0)
    }
}

fn title(comparison: &Comparison) -> String {
    match &comparison.preset {
        Some(preset) => format!("loadgen compare: {preset}"),
        None => "loadgen compare".to_owned(),
    }
}

fn alerts(comparison: &Comparison) -> Vec<String> {
    let mut alerts = Vec::new();
    if comparison.quick {
        alerts.push(
            "A quick run: every interval and every duration is a tenth of what the preset says, \
             so nothing here is a result."
                .to_owned(),
        );
    }
    alerts.extend(comparison.limits.iter().map(|l| format!("Limit: {l}")));
    let failed = comparison.thresholds.iter().filter(|t| !t.passed);
    alerts.extend(failed.map(|t| format!("Threshold failed: {}", t.expression)));
    for cell in &comparison.cells {
        let lost = cell.arms.iter().filter_map(|arm| arm.median(&got::LOST));
        let lost: f64 = lost.sum();
        if lost > 0.0 {
            alerts.push(format!("{}: deliveries were lost", cell.name));
        }
    }
    alerts
}

fn facts(comparison: &Comparison) -> Vec<(String, String)> {
    let mut facts = vec![
        ("Command", comparison.command_line.clone()),
        ("Server", comparison.target.clone()),
        ("Machine", comparison.machine.to_string()),
        (
            "Generator",
            format!("{} {}", comparison.generator, comparison.generator_version),
        ),
        ("Began", crate::base::num::utc(comparison.started_unix_ms)),
        (
            "Took",
            format!("{} s", number::figure(comparison.duration_seconds)),
        ),
        ("Staleness", comparison.latency_basis.clone()),
    ];
    facts.extend(comparison.notes.iter().map(|note| ("Note", note.clone())));
    facts.extend(comparison.warnings.iter().map(|w| ("Warning", w.clone())));
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    facts.into_iter().map(named).collect()
}

fn cell(cell: &Cell, names: &ArmNames) -> Section {
    let mut blocks = Vec::new();
    for group in GROUPS {
        let kinds = group.kinds(cell);
        if !kinds.is_empty() {
            blocks.push(Block::Table(table(cell, group, &kinds)));
        }
    }
    blocks.extend(percentiles(cell, names).map(Block::Lines));
    blocks.extend(over_time(cell, names).map(Block::Lines));
    let bars = [
        (&took::WIRE_BYTES, "bytes on the wire (IP + TCP)", 1.0),
        (&took::CPU_PER_DELIVERY, "CPU of the server in µs", 1.0),
    ];
    for (kind, axis, scale) in bars {
        blocks.extend(self::bars(cell, names, kind, axis, scale).map(Block::Bars));
    }
    blocks.extend(ratios(cell, names).map(Block::Ratios));
    let mut name = cell.name.clone();
    name.get_mut(..1).map(str::make_ascii_uppercase);
    Section {
        title: name,
        text: vec![format!("{}.", groups::workload(cell))],
        blocks,
    }
}

fn table(cell: &Cell, group: &Group, kinds: &[&ArmFigure]) -> Table {
    let mut head = vec!["arm".to_owned()];
    head.extend(kinds.iter().map(|kind| groups::head(kind)));
    let row = |arm: &ArmResult| {
        let mut row = vec![TableCell::new(arm.name.clone())];
        row.extend(kinds.iter().map(|kind| {
            let figure = arm.figures.get(kind.name);
            figure.map_or_else(|| TableCell::new("–"), |figure| table_cell(kind, figure))
        }));
        row
    };
    Table {
        title: group.title.to_owned(),
        note: format!("{} Small: predicted, and measured against it.", group.note)
            .trim()
            .to_owned(),
        head,
        rows: cell.arms.iter().map(row).collect(),
    }
}

fn table_cell(kind: &ArmFigure, figure: &Figure) -> TableCell {
    let prediction = groups::prediction(kind, figure);
    TableCell {
        main: groups::tied(&groups::value(kind, figure.median)),
        below: if prediction.is_empty() {
            groups::range(kind, figure)
        } else {
            prediction
        },
        is_alert: figure.agrees() == Some(false),
    }
}

fn percentiles(cell: &Cell, names: &ArmNames) -> Option<Lines> {
    let arms: Vec<(&ArmResult, Latency)> = cell
        .arms
        .iter()
        .map(|arm| (arm, arm.staleness()))
        .filter(|(_, staleness)| !staleness.is_empty())
        .collect();
    let curves: Vec<Curve<'_>> = arms
        .iter()
        .map(|(arm, staleness)| (arm.name.as_str(), names.number(&arm.name), staleness))
        .collect();
    Some(Lines {
        title: "Staleness by percentile".to_owned(),
        note: "Lower is fresher. Each step to the right is one nine more.".to_owned(),
        ..by_percentile("percentile of deliveries, in %", "staleness in ms", &curves)?
    })
}

fn over_time(cell: &Cell, names: &ArmNames) -> Option<Lines> {
    let points_of = |arm: &ArmResult| -> Vec<(f64, f64)> {
        let seconds = arm.repeats.first().map_or(&[][..], |r| &r.seconds);
        let point = |second: &Second| {
            let nanos = second.staleness.percentile(99.0)?;
            Some((second.start_ms / 1e3, nanos as f64 / 1e6))
        };
        seconds.iter().filter_map(point).collect()
    };
    let curve = |arm: &ArmResult| series(&arm.name, names.number(&arm.name), points_of(arm));
    let curves = cell.arms.iter().map(curve);
    let series: Vec<Series> = curves.filter(|curve| !curve.points.is_empty()).collect();
    (!series.is_empty()).then(|| Lines {
        title: "Staleness over time".to_owned(),
        note: "The 99th percentile of what arrived in each second of the first repeat.".to_owned(),
        ..latency::over_time("staleness in ms", series)
    })
}

fn bars(cell: &Cell, names: &ArmNames, kind: &ArmFigure, axis: &str, scale: f64) -> Option<Bars> {
    let bar = |arm: &ArmResult| {
        let figure = arm.figures.get(kind.name);
        Bar {
            label: arm.name.clone(),
            number: names.number(&arm.name),
            value: figure.map(|figure| scale * figure.median),
            predicted: figure
                .and_then(|figure| figure.predicted)
                .map(|p| scale * p),
        }
    };
    let bars: Vec<Bar> = cell.arms.iter().map(bar).collect();
    if bars.iter().all(|bar| bar.value.is_none()) {
        return None;
    }
    let is_predicted = bars.iter().any(|bar| bar.predicted.is_some());
    let mut title = kind.title.to_owned();
    title.get_mut(..1).map(str::make_ascii_uppercase);
    Some(Bars {
        title,
        note: if is_predicted {
            "The upright line on a bar is the prediction.".to_owned()
        } else {
            String::new()
        },
        axis: axis.to_owned(),
        bars,
    })
}

fn ratios(cell: &Cell, names: &ArmNames) -> Option<Ratios> {
    let ratio = |arm: &ArmResult, kind: &ArmFigure| {
        let figure = arm.figures.get(kind.name)?;
        let ratio = figure.median / figure.predicted?;
        (ratio.is_finite() && ratio > 0.0).then(|| (names.number(&arm.name), ratio))
    };
    let row = |kind: &&ArmFigure| Row {
        label: kind.title.to_owned(),
        ratios: cell
            .arms
            .iter()
            .filter_map(|arm| ratio(arm, kind))
            .collect(),
    };
    let mut rows: Vec<Row> = COMPARED.iter().map(row).collect();
    rows.retain(|row| !row.ratios.is_empty());
    if rows.is_empty() {
        return None;
    }
    let named = |arm: &ArmResult| (names.number(&arm.name), arm.name.clone());
    Some(Ratios {
        title: "Measured over predicted".to_owned(),
        note: format!(
            "1 is agreement, the band is within {BAND_PERCENT} %. A mark at an edge is farther off."
        ),
        rows,
        names: cell.arms.iter().map(named).collect(),
        band_percent: BAND_PERCENT,
    })
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn a_page_has_every_plot_and_every_axis_a_unit() {
        let html = page(&synthetic::comparison()).html();
        for words in [
            "Staleness by percentile",
            "Staleness over time",
            "Wire B a delivery",
            "Server CPU a delivery",
            "Measured over predicted",
            "percentile of deliveries, in %",
            "time in s",
            "staleness in ms",
            "bytes on the wire",
            "CPU of the server in µs",
            "updates a second",
            "A quick run",
        ] {
            assert!(html.contains(words), "{words}");
        }
        assert!(!html.contains("NaN") && !html.contains("inf"));
    }

    #[test]
    fn a_loss_is_a_banner() {
        let alerts = page(&synthetic::comparison()).alerts;
        assert!(alerts.iter().any(|a| a.contains("lost")), "{alerts:?}");
    }

    /// Not a test: writes a page to look at, where `REPORT_PAGE` names a file.
    #[test]
    fn a_page_can_be_looked_at() {
        let html = page(&synthetic::comparison()).html();
        if let Some(path) = option_env!("REPORT_PAGE") {
            std::fs::write(path, &html).expect("written");
        }
        assert!(html.starts_with("<!doctype html>"));
    }
}
