//! The live view: one redrawn line on a terminal, a plain line a second elsewhere, on standard
//! error, so that it never mixes with a report. A line fits into 80 columns.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use altavoz::base::Time;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::protocol::Tick;

/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(1);

/// Where progress goes.
#[derive(Debug)]
pub struct Live {
    view: View,
    /// What the run is called among others.
    label: String,
    phase: String,
    last: Option<(Time, u64)>,
    rate: f64,
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
    pub fn new(quiet: bool, label: &str) -> Self {
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
            rate: 0.0,
        }
    }

    /// Says what happens next.
    pub fn phase(&mut self, phase: &str) {
        phase.clone_into(&mut self.phase);
        self.last = None;
        self.rate = 0.0;
        if let View::Plain { next } = &mut self.view {
            *next = Time::ZERO;
        }
    }

    /// Shows the state of all workers.
    pub fn draw(&mut self, ticks: &[Tick], now: Time) {
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
    pub fn end(&mut self) {
        if let View::Terminal(bar) = &self.view {
            bar.finish_and_clear();
        }
        self.view = View::Quiet;
    }

    fn line(&mut self, ticks: &[Tick], now: Time) -> String {
        let sum = |of: fn(&Tick) -> u64| ticks.iter().map(of).sum::<u64>();
        let received = sum(|t| t.received);
        if let Some((then, before)) = self.last
            && received >= before
        {
            let seconds = now.since(then).as_secs_f64().max(1e-3);
            self.rate = (received - before) as f64 / seconds;
        }
        self.last = Some((now, received));
        let open = sum(|t| t.open);
        let mut line = format!("{}{}: {open} open", self.label, self.phase);
        if received > 0 {
            let most = |of: fn(&Tick) -> u64| ticks.iter().map(of).max().unwrap_or(0) as f64 / 1e6;
            let (p50, p99) = (most(|t| t.p50_ns), most(|t| t.p99_ns));
            line.push_str(&format!(
                ", {} deliveries/s, p50 {p50:.1} p99 {p99:.1} ms",
                short(self.rate)
            ));
        }
        line
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
        assert!(line.len() <= 78, "{} characters: {line}", line.len());
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
    fn rates_are_short() {
        assert_eq!(
            [950.0, 13_700.0, 2.4e6].map(short),
            ["950", "13.7k", "2.4M"]
        );
    }
}
