//! Wakes the event loop when publications are due.
//!
//! A thread of its own, since epoll waits in whole milliseconds and a publication must not be
//! late by one. It sleeps to absolute moments, so it does not drift, and sends nothing itself.

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use altavoz::base::{Time, clock};
use altavoz::io::Wake;
use rustix::thread::{Timespec, clock_nanosleep_absolute};
use rustix::time::ClockId;

use crate::num::nanos;
use crate::plan::Extent;

/// A thread that beats.
#[derive(Debug)]
pub struct Metronome {
    rounds: Sender<(Time, Time)>,
    beat: Duration,
}

impl Metronome {
    /// Starts it; it is silent until a round begins and ends with its handle.
    #[must_use]
    pub fn start(waker: Box<dyn Wake>, beat: Duration) -> Self {
        let (rounds, begun) = channel::<(Time, Time)>();
        thread::spawn(move || {
            let mut next_round = begun.recv().ok();
            while let Some((start, end)) = next_round.take() {
                let mut i = 0;
                loop {
                    let at = Time::from_nanos(start.as_nanos() + nanos(beat.mul_f64(f64::from(i))));
                    // A newer round replaces this one, and no handle is the end.
                    match begun.try_recv() {
                        Ok(round) => next_round = Some(round),
                        Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                        Err(std::sync::mpsc::TryRecvError::Empty) => {}
                    }
                    if at > end || next_round.is_some() {
                        break;
                    }
                    sleep_until(at);
                    waker.wake();
                    i = skip(i, start, beat);
                }
                next_round = next_round.or_else(|| begun.recv().ok());
            }
        });
        Self { rounds, beat }
    }

    /// Beats from `start` to the end of the round; what is late then is served as it can be.
    pub fn beat_from(&self, start: Time, extent: Extent) {
        let beats = self.beat.as_secs_f64() * (extent.messages as f64);
        let by_count = Duration::try_from_secs_f64(beats).unwrap_or(Duration::MAX);
        let length = by_count.min(Duration::from_nanos(extent.nanos));
        let end = start + length;
        // The thread only ends with this handle.
        let _ = self.rounds.send((start, end));
    }
}

/// The next beat; those that have passed meanwhile are left out.
fn skip(i: u32, start: Time, beat: Duration) -> u32 {
    let passed = clock::now().since(start).as_secs_f64() / beat.as_secs_f64();
    let passed = u32::try_from(crate::num::whole(passed.floor())).unwrap_or(u32::MAX);
    i.max(passed).saturating_add(1)
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
