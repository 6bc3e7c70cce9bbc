//! What workers say, held against what they were handed.

use std::collections::BTreeMap;

use loadgen::base::transport::Transport;
use loadgen::lines::{ArmRound, Back, Connects, Finished, IntervalNote, Published, Round};
use loadgen::measure::stats::Latency;
use loadgen::measure::traffic::{Tally, Traffic};
use loadgen::plan::{Plan, PublishBy};

use super::plan::{Draw, Weather};
use super::report::{Milestone, Report};
use super::truth::{Arm, Part, Truth};

pub(crate) fn check_connects(part: &Part, connects: &Connects, report: &mut Report) {
    assert_eq!(connects.connected, part.connected, "who came in");
    let failed: u64 = connects.failures.values().sum();
    assert_eq!(failed, part.failed, "who did not: {:?}", connects.failures);
    let arms = connects.arms.iter().map(|arm| (arm.connected, arm.failed));
    assert_eq!(arms.collect::<Vec<_>>(), part.arms, "by arm");
    for (said, was) in [&connects.tcp, &connects.upgrade, &connects.total]
        .iter()
        .zip(&part.times)
    {
        assert!(*said == was, "how long it took: {said:?} is {was:?}");
    }
    report.add(Milestone::Refusals, failed);
}

/// A round of one worker, of which so many were published a stream.
pub(crate) fn check_round(
    draw: &Draw,
    truth: &Truth,
    worker: usize,
    said: &Round,
    published: &[u32],
    report: &mut Report,
) {
    let (plan, round) = (&draw.plan, &truth.parts[worker].round);
    let due = due(draw, truth, worker, published);
    let mut sums = (0, [0; 3]);
    for (arm, said) in said.arms.iter().enumerate() {
        let (expected, counts) = check_arm(draw, truth, worker, arm, said, due[arm], report);
        sums.0 += expected;
        sums.1
            .iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    let counts = [
        said.counts.received,
        said.counts.duplicated,
        said.counts.reordered,
    ];
    assert_eq!((said.expected, counts), sums, "the sums of the arms");
    assert_eq!(said.foreign, round.foreign, "stamps of others");
    assert_eq!(said.unstamped, round.unstamped, "messages without a stamp");
    assert_eq!(
        (said.bytes, said.reads),
        (round.bytes, round.reads),
        "reads"
    );
    assert_eq!(said.full_reads, 0);
    let all = histograms(truth, worker, None);
    assert!(
        said.corrected == all.0,
        "latency: {:?} is {:?}",
        said.corrected,
        all.0
    );
    assert!(
        said.uncorrected == all.1,
        "from the send: {:?} is {:?}",
        said.uncorrected,
        all.1
    );
    let last = round
        .fresh
        .iter()
        .map(|(.., at)| at.as_nanos())
        .max()
        .unwrap_or(0);
    assert!(said.last_delivery >= last, "the last delivery");
    check_publications(plan, truth, worker, said, report);
    count_round(said, sums.0, plan, report);
}

/// What is due to each arm.
fn due(draw: &Draw, truth: &Truth, worker: usize, published: &[u32]) -> Vec<u64> {
    let round = &truth.parts[worker].round;
    let (arms, topics) = (draw.plan.arms.len(), draw.plan.topics.len());
    let of = |arm: usize| {
        if draw.is_passive() {
            return truth.owed(worker, arm);
        }
        let streams = published.iter().enumerate().map(|(stream, count)| {
            let audience = round.audience.get(&(stream % topics, arm));
            audience.copied().unwrap_or(0) * u64::from(*count)
        });
        streams.sum()
    };
    (0..arms).map(of).collect()
}

/// An arm of a round: what is due without what is left out by design, and its counts.
fn check_arm(
    draw: &Draw,
    truth: &Truth,
    worker: usize,
    arm: usize,
    said: &ArmRound,
    due: u64,
    report: &mut Report,
) -> (u64, [u64; 3]) {
    let round = &truth.parts[worker].round;
    let (plan, found) = (&draw.plan.arms[arm], &round.arms[arm]);
    let name = &plan.name;
    let is_selective = draw.plan.newest && plan.transport == Transport::Poll;
    let clients: u64 = round
        .audience
        .iter()
        .filter(|((_, of), _)| *of == arm)
        .map(|(_, n)| n)
        .sum();
    assert_eq!(said.clients, clients, "{name}: clients");
    let left_out = if is_selective {
        due.saturating_sub(found.received)
    } else {
        0
    };
    let duplicated = if is_selective { 0 } else { found.duplicated };
    assert_eq!(
        (said.expected, said.left_out),
        (due - left_out, left_out),
        "{name}: due"
    );
    let counts = [
        said.counts.received,
        said.counts.duplicated,
        said.counts.reordered,
    ];
    assert_eq!(
        counts,
        [found.received, duplicated, found.reordered],
        "{name}: counts"
    );
    assert_eq!(said.merged, found.merged, "{name}: merged");
    assert_eq!(said.unrecovered, found.unrecovered, "{name}: unrecovered");
    assert_eq!(said.outdated_ns, found.outdated, "{name}: outdated");
    let (corrected, uncorrected) = histograms(truth, worker, Some(arm));
    assert!(
        said.corrected == corrected,
        "{name}: {:?} is {corrected:?}",
        said.corrected
    );
    assert!(said.uncorrected == uncorrected, "{name}: from the send");
    if plan.transport.is_scheduled() {
        assert_eq!(
            said.answer_time.len(),
            found.good_answers,
            "{name}: answers in time"
        );
    }
    if !draw.is_windowed {
        check_traffic(name, &round.traffic[arm], &said.traffic);
    }
    report.add(Milestone::Merged, said.merged);
    report.add(Milestone::LeftOut, said.left_out);
    report.add(Milestone::Unrecovered, said.unrecovered);
    report.add(Milestone::NotModified, found.not_modified);
    report.add(Milestone::AnswersRefused, found.refused.values().sum());
    report.add(Milestone::Broken, said.traffic.of(Tally::Broken));
    let reads = match plan.transport {
        Transport::Ask => Milestone::Echoes,
        Transport::Ws => Milestone::SocketReads,
        Transport::Sse => Milestone::EventReads,
        Transport::Stream => Milestone::LineReads,
        Transport::LongPoll => Milestone::LongPollReads,
        Transport::Poll => Milestone::PollReads,
    };
    report.add(reads, found.received + found.echoes);
    (said.expected, counts)
}

/// What an arm's clients sent and received.
fn check_traffic(name: &str, found: &Arm, said: &Traffic) {
    let found_tallies = [
        (Tally::Deliveries, found.received + found.echoes),
        (Tally::Answers, found.answers),
        (Tally::NotModified, found.not_modified),
        (Tally::DownBytes, found.bytes),
        (Tally::Opened, found.opened),
        (Tally::Broken, found.broken),
    ];
    for (tally, count) in found_tallies {
        assert_eq!(said.of(tally), count, "{name}: {tally:?}");
    }
    assert_eq!(said.refused, found.refused, "{name}: refused");
}

/// From the intended moment and from the send, of one arm or of all.
fn histograms(truth: &Truth, worker: usize, arm: Option<usize>) -> (Latency, Latency) {
    let (mut corrected, mut uncorrected) = (Latency::new(), Latency::new());
    for (of, stamp, at) in &truth.parts[worker].round.fresh {
        if arm.is_none_or(|arm| arm == *of) {
            corrected.record(at.as_nanos().saturating_sub(stamp.intended));
            uncorrected.record(at.as_nanos().saturating_sub(stamp.sent));
        }
    }
    (corrected, uncorrected)
}

/// The seconds of a round, which together are the round.
pub(crate) fn check_intervals(said: &Round, notes: &[IntervalNote], report: &mut Report) {
    let mut sum = Latency::new();
    let mut arms = vec![Latency::new(); said.arms.len()];
    for note in notes {
        sum.add(&note.latency);
        arms.iter_mut()
            .zip(&note.arms)
            .for_each(|(sum, part)| sum.add(part));
    }
    assert!(
        said.corrected == sum,
        "seconds: {sum:?} is {:?}",
        said.corrected
    );
    for (said, sum) in said.arms.iter().zip(&arms).filter(|_| arms.len() > 1) {
        assert!(said.corrected == *sum, "seconds of an arm: {sum:?}");
    }
    report.add(Milestone::Seconds, notes.len() as u64);
}

/// First, median and last delivery of each publication, and which of them somebody never got.
fn check_publications(
    plan: &Plan,
    truth: &Truth,
    worker: usize,
    said: &Round,
    report: &mut Report,
) {
    let round = &truth.parts[worker].round;
    let mut publications: BTreeMap<(u32, u32), (u64, Vec<u64>)> = BTreeMap::new();
    for (_, stamp, at) in &round.fresh {
        let entry = publications.entry((stamp.stream, stamp.seq)).or_default();
        entry.0 = stamp.intended;
        entry.1.push(at.as_nanos());
    }
    assert_eq!(said.evicted, 0);
    let mut expected = Round::default();
    let mut rows = Vec::new();
    for ((stream, seq), (intended, moments)) in &publications {
        let all = round.listeners(*stream as usize % plan.topics.len());
        let half = usize::try_from(all.div_ceil(2)).expect("a place");
        let (first, last) = (moments[0], moments[moments.len() - 1]);
        let since = |moment: u64| moment.saturating_sub(*intended);
        expected.first.record(since(first));
        expected.last.record(since(last));
        expected.spread.record(last - first);
        if half > 0
            && let Some(median) = moments.get(half - 1)
        {
            expected.median.record(since(*median));
        }
        let is_complete = moments.len() as u64 >= all;
        expected.incomplete += u64::from(!is_complete);
        rows.push((
            *stream,
            *seq,
            moments.len() as u64,
            is_complete,
            first,
            last,
        ));
    }
    if plan.workers == 1 {
        assert_eq!(
            said.incomplete, expected.incomplete,
            "incomplete publications"
        );
        assert!(
            said.first == expected.first,
            "first: {:?} is {:?}",
            said.first,
            expected.first
        );
        assert!(
            said.median == expected.median,
            "median: {:?} is {:?}",
            said.median,
            expected.median
        );
        assert!(
            said.last == expected.last,
            "last: {:?} is {:?}",
            said.last,
            expected.last
        );
        assert!(said.spread == expected.spread, "spread");
    } else {
        let said = said.rows.iter().map(|row| {
            (
                row.stream,
                row.seq,
                u64::from(row.count),
                row.complete,
                row.first,
                row.last,
            )
        });
        let mut said: Vec<_> = said.collect();
        said.sort_unstable();
        assert_eq!(said, rows, "rows for the join");
        report.add(Milestone::Rows, rows.len() as u64);
    }
    report.add(Milestone::Incomplete, expected.incomplete);
}

fn count_round(said: &Round, expected: u64, plan: &Plan, report: &mut Report) {
    let lost = expected.saturating_sub(said.counts.received);
    let is_clean = lost + said.counts.duplicated + said.counts.reordered == 0;
    report.count(Milestone::Rounds);
    report.add(
        Milestone::CleanRounds,
        u64::from(is_clean && said.counts.received > 0),
    );
    report.add(Milestone::Deliveries, said.counts.received);
    report.add(Milestone::Lost, lost);
    report.add(Milestone::Duplicated, said.counts.duplicated);
    report.add(Milestone::Reordered, said.counts.reordered);
    report.add(Milestone::Foreign, said.foreign);
    report.add(Milestone::Unstamped, said.unstamped);
    report.add(
        Milestone::Passive,
        u64::from(plan.publish == PublishBy::Others),
    );
    let is_closed = matches!(plan.pace, loadgen::plan::Pace::Closed { .. });
    report.add(Milestone::ClosedLoops, u64::from(is_closed));
}

/// What the publishers of a round say, and what of that the server took a second time.
pub(crate) fn check_published(plan: &Plan, part: &mut Part, said: &Published, report: &mut Report) {
    let sent: u64 = said.streams.iter().map(|count| u64::from(*count)).sum();
    report.add(Milestone::Published, sent);
    // Who comes back behind the last publication, in the same turn, is told of in the next round.
    let returned = part.returned_before..=part.returned;
    let said_returned = said.posts.reconnects;
    assert!(
        returned.contains(&said_returned),
        "came back: {said_returned} is {returned:?}"
    );
    part.returned -= said_returned;
    report.add(Milestone::Returned, said.posts.reconnects);
    let posted = std::mem::take(&mut part.posted);
    if plan.publish != PublishBy::Http {
        return;
    }
    let refused = posted.iter().filter(|(status, _)| **status != 200);
    let refused: BTreeMap<String, u64> = refused.map(|(s, n)| (s.to_string(), *n)).collect();
    assert_eq!(said.refused, refused, "refused");
    let answered: u64 = posted.values().sum();
    let posts = said.posts;
    assert_eq!(
        sent,
        answered + posts.unanswered + posts.unsent,
        "what became of each: {posts:?}"
    );
    report.add(Milestone::Posted, answered);
    report.add(Milestone::PostsRefused, refused.values().sum());
    report.add(Milestone::PostsUnanswered, posts.unanswered);
    report.add(Milestone::PostsRetried, posts.retried);
}

pub(crate) fn check_back(draw: &Draw, part: &mut Part, said: &Back, report: &mut Report) {
    let (cut, back) = (
        std::mem::take(&mut part.cut),
        std::mem::take(&mut part.back),
    );
    let is_silent = matches!(
        draw.weather,
        Weather::Churn(_, loadgen::options::stage::Leaving::Any)
    );
    assert!(
        said.cut == cut || is_silent && said.cut > cut,
        "cut: {} is {cut}",
        said.cut
    );
    assert!(
        said.back.len() <= back && said.back.len() <= said.cut,
        "back"
    );
    report.add(Milestone::Cut, said.cut);
    report.add(Milestone::Back, said.back.len());
}

pub(crate) fn check_finished(plan: &Plan, part: &Part, said: &Finished, report: &mut Report) {
    assert_eq!(said.closes, part.closes, "closes");
    assert_eq!(said.slow_closes, part.slow_closes, "closes of slow readers");
    assert_eq!(
        said.slow_messages, part.slow_messages,
        "messages to slow readers"
    );
    if plan.publish != PublishBy::Http {
        assert_eq!(
            said.publisher_closes, part.publisher_closes,
            "publishers' closes"
        );
    }
    report.add(Milestone::SlowReads, said.slow_messages);
    let lost = said.publisher_closes.get("gave up for good");
    report.add(Milestone::LostPublishers, lost.copied().unwrap_or(0));
    let codes = said
        .closes
        .iter()
        .filter(|(why, _)| why.parse::<u16>().is_ok());
    report.add(Milestone::Closes, codes.map(|(_, count)| count).sum());
}
