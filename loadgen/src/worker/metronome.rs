//! Wakes the event loop when publications are due.
//!
//! A thread of its own, since epoll waits in whole milliseconds and a publication must not be
//! late by one. It waits for moments of its timetable, so it does not drift, and sends nothing itself.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use altavoz::base::{Time, clock};
use altavoz::io::Wake;

use crate::base::schedule::Schedule;

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
        let (rounds, begun) = channel();
        thread::spawn(move || run(&*waker, &begun));
        Self { rounds }
    }

    /// Beats at the moments of a timetable.
    pub fn beat_at(&self, schedule: Schedule) {
        // The thread only ends with this handle.
        let _ = self.rounds.send(schedule);
    }
}

/// Beats through one round after another until the handle is gone.
fn run(waker: &dyn Wake, begun: &Receiver<Schedule>) {
    let mut round = begun.recv().ok();
    while let Some(schedule) = round {
        round = match beat_through(waker, begun, schedule) {
            Err(RecvTimeoutError::Timeout) => begun.recv().ok(),
            Err(RecvTimeoutError::Disconnected) => None,
            Ok(newer) => Some(newer),
        };
    }
}

/// Beats through a round. A newer one replaces it at once, so that the first publication of a
/// round is not late by what was left of a beat of the round before.
fn beat_through(
    waker: &dyn Wake,
    begun: &Receiver<Schedule>,
    mut schedule: Schedule,
) -> Result<Schedule, RecvTimeoutError> {
    let mut soonest = Time::ZERO;
    while let Some(at) = schedule.next_at() {
        let beat = at.max(soonest);
        match begun.recv_timeout(beat.since(clock::now())) {
            Err(RecvTimeoutError::Timeout) => waker.wake(),
            over => return over,
        }
        soonest = beat + BEAT_MIN;
        // What has become due meanwhile is served by this beat.
        while schedule.poll_due(clock::now()).is_some() {}
    }
    Err(RecvTimeoutError::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Told(Sender<()>);

    impl Wake for Told {
        fn wake(&self) {
            // Nobody listens once the test is over.
            let _ = self.0.send(());
        }
    }

    #[test]
    fn a_newer_round_does_not_wait_for_a_beat_of_the_one_before() {
        let (told, heard) = channel();
        let minute = Duration::from_mins(1);
        let metronome = Metronome::start(Box::new(Told(told)));
        for _ in 0..3 {
            // One an hour, the first one now.
            metronome.beat_at(Schedule::new(clock::now(), 1.0 / 3600.0, 2));
            heard
                .recv_timeout(minute)
                .expect("the first beat of its round");
        }
        drop(metronome);
        // Its thread ends, and the waker with it.
        assert_eq!(
            heard.recv_timeout(minute),
            Err(RecvTimeoutError::Disconnected)
        );
    }
}
