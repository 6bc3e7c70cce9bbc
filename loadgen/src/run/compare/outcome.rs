//! What a comparison shows besides the figures of its cells: crossings, the cases of Lubbers and
//! Greco, ratios of CPU, and the bytes of an idle hour and of an update.

use crate::base::number::figure;
use crate::base::transport::Transport;
use crate::comparison::cell::{ArmResult, Cell};
use crate::comparison::crossing::{Crossing, Point};
use crate::comparison::result::Comparison;
use crate::comparison::{bytes, lubbers, predict};
use crate::figures::arm_figure::ArmFigure;
use crate::figures::took;
use crate::model::claims::LUBBERS_CLIENTS;
use crate::model::{Cost, Poll, Push, crossover};
use crate::plan::presets::{Exhibit, Scenario};
use crate::plan::workload::Workload;

/// Points of a predicted curve, and the rates between which they lie.
const CURVE_POINTS: u32 = 40;
const CURVE_RATES: (f64, f64) = (0.02, 10.0);

/// Enters what the scenario is to show.
pub(super) fn enter(comparison: &mut Comparison, scenario: &Scenario) {
    for shows in &scenario.shows {
        match shows {
            Exhibit::Lubbers => comparison.lubbers = cases(&comparison.cells),
            Exhibit::Crossings => comparison.crossings = crossings(&comparison.cells),
            Exhibit::CpuRatios => {
                let ratios = comparison.cells.iter().flat_map(cpu_ratios);
                comparison.findings.extend(ratios);
            }
            Exhibit::Bytes => comparison.bytes = bytes::rows(&comparison.cells),
        }
    }
}

/// Their cases beside the largest cell that is not larger.
fn cases(cells: &[Cell]) -> Vec<lubbers::Row> {
    let case = |clients: u32| {
        let fitting = cells.iter().filter(|cell| cell.workload.clients <= clients);
        let cell = fitting.max_by_key(|cell| cell.workload.clients)?;
        let mut row = lubbers::Row::new(clients, cell.workload.clients);
        let rates = |transport: Transport| {
            let arm = arm_of(cell, transport)?;
            let sum = |up: &ArmFigure, down: &ArmFigure| Some(arm.median(up)? + arm.median(down)?);
            let app = sum(&took::APP_UP_RATE, &took::APP_DOWN_RATE);
            let wire = arm.median(&took::WIRE_RATE);
            Some((app.map(|b| row.megabits(b)), wire.map(|b| row.megabits(b))))
        };
        let (poll, push) = (rates(Transport::Poll), rates(Transport::Ws));
        (row.poll_app, row.poll_wire) = poll.unwrap_or_default();
        (row.push_app, row.push_wire) = push.unwrap_or_default();
        Some(row)
    };
    LUBBERS_CLIENTS.into_iter().filter_map(case).collect()
}

fn arm_of(cell: &Cell, transport: Transport) -> Option<&ArmResult> {
    let is_it = |arm: &&ArmResult| arm.arm().is_some_and(|arm| arm.transport == transport);
    cell.arms.iter().find(is_it)
}

/// Every polling arm against the plain WebSocket and the one that is conflated to its interval.
fn crossings(cells: &[Cell]) -> Vec<Crossing> {
    let Some(cell) = cells.first() else {
        return Vec::new();
    };
    let mut crossings = Vec::new();
    for poll in &cell.arms {
        let Some(interval_ms) = poll.arm().and_then(|arm| arm.interval_ms) else {
            continue;
        };
        for push in &cell.arms {
            let Some(arm) = push.arm().filter(|arm| arm.transport == Transport::Ws) else {
                continue;
            };
            let conflate = arm.conflate_ms.map(|ms| ms as f64);
            // The same time, as whole milliseconds.
            let fits = conflate.is_none_or(|ms| (ms - interval_ms).abs() < 0.5);
            if fits {
                crossings.extend(crossing(cells, &poll.name, &push.name));
            }
        }
    }
    crossings
}

fn crossing(cells: &[Cell], poll: &str, push: &str) -> Option<Crossing> {
    let find = |cell: &'_ Cell, name: &str| {
        let arm = cell.arms.iter().find(|arm| arm.name == name);
        arm.cloned()
    };
    let wire = &took::WIRE_RATE;
    let point = |cell: &Cell| {
        Some(Point {
            rate: cell.workload.rate_of_a_client(),
            poll_bytes_per_second: find(cell, poll)?.median(wire)?,
            push_bytes_per_second: find(cell, push)?.median(wire)?,
        })
    };
    let mut points: Vec<Point> = cells.iter().filter_map(point).collect();
    points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let cell = cells.first()?;
    let (poll, push) = (find(cell, poll)?, find(cell, push)?);
    let models = models(&poll, &push, &cell.workload)?;
    let exchange = models.0.exchange;
    let found = Cost::new(
        exchange.request + exchange.full + exchange.publication,
        crate::model::cost::EXCHANGE_SEGMENTS,
    );
    let pushed = Cost::new(models.1.publication, crate::model::cost::PUSH_SEGMENTS);
    let interval_ms = poll.arm()?.interval_ms?;
    let mut crossing = Crossing {
        poll: poll.name,
        push: push.name,
        interval_ms,
        conflated: models.1.conflate.is_some(),
        points,
        predicted_points: predicted_points(&models),
        found_per_second: None,
        predicted_per_second: crossover::rate(&models.0, &models.1),
        rule_of_thumb_per_second: models
            .1
            .conflate
            .is_none()
            .then(|| crossover::rule_of_thumb(found, pushed, interval_ms / 1e3)),
    };
    crossing.find();
    Some(crossing)
}

fn models(poll: &ArmResult, push: &ArmResult, workload: &Workload) -> Option<(Poll, Push)> {
    Some((
        predict::poll(poll.arm()?, &poll.basis, workload),
        predict::push(push.arm()?, &push.basis, workload),
    ))
}

fn predicted_points(models: &(Poll, Push)) -> Vec<Point> {
    let (low, high) = CURVE_RATES;
    let head = crate::model::cost::SEGMENT_HEAD_BYTES;
    let point = |i: u32| {
        let part = f64::from(i) / f64::from(CURVE_POINTS);
        let rate = low * (high / low).powf(part);
        let (mut poll, mut push) = *models;
        poll.traffic.rate = rate;
        push.traffic.rate = rate;
        Point {
            rate,
            poll_bytes_per_second: poll.cost().wire(head),
            push_bytes_per_second: push.cost().wire(head),
        }
    };
    (0..=CURVE_POINTS).map(point).collect()
}

/// Push over pull: the server's CPU for a client and second, each arm being alone.
fn cpu_ratios(cell: &Cell) -> Vec<String> {
    let cpu = |arm: &ArmResult| arm.median(&took::CPU_PER_CLIENT);
    let is_pull = |arm: &&ArmResult| {
        let arm = arm.arm();
        arm.is_some_and(|arm| arm.transport == Transport::Poll)
    };
    let pushes = cell.arms.iter().filter(|arm| !is_pull(arm));
    let mut ratios = Vec::new();
    for push in pushes {
        let over: Vec<String> = cell
            .arms
            .iter()
            .filter(is_pull)
            .filter_map(|pull| {
                let ratio = cpu(push)? / cpu(pull)?;
                let is_known = ratio.is_finite() && ratio > 0.0;
                is_known.then(|| format!("{} times {}", figure(ratio), pull.name))
            })
            .collect();
        if !over.is_empty() {
            ratios.push(format!(
                "{}: server CPU of {} is {}",
                cell.name,
                push.name,
                over.join(", ")
            ));
        }
    }
    ratios
}
