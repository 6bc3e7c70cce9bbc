//! Random lives of topics against an oracle that forgets nothing.
//!
//! The oracle keeps every publication that ever was and every position that a reader was told,
//! with what had been published by then. So it knows what a reader that comes back has missed,
//! across all lives of a topic, and holds the hub's answer against that.

use proptest::prelude::*;

use super::*;
use crate::wire::prepared::PayloadKind;

const TOPICS: usize = 3;
const SHARDS: u16 = 3;

const PUBLICATIONS_MAX: usize = 4;
const BYTES_MAX: usize = 20;
const AGE_MAX: Duration = Duration::from_secs(10);

/// What an operator, a client or time may do to a hub.
#[derive(Clone, Debug)]
enum Step {
    /// To a topic, so many bytes; some are more than a history holds.
    Publish(usize, usize),
    /// By a client of a shard, from somewhere.
    Subscribe(usize, u16, Start),
    /// By a poll, from somewhere.
    Read(usize, Start),
    /// The longest subscriber of all leaves.
    Unsubscribe,
    /// So many milliseconds pass, and the hub is told.
    Pass(u64),
    /// So many pass, and it is not.
    PassUnnoticed(u64),
}

/// Where a reader wants to go on.
#[derive(Clone, Debug)]
enum Start {
    Now,
    Earliest,
    /// Behind one of the positions that were told to readers of this topic.
    Told(prop::sample::Index),
    /// Behind such a position, but so many offsets further.
    Forged(prop::sample::Index, u64),
}

/// A publication, as the oracle remembers it.
#[derive(Clone, Debug)]
struct Published {
    position: Position,
    payload: Vec<u8>,
    at: Time,
}

/// A position that a reader was told, and what was true then.
#[derive(Clone, Copy, Debug)]
struct Told {
    position: Position,
    /// Publications of the topic, over all its lives.
    published: usize,
    /// Lives of topics, of all names, that were over and whose epoch nobody will have again.
    collected: usize,
}

/// Everything that ever happened to one topic.
#[derive(Default)]
struct Oracle {
    published: Vec<Published>,
    told: Vec<Told>,
}

impl Oracle {
    /// What the history must hold: the longest run of the newest publications of this life that
    /// is within every bound.
    fn kept(&self, epoch: Epoch, now: Time) -> &[Published] {
        let (mut first, mut bytes) = (self.published.len(), 0);
        for (i, publication) in self.published.iter().enumerate().rev() {
            bytes += publication.payload.len();
            let is_kept = publication.position.epoch == epoch
                && now.since(publication.at) <= AGE_MAX
                && bytes <= BYTES_MAX
                && self.published.len() - i <= PUBLICATIONS_MAX;
            if !is_kept {
                break;
            }
            first = i;
        }
        &self.published[first..]
    }
}

/// A hub beside its oracle.
struct HubPair {
    hub: Hub,
    oracles: Vec<Oracle>,
    subscribed: Vec<(usize, ShardId)>,
    collected: usize,
    now: Time,
}

impl HubPair {
    fn new(seed: u64) -> Self {
        let limits = Limits {
            history_publications_max: PUBLICATIONS_MAX,
            history_bytes_max: BYTES_MAX,
            history_age_max: AGE_MAX,
            ..Limits::default()
        };
        Self {
            hub: Hub::new(&limits, 100, HashKey(1, 2), seed, Time::ZERO),
            oracles: (0..TOPICS).map(|_| Oracle::default()).collect(),
            subscribed: Vec::new(),
            collected: 0,
            now: Time::ZERO,
        }
    }

    fn take(&mut self, step: &Step) {
        let before = self.lives();
        match step {
            Step::Publish(topic, len) => self.publish(*topic, *len),
            Step::Subscribe(topic, shard, from) => self.subscribe(*topic, ShardId(*shard), from),
            Step::Read(topic, from) => self.read(*topic, from),
            Step::Unsubscribe => self.unsubscribe(),
            Step::Pass(ms) => {
                self.now = self.now + Duration::from_millis(*ms);
                self.hub.expire(self.now);
            }
            Step::PassUnnoticed(ms) => self.now = self.now + Duration::from_millis(*ms),
        }
        let after = self.lives();
        let is_gone = |life: &&(TopicName, Epoch, bool)| {
            let (name, epoch, published) = life;
            let is_there = after.iter().any(|(n, e, _)| (n, e) == (name, epoch));
            !is_there && (*published || *epoch != self.hub.empty_epoch)
        };
        self.collected += before.iter().filter(is_gone).count();
        self.hub.check_invariants();
        assert_eq!(self.hub.subscribers(), self.subscribed.len() as u64);
    }

