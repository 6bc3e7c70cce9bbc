//! `--stage`: a run that changes while it lasts, one stage behind the other.
//!
//! Reads what a stage is; what it does is in `run::stages`. Subscribers stay through all
//! stages and are the ones that are measured: storms and churn are what a crowd does beside them.

use std::time::Duration;

use altavoz::config::parse_duration;
use serde::{Deserialize, Serialize};

use crate::base::failure::Failure;

/// The most stages of a run: rounds are counted in a byte.
const STAGES_MAX: usize = 100;

/// How those of a crowd leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Leaving {
    /// By a reset.
    Reset,
    /// By a FIN, a reset, or now and then by silence.
    Any,
}

/// One stage.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage {
    /// As it was typed: the name of its figures.
    pub text: String,
    /// How long it is measured.
    pub length: Duration,
    /// What happens in it.
    pub event: Event,
}

/// What happens in a stage.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Event {
    /// The rate goes from one to another, little by little.
    Ramp(f64, f64),
    /// The rate stays; the run's own, if none is named.
    Hold(Option<f64>),
    /// Another rate for a short time; the same as a hold, with a name that says what for.
    Spike(f64),
    /// So many of the crowd a second leave and come back at once.
    Churn(f64, Leaving),
    /// The whole crowd leaves at once and comes back within half of the stage.
    ReconnectStorm,
    /// The slow readers stop to read, and read again at its end.
    SlowReaders,
}

impl Stage {
    /// Reads `KIND:LENGTH` or `KIND:LENGTH:VALUE`.
    ///
    /// # Errors
    /// Says what a stage looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let kind = parts.next().unwrap_or_default();
        let length = parts.next().ok_or_else(|| form(text))?;
        let length = parse_duration(length).map_err(|e| format!("{text}: {e}"))?;
        let value = parts.next();
        let rate = |value: &str| rate(value).ok_or_else(|| form(text));
        let event = match (kind, value) {
            ("ramp", Some(value)) => {
                let (from, to) = value.split_once("..").ok_or_else(|| form(text))?;
                Event::Ramp(rate(from)?, rate(to)?)
            }
            ("hold", value) => Event::Hold(value.map(rate).transpose()?),
            ("spike", Some(value)) => Event::Spike(rate(value)?),
            ("churn", Some(value)) => Event::Churn(rate(value)?, Leaving::Reset),
            ("vanish", Some(value)) => Event::Churn(rate(value)?, Leaving::Any),
            ("reconnect-storm", None) => Event::ReconnectStorm,
            ("slow-readers", None) => Event::SlowReaders,
            _ => return Err(form(text)),
        };
        if length.is_zero() {
            return Err(format!("{text}: a stage has some length"));
        }
        Ok(Self {
            text: text.to_owned(),
            length,
            event,
        })
    }

    /// From how many publications a second to how many; `None` for the run's own rate.
    #[must_use]
    pub fn rates(&self) -> Option<(f64, f64)> {
        match self.event {
            Event::Ramp(from, to) => Some((from, to)),
            Event::Hold(rate) => rate.map(|rate| (rate, rate)),
            Event::Spike(rate) => Some((rate, rate)),
            Event::Churn(..) | Event::ReconnectStorm | Event::SlowReaders => None,
        }
    }

    /// Whether it needs a crowd.
    #[must_use]
    pub fn needs_crowd(&self) -> bool {
        matches!(self.event, Event::Churn(..) | Event::ReconnectStorm)
    }
}

/// What stages need: somebody to cut, somebody who stops to read, something that is held.
///
/// # Errors
/// Says which flag is missing or in the way.
pub fn check(stages: &[Stage], crowd: u32, slow: u32, is_polled: bool) -> Result<(), Failure> {
    let needs_crowd = stages.iter().find(|stage| stage.needs_crowd());
    if let Some(stage) = needs_crowd.filter(|_| crowd == 0) {
        return Err(Failure::usage(format!(
            "--stage {}: say how many leave and come back with --crowd K",
            stage.text
        )));
    }
    let slow_readers = stages
        .iter()
        .find(|stage| stage.event == Event::SlowReaders);
    if let Some(stage) = slow_readers.filter(|_| slow == 0) {
        return Err(Failure::usage(format!(
            "--stage {}: say how many stop to read with --slow-readers K",
            stage.text
        )));
    }
    if needs_crowd.is_some() && is_polled {
        return Err(Failure::usage(
            "--stage: between polls nothing is held that could be cut, leave poll out",
        ));
    }
    if stages.len() > STAGES_MAX {
        return Err(Failure::usage("--stage: at most 100 stages"));
    }
    Ok(())
}

fn form(text: &str) -> String {
    format!(
        "{text}: a stage is ramp:10s:5..50, hold:10s, hold:10s:20, spike:2s:200, churn:10s:100, \
         vanish:10s:100, reconnect-storm:10s or slow-readers:10s"
    )
}

fn rate(text: &str) -> Option<f64> {
    let rate: f64 = text.parse().ok()?;
    (rate.is_finite() && rate > 0.0 && rate <= 1e9).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read() {
        let check = |text: &str, seconds: u64, event: Event| {
            let stage = Stage::parse(text).expect(text);
            assert_eq!(stage.length, Duration::from_secs(seconds), "{text}");
            assert_eq!(stage.event, event, "{text}");
        };
        check("ramp:10s:5..50", 10, Event::Ramp(5.0, 50.0));
        check("hold:1m", 60, Event::Hold(None));
        check("hold:3s:2.5", 3, Event::Hold(Some(2.5)));
        check("spike:2s:200", 2, Event::Spike(200.0));
        check("churn:10s:100", 10, Event::Churn(100.0, Leaving::Reset));
        check("vanish:10s:100", 10, Event::Churn(100.0, Leaving::Any));
        check("reconnect-storm:5s", 5, Event::ReconnectStorm);
        check("slow-readers:5s", 5, Event::SlowReaders);
        let ramp = Stage::parse("ramp:10s:5..50").expect("a stage");
        assert_eq!(
            (ramp.rates(), ramp.needs_crowd()),
            (Some((5.0, 50.0)), false)
        );
    }

    #[test]
    fn what_is_no_stage_says_what_is() {
        for text in [
            "ramp:10s",
            "ramp:10s:5",
            "ramp:10s:0..5",
            "hold",
            "hold:0s",
            "spike:2s",
            "churn:1s:x",
            "rest:5s",
            "slow-readers:5s:3",
        ] {
            let why = Stage::parse(text).expect_err(text);
            assert!(why.contains("stage"), "{why}");
        }
        assert!(Stage::parse("hold:10").is_err(), "a time has its unit");
    }
}
