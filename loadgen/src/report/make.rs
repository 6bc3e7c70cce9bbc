//! Puts a run into the figures of its report.

use std::collections::BTreeMap;

use crate::figures::histogram::Histogram;
use crate::figures::range::ranges;
use crate::measure::stats::Latency;
use crate::plan::Pace;
use crate::recording::measured::{Measured, join_repeats};
use crate::recording::{Run, SCHEMA_VERSION};

use super::figures::{
    ConnectFigures, IdleFigures, MemoryFigures, Options, StageFigures, StormFigures,
};
use super::round::RoundFigures;
use super::whole::Report;
use super::{arms, verdict};

/// Figures of a repeat whose range over the repeats is told.
type FigureRange = (&'static str, fn(&RoundFigures) -> Option<f64>);

const RANGED: &[FigureRange] = &[
    ("p50_us", |it| it.latency.p50_us),
    ("p99_us", |it| it.latency.p99_us),
    ("max_us", |it| it.latency.max_us),
    ("last_p50_us", |it| it.last.p50_us),
    ("last_p99_us", |it| it.last.p99_us),
    ("deliveries_per_second", |it| Some(it.deliveries_per_second)),
    ("reach_percent", |it| it.reach_percent),
    ("server_cpu_per_delivery_us", |it| {
        it.server_cpu_per_delivery_us
    }),
];

impl Report {
    /// Puts a run into figures.
    #[must_use]
    pub(crate) fn new(run: Run) -> Self {
        let all = join_repeats(&run.repeats);
        let is_measured = !run.repeats.is_empty();
        let samples = run.samples.iter();
        let rss_peak = samples.filter_map(|s| Some(s.server?.rss_bytes)).max();
        let mut report = Self {
            schema_version: SCHEMA_VERSION,
            generator: "loadgen",
            generator_version: env!("CARGO_PKG_VERSION"),
            command: run.command.clone(),
            started_unix_ms: u64::try_from(run.started.as_millis()).unwrap_or(u64::MAX),
            latency_basis: basis(run.plan.pace),
            machine: run.machine.clone(),
            backend: run.plan.driver.name(),
            options: Options::new(&run),
            connect: ConnectFigures::new(&run.connected),
            arms: arms::arms(&run, &all),
            total: is_measured.then(|| RoundFigures::new(&all)),
            repeats: run.repeats.iter().map(RoundFigures::new).collect(),
            stages: run.stages.iter().map(StageFigures::new).collect(),
            over_repeats: BTreeMap::new(),
            memory: run.memory.as_ref().map(MemoryFigures::new),
            idle: run.idle.as_ref().map(|idle| {
                let clients = run.connected.connects.connected;
                IdleFigures::new(idle, clients)
            }),
            storm: run.storm.as_ref().map(|s| StormFigures::new(s, &all)),
            closes: run.finished.closes.clone(),
            slow_closes: run.finished.slow_closes.clone(),
            slow_messages: run.finished.slow_messages,
            publisher_closes: run.finished.publisher_closes.clone(),
            server_rss_peak_bytes: rss_peak,
            server_cpus: run.server_cpus,
            server_metrics: run.metrics.clone(),
            limits: Vec::new(),
            warnings: Vec::new(),
            thresholds: Vec::new(),
            histograms: histograms(&run, &all),
            arm_histograms: arm_histograms(&run, &all),
            run,
        };
        if report.stages.is_empty() {
            report.over_repeats = ranges(&report.repeats, RANGED.iter().copied());
        }
        report.limits = verdict::limits(&report);
        report.warnings = verdict::warnings(&report, &report.run.plan);
        report
    }
}

fn basis(pace: Pace) -> &'static str {
    match pace {
        Pace::Open { .. } => {
            "from the intended publish time of a fixed timetable (open loop), to the read that \
             brought the message: coordinated omission is corrected"
        }
        Pace::Closed { .. } => {
            "from the actual send (closed loop), to the read that brought the message: a stalled \
             server lowers the rate and hides from these percentiles (coordinated omission)"
        }
    }
}

/// The staleness of each arm; an empty one where nothing was published.
fn arm_histograms(run: &Run, all: &Measured) -> Vec<Latency> {
    let places = 0..run.plan.arms.len();
    let of = |place: usize| all.round.arms.get(place).map(|it| it.corrected.clone());
    places.map(|place| of(place).unwrap_or_default()).collect()
}

fn histograms(run: &Run, all: &Measured) -> BTreeMap<Histogram, Latency> {
    let (connects, storm) = (&run.connected.connects, run.storm.as_ref());
    let of = |which: Histogram| match which {
        Histogram::Deliveries => Some(&all.round.corrected),
        Histogram::Uncorrected => Some(&all.round.uncorrected),
        Histogram::First => Some(&all.round.first),
        Histogram::Median => Some(&all.round.median),
        Histogram::Last => Some(&all.round.last),
        Histogram::Spread => Some(&all.round.spread),
        Histogram::Connect => Some(&connects.total),
        Histogram::Tcp => Some(&connects.tcp),
        Histogram::Upgrade => Some(&connects.upgrade),
        Histogram::Reconnect => Some(&storm?.back.back),
        Histogram::Lateness => Some(&all.published.lateness),
    };
    let all = Histogram::ALL.into_iter();
    all.filter_map(|which| Some((which, of(which)?.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{page, text};
    use super::*;
    use crate::base::golden;
    use crate::figures::arm_bounds::{ARM_BOUNDS, ArmBound};
    use crate::figures::metric::Figures;
    use crate::figures::of_run::{OF_RUN, RunFigure};
    use crate::recording::synthetic;

    fn shown(run: Run) -> String {
        let report = Report::new(run);
        let html = page::page(&report).html();
        golden::report(&text::text(&report), &report.json(), &html)
    }

    #[test]
    fn the_report_of_a_run_is_what_it_was() {
        golden::check("run.txt", &shown(synthetic::whole()));
        golden::check("stages.txt", &shown(synthetic::staged()));
    }

    /// Every figure that a bound can be on, by its name.
    fn figures(run: Run) -> BTreeMap<String, f64> {
        let report = Report::new(run);
        let number = |figure: &RunFigure| {
            let value = report.number(figure.key)?;
            Some((figure.bound.to_owned(), value))
        };
        let mut figures: BTreeMap<_, _> = OF_RUN.iter().filter_map(number).collect();
        for arm in report.arm_names() {
            let number = |bound: &ArmBound| {
                let value = report.arm_number(&arm, bound)?;
                Some((format!("{arm}.{}", bound.name), value))
            };
            figures.extend(ARM_BOUNDS.iter().filter_map(number));
        }
        figures
    }

    #[test]
    fn every_figure_of_a_run_is_what_it_was() {
        let whole = figures(synthetic::whole());
        let mut held = synthetic::whole();
        held.repeats.clear();
        let held = figures(held);
        let text = format!("measured {whole:#?}\nheld only {held:#?}\n");
        golden::check("figures.txt", &text);
    }
}
