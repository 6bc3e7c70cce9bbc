//! What presets add to a page: the crossing of polling and push, the cases of Lubbers and Greco,
//! and what every figure means.

use crate::base::number;
use crate::figures::arm_figure::ArmFigure;
use crate::figures::of_arm::COMPARED;
use crate::show::html::axis::Axis;
use crate::show::html::table::{Cell, Table};
use crate::show::html::{Block, Lines, Section, Series, Style};

use super::bytes;
use super::crossing::{Crossing, Point};
use super::lubbers::Row;
use super::result::Comparison;

/// What a request, an update and an idle hour cost, beside what is claimed of them.
#[must_use]
pub(crate) fn bytes(comparison: &Comparison) -> Option<Section> {
    let first = comparison.bytes.first()?;
    let head = [
        "arm",
        "claimed (B)",
        "empty poll, app (B)",
        "an update, app (B)",
        "an update, wire (B)",
        "idle hour, app (B)",
        "idle hour, wire (B)",
    ];
    Some(Section {
        title: "Bytes, beside what is claimed".to_owned(),
        text: Vec::new(),
        blocks: vec![Block::Table(Table {
            title: format!(
                "Bytes of a client, up and down; updates a second: {}",
                number::figure(first.updates_per_second)
            ),
            note: "Claimed: of a polling request, and of a WebSocket message. An empty poll is a \
                   request that finds nothing, with its answer. Wire: with TCP and IP and every \
                   acknowledgement."
                .to_owned(),
            head: head.map(str::to_owned).to_vec(),
            rows: comparison.bytes.iter().map(bytes_row).collect(),
        })],
    })
}

fn bytes_row(row: &bytes::Row) -> Vec<Cell> {
    let each = |bytes: Option<f64>| Cell::of(bytes, number::figure);
    vec![
        Cell::new(row.arm.clone()),
        Cell::of(claim(row), |claim| claim),
        each(row.app_bytes_per_empty_request),
        each(row.app_bytes_per_delivery),
        each(row.wire_bytes_per_delivery),
        each(row.app_bytes_per_idle_hour),
        each(row.wire_bytes_per_idle_hour),
    ]
}

/// The claim about an arm as people read it, if there is one.
#[must_use]
pub(crate) fn claim(row: &bytes::Row) -> Option<String> {
    let (from, to) = row.claimed_bytes?;
    Some(format!(
        "{} to {}",
        number::figure(from),
        number::figure(to)
    ))
}

/// The crossings, if they were looked for.
#[must_use]
pub(crate) fn crossings(comparison: &Comparison) -> Option<Section> {
    if comparison.crossings.is_empty() {
        return None;
    }
    let mut blocks = vec![Block::Table(crossing_table(&comparison.crossings))];
    let curves = comparison.crossings.iter().map(crossing_lines);
    blocks.extend(curves.map(Block::Lines));
    Some(Section {
        title: "Where polling becomes cheaper in bytes".to_owned(),
        text: vec![
            "A poll costs the same however many updates it skips, push pays for each. Where \
             only the newest value matters, polling takes fewer bytes above some update rate; the \
             price is staleness of half an interval and values that nobody saw. A server that \
             conflates to one push an interval takes the crossing away."
                .to_owned(),
        ],
        blocks,
    })
}

fn crossing_table(crossings: &[Crossing]) -> Table {
    let rate = |rate: Option<f64>| match rate {
        Some(rate) => Cell::new(number::figure(rate)),
        None => Cell::new("nowhere"),
    };
    let row = |crossing: &Crossing| {
        let conflated = if crossing.conflated {
            ", conflated"
        } else {
            ""
        };
        let name = format!("{} and {}{conflated}", crossing.poll, crossing.push);
        let error = crossing.error_percent();
        vec![
            Cell::new(name),
            rate(crossing.found_per_second),
            rate(crossing.predicted_per_second),
            Cell::of(error, |e| format!("{e:+.1} %")),
            rate(crossing.rule_of_thumb_per_second),
        ]
    };
    let head = ["arms", "found", "predicted", "off by", "rule of thumb"];
    Table {
        title: "Crossing, in updates a second".to_owned(),
        note: "Rule of thumb: bytes of a poll that finds something, divided by the interval times \
               the bytes of a push."
            .to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: crossings.iter().map(row).collect(),
    }
}

