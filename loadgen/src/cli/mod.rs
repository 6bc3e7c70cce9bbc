//! Which command does what, where results go, and exit codes.

mod outputs;

pub use self::outputs::public_line;

use self::outputs::{Outputs, print};
use crate::base::failure::{EXIT_THRESHOLD, Failure};
use crate::comparison::result::Comparison;
use crate::host::doctor;
use crate::host::files::read_file;
use crate::lines::Notice;
use crate::options::{Cli, Command, DiffOptions, ReportOptions};
use crate::plan::arms;
use crate::recording::Run;
use crate::report::whole::Report;
use crate::results::Results;
use crate::results::diff::{Diff, Verdict};
use crate::results::{self, merge};
use crate::run;
use crate::server::{bare, node};
use crate::worker::process;

/// Does what the command line says; the exit code. `line` is what was typed, for the report.
///
/// # Errors
/// When it could not be done.
pub fn main_of(cli: Cli, line: &str) -> Result<u8, Failure> {
    match cli.command {
        Command::Fanout(options) => {
            let outputs = Outputs::new(&options.output, &arms::names(&options.reading)?)?;
            outputs.run(run::fanout::run(&options)?)
        }
        Command::Connect(options) => {
            let outputs = Outputs::new(&options.output, &arms::names(&options.reading)?)?;
            outputs.run(run::connect::run(&options)?)
        }
        Command::Compare(mut options) => {
            let page = options.page_by_default();
            options.output.html = options.output.html.or_else(|| page.clone());
            let outputs = Outputs::new(&options.output, &run::compare::arms(&options))?;
            outputs.check_logs(run::compare::arms_in_all(&options))?;
            if !options.output.quiet {
                run::say(&run::compare::announcement(&options));
            }
            let exit = outputs.comparison(run::compare::run(&options, line)?)?;
            if let Some(page) = page {
                run::say(&format!("its page is in {page}"));
            }
            Ok(exit)
        }
        Command::Capacity(options) => {
            let outputs = Outputs::new(&options.load.output, &[])?;
            outputs.check_search()?;
            let capacity = run::capacity::run(&options, line)?;
            let exit = outputs.plain(&capacity.text(), &capacity.json(), &capacity.limits)?;
            Ok(if capacity.capacity.is_none() {
                EXIT_THRESHOLD
            } else {
                exit
            })
        }
        Command::Report(options) => again(&options),
        Command::Diff(options) => diff_of(&options),
        Command::Merge(options) => {
            let report = Report::new(merge::merge_files(&options.files)?);
            Outputs::new(&options.output, &report.arm_names())?.run(report)
        }
        Command::Doctor(options) => {
            let findings = doctor::examine(options.clients, doctor::raise_descriptors());
            print(&doctor::table(&findings))?;
            Ok(u8::from(findings.iter().any(|f| !f.enough)))
        }
        Command::Worker => {
            if let Err(why) = process::run() {
                let notice = Notice::Failed(why);
                let line = serde_json::to_string(&notice).unwrap_or_default();
                print(&format!("{line}\n"))?;
            }
            Ok(0)
        }
        Command::Node(options) => Ok(node::run(&options)),
        Command::Bare(options) => bare::run(&options).map(|()| 0),
    }
}

/// `loadgen report`: what the file holds decides what it is.
fn again(options: &ReportOptions) -> Result<u8, Failure> {
    let text = read_file(&options.file)?;
    let failed = |why: String| Failure::usage(format!("{}: {why}", options.file));
    match results::command_of(&text).map_err(failed)?.as_str() {
        "compare" => {
            let comparison = Comparison::parse(&text).map_err(failed)?;
            let outputs = Outputs::new(&options.output, &comparison.arm_names())?;
            outputs.check_logs(comparison.cells.iter().map(|cell| cell.arms.len()).sum())?;
            outputs.comparison(comparison)
        }
        _ => {
            let report = Report::new(Run::parse(&text).map_err(failed)?);
            Outputs::new(&options.output, &report.arm_names())?.run(report)
        }
    }
}

/// `loadgen diff`.
fn diff_of(options: &DiffOptions) -> Result<u8, Failure> {
    let read = |path: &str| {
        let results = Results::parse(&read_file(path)?);
        results.map_err(|why| Failure::usage(format!("{path}: {why}")))
    };
    let diff = Diff::new(&read(&options.first)?, &read(&options.second)?);
    print(&diff.text(options.all))?;
    let is_worse = diff.count(Verdict::Worse) > 0;
    Ok(if options.strict && is_worse {
        EXIT_THRESHOLD
    } else {
        0
    })
}
