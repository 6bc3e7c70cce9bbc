//! Where results go: text for people, and the files that were asked for.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::base::failure::{EXIT_LIMITED, EXIT_THRESHOLD, Failure};
use crate::comparison;
use crate::comparison::result::Comparison;
use crate::figures::metric::Figures;
use crate::figures::thresholds::{Outcome, Threshold};
use crate::options::OutputOptions;
use crate::report;
use crate::report::whole::Report;
use crate::show::hgrm;

/// Where a result goes, checked before the run.
#[derive(Debug)]
pub(super) struct Outputs<'a> {
    options: &'a OutputOptions,
    thresholds: Vec<Threshold>,
}

impl<'a> Outputs<'a> {
    /// Checks the options, for a result with these arms.
    ///
    /// # Errors
    /// When two of them want standard output, or a threshold is none.
    pub(super) fn new(options: &'a OutputOptions, arms: &[String]) -> Result<Self, Failure> {
        check_files(options)?;
        let arms: Vec<&str> = arms.iter().map(String::as_str).collect();
        let thresholds = options.fail.iter();
        let thresholds = thresholds.map(|text| Threshold::parse(text, &arms));
        let thresholds = thresholds.collect::<Result<_, _>>();
        Ok(Self {
            options,
            thresholds: thresholds.map_err(|e| Failure::usage(format!("--fail {e}")))?,
        })
    }

    /// Checks the options for a comparison of so many arms: each has a log of its own.
    ///
    /// # Errors
    /// When several logs would go to standard output.
    pub(super) fn check_logs(&self, arms: usize) -> Result<(), Failure> {
        let logs = [
            ("--hlog", &self.options.hlog),
            ("--hgrm", &self.options.hgrm),
        ];
        let stuck = logs.iter().find(|(_, file)| file.as_deref() == Some("-"));
        match stuck.filter(|_| arms > 1) {
            Some((flag, _)) => Err(Failure::usage(format!(
                "{flag} -: each of {arms} arms has a file of its own, name one: out.hlog becomes \
                 out-1-ws.hlog and so on"
            ))),
            None => Ok(()),
        }
    }

    /// Checks the options for a search, which has a text and a JSON.
    ///
    /// # Errors
    /// When there is one that it has no use for.
    pub(super) fn check_search(&self) -> Result<(), Failure> {
        let OutputOptions {
            html, hlog, hgrm, ..
        } = self.options;
        if [html, hlog, hgrm].iter().any(|file| file.is_some()) {
            return Err(Failure::usage(
                "capacity has a text and --json, and no --html, --hlog or --hgrm",
            ));
        }
        if !self.thresholds.is_empty() {
            return Err(Failure::usage(
                "capacity has --bound in the place of --fail",
            ));
        }
        Ok(())
    }

    /// Writes the report of a run; the exit code.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn run(&self, mut report: Report) -> Result<u8, Failure> {
        report.thresholds = self.judge(&report);
        let options = self.options;
        let logs = || own_names(&options.hlog, report.hlogs());
        let written = [
            self.text(&report::text::text(&report)),
            write_wanted(&options.json, || report.json()),
            write_wanted(&options.html, || report::page::page(&report).html()),
            write_all(logs()),
            write_wanted(&options.hgrm, || hgrm::hgrm(report.main_histogram())),
        ];
        all_written(written)?;
        Ok(self.exit_code(&report.limits, &report.thresholds))
    }

    /// Writes a comparison; the exit code.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn comparison(&self, mut comparison: Comparison) -> Result<u8, Failure> {
        comparison.thresholds = self.judge(&comparison);
        let options = self.options;
        let written = [
            self.text(&comparison::text::text(&comparison)),
            write_wanted(&options.json, || comparison.json()),
            write_wanted(&options.html, || comparison::page::page(&comparison).html()),
            write_all(own_names(
                &options.hlog,
                comparison::logs::hlogs(&comparison),
            )),
            write_all(own_names(
                &options.hgrm,
                comparison::logs::hgrms(&comparison),
            )),
        ];
        all_written(written)?;
        Ok(self.exit_code(&comparison.limits, &comparison.thresholds))
    }

    /// Writes anything else that has a text and a JSON; the exit code.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn plain(&self, text: &str, json: &str, limits: &[String]) -> Result<u8, Failure> {
        all_written([
            self.text(text),
            write_wanted(&self.options.json, || json.to_owned()),
        ])?;
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
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| Failure::usage(format!("standard output: {e}"))),
    }
}

/// Looks before the run whether its results will have a place.
fn check_files(options: &OutputOptions) -> Result<(), Failure> {
    let all = [&options.json, &options.html, &options.hlog, &options.hgrm];
    let mut seen: Vec<&str> = Vec::new();
    for file in all.into_iter().flatten() {
        match file.as_str() {
            "-" if seen.contains(&"-") => {
                return Err(Failure::usage(
                    "only one of --json, --html, --hlog and --hgrm can be -",
                ));
            }
            file if seen.contains(&file) => {
                return Err(Failure::usage(format!(
                    "{file}: two of --json, --html, --hlog and --hgrm want the same file"
                )));
            }
            "-" => {}
            file => check_file(file)?,
        }
        seen.push(file);
    }
    Ok(())
}

/// Whether a file can be written, without a trace of the question.
fn check_file(file: &str) -> Result<(), Failure> {
    let path = Path::new(file);
    if path.is_dir() {
        return Err(Failure::usage(format!(
            "{file}: it is a folder: name a file in it"
        )));
    }
    let is_there = path.exists();
    let opened = fs::OpenOptions::new().append(true).create(true).open(path);
    opened.map_err(|e| Failure::usage(format!("{file}: it cannot be written: {e}")))?;
    if !is_there {
        // A run that fails leaves nothing behind.
        drop(fs::remove_file(path));
    }
    Ok(())
}

/// Everything is tried, so that one full disk does not cost the other results.
fn all_written<const N: usize>(written: [Result<(), Failure>; N]) -> Result<(), Failure> {
    let failed = written.into_iter().filter_map(Result::err);
    let messages: Vec<String> = failed.map(|failure| failure.message).collect();
    match messages.is_empty() {
        true => Ok(()),
        false => Err(Failure::usage(messages.join("; "))),
    }
}

/// Files with their names: one of several has its own name in it.
fn own_names(file: &Option<String>, texts: Vec<(String, String)>) -> Vec<(String, String)> {
    let Some(file) = file else {
        return Vec::new();
    };
    let own = |(name, text): (String, String)| match name.as_str() {
        "" => (file.clone(), text),
        name => (beside(file, name), text),
    };
    // On standard output there is room for one.
    let is_wanted = |(name, _): &(String, String)| file != "-" || name.is_empty();
    texts.into_iter().filter(is_wanted).map(own).collect()
}

fn write_all(files: Vec<(String, String)>) -> Result<(), Failure> {
    let written = files.iter().map(|(file, text)| write_file(file, text));
    let failed: Vec<String> = written.filter_map(|it| Some(it.err()?.message)).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::usage(failed.join("; "))),
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
