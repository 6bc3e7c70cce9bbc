//! `loadgen compare`: every cell of a scenario, arm by arm or side by side, and what follows.
//!
//! Each run is one of `fanout` or `connect` with a fresh node, so that everything those measure
//! and guard against holds here too. Arms that run alone take turns: first each once, then each
//! again, so that a drift of the machine falls on all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use altavoz::base::clock;

use crate::base::failure::Failure;
use crate::comparison::cell::{ArmResult, Basis, Cell, Repeat, Second};
use crate::comparison::predict;
use crate::comparison::result::{Comparison, SCHEMA_VERSION};
use crate::host::sample;
use crate::host::signals;
use crate::measure::stats::Latency;
use crate::options::CompareOptions;
use crate::plan::presets::{ArmSpec, CellPlan, Scenario};
use crate::report::whole::Report;

use self::basis::Bases;
use self::words::Place;
use super::delay::Delay;
use super::server::Server;

mod basis;
mod outcome;
mod words;

/// Says what will happen, before it does, in a line.
#[must_use]
pub(crate) fn announcement(options: &CompareOptions) -> String {
    let scenario = Scenario::new(options);
    let seconds = scenario.takes().as_secs();
    let quick = if options.quick { ", quick" } else { "" };
    format!(
        "loadgen compare{quick}: {} workloads, about {} min {} s",
        scenario.cells.len(),
        seconds / 60,
        seconds % 60
    )
}

/// What the arms will be called, each once.
#[must_use]
pub(crate) fn arms(options: &CompareOptions) -> Vec<String> {
    let cells = Scenario::new(options).cells;
    let names = cells.iter().flat_map(|cell| &cell.arms).map(ArmSpec::name);
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// How many arms there are in all cells.
#[must_use]
pub(crate) fn arms_in_all(options: &CompareOptions) -> usize {
    let cells = Scenario::new(options).cells;
    cells.iter().map(|cell| cell.arms.len()).sum()
}

/// Runs it and gives back its result.
///
/// # Errors
/// When something cannot be started or a worker is gone.
pub(crate) fn run(options: &CompareOptions, command_line: &str) -> Result<Comparison, Failure> {
    let scenario = Scenario::new(options);
    let (started, begun) = (clock::unix(), clock::now());
    let mut runner = Runner::new(options, &scenario)?;
    let mut cells = Vec::new();
    for cell in &scenario.cells {
        if runner.is_stopped() {
            break;
        }
        let mut measured = runner.cell(cell)?;
        predict::enter(&mut measured);
        cells.push(measured);
    }
    if runner.is_stopped() {
        runner
            .limits
            .push("the load was not reached: it was stopped before its end".to_owned());
    }
    let mut comparison = Comparison {
        schema_version: SCHEMA_VERSION,
        generator: "loadgen".to_owned(),
        generator_version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "compare".to_owned(),
        command_line: command_line.to_owned(),
        preset: options.preset.map(|preset| preset.name()),
        quick: options.quick,
        started_unix_ms: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
        duration_seconds: clock::now().since(begun).as_secs_f64(),
        machine: sample::machine(),
        target: target(options),
        latency_basis: "from the intended publish time of a fixed timetable (open loop), to the \
                        read that brought the update: coordinated omission is corrected"
            .to_owned(),
        notes: notes(options),
        cells,
        bytes: Vec::new(),
        lubbers: Vec::new(),
        crossings: Vec::new(),
        findings: Vec::new(),
        limits: std::mem::take(&mut runner.limits),
        warnings: std::mem::take(&mut runner.warnings),
        thresholds: Vec::new(),
    };
    outcome::enter(&mut comparison, &scenario);
    Ok(comparison)
}

fn target(options: &CompareOptions) -> String {
    match &options.target.target {
        // A path may hold a key.
        Some(url) => url.split('?').next().unwrap_or(url).to_owned(),
        None => "a node of its own, a fresh one for each run".to_owned(),
    }
}

fn notes(options: &CompareOptions) -> Vec<String> {
    let mut notes = vec![
        "polls are scheduled and their phases spread evenly over the interval; a poll that is due \
         while the one before has no answer is counted as late"
            .to_owned(),
        "bytes on the wire are counted from TCP's own segments on loopback, where one may have 64 \
         KiB; Ethernet is an estimate"
            .to_owned(),
        "predictions start from bytes read off one client of each kind, and times from a run at \
         10 publications/s before"
            .to_owned(),
    ];
    if options.target.target.is_none() {
        notes.push("server and generator share this host".to_owned());
    }
    notes
}

/// Runs cells, one after the other.
struct Runner<'a> {
    options: &'a CompareOptions,
    bases: Bases,
    stop: Arc<AtomicBool>,
    /// Runs begun, and runs in all, for the live view.
    begun: usize,
    total: usize,
    limits: Vec<String>,
    warnings: Vec<String>,
}

