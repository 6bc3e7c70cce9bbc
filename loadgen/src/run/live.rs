//! The live view: one redrawn line on a terminal, a plain line a second elsewhere, on standard
//! error, so that it never mixes with a report. A line fits into 80 columns.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use altavoz::base::Time;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lines::Tick;

/// The widest line, behind the sign that turns on a terminal.
const COLUMNS: usize = 78;

/// Over how long deliveries are counted for their rate: workers report twice in it.
const RATE_OVER: Duration = Duration::from_secs(1);

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(1);

/// Where progress goes.
#[derive(Debug)]
pub(crate) struct Live {
    view: View,
    /// What the run is called among others.
    label: String,
    phase: String,
    last: Option<(Time, u64)>,
    /// Deliveries a second, once it is known.
    rate: Option<f64>,
}

#[derive(Debug)]
enum View {
    Quiet,
    Plain { next: Time },
    Terminal(ProgressBar),
}

impl Live {
    /// The view that fits standard error, unless it is not wanted; a run among others
    /// has a label. It uses no colours, so
    /// `NO_COLOR` has nothing to switch off.
    #[must_use]
    pub(crate) fn new(quiet: bool, label: &str) -> Self {
        let view = if quiet {
            View::Quiet
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            View::Terminal(bar)
        } else {
            View::Plain { next: Time::ZERO }
        };
        Self {
            view,
            label: if label.is_empty() {
                String::new()
            } else {
                format!("{label}, ")
            },
            phase: "starting".to_owned(),
            last: None,
            rate: None,
        }
    }

    /// Says what happens next.
    pub(crate) fn phase(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
        self.last = None;
        self.rate = None;
        if let View::Plain { next } = &mut self.view {
            *next = Time::ZERO;
        }
    }

    /// Shows the state of all workers.
    pub(crate) fn draw(&mut self, ticks: &[Tick], now: Time) {
        let is_due = match &self.view {
            View::Quiet => false,
            View::Plain { next } => now >= *next,
            View::Terminal(_) => true,
        };
        if !is_due {
            return;
        }
        let line = self.line(ticks, now);
        match &mut self.view {
            View::Quiet => {}
            View::Plain { next } => {
                *next = now + PLAIN_EVERY;
                // Nobody to tell when standard error is gone.
                drop(writeln!(std::io::stderr(), "{line}"));
            }
            View::Terminal(bar) => {
                bar.set_message(line);
                bar.tick();
            }
        }
    }

    /// Clears the line.
    pub(crate) fn end(&mut self) {
        if let View::Terminal(bar) = &self.view {
            bar.finish_and_clear();
        }
        self.view = View::Quiet;
    }

    fn line(&mut self, ticks: &[Tick], now: Time) -> String {
        self.measure(ticks.iter().map(|tick| tick.received).sum(), now);
        let most = |of: fn(&Tick) -> u64| ticks.iter().map(of).max().unwrap_or(0) as f64 / 1e6;
        let open: u64 = ticks.iter().map(|tick| tick.open).sum();
        let (p50, p99) = (most(|t| t.p50_ns), most(|t| t.p99_ns));
        let mut figures = Vec::new();
        if let Some(rate) = self.rate.filter(|rate| *rate > 0.0 || p99 > 0.0) {
            figures.push(format!("{} deliveries/s", short(rate)));
        }
        if p99 > 0.0 {
            figures.push(format!("p50 {p50:.1} p99 {p99:.1} ms"));
        }
        let all = [&[format!("{open} open")], &figures[..]]
            .concat()
            .join(", ");
        let whole = format!("{}{}: {all}", self.label, self.phase);
        if self.label.is_empty() || whole.chars().count() <= COLUMNS {
            return whole;
        }
        // Which run it is and what it measures say more than its phase, or how many are there.
        let without_phase = format!("{}{all}", self.label);
        if without_phase.chars().count() <= COLUMNS {
            return without_phase;
        }
        format!("{}{}", self.label, figures.join(", "))
    }

    /// Enters what was received so far.
    fn measure(&mut self, received: u64, now: Time) {
        let Some((then, before)) = self.last.filter(|(_, before)| received >= *before) else {
            self.last = Some((now, received));
            return;
        };
        let time = now.since(then);
        if time >= RATE_OVER {
            self.rate = Some((received - before) as f64 / time.as_secs_f64());
            self.last = Some((now, received));
        }
    }
}

/// A rate in few characters: `950`, `13.7k`, `2.4M`.
fn short(rate: f64) -> String {
    match rate {
        ..1e3 => format!("{rate:.0}"),
        ..1e6 => format!("{:.1}k", rate / 1e3),
        _ => format!("{:.1}M", rate / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_into_80_columns() {
        let tick = Tick {
            open: 19_999,
            received: 999_999_999,
            p50_ns: 999_900_000,
            p99_ns: 9_999_900_000,
        };
        let mut live = Live::new(true, "");
        live.phase("repeat 10 of 10");
        live.line(&[Tick::default()], Time::from_nanos(1));
        let line = live.line(&[tick], Time::from_nanos(1_000_000_001));
        assert!(line.len() <= COLUMNS, "{} characters: {line}", line.len());
        assert!(line.contains("1000.0M deliveries/s"), "{line}");
    }

    #[test]
    fn a_run_among_others_is_named() {
        let mut live = Live::new(true, "[12/34] poll-10s");
        live.phase("repeat 1 of 1");
        let line = live.line(&[Tick::default()], Time::from_nanos(1));
        assert_eq!(line, "[12/34] poll-10s, repeat 1 of 1: 0 open");
    }

    #[test]
    fn a_long_label_leaves_the_figures_in_sight() {
        let tick = Tick {
            open: 11_000,
            received: 50_000,
            p50_ns: 5_000_000_000,
            p99_ns: 9_999_900_000,
        };
        let mut live = Live::new(true, "[12/34] poll-500ms-close-871B");
        live.phase("warming up");
        live.line(&[Tick::default()], Time::from_nanos(1));
        let line = live.line(&[tick], Time::from_nanos(1_000_000_001));
        assert!(line.len() <= COLUMNS, "{} characters: {line}", line.len());
        assert!(line.ends_with("p50 5000.0 p99 9999.9 ms"), "{line}");
        assert!(line.starts_with("[12/34] poll-500ms-close"), "{line}");
    }

    #[test]
    fn a_rate_is_one_over_a_second_and_not_between_two_looks() {
        let mut live = Live::new(true, "");
        live.phase("measuring");
        let mut at = |millis: u64, received: u64| {
            let tick = Tick {
                received,
                ..Tick::default()
            };
            live.line(&[tick], Time::from_nanos(1 + millis * 1_000_000))
        };
        assert_eq!(at(0, 0), "measuring: 0 open");
        assert_eq!(at(500, 500), "measuring: 0 open");
        assert_eq!(at(1_000, 500), "measuring: 0 open, 500 deliveries/s");
        assert_eq!(at(1_500, 500), "measuring: 0 open, 500 deliveries/s");
    }

    #[test]
    fn rates_are_short() {
        assert_eq!(
            [950.0, 13_700.0, 2.4e6].map(short),
            ["950", "13.7k", "2.4M"]
        );
    }
}
