//! Wakes the event loop when publications are due.
//!
//! A thread of its own, since epoll waits in whole milliseconds and a publication must not be
//! late by one. It sleeps to absolute moments, so it does not drift, and sends nothing itself.

use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use altavoz::base::{Time, clock};
use altavoz::io::Wake;
use rustix::thread::{Timespec, clock_nanosleep_absolute};
use rustix::time::ClockId;

use crate::schedule::Schedule;

/// The shortest time from one beat to the next. Five thousand wake-ups a second are a twentieth
/// of a core; above that rate, publications leave in groups, each with its own intended moment.
const BEAT_MIN: Duration = Duration::from_micros(200);

/// A thread that beats.
#[derive(Debug)]
pub struct Metronome {
    rounds: Sender<Schedule>,
}

impl Metronome {
    /// Starts it; it is silent until a round begins and ends with its handle.
    #[must_use]
    pub fn start(waker: Box<dyn Wake>) -> Self {
        let (rounds, begun) = channel::<Schedule>();
        thread::spawn(move || {
            let mut next_round = begun.recv().ok();
            while let Some(mut schedule) = next_round.take() {
                let mut soonest = Time::ZERO;
                while let Some(at) = schedule.next_at() {
                    // A newer round replaces this one, and no handle is the end.
                    match begun.try_recv() {
                        Ok(round) => next_round = Some(round),
                        Err(TryRecvError::Disconnected) => return,
                        Err(TryRecvError::Empty) => {}
                    }
                    if next_round.is_some() {
                        break;
                    }
                    let beat = at.max(soonest);
                    sleep_until(beat);
                    waker.wake();
                    soonest = beat + BEAT_MIN;
                    // What has become due meanwhile is served by this beat.
                    while schedule.poll_due(clock::now()).is_some() {}
                }
                next_round = next_round.or_else(|| begun.recv().ok());
            }
        });
        Self { rounds }
    }

    /// Beats at the moments of a timetable.
    pub fn beat_at(&self, schedule: Schedule) {
        // The thread only ends with this handle.
        let _ = self.rounds.send(schedule);
    }
}

fn sleep_until(at: Time) {
    let nanos = at.as_nanos();
    let at = Timespec {
        tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
    };
    // Interrupted is early, and the loop looks at its timetable anyway.
    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &at);
}
