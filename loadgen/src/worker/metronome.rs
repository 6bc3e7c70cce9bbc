//! Wakes the event loop when publications are due.
//!
//! A thread of its own, since epoll waits in whole milliseconds and a publication must not be
//! late by one. It waits for moments of its timetable, so it does not drift, and sends nothing itself.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use altavoz::base::{Time, clock};
use altavoz::io::Wake;

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
        let (rounds, begun) = channel();
        thread::spawn(move || run(&*waker, beat, &begun));
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

/// Beats through one round after another until the handle is gone.
fn run(waker: &dyn Wake, beat: Duration, begun: &Receiver<(Time, Time)>) {
    let mut round = begun.recv().ok();
    while let Some((start, end)) = round {
        round = match beat_through(waker, beat, begun, (start, end)) {
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
    beat: Duration,
    begun: &Receiver<(Time, Time)>,
    (start, end): (Time, Time),
) -> Result<(Time, Time), RecvTimeoutError> {
    let mut i = 0;
    loop {
        let at = Time::from_nanos(start.as_nanos() + nanos(beat.mul_f64(f64::from(i))));
        if at > end {
            return Err(RecvTimeoutError::Timeout);
        }
        match begun.recv_timeout(at.since(clock::now())) {
            Err(RecvTimeoutError::Timeout) => waker.wake(),
            over => return over,
        }
        i = skip(i, start, beat);
    }
}

/// The next beat; those that have passed meanwhile are left out.
fn skip(i: u32, start: Time, beat: Duration) -> u32 {
    let passed = clock::now().since(start).as_secs_f64() / beat.as_secs_f64();
    let passed = u32::try_from(crate::num::whole(passed.floor())).unwrap_or(u32::MAX);
    i.max(passed).saturating_add(1)
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
        let hour = Duration::from_secs(3600);
        let metronome = Metronome::start(Box::new(Told(told)), hour);
        let extent = Extent::lasting(2 * hour);
        for _ in 0..3 {
            metronome.beat_from(clock::now(), extent);
            heard
                .recv_timeout(hour / 60)
                .expect("the first beat of its round");
        }
        drop(metronome);
        // Its thread ends, and the waker with it.
        assert_eq!(
            heard.recv_timeout(hour / 60),
            Err(RecvTimeoutError::Disconnected)
        );
    }
}
