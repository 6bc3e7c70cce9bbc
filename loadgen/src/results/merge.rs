//! Runs of several generators as one: those that ran at the same time against the same server,
//! on one machine or on several.
//!
//! Counts are added and histograms joined, so nothing is lost. Times are not compared across
//! machines: each generator measured staleness with its own clock, which is right only where it
//! also published, or where the clocks of both agree better than the figures are wanted.

use crate::base::counts::add_counts;
use crate::base::failure::Failure;
use crate::host::files::read_file;
use crate::lines::Connects;
use crate::recording::Run;
use crate::recording::measured::{Measured, add_measured, join_connects};

/// Reads and joins the runs of several files.
///
/// # Errors
/// When a file holds none, or they do not belong together.
pub(crate) fn merge_files(files: &[String]) -> Result<Run, Failure> {
    let mut runs = Vec::new();
    for file in files {
        let failed = |why: String| Failure::usage(format!("{file}: {why}"));
        let text = read_file(file)?;
        let command = crate::results::command_of(&text).map_err(failed)?;
        if command == "compare" {
            return Err(failed(
                "comparisons run on one machine: merge takes results of fanout and connect"
                    .to_owned(),
            ));
        }
        runs.push(Run::parse(&text).map_err(failed)?);
    }
    merge(runs).map_err(Failure::usage)
}

/// Joins runs.
///
/// # Errors
/// When they do not belong together.
pub(crate) fn merge(runs: Vec<Run>) -> Result<Run, String> {
    let mut runs = runs.into_iter();
    let mut all = runs.next().ok_or("merge needs a run")?;
    for other in runs {
        check(&all, &other)?;
        add(&mut all, other);
    }
    Ok(all)
}

/// What must be the same.
fn check(a: &Run, b: &Run) -> Result<(), String> {
    let differs = |what: &str| Err(format!("the runs differ in their {what}"));
    if a.command != b.command {
        return differs("command");
    }
    if a.plan.arms != b.plan.arms {
        return differs("transports and intervals");
    }
    if a.plan.topics.len() != b.plan.topics.len() {
        return differs("number of topics");
    }
    if a.plan.size != b.plan.size {
        return differs("size of a publication");
    }
    if a.repeats.len() != b.repeats.len() {
        return differs("number of repeats");
    }
    if a.storm.is_some() || b.storm.is_some() {
        return Err("storms of several generators are not one storm".to_owned());
    }
    Ok(())
}

fn add(all: &mut Run, other: Run) {
    let plan = &mut all.plan;
    plan.subscribers += other.plan.subscribers;
    plan.slow += other.plan.slow;
    plan.crowd += other.plan.crowd;
    plan.workers += other.plan.workers;
    plan.publishers += other.plan.publishers;
    let connected = &mut all.connected;
    let parts = [
        std::mem::take(&mut connected.connects),
        other.connected.connects,
    ];
    connected.connects = in_own_time(join_connects(&parts));
    connected.seconds = connected.seconds.max(other.connected.seconds);
    connected.generator_share = connected
        .generator_share
        .max(other.connected.generator_share);
    connected.server = connected.server.or(other.connected.server);
    for (into, from) in all.repeats.iter_mut().zip(&other.repeats) {
        side_by_side(into, from);
    }
    if let (Some(into), Some(from)) = (&mut all.idle, &other.idle) {
        side_by_side(into, from);
    }
    if let (Some(into), Some(from)) = (&mut all.memory, &other.memory) {
        into.connections += from.connections;
        into.generator_bytes += from.generator_bytes;
        into.server_bytes = into.server_bytes.or(from.server_bytes);
        into.server_pss_bytes = into.server_pss_bytes.or(from.server_pss_bytes);
        // Each machine has its own kernel.
        let kernel = into.kernel_bytes.zip(from.kernel_bytes);
        into.kernel_bytes = kernel.map(|(a, b)| a + b);
        into.buffer_bytes += from.buffer_bytes;
    }
    let finished = &mut all.finished;
    add_counts(&mut finished.closes, &other.finished.closes);
    add_counts(&mut finished.slow_closes, &other.finished.slow_closes);
    add_counts(
        &mut finished.publisher_closes,
        &other.finished.publisher_closes,
    );
    finished.slow_messages += other.finished.slow_messages;
    all.intervals.extend(other.intervals);
    all.server_cpus = all.server_cpus.or(other.server_cpus);
    if all.samples.iter().all(|sample| sample.server.is_none()) {
        all.samples = other.samples;
    }
}

/// Moments of different machines are not on one line of time.
fn in_own_time(mut connects: Connects) -> Connects {
    (connects.first, connects.last) = (0, 0);
    connects
}

/// Two generators at the same time: their counts add up, their time does not.
fn side_by_side(into: &mut Measured, from: &Measured) {
    let (seconds, windows): (f64, Vec<u64>) = (
        into.seconds.max(from.seconds),
        into.round
            .arms
            .iter()
            .zip(&from.round.arms)
            .map(|(a, b)| a.window_ns.max(b.window_ns))
            .collect(),
    );
    let server = into.server.or(from.server);
    add_measured(into, from);
    into.seconds = seconds;
    into.server = server;
    for (arm, window) in into.round.arms.iter_mut().zip(windows) {
        arm.window_ns = window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::synthetic::run;
    use crate::report::whole::Report;

    #[test]
    fn joined_runs_are_the_run_of_all_their_clients() {
        let a = run("--clients 5", 1..500);
        let b = run("--clients 7 --publish none", 500..1000);
        let merged = merge(vec![a, b]).expect("they fit");
        assert_eq!(
            (merged.plan.subscribers, merged.connected.connects.connected),
            (12, 12)
        );
        let expected = run("--clients 12", 1..1000);
        let joined = &merged.repeats[0];
        assert_eq!(joined.round.corrected, expected.repeats[0].round.corrected);
        assert_eq!(joined.seconds.to_bits(), 10f64.to_bits());
        assert_eq!(joined.round.arms[0].window_ns, 10_000_000_000);
        let report = Report::new(merged);
        let total = report.total.expect("measured");
        assert_eq!((total.expected, total.received), (999, 999));
    }

    #[test]
    fn a_report_can_be_made_again_from_its_json() {
        let report = Report::new(run("--clients 5 --token secret", 1..500));
        let json = report.json();
        assert!(!json.contains("secret"));
        let again = Report::new(Run::parse(&json).expect("a run"));
        assert_eq!(again.json(), json);
    }

    #[test]
    fn what_does_not_belong_together_says_so() {
        let says = |line: &str, words: &str| {
            let a = run("--clients 5", 1..9);
            let why = merge(vec![a, run(line, 1..9)]).expect_err(line);
            assert!(why.contains(words), "{why}");
        };
        says("--clients 5 --size 100", "size");
        says("--clients 5 --transports sse", "transports");
        says("--clients 5 --topics 2", "topics");
        assert!(merge(Vec::new()).is_err());
    }
}