/// A server with a longer way to it.
struct DistantServer {
    /// Held so that it ends with the run.
    _server: Option<Server>,
    place: Place,
}

impl<'a> Runner<'a> {
    fn new(options: &'a CompareOptions, scenario: &Scenario) -> Result<Self, Failure> {
        let runs = |cell: &CellPlan| {
            let each = if cell.side_by_side {
                1
            } else {
                cell.arms.len()
            };
            each * usize::from(cell.repeats)
        };
        Ok(Self {
            options,
            bases: Bases::default(),
            stop: signals::stop()?,
            begun: 0,
            total: scenario.cells.iter().map(runs).sum(),
            limits: Vec::new(),
            warnings: Vec::new(),
        })
    }

    fn is_stopped(&self) -> bool {
        // Pairs with the store of signal-hook's handler; nothing else depends on it.
        self.stop.load(Ordering::Relaxed)
    }

    fn cell(&mut self, plan: &CellPlan) -> Result<Cell, Failure> {
        let bases = self.bases_of(plan)?;
        let mut repeats: Vec<Vec<Repeat>> = vec![Vec::new(); plan.arms.len()];
        for _ in 0..plan.repeats {
            if plan.side_by_side {
                let measured = self.measure(plan, &plan.arms, &bases[0])?;
                let arms = repeats.iter_mut().zip(measured);
                arms.for_each(|(repeats, repeat)| repeats.push(repeat));
                continue;
            }
            for (place, arm) in plan.arms.iter().enumerate() {
                if self.is_stopped() {
                    break;
                }
                let measured = self.measure(plan, &[*arm], &bases[place])?;
                repeats[place].extend(measured);
            }
        }
        let arms = plan.arms.iter().zip(bases).zip(repeats);
        let arms = arms.map(|((arm, basis), repeats)| ArmResult::new(&arm.name(), basis, repeats));
        Ok(Cell {
            name: plan.name.clone(),
            workload: plan.workload.clone(),
            side_by_side: plan.side_by_side,
            arms: arms.collect(),
        })
    }

    /// What the predictions of each arm start from.
    fn bases_of(&mut self, plan: &CellPlan) -> Result<Vec<Basis>, Failure> {
        let place = Place {
            target: self.options.target.clone(),
            label: String::new(),
        };
        let mut bases = Vec::new();
        for arm in &plan.arms {
            if let Some(before) = basis::before(arm) {
                self.bases.bytes(self.options, &place, plan, &before)?;
            }
            let mut basis = self.bases.bytes(self.options, &place, plan, arm)?;
            if !plan.side_by_side && !self.options.quick {
                self.bases
                    .pace(self.options, &place, plan, arm, &mut basis)?;
            }
            if !plan.round_trip.is_zero() {
                let one_way = plan.round_trip.as_secs_f64() * 1e6 / 2.0;
                basis.delay_us = Some(basis.delay_us.unwrap_or(0.0) + one_way);
            }
            bases.push(basis);
        }
        Ok(bases)
    }

