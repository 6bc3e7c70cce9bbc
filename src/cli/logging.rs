//! Log lines: events with fields, on standard error.
//!
//! A thread of its own writes them, since a pipe that nobody reads would stop an event loop. What
//! it cannot keep up with is dropped, and the metrics still count what happened.
//!
//! Nothing here knows a key or a token; who logs a request leaves its query and its
//! `Authorization` out.

use std::io::{self, IsTerminal};
use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::config::{LogFormat, LogLevel};
use crate::server::THREAD_LIMIT;

/// Lines that wait to be written; further ones are dropped.
const LINES_WAITING_MAX: usize = 16 * 1024;

/// Starts to write log lines, for as long as the guard is kept; a second call changes nothing.
///
/// # Errors
/// When the system gives no thread for it.
pub fn start(format: LogFormat, level: LogLevel) -> Result<WorkerGuard, String> {
    let (writer, guard) = writer()?;
    let lines = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(filter(level));
    // An error says that somebody else already listens, as a test or an embedding program may.
    let _ = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(guard)
}

/// The library panics where it gets no thread; that is the operator's business, not a mistake of
/// ours, so it becomes a message and its own words are not shown.
fn writer() -> Result<(NonBlocking, WorkerGuard), String> {
    let builder = NonBlockingBuilder::default().lossy(true);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let made = panic::catch_unwind(|| {
        builder
            .buffered_lines_limit(LINES_WAITING_MAX)
            .finish(io::stderr())
    });
    panic::set_hook(hook);
    made.map_err(|_| format!("cannot start the thread that writes log lines{THREAD_LIMIT}"))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