    /// The topics that are there, with their epochs, and whether they were published to.
    fn lives(&self) -> Vec<(TopicName, Epoch, bool)> {
        let life = |(name, topic): (&TopicName, &Topic)| {
            let Position { epoch, offset } = topic.position_after();
            (name.clone(), epoch, offset > Offset(1))
        };
        self.hub.topics.iter().map(life).collect()
    }

    fn publish(&mut self, topic: usize, len: usize) {
        let name = name(topic);
        let before = self.hub.topics.get(&name).map(Topic::position_after);
        let position = self.hub.sequence(&name).unwrap();
        assert_eq!(
            self.hub.sequence(&name),
            Ok(position),
            "sequencing changes nothing"
        );
        match before {
            Some(next) => assert_eq!(position, next, "offsets are dense"),
            None => assert_eq!(position.offset, Offset(1), "a new life begins with 1"),
        }
        let payload = vec![b'x'; len];
        let sequenced = Publication {
            epoch: position.epoch,
            offset: position.offset,
            kind: PayloadKind::Binary,
            payload: payload.clone(),
        };
        let message = self.hub.apply(&name, sequenced, self.now);
        assert_eq!(
            (message.position(), message.payload()),
            (position, &payload[..])
        );
        let published = &mut self.oracles[topic].published;
        let is_known = published.iter().any(|earlier| earlier.position == position);
        assert!(!is_known, "no position is given twice");
        published.push(Published {
            position,
            payload,
            at: self.now,
        });
    }

    fn subscribe(&mut self, topic: usize, shard: ShardId, from: &Start) {
        let (after, told) = self.after(topic, from);
        let recovery = self
            .hub
            .subscribe(&name(topic), shard, after, self.now)
            .unwrap();
        self.subscribed.push((topic, shard));
        let kept = self.kept(topic, &recovery);
        let behind = if after.is_none() { &[] } else { kept };
        self.check_publications(behind, after, &recovery);
        self.tell(topic, told, &recovery);
    }

    /// A poll leaves nothing behind, and without a position it gets the newest publication.
    fn read(&mut self, topic: usize, from: &Start) {
        let (after, told) = self.after(topic, from);
        let before = self.lives();
        let recovery = self.hub.read(&name(topic), after, self.now);
        assert_eq!(self.lives(), before, "a poll makes no topic and ends none");
        let life = before.iter().find(|(there, ..)| *there == name(topic));
        let epoch = life.map_or(self.hub.empty_epoch, |(_, epoch, _)| *epoch);
        assert_eq!(recovery.position.epoch, epoch, "the life that goes on");
        let kept = self.kept(topic, &recovery);
        let newest = &kept[kept.len().saturating_sub(1)..];
        let behind = if after.is_none() { newest } else { kept };
        self.check_publications(behind, after, &recovery);
        self.tell(topic, told, &recovery);
    }

    fn kept(&self, topic: usize, recovery: &Recovery) -> &[Published] {
        self.oracles[topic].kept(recovery.position.epoch, self.now)
    }

    /// Holds the answer against what the reader was told before, and remembers it.
    fn tell(&mut self, topic: usize, told: Option<Told>, recovery: &Recovery) {
        if let Some(told) = told {
            self.check_promise(topic, told, recovery);
        }
        let published = &self.oracles[topic].published;
        let of_life = |p: &&Published| p.position.epoch == recovery.position.epoch;
        let last = published.iter().rev().find(of_life);
        assert_eq!(
            recovery.position.offset,
            last.map_or(Offset(0), |newest| newest.position.offset),
            "where the topic is"
        );
        let told = Told {
            position: recovery.position,
            published: published.len(),
            collected: self.collected,
        };
        self.oracles[topic].told.push(told);
    }

    /// Where to ask from, and what was told if that is a position that was.
    fn after(&self, topic: usize, from: &Start) -> (Option<After>, Option<Told>) {
        let told = &self.oracles[topic].told;
        match from {
            Start::Told(index) if !told.is_empty() => {
                let told = *index.get(told);
                (Some(After::Position(told.position)), Some(told))
            }
            Start::Forged(index, further) if !told.is_empty() => {
                let Position { epoch, offset } = index.get(told).position;
                let offset = Offset(offset.0 + further);
                (Some(After::Position(Position { epoch, offset })), None)
            }
            Start::Earliest => (Some(After::Earliest), None),
            Start::Now | Start::Told(_) | Start::Forged(..) => (None, None),
        }
    }

