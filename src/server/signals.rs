//! Signals, on a thread of their own, as messages to the main thread.
//!
//! All that a process would end by and that supervisors, log rotation and terminals send is heard,
//! also as process 1 of a container, where nothing but `SIGKILL` works by itself. What the main
//! thread makes of each is in docs/operations.md.

use std::io;
use std::thread;

use crossbeam_channel::Sender;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::happening::Happening;

/// Reports every signal.
pub(super) fn watch(tell: Sender<Happening>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ])?;
    let forward = move || {
        for signal in signals.forever() {
            let told = happening(signal).map_or(Ok(()), |happening| tell.send(happening));
            if told.is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(forward)?;
    Ok(())
}

fn happening(signal: i32) -> Option<Happening> {
    match signal {
        SIGTERM | SIGINT | SIGQUIT => Some(Happening::Asked),
        SIGHUP => Some(Happening::HungUp),
        SIGUSR1 => Some(Happening::Ignored("SIGUSR1")),
        SIGUSR2 => Some(Happening::Ignored("SIGUSR2")),
        // A log file is as long as it may be: a line about that would be one line more.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_that_would_end_a_process_has_its_meaning() {
        for signal in [SIGTERM, SIGINT, SIGQUIT] {
            assert!(matches!(happening(signal), Some(Happening::Asked)));
        }
        assert!(matches!(happening(SIGHUP), Some(Happening::HungUp)));
        for signal in [SIGUSR1, SIGUSR2] {
            assert!(matches!(happening(signal), Some(Happening::Ignored(_))));
        }
        assert!(happening(SIGXFSZ).is_none());
    }
}
