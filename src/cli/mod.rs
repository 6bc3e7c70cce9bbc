//! The command line of the node: what was asked for, who does it, and the exit code.
//!
//! Owns the process's arguments, environment, standard streams and logs. What settings there are
//! is `config`'s; what the node does is `server`'s.

pub mod banner;
pub mod check;
pub mod doctor;
pub mod flags;
pub mod host;
pub mod logging;
pub mod table;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{BoundListener, Config, ConfigError, DriverChoice, Plan};
use crate::server::{self, ServeError};
use flags::Flags;
use host::Host;

/// It ran, was asked to stop and drained.
pub const EXIT_OK: u8 = 0;
/// It failed while it ran, or a second signal cut the drain.
pub const EXIT_RUN: u8 = 1;
/// Usage, configuration, or it could not start.
pub const EXIT_START: u8 = 2;

/// A high-concurrency WebSocket broadcast engine: one publish reaches every subscriber.
///
/// Without a command it serves. Every flag is also a variable of the environment
/// (--max-connections is ALTAVOZ_MAX_CONNECTIONS) and a key of the file (max_connections);
/// flags win over the environment, and the environment over the file.
#[derive(Parser)]
#[command(name = "altavoz", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the node.
    Serve(Flags),
    /// Reads the configuration and says what the node would do, or what is wrong and where.
    Check(Flags),
    /// Compares the limits of this host with what the node needs, and says how to lift them.
    Doctor(Flags),
}

/// The program: arguments and environment of the process in, exit code out.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

/// The program with these arguments, the first of which is its name, and the environment of the
/// process; gives back the exit code.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    run_in(arguments, &environment())
}

/// The definition of the command line, for its documents and their tests.
#[must_use]
pub fn command() -> clap::Command {
    CommandLine::command()
}

fn run_in(arguments: impl Iterator<Item = OsString>, environment: &[(String, String)]) -> u8 {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(told) => return told_by_clap(&told),
    };
    let (command, own) = match line.command {
        None => (
            serve as fn(&Config) -> Result<u8, ConfigError>,
            Flags::default(),
        ),
        Some(Command::Serve(own)) => (serve as _, own),
        Some(Command::Check(own)) => (check as _, own),
        Some(Command::Doctor(own)) => (doctor as _, own),
    };
    let config = line.flags.over_by(own).load(environment);
    match config.and_then(|config| command(&config)) {
        Ok(code) => code,
        Err(error) => complain(&error.to_string(), EXIT_START),
    }
}

/// Help and version are no errors, and go to standard output.
fn told_by_clap(told: &clap::Error) -> u8 {
    // Nobody is left to tell if the stream is closed.
    let _ = told.print();
    u8::try_from(told.exit_code()).unwrap_or(EXIT_START)
}

fn serve(config: &Config) -> Result<u8, ConfigError> {
    let plan = config.plan(&host(config).facts())?;
    let _lines = match logging::start(plan.log_format, plan.log_level) {
        Ok(lines) => lines,
        Err(message) => return Ok(complain(&message, EXIT_START)),
    };
    let shown = plan.clone();
    Ok(match server::serve(plan, |bound| announce(&shown, bound)) {
        Ok(()) => EXIT_OK,
        Err(ServeError::Start(message)) => complain(&message, EXIT_START),
        Err(ServeError::Run(message)) => complain(&message, EXIT_RUN),
    })
}

/// This host; whether io_uring works is tried only for who asks for it.
fn host(config: &Config) -> Host {
    let host = Host::read();
    if config.driver == DriverChoice::Uring {
        host.try_uring()
    } else {
        host
    }
}

fn announce(plan: &Plan, bound: &[BoundListener]) {
    print(&banner::text(plan, bound));
}

fn check(config: &Config) -> Result<u8, ConfigError> {
    let plan = config.plan(&host(config).facts())?;
    print(&check::report(config, &plan));
    Ok(EXIT_OK)
}

#[expect(clippy::unnecessary_wraps, reason = "one signature for all commands")]
fn doctor(config: &Config) -> Result<u8, ConfigError> {
    print(&doctor::report(config, &Host::read().try_uring()));
    Ok(EXIT_OK)
}

fn complain(message: &str, code: u8) -> u8 {
    // Nobody is left to tell if the stream is closed.
    let _ = writeln!(io::stderr(), "altavoz: {message}");
    code
}

/// Programs that wait for the first line read it through a pipe, so it is flushed at once.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    // A closed pipe is no reason for the node to stop.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The environment as text; what is not UTF-8 cannot be right for a setting, and says so there.
fn environment() -> Vec<(String, String)> {
    let lossy = |text: OsString| text.to_string_lossy().into_owned();
    std::env::vars_os()
        .map(|(name, value)| (lossy(name), lossy(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