    /// One run, with an entry for each of its arms.
    fn measure(
        &mut self,
        plan: &CellPlan,
        arms: &[ArmSpec],
        basis: &Basis,
    ) -> Result<Vec<Repeat>, Failure> {
        self.begun += 1;
        let what = match arms {
            [arm] => arm.name(),
            _ => format!("{} arms", arms.len()),
        };
        let label = format!("[{}/{}] {what}", self.begun, self.total);
        let far = self.far(plan, label)?;
        let report = if plan.workload.rate > 0.0 {
            let run = words::fanout(self.options, &far.place, plan, arms, basis);
            super::fanout::run(&run)?
        } else {
            let run = words::connect(self.options, &far.place, plan, arms, basis);
            super::connect::run(&run)?
        };
        self.judge(&report, plan, &what);
        Ok(repeats(&report))
    }

    /// The server of a run: the target, or a relay in front of one.
    fn far(&self, plan: &CellPlan, label: String) -> Result<DistantServer, Failure> {
        let mut target = self.options.target.clone();
        if plan.round_trip.is_zero() {
            let place = Place { target, label };
            return Ok(DistantServer {
                _server: None,
                place,
            });
        }
        let mut server = Server::new(&target)?;
        server.target.settle(|_| true)?;
        let delay = Delay::start(server.target.address, plan.round_trip / 2)?;
        target.target = Some(format!("ws://{}", delay.address));
        // Only the way to the readers is long.
        target.publish_to = Some(server.target.clone());
        target.server_pids.clone_from(&server.pids);
        Ok(DistantServer {
            _server: Some(server),
            place: Place { target, label },
        })
    }

    /// What a run says against itself.
    fn judge(&mut self, report: &Report, plan: &CellPlan, what: &str) {
        let said = |line: &String| format!("{}, {what}: {line}", plan.name);
        self.limits.extend(report.limits.iter().map(said));
        let closes: u64 = report.closes.values().sum();
        if closes > 0 {
            let reasons: Vec<&str> = report.closes.keys().map(String::as_str).collect();
            self.warnings.push(format!(
                "{}, {what}: the server ended {closes} connections: {}",
                plan.name,
                reasons.join("; ")
            ));
        }
    }
}

/// What a run measured of each of its arms.
fn repeats(report: &Report) -> Vec<Repeat> {
    let run = &report.run;
    let measured = run.repeats.first().or(run.idle.as_ref());
    let is_alone = report.arms.len() == 1;
    let of = |(place, arm): (usize, &crate::figures::arm::Arm)| {
        let mut arm = arm.clone();
        if let (true, Some(idle)) = (is_alone, &report.idle) {
            arm.server.cpu_per_client_second_us = idle.server_cpu_per_client_second_us;
        }
        let rounds = measured.and_then(|measured| measured.round.arms.get(place));
        Repeat {
            started_unix_ms: u64::try_from(run.started.as_millis()).unwrap_or(u64::MAX),
            staleness: rounds.map_or_else(Latency::new, |round| round.corrected.clone()),
            seconds: seconds(report, place),
            arm,
        }
    };
    report.arms.iter().enumerate().map(of).collect()
}

/// The deliveries of an arm second by second, of all workers together.
fn seconds(report: &Report, arm: usize) -> Vec<Second> {
    let notes = report.run.intervals.iter().filter(|note| note.round > 0);
    let mut joined: Vec<(u64, u64, Latency)> = Vec::new();
    for note in notes {
        let latency = note.arms.get(arm).unwrap_or(&note.latency);
        match joined
            .iter_mut()
            .find(|(second, ..)| *second == note.second)
        {
            Some((_, start, all)) => {
                *start = note.start.min(*start);
                all.add(latency);
            }
            None => joined.push((note.second, note.start, latency.clone())),
        }
    }
    joined.sort_by_key(|(second, ..)| *second);
    let first = joined.first().map_or(0, |(_, start, _)| *start);
    let second = |(_, start, staleness): (u64, u64, Latency)| Second {
        start_ms: Duration::from_nanos(start - first).as_secs_f64() * 1e3,
        staleness,
    };
    let filled = joined.into_iter().map(second);
    filled
        .filter(|second| !second.staleness.is_empty())
        .collect()
}
