//! In which part of a round the traffic of each arm counts, and what it was then.
//!
//! TCP keeps its own counts for each connection, so both ends of a window are a look at all
//! connections of the arm. A look takes half a microsecond, and thousands of them at once would
//! hold up what is measured: they are spread over turns.

use std::time::Duration;

use altavoz::base::Time;
use altavoz::io::Driver;

use crate::base::num::between;
use crate::measure::traffic::{Tally, Traffic};

use super::connection::{ClientId, Connection, ConnectionState};

/// Connections that are looked at in one turn.
const LOOKS_PER_TURN_MAX: usize = 256;

/// The traffic of all arms of a worker.
#[derive(Debug)]
pub struct Windows {
    /// What was counted so far, and what TCP had counted on connections that are over.
    running: Vec<Traffic>,
    windows: Vec<Window>,
    sweep: Option<WindowSweep>,
}

#[derive(Clone, Debug, Default)]
enum Window {
    /// There is none.
    #[default]
    Shut,
    /// It begins at a moment, and ends at another.
    Waiting { from: Time, to: Time },
    /// It began with these numbers.
    Open { from: Time, to: Time, base: Traffic },
    /// It is over: how long it was, and what it brought.
    Over(u64, Traffic),
}

/// One look at all connections of some arms.
#[derive(Debug)]
struct WindowSweep {
    begun: Time,
    next: usize,
    /// By arm, what was counted when the look began, and what TCP says since; `None` for others.
    found: Vec<Option<Traffic>>,
}

impl Windows {
    /// All shut.
    #[must_use]
    pub fn new(arms: usize) -> Self {
        Self {
            running: vec![Traffic::default(); arms],
            windows: vec![Window::default(); arms],
            sweep: None,
        }
    }

    /// The numbers of an arm.
    pub fn running(&mut self, arm: u8) -> &mut Traffic {
        &mut self.running[usize::from(arm)]
    }

    /// Opens all windows now, for as long as nothing else is said.
    pub fn open(&mut self, now: Time, conns: &[Connection], driver: &impl Driver) {
        let (from, to) = (now, Time::NEVER);
        self.windows.fill(Window::Waiting { from, to });
        self.begin_sweep(now);
        self.finish_sweep(conns, driver);
    }

    /// Says when all windows begin and end. One that begins later opens again then.
    pub fn set(&mut self, begin: Time, end: Time) {
        for window in &mut self.windows {
            match window {
                Window::Open { from, to, .. } if begin.since(*from) < SHORT => {
                    (*from, *to) = (begin, end);
                }
                _ => {
                    let (from, to) = (begin, end);
                    *window = Window::Waiting { from, to };
                }
            }
        }
    }

    /// Begins and ends what is due.
    pub fn advance(&mut self, now: Time, conns: &[Connection], driver: &impl Driver) {
        if self.sweep.is_none() && self.windows.iter().any(|window| window.is_due(now)) {
            self.begin_sweep(now);
        }
        self.look(conns, driver);
    }

    /// Nothing more is published: whatever is open ends now.
    pub fn end(&mut self, now: Time) {
        for window in &mut self.windows {
            if let Window::Open { to, .. } | Window::Waiting { to, .. } = window {
                *to = now.min(*to);
            }
        }
    }

    /// Whether a look is under way.
    #[must_use]
    pub fn is_sweeping(&self) -> bool {
        self.sweep.is_some()
    }

    /// Ends all windows, and gives back for each arm how long it was and what it brought.
    pub fn close(
        &mut self,
        now: Time,
        conns: &[Connection],
        driver: &impl Driver,
    ) -> Vec<(u64, Traffic)> {
        self.finish_sweep(conns, driver);
        self.end(now);
        if self.windows.iter().any(|window| window.is_due(now)) {
            self.begin_sweep(now);
            self.finish_sweep(conns, driver);
        }
        let windows = self.windows.iter_mut().map(std::mem::take);
        let taken = windows.map(|window| match window {
            Window::Over(nanos, traffic) => (nanos, traffic),
            Window::Shut | Window::Waiting { .. } | Window::Open { .. } => Default::default(),
        });
        taken.collect()
    }

    fn begin_sweep(&mut self, now: Time) {
        let arms = self.windows.iter().zip(&self.running);
        let found = arms.map(|(window, running)| window.is_due(now).then(|| running.clone()));
        self.sweep = Some(WindowSweep {
            begun: now,
            next: 0,
            found: found.collect(),
        });
    }

    fn finish_sweep(&mut self, conns: &[Connection], driver: &impl Driver) {
        while self.sweep.is_some() {
            self.look(conns, driver);
        }
    }