    /// Whatever was asked, the answer is a run of what is kept, up to the newest: all of `kept`,
    /// or what is behind the position that it was recovered from.
    fn check_publications(&self, kept: &[Published], after: Option<After>, recovery: &Recovery) {
        let wanted = match after {
            Some(After::Position(asked)) if recovery.recovered => {
                assert_eq!(
                    asked.epoch, recovery.position.epoch,
                    "another life is not recovered"
                );
                assert!(
                    asked.offset <= recovery.position.offset,
                    "nor is the future"
                );
                let known = kept.partition_point(|p| p.position.offset <= asked.offset);
                &kept[known..]
            }
            Some(After::Position(_) | After::Unknown) => kept,
            Some(After::Earliest) | None => {
                assert!(recovery.recovered, "nothing was asked for that could miss");
                kept
            }
        };
        let seen = recovery.publications.iter();
        let seen: Vec<_> = seen.map(|p| (p.position(), p.payload())).collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|p| (p.position, &p.payload[..]))
            .collect();
        assert_eq!(seen, wanted);
    }

    /// `recovered` is never true when something is missing, and false without a loss only if a
    /// topic was collected since.
    fn check_promise(&self, topic: usize, told: Told, recovery: &Recovery) {
        let missed = &self.oracles[topic].published[told.published..];
        let is_there = |missed: &Published| {
            let mut found = recovery.publications.iter();
            found.any(|publication| publication.position() == missed.position)
        };
        let is_complete = missed.iter().all(is_there);
        if recovery.recovered {
            assert!(
                is_complete,
                "recovered, but something is missing since {told:?}"
            );
            assert_eq!(
                recovery.publications.len(),
                missed.len(),
                "nothing comes twice"
            );
        } else {
            let is_collected = self.collected > told.collected;
            assert!(
                !is_complete || is_collected,
                "not recovered, but nothing is missing"
            );
        }
    }

    fn unsubscribe(&mut self) {
        if !self.subscribed.is_empty() {
            let (topic, shard) = self.subscribed.remove(0);
            self.hub.unsubscribe(&name(topic), shard, 1);
        }
    }

    /// Everybody leaves, and time goes by.
    fn end(&mut self) {
        while !self.subscribed.is_empty() {
            self.take(&Step::Unsubscribe);
        }
        for _ in 0..2 {
            self.take(&Step::Pass(12_000));
        }
        assert_eq!(
            (self.hub.topics(), self.hub.held()),
            (0, HubUsage::default())
        );
        assert_eq!(self.hub.next_expiry(), None);
    }
}

fn name(topic: usize) -> TopicName {
    TopicName::new(&format!("topic {topic}")).unwrap()
}

fn steps() -> impl Strategy<Value = Step> {
    let topic = 0..TOPICS;
    let from = prop_oneof![
        1 => Just(Start::Now),
        1 => Just(Start::Earliest),
        4 => any::<prop::sample::Index>().prop_map(Start::Told),
        1 => (any::<prop::sample::Index>(), 1..5_u64).prop_map(|(i, n)| Start::Forged(i, n)),
    ];
    prop_oneof![
        6 => (topic.clone(), 0..8_usize).prop_map(|(t, len)| Step::Publish(t, len)),
        1 => (topic.clone(), 18..24_usize).prop_map(|(t, len)| Step::Publish(t, len)),
        6 => (topic.clone(), 0..SHARDS, from.clone())
            .prop_map(|(t, s, from)| Step::Subscribe(t, s, from)),
        6 => (topic, from).prop_map(|(t, from)| Step::Read(t, from)),
        6 => Just(Step::Unsubscribe),
        2 => (0..4_000_u64).prop_map(Step::Pass),
        1 => (9_000..13_000_u64).prop_map(Step::Pass),
        1 => (0..11_000_u64).prop_map(Step::PassUnnoticed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_that_comes_back_is_told_the_truth(
        seed in any::<u64>(),
        steps in prop::collection::vec(steps(), 1..120),
    ) {
        let mut pair = HubPair::new(seed);
        steps.iter().for_each(|step| pair.take(step));
        pair.end();
    }
}

#[test]
fn a_topic_whose_history_holds_nothing_is_collected_all_the_same() {
    let mut pair = HubPair::new(1);
    pair.take(&Step::Publish(0, BYTES_MAX + 1));
    assert_eq!(pair.hub.topics(), 1);
    pair.end();
}

#[test]
fn a_history_that_empties_and_fills_again_keeps_one_entry_in_the_wheel() {
    let mut pair = HubPair::new(1);
    for _ in 0..10 {
        pair.take(&Step::Publish(0, 1));
        pair.take(&Step::Publish(0, BYTES_MAX + 1));
    }
    assert_eq!(pair.hub.expiry.len(), 1);
    pair.end();
}
