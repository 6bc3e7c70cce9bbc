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

use super::event::NodeEvent;

/// Reports every signal.
pub(super) fn watch(tell: Sender<NodeEvent>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ])?;
    let forward = move || {
        for signal in signals.forever() {
            let told = event(signal).map_or(Ok(()), |event| tell.send(event));
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

fn event(signal: i32) -> Option<NodeEvent> {
    match signal {
        SIGTERM | SIGINT | SIGQUIT => Some(NodeEvent::Asked),
        SIGHUP => Some(NodeEvent::HungUp),
        SIGUSR1 => Some(NodeEvent::Ignored("SIGUSR1")),
        SIGUSR2 => Some(NodeEvent::Ignored("SIGUSR2")),
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
            assert!(matches!(event(signal), Some(NodeEvent::Asked)));
        }
        assert!(matches!(event(SIGHUP), Some(NodeEvent::HungUp)));
        for signal in [SIGUSR1, SIGUSR2] {
            assert!(matches!(event(signal), Some(NodeEvent::Ignored(_))));
        }
        assert!(event(SIGXFSZ).is_none());
    }
}
