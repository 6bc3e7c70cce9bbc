//! The arms of a run: which clients read how.
//!
//! Clients are dealt out like cards, so that all arms connect side by side and no arm is served
//! first. An arm knows its numbers only; paths and requests are in [`crate::plan`] and below
//! [`crate::worker`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::failure::Failure;
use crate::base::num::{id, nanos};
use crate::base::transport::Transport;
use crate::options::ReadingOptions;

/// The most arms of a run: what a connection has room to remember.
const ARMS_MAX: usize = 64;

/// The interval of polling if none is given.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(2);

/// The shortest interval: below it epoll's milliseconds show.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// The longest interval: a run must see at least one.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// What a node of ours takes for conflation.
const CONFLATE_MIN: Duration = Duration::from_millis(10);
const CONFLATE_MAX: Duration = Duration::from_secs(60);

/// The clients of one transport, or of one polling interval.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArmPlan {
    /// As reports call it.
    pub name: String,
    /// How its clients read.
    pub transport: Transport,
    /// From one poll to the next in nanoseconds; 0 where nothing is polled.
    pub interval: u64,
    /// At most one push in so many milliseconds.
    pub conflate_ms: Option<u64>,
}

impl ArmPlan {
    fn new(transport: Transport) -> Self {
        Self {
            name: transport.name().to_owned(),
            transport,
            interval: 0,
            conflate_ms: None,
        }
    }

    fn scheduled(transport: Transport, interval: Duration) -> Self {
        Self {
            name: format!("{}-{}", transport.name(), short(interval)),
            interval: nanos(interval),
            ..Self::new(transport)
        }
    }

    fn conflated(transport: Transport, interval: Duration) -> Self {
        let ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: format!("{}-per-{}", transport.name(), short(interval)),
            conflate_ms: Some(ms),
            ..Self::new(transport)
        }
    }

    /// How long after a publication its clients may hear of it by design, in nanoseconds.
    #[must_use]
    pub fn patience(&self) -> u64 {
        self.interval
            .max(self.conflate_ms.unwrap_or(0).saturating_mul(1_000_000))
    }
}

/// What the arms that the options ask for are called.
///
/// # Errors
/// As [`arms`].
pub fn names(options: &ReadingOptions) -> Result<Vec<String>, Failure> {
    Ok(arms(options)?.into_iter().map(|arm| arm.name).collect())
}

/// The arms that the options ask for, polling once for each interval.
///
/// # Errors
/// When something is there twice, or is for polling and nothing is polled.
pub fn arms(options: &ReadingOptions) -> Result<Vec<ArmPlan>, Failure> {
    check_doubles(options)?;
    let mut arms = Vec::new();
    for transport in options.transports.iter().copied() {
        if transport.is_scheduled() {
            let intervals = match &options.intervals[..] {
                [] => &[INTERVAL_DEFAULT],
                some => some,
            };
            let scheduled = |interval: &Duration| ArmPlan::scheduled(transport, *interval);
            arms.extend(intervals.iter().map(scheduled));
            continue;
        }
        arms.push(ArmPlan::new(transport));
        if transport.is_push() {
            let conflated = |interval: &Duration| ArmPlan::conflated(transport, *interval);
            arms.extend(options.conflate.iter().map(conflated));
        }
    }
    let has = |transport| options.transports.contains(&transport);
    let pushes = options.transports.iter().any(|t| t.is_push());
    let requests = has(Transport::Poll) || has(Transport::LongPoll);
    let misplaced = [
        (
            !options.intervals.is_empty() && !has(Transport::Poll) && !has(Transport::Ask),
            "--interval is for polling: add --transports poll",
        ),
        (
            !options.conflate.is_empty() && !pushes,
            "--conflate is for ws, sse and stream: add one of them to --transports",
        ),
        (
            options.newest && !has(Transport::Poll),
            "--newest is for polling: add --transports poll",
        ),
        (
            has(Transport::Ask) && options.transports.len() > 1,
            "--transports ask: it is measured alone, since nobody publishes to it",
        ),
        (
            options.longpoll_timeout.is_some() && !has(Transport::LongPoll),
            "--longpoll-timeout is for long polling: add --transports longpoll",
        ),
        (
            options.no_keep_alive && !requests,
            "--no-keep-alive is for poll and longpoll: add one of them to --transports",
        ),
        (
            options.etag && !requests,
            "--etag is for poll and longpoll: add one of them to --transports",
        ),
        (arms.len() > ARMS_MAX, "--interval: at most 64 arms"),
    ];
    match misplaced.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, why)) => Err(Failure::usage(*why)),
        None => Ok(arms),
    }
}

