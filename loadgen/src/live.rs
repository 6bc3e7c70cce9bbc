//! The live view: one redrawn line on a terminal, a plain line a second elsewhere, on standard
//! error, so that it never mixes with a report.

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
    /// The view that fits standard error, unless it is not wanted. It uses no colours, so
    /// `NO_COLOR` has nothing to switch off.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
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
        let (open, published) = (sum(|t| t.open), sum(|t| t.published));
        let mut line = format!("{}: {open} open", self.phase);
        if received > 0 {
            let most = |of: fn(&Tick) -> u64| ticks.iter().map(of).max().unwrap_or(0) as f64 / 1e6;
            let (p50, p99) = (most(|t| t.p50_ns), most(|t| t.p99_ns));
            line.push_str(&format!(
                ", {published} published, {received} delivered, {:.0} deliveries/s, \
                 p50 {p50:.2} ms, p99 {p99:.2} ms",
                self.rate
            ));
        }
        line
    }
}