    /// Looks at a turn's worth of connections.
    fn look(&mut self, conns: &[Connection], driver: &impl Driver) {
        let Some(sweep) = &mut self.sweep else {
            return;
        };
        let end = conns.len().min(sweep.next + LOOKS_PER_TURN_MAX);
        for (place, conn) in conns.iter().enumerate().take(end).skip(sweep.next) {
            let has_socket = !matches!(
                conn.state,
                ConnectionState::Idle | ConnectionState::Connecting
            );
            let is_wanted = conn.kind.is_counted() && has_socket && !conn.is_seen;
            if let Some(found) = &mut sweep.found[usize::from(conn.arm)]
                && is_wanted
                && let Some(tcp) = driver.tcp_counters(conn.id(ClientId::at(place)))
            {
                found.add_tcp(&tcp);
            }
        }
        sweep.next = end;
        if end == conns.len()
            && let Some(sweep) = self.sweep.take()
        {
            for (window, found) in self.windows.iter_mut().zip(sweep.found) {
                if let Some(found) = found {
                    *window = std::mem::take(window).next(found, sweep.begun);
                }
            }
        }
    }
}

/// A window that begins so soon after it was opened needs no second look: between
/// the order to publish and the first publication nothing happens.
const SHORT: Duration = Duration::from_millis(100);

impl Window {
    fn is_due(&self, now: Time) -> bool {
        match self {
            Self::Shut | Self::Over(..) => false,
            Self::Waiting { from, .. } => *from <= now,
            Self::Open { to, .. } => *to <= now,
        }
    }

    /// What a look at `now` makes of it.
    fn next(self, found: Traffic, now: Time) -> Self {
        match self {
            Self::Waiting { from, to } => Self::Open {
                from: from.max(now),
                to,
                base: found,
            },
            Self::Open { from, base, .. } => Self::Over(between(from, now), found.since(&base)),
            Self::Shut | Self::Over(..) => self,
        }
    }
}

/// Enters what TCP counted on a connection that is about to end, once.
pub fn note_end(
    windows: &mut Windows,
    conn: &mut Connection,
    client: ClientId,
    driver: &impl Driver,
) {
    if conn.is_seen || !conn.kind.is_counted() {
        return;
    }
    if let Some(tcp) = driver.tcp_counters(conn.id(client)) {
        conn.is_seen = true;
        windows.running(conn.arm).add_tcp(&tcp);
    }
}

/// Enters that a connection is over; one that was not looked at before is not known.
pub fn note_gone(windows: &mut Windows, conn: &Connection) {
    let had_socket = !matches!(
        conn.state,
        ConnectionState::Idle | ConnectionState::Connecting
    );
    if conn.kind.is_counted() && had_socket && !conn.is_seen {
        windows.running(conn.arm).add(Tally::Unseen, 1);
    }
}

#[cfg(test)]
mod tests {
    use altavoz::io::{EpollDriver, EpollOptions};

    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn counted(windows: &[(u64, Traffic)]) -> Vec<(u64, u64)> {
        let of = |(nanos, traffic): &(u64, Traffic)| (*nanos, traffic.of(Tally::Requests));
        windows.iter().map(of).collect()
    }

    #[test]
    fn arms_count_from_the_common_moment_to_the_common_end() {
        let driver = EpollDriver::new(EpollOptions::default()).expect("a driver");
        let second = 1_000_000_000;
        let mut windows = Windows::new(2);
        let request = |windows: &mut Windows, arm: u8| {
            windows.running(arm).add(Tally::Requests, 1);
        };
        request(&mut windows, 0);
        windows.open(Time::ZERO, &[], &driver);
        windows.set(at(2 * second), at(5 * second));
        for moment in 1..=7 {
            windows.advance(at(moment * second), &[], &driver);
            request(&mut windows, 0);
            if moment % 2 == 0 {
                request(&mut windows, 1);
            }
        }
        // The requests of seconds 2, 3 and 4, and of seconds 2 and 4.
        let found = windows.close(at(8 * second), &[], &driver);
        assert_eq!(counted(&found), [(3 * second, 3), (3 * second, 2)]);
    }

    #[test]
    fn a_window_that_is_cut_short_counts_what_there_was() {
        let driver = EpollDriver::new(EpollOptions::default()).expect("a driver");
        let mut windows = Windows::new(1);
        windows.open(Time::ZERO, &[], &driver);
        windows.set(at(0), at(2_000_000_000));
        windows.running(0).add(Tally::Requests, 1);
        windows.end(at(700_000_000));
        let found = windows.close(at(800_000_000), &[], &driver);
        assert_eq!(counted(&found), [(800_000_000, 1)]);
    }

    #[test]
    fn a_window_that_never_began_counts_nothing() {
        let driver = EpollDriver::new(EpollOptions::default()).expect("a driver");
        let mut windows = Windows::new(1);
        windows.open(Time::ZERO, &[], &driver);
        windows.set(at(900_000_000), at(2_000_000_000));
        windows.running(0).add(Tally::Requests, 1);
        windows.end(at(700_000_000));
        let found = windows.close(at(800_000_000), &[], &driver);
        assert_eq!(counted(&found), [(0, 0)]);
    }
}
