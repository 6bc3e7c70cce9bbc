//! SIGTERM and SIGINT, on a thread of their own, as messages to the main thread.

use std::io;
use std::thread;

use crossbeam_channel::Sender;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::Happening;

/// Reports every further request to stop.
pub(super) fn watch(tell: Sender<Happening>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let forward = move || {
        for _ in signals.forever() {
            if tell.send(Happening::Asked).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(forward)?;
    Ok(())
}