fn check_doubles(options: &ReadingOptions) -> Result<(), Failure> {
    let legal = CONFLATE_MIN..=CONFLATE_MAX;
    if let Some(wrong) = options.conflate.iter().find(|i| !legal.contains(*i)) {
        return Err(Failure::usage(format!(
            "--conflate {}: from 10ms to 60s",
            short(*wrong)
        )));
    }
    let mut conflate = options.conflate.clone();
    conflate.sort_unstable();
    if conflate.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Failure::usage("--conflate: name each one once"));
    }
    let legal = INTERVAL_MIN..=INTERVAL_MAX;
    if let Some(wrong) = options.intervals.iter().find(|it| !legal.contains(*it)) {
        return Err(Failure::usage(format!(
            "--interval {}: from 10ms to 1h",
            short(*wrong)
        )));
    }
    let mut transports = options.transports.clone();
    transports.sort_unstable();
    if transports.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Failure::usage("--transports: name each one once"));
    }
    let mut intervals = options.intervals.clone();
    intervals.sort_unstable();
    if intervals.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Failure::usage("--interval: name each one once"));
    }
    Ok(())
}

/// Where a client of a run stands among all: its arm, and its place in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Which arm.
    pub arm: u32,
    /// Which of the arm's clients.
    pub place: u32,
    /// How many clients the arm has.
    pub of: u32,
}

/// The seat of client number `client` of `clients`.
#[must_use]
pub fn seat(client: u32, clients: u32, arms: usize) -> Seat {
    let arms = id(arms).max(1);
    let arm = client % arms;
    Seat {
        arm,
        place: client / arms,
        of: size(arm, clients, arms),
    }
}

/// How many of `clients` are an arm's.
#[must_use]
pub fn size(arm: u32, clients: u32, arms: u32) -> u32 {
    clients.saturating_sub(arm).div_ceil(arms.max(1))
}

/// A time in the unit that makes it a whole number: `2s`, `250ms`.
#[must_use]
pub fn short(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.as_millis());
    if time == Duration::from_secs(seconds) {
        return format!("{seconds}s");
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::{Cli, Command};

    fn names(line: &str) -> Result<Vec<String>, String> {
        let words = ["loadgen", "fanout"].into_iter();
        let more = line.split(' ').filter(|word| !word.is_empty());
        match Cli::try_parse_from(words.chain(more)).expect(line).command {
            Command::Fanout(options) => match arms(&options.reading) {
                Ok(arms) => Ok(arms.into_iter().map(|arm| arm.name).collect()),
                Err(failure) => Err(failure.message),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_transport_is_an_arm_and_each_interval_another() {
        let check = |line: &str, expected: &[&str]| {
            let expected = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names(line), Ok(expected), "{line}");
        };
        check("", &["ws"]);
        check("--transports poll", &["poll-2s"]);
        check(
            "--transports ws,sse,longpoll,stream",
            &["ws", "sse", "longpoll", "stream"],
        );
        check(
            "--transports sse,poll --interval 10s --interval 1500ms",
            &["sse", "poll-10s", "poll-1500ms"],
        );
        check("--transports ask --interval 5s", &["ask-5s"]);
        check(
            "--transports ws,longpoll --conflate 2s --conflate 500ms",
            &["ws", "ws-per-2s", "ws-per-500ms", "longpoll"],
        );
    }

    #[test]
    fn what_does_not_fit_says_what_to_do() {
        let says = |line: &str, words: &str| {
            let message = names(line).expect_err(line);
            assert!(message.contains(words), "{line}: {message}");
        };
        says("--interval 2s", "--transports poll");
        says("--etag", "--transports");
        says("--no-keep-alive --transports sse", "longpoll");
        says("--longpoll-timeout 9s", "--transports longpoll");
        says("--transports ws,ws", "once");
        says("--transports poll --interval 2s --interval 2000ms", "once");
        says("--transports poll --interval 1ms", "from 10ms");
        says("--transports longpoll --conflate 2s", "for ws");
        says("--conflate 2m", "to 60s");
        says("--conflate 2s --conflate 2s", "once");
        says("--newest", "--transports poll");
        says("--transports ask,ws", "alone");
    }

    #[test]
    fn clients_are_dealt_out_evenly() {
        let seats: Vec<_> = (0..10).map(|client| seat(client, 10, 3)).collect();
        let (arm, place, of) = (0, 3, 4);
        assert_eq!(seats[9], Seat { arm, place, of });
        assert_eq!(
            seats[8],
            Seat {
                arm: 2,
                place: 2,
                of: 3
            }
        );
        for arm in 0..3 {
            let count = seats.iter().filter(|seat| seat.arm == arm).count();
            assert_eq!(id(count), size(arm, 10, 3));
        }
        assert_eq!(size(1, 1, 3), 0);
    }
}