fn crossing_lines(crossing: &Crossing) -> Lines {
    let all = || crossing.points.iter().chain(&crossing.predicted_points);
    let bytes = || all().flat_map(|p| [p.poll_bytes_per_second, p.push_bytes_per_second]);
    let series = |name: &str, number, style, points: &[Point], of: fn(&Point) -> f64| Series {
        name: name.to_owned(),
        number,
        style,
        points: points.iter().map(|p| (p.rate, of(p))).collect(),
    };
    let poll: fn(&Point) -> f64 = |point| point.poll_bytes_per_second;
    let push: fn(&Point) -> f64 = |point| point.push_bytes_per_second;
    let (measured, predicted) = (&crossing.points, &crossing.predicted_points);
    let (polls, pushes) = (&crossing.poll, &crossing.push);
    let conflated = if crossing.conflated {
        ", conflated"
    } else {
        ""
    };
    Lines {
        title: format!("{polls} and {pushes}{conflated}"),
        note: String::new(),
        x: Axis::log("updates a second", all().map(|p| p.rate)),
        y: Axis::log("wire bytes of a client in a second", bytes()),
        series: vec![
            series(
                &format!("{polls}, predicted"),
                4,
                Style::Dashed,
                predicted,
                poll,
            ),
            series(
                &format!("{pushes}, predicted"),
                0,
                Style::Dashed,
                predicted,
                push,
            ),
            series(
                &format!("{polls}, measured"),
                5,
                Style::Marks,
                measured,
                poll,
            ),
            series(
                &format!("{pushes}, measured"),
                0,
                Style::Marks,
                measured,
                push,
            ),
        ],
    }
}

/// The three cases, if they were asked for.
#[must_use]
pub(crate) fn lubbers(comparison: &Comparison) -> Option<Section> {
    if comparison.lubbers.is_empty() {
        return None;
    }
    let rows = comparison.lubbers.iter().map(lubbers_row);
    let head = [
        "clients",
        "claimed: heads alone",
        "the same with TCP and IP",
        "measured, at the socket",
        "measured, with TCP and IP",
    ];
    Some(Section {
        title: "The three cases of Lubbers and Greco".to_owned(),
        text: vec![
            "In 2010 they counted 871 bytes of headers of one poll, multiplied by clients that \
             poll once a second, and set 2 bytes of a WebSocket frame against it. Nothing was \
             measured. Their Mbit is 2^20 bits, ours a million."
                .to_owned(),
        ],
        blocks: vec![Block::Table(Table {
            title: "Mbit/s: polling, WebSocket, and their ratio".to_owned(),
            note:
                "Extrapolated rows were measured with fewer clients, as many as this host holds, \
                   and multiplied."
                    .to_owned(),
            head: head.map(str::to_owned).to_vec(),
            rows: rows.collect(),
        })],
    })
}

fn lubbers_row(row: &Row) -> Vec<Cell> {
    let pair = |poll: Option<f64>, push: Option<f64>| match poll.zip(push) {
        Some((poll, push)) => Cell {
            main: format!("{} / {}", number::figure(poll), number::figure(push)),
            below: format!("{}x", number::figure(poll / push)),
            is_alert: false,
        },
        None => Cell::new("–"),
    };
    let below = if row.is_extrapolated() {
        format!(
            "extrapolated from {}",
            number::figure(f64::from(row.measured_clients))
        )
    } else {
        String::new()
    };
    vec![
        Cell {
            main: number::figure(f64::from(row.clients)),
            below,
            is_alert: false,
        },
        pair(Some(row.claimed_poll), Some(row.claimed_push)),
        pair(
            Some(row.calculated_poll_wire),
            Some(row.calculated_push_wire),
        ),
        pair(row.poll_app, row.push_app),
        pair(row.poll_wire, row.push_wire),
    ]
}

/// What every figure means.
#[must_use]
pub(crate) fn glossary() -> Section {
    let row = |kind: &&ArmFigure| {
        vec![
            Cell::new(kind.title),
            Cell::new(kind.name),
            Cell::new(kind.meaning),
        ]
    };
    Section {
        title: "What the figures mean".to_owned(),
        text: Vec::new(),
        blocks: vec![Block::Table(Table {
            title: "Names".to_owned(),
            note: String::new(),
            head: ["here", "in JSON", "meaning"].map(str::to_owned).to_vec(),
            rows: COMPARED.iter().map(row).collect(),
        })],
    }
}
