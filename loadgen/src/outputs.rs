//! Where results go: text for people, and the files that were asked for.

use std::fs;
use std::io::{Read, Write};

use crate::comparison::{self, Comparison};
use crate::failure::{EXIT_LIMITED, EXIT_THRESHOLD, Failure};
use crate::options::OutputOptions;
use crate::report::{self, Report};
use crate::thresholds::{Figures, Outcome, Threshold};

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Where a result goes, checked before the run.
#[derive(Debug)]
pub struct Outputs<'a> {
    options: &'a OutputOptions,
    thresholds: Vec<Threshold>,
}

impl<'a> Outputs<'a> {
    /// Checks the options, for a result with these arms.
    ///
    /// # Errors
    /// When two of them want standard output, or a threshold is none.
    pub fn new(options: &'a OutputOptions, arms: &[String]) -> Result<Self, Failure> {
        let files = [&options.json, &options.html, &options.hlog, &options.hgrm];
        let standard = files.iter().filter(|f| f.as_deref() == Some("-")).count();
        if standard > 1 {
            return Err(Failure::usage(
                "only one of --json, --html, --hlog and --hgrm can be -",
            ));
        }
        let arms: Vec<&str> = arms.iter().map(String::as_str).collect();
        let thresholds = options.fail.iter();
        let thresholds = thresholds.map(|text| Threshold::parse(text, &arms));
        let thresholds = thresholds.collect::<Result<_, _>>();
        Ok(Self {
            options,
            thresholds: thresholds.map_err(|e| Failure::usage(format!("--fail {e}")))?,
        })
    }

    /// Writes the report of a run; the exit code.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn run(&self, mut report: Report) -> Result<u8, Failure> {
        report.thresholds = self.judge(&report);
        self.text(&report::text::text(&report))?;
        let options = self.options;
        write_wanted(&options.json, || report.json())?;
        write_wanted(&options.html, || report::page::page(&report).html())?;
        write_wanted(&options.hlog, || report.hlog())?;
        write_wanted(&options.hgrm, || {
            report::hgrm::hgrm(report.main_histogram())
        })?;
        Ok(self.exit_code(&report.limits, &report.thresholds))
    }

    /// Writes a comparison; the exit code.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn comparison(&self, mut comparison: Comparison) -> Result<u8, Failure> {
        comparison.thresholds = self.judge(&comparison);
        self.text(&comparison::text::text(&comparison))?;
        let options = self.options;
        write_wanted(&options.json, || comparison.json())?;
        write_wanted(&options.html, || comparison::page::page(&comparison).html())?;
        write_wanted(&options.hlog, || comparison::logs::hlog(&comparison))?;
        if let Some(file) = &options.hgrm {
            for (name, text) in comparison::logs::hgrms(&comparison) {
                write_file(&beside(file, &name), &text)?;
            }
        }
        Ok(self.exit_code(&comparison.limits, &comparison.thresholds))
    }

    /// Writes anything else that has a text and a JSON; the exit code.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn plain(&self, text: &str, json: &str, limits: &[String]) -> Result<u8, Failure> {
        self.text(text)?;
        write_wanted(&self.options.json, || json.to_owned())?;
        Ok(self.exit_code(limits, &[]))
    }

    fn judge(&self, figures: &impl Figures) -> Vec<Outcome> {
        self.thresholds.iter().map(|t| t.judge(figures)).collect()
    }

    /// The text goes to standard output, or aside if something else is wanted there.
    fn text(&self, text: &str) -> Result<(), Failure> {
        let options = self.options;
        let files = [&options.json, &options.html, &options.hlog, &options.hgrm];
        let is_taken = files.iter().any(|f| f.as_deref() == Some("-"));
        match (is_taken, options.quiet) {
            (false, _) => print(text)?,
            (true, false) => drop(std::io::stderr().write_all(text.as_bytes())),
            (true, true) => {}
        }
        Ok(())
    }

    /// An invalid test comes before a failed one: its thresholds say nothing.
    fn exit_code(&self, limits: &[String], outcomes: &[Outcome]) -> u8 {
        let is_strict = self.options.strict || !self.thresholds.is_empty();
        if is_strict && !limits.is_empty() {
            EXIT_LIMITED
        } else if outcomes.iter().any(|outcome| !outcome.passed) {
            EXIT_THRESHOLD
        } else {
            0
        }
    }
}

/// Reads a result.
///
/// # Errors
/// When the file cannot be read.
pub fn read_file(path: &str) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::usage(format!("{path}: {e}"));
    let mut text = String::new();
    if path == "-" {
        let input = std::io::stdin().lock();
        input
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(failed)?;
        return Ok(text);
    }
    let file = fs::File::open(path).map_err(failed)?;
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

/// Flags whose value is nobody's business.
const SECRETS: &[&str] = &["--token", "--header", "--on-open"];

/// A command line for a report: without the program's folder, and without keys.
#[must_use]
pub fn public_line(words: &[String]) -> String {
    let mut public = vec!["loadgen".to_owned()];
    let mut is_secret = false;
    for word in words.iter().skip(1) {
        let (flag, value) = word.split_once('=').unwrap_or((word, ""));
        let names_one = SECRETS.contains(&flag);
        public.push(if std::mem::take(&mut is_secret) {
            "...".to_owned()
        } else if names_one && !value.is_empty() {
            format!("{flag}=...")
        } else {
            // A URL's query may hold a token.
            word.split('?').next().unwrap_or(word).to_owned()
        });
        is_secret = names_one && value.is_empty();
    }
    public.join(" ")
}

/// Writes to standard output.
///
/// # Errors
/// When that fails, unless whoever reads it has enough.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| Failure::usage(format!("standard output: {e}"))),
    }
}

/// Makes and writes what is wanted.
fn write_wanted(file: &Option<String>, make: impl FnOnce() -> String) -> Result<(), Failure> {
    match file {
        Some(file) => write_file(file, &make()),
        None => Ok(()),
    }
}

fn write_file(file: &str, text: &str) -> Result<(), Failure> {
    match file {
        "-" => print(text),
        path => fs::write(path, text).map_err(|e| Failure::usage(format!("{path}: {e}"))),
    }
}

/// A file's name with more in it: `out.hgrm` and `1-ws` make `out-1-ws.hgrm`.
fn beside(file: &str, name: &str) -> String {
    match file.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && !end.contains('/') => {
            format!("{stem}-{name}.{end}")
        }
        _ => format!("{file}-{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_a_report_has_no_keys() {
        let words =
            "/usr/bin/loadgen compare --token abc --header=X:secret --target ws://h?token=x";
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let line = public_line(&words);
        assert_eq!(
            line,
            "loadgen compare --token ... --header=... --target ws://h"
        );
    }

    #[test]
    fn several_files_of_one_name_stand_beside_each_other() {
        assert_eq!(beside("out.hgrm", "1-ws"), "out-1-ws.hgrm");
        assert_eq!(beside("a.b/out", "1-ws"), "a.b/out-1-ws");
        assert_eq!(beside("out", "1-ws"), "out-1-ws");
    }
}
