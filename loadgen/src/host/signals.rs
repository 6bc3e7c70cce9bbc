//! Requests to stop: the first one ends a run with its report, a later one the program.
//!
//! They come by SIGINT and SIGTERM, and by SIGHUP when a terminal goes away, unless somebody
//! (`nohup`) had it ignored. The flag is one for the whole process, however many crews it has.

use std::fs;
use std::io;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use altavoz::base::clock;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::base::failure::Failure;

/// Within this time a second request is the first one again: `timeout` sends its signal to the
/// program and to its group.
const SAME_REQUEST: Duration = Duration::from_millis(100);

/// The exit code of a program that was asked to stop twice.
const EXIT_STOPPED: i32 = 130;

/// The flag that a request to stop sets.
///
/// # Errors
/// When signals cannot be watched.
pub(crate) fn stop() -> Result<Arc<AtomicBool>, Failure> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(stop) = STOP.get() {
        return Ok(Arc::clone(stop));
    }
    let stop = Arc::new(AtomicBool::new(false));
    watch(Arc::clone(&stop))
        .map_err(|e| Failure::usage(format!("cannot watch for signals: {e}")))?;
    Ok(Arc::clone(STOP.get_or_init(|| stop)))
}

fn watch(stop: Arc<AtomicBool>) -> io::Result<()> {
    let hangup = (!is_ignored(SIGHUP)).then_some(SIGHUP);
    let mut signals = Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup))?;
    let hear = move || {
        let mut first = None;
        for _ in signals.forever() {
            let now = clock::now();
            let is_later = now >= *first.get_or_insert(now) + SAME_REQUEST;
            if is_later {
                exit(EXIT_STOPPED);
            }
            // Relaxed: the flag says all there is to say.
            stop.store(true, Ordering::Relaxed);
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(hear)?;
    Ok(())
}

/// Whether whoever started this program had that signal ignored (proc(5): `SigIgn`).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status) >> (signal - 1) & 1 == 1
}

fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let digits = line.map(|digits| u64::from_str_radix(digits.trim(), 16));
    digits.and_then(Result::ok).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_stands_in_the_status_of_a_process() {
        let nohup = ignored("Name:\tx\nSigBlk:\t0\nSigIgn:\t0000000000001001\n");
        assert_eq!(nohup >> (SIGHUP - 1) & 1, 1);
        assert_eq!(nohup >> (SIGTERM - 1) & 1, 0);
        assert_eq!(ignored("nothing of that sort"), 0);
    }

    #[test]
    fn everybody_who_asks_gets_the_same_flag() {
        let (one, other) = (stop().unwrap(), stop().unwrap());
        assert!(Arc::ptr_eq(&one, &other));
        assert!(!one.load(Ordering::Relaxed));
    }
}
