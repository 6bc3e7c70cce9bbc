//! The load generator for push servers: delivery latency, fan-out, connections, by every
//! transport.
//!
//! ```text
//!  options -> plan -> run/{fanout,connect} -> crew ==lines==> worker (a process each)
//!              arms                             |               core: clients, one driver
//!                                            sample, live         frames, readers, rota
//!                                               |               meter: stamp -> ledger, histograms
//!                                               |               windows: traffic of each arm
//!                                               |               publisher: schedule -> stamp
//!                  report/{arms,text,hgrm,hlog} <- rounds, joined without loss
//!                           thresholds -> exit code
//! ```
//!
//! - An arm is the clients of one transport, or of one polling interval. All arms of a run read
//!   the same publications at the same time, and each has figures of its own.
//! - A worker is one process with one event loop over the same `Driver` as the node. It measures
//!   passively: a publication carries its run, round, stream, sequence number and moments
//!   ([`stamp`]), so any process of the host can receive it.
//! - The coordinator starts workers, tells them what begins when ([`protocol`]), samples the
//!   server from `/proc`, and joins what they measured.
//! - The server is named by `--target`, or is this program again as `loadgen node` ([`node`]).
//!
//! The library exists for its tests; the interface is the command line.

use std::fs;
use std::io::Write;

use crate::failure::{EXIT_LIMITED, EXIT_THRESHOLD, Failure};
use crate::options::{Cli, Command, OutputOptions, ReadingOptions};
use crate::report::Report;
use crate::thresholds::Threshold;

pub mod arms;
pub mod bare;
pub mod crew;
pub mod doctor;
pub mod failure;
pub mod ledger;
pub mod live;
pub mod message;
pub mod node;
pub mod num;
pub mod options;
pub mod paths;
pub mod plan;
pub mod protocol;
pub mod publications;
pub mod report;
pub mod run;
pub mod sample;
pub mod schedule;
pub mod sources;
pub mod stamp;
pub mod stats;
pub mod target;
pub mod thresholds;
pub mod traffic;
pub mod transport;
pub mod worker;

/// Does what the command line says; the exit code.
///
/// # Errors
/// When it could not be done.
pub fn main_of(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        Command::Fanout(options) => {
            let outputs = Outputs::new(&options.output, &options.reading)?;
            outputs.write(run::fanout::run(&options)?)
        }
        Command::Connect(options) => {
            let outputs = Outputs::new(&options.output, &options.reading)?;
            outputs.write(run::connect::run(&options)?)
        }
        Command::Doctor(options) => {
            let findings = doctor::examine(options.clients, doctor::raise_descriptors());
            print(&doctor::table(&findings))?;
            Ok(u8::from(findings.iter().any(|f| !f.enough)))
        }
        Command::Worker => {
            if let Err(why) = worker::run() {
                let notice = protocol::Notice::Failed(why);
                let line = serde_json::to_string(&notice).unwrap_or_default();
                print(&format!("{line}\n"))?;
            }
            Ok(0)
        }
        Command::Node(options) => Ok(node::run(&options)),
        Command::Bare(options) => bare::run(&options).map(|()| 0),
    }
}

/// Where a report goes, checked before the run.
struct Outputs<'a> {
    options: &'a OutputOptions,
    thresholds: Vec<Threshold>,
}

impl<'a> Outputs<'a> {
    fn new(options: &'a OutputOptions, reading: &ReadingOptions) -> Result<Self, Failure> {
        let files = [&options.json, &options.hlog, &options.hgrm];
        let standard = files.iter().filter(|f| f.as_deref() == Some("-")).count();
        if standard > 1 {
            return Err(Failure::usage(
                "only one of --json, --hlog and --hgrm can be -",
            ));
        }
        let arms = arms::arms(reading)?;
        let arms: Vec<_> = arms.iter().map(|arm| arm.name.as_str()).collect();
        let thresholds = options.fail.iter();
        let thresholds = thresholds.map(|text| Threshold::parse(text, &arms));
        let thresholds = thresholds.collect::<Result<_, _>>();
        Ok(Self {
            options,
            thresholds: thresholds.map_err(|e| Failure::usage(format!("--fail {e}")))?,
        })
    }

    fn write(&self, mut report: Report) -> Result<u8, Failure> {
        report.thresholds = self.thresholds.iter().map(|t| t.judge(&report)).collect();
        let options = self.options;
        let text = report::text::text(&report);
        let files = [
            (&options.json, report.json()),
            (&options.hlog, report.hlog()),
            (&options.hgrm, report::hgrm::hgrm(report.main_histogram())),
        ];
        let is_taken = files.iter().any(|(f, _)| f.as_deref() == Some("-"));
        match (is_taken, options.quiet) {
            (false, _) => print(&text)?,
            (true, false) => drop(std::io::stderr().write_all(text.as_bytes())),
            (true, true) => {}
        }
        for (file, text) in files {
            write_file(file.as_deref(), &text)?;
        }
        Ok(self.exit_code(&report))
    }

    /// An invalid test comes before a failed one: its thresholds say nothing.
    fn exit_code(&self, report: &Report) -> u8 {
        let is_strict = self.options.strict || !self.thresholds.is_empty();
        if is_strict && !report.limits.is_empty() {
            EXIT_LIMITED
        } else if report.thresholds.iter().any(|outcome| !outcome.passed) {
            EXIT_THRESHOLD
        } else {
            0
        }
    }
}

fn write_file(file: Option<&str>, text: &str) -> Result<(), Failure> {
    match file {
        None => Ok(()),
        Some("-") => print(text),
        Some(path) => fs::write(path, text).map_err(|e| Failure::usage(format!("{path}: {e}"))),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read the report has enough of it.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| Failure::usage(format!("standard output: {e}"))),
    }
}
