//! The topics that live on a shard: offsets, history, who is interested, recovery.
//!
//! Pure: time is an argument, and so is randomness, by a seed. A shard's hub knows which shards
//! have subscribers of its topics and how many, not who they are; the subscribers of a shard
//! are that shard's own (`shard::readers`), reached through the mesh.
//!
//! Sequencing is apart from applying: [`Hub::sequence`] gives the next offset and changes
//! nothing else, [`Hub::apply`] alone touches history, so that one day a broker may sequence.

mod answer;
mod history;
mod topic;

use std::sync::Arc;
use std::time::Duration;

pub use answer::{PublishOutcome, Recovery};
pub use topic::{Interest, Topic};

use crate::base::{
    After, Epoch, HashKey, Map, Offset, Position, ShardId, Time, TimerWheel, TopicName,
};
use crate::config::Limits;
use crate::wire::prepared::{PreparedMessage, Publication};

/// How coarse the collecting of old history is.
const EXPIRY_TICK: Duration = Duration::from_secs(1);

/// The topics whose home this shard is.
#[derive(Debug)]
pub struct Hub {
    topics: Map<TopicName, Topic>,
    /// The epoch that a topic without publications has, and keeps when it gets some.
    empty_epoch: Epoch,
    random: fastrand::Rng,
    bounds: Bounds,
    /// Invariant: one entry for each topic that [expires](Topic::expires), which every topic with
    /// history does.
    expiry: TimerWheel<TopicName>,
    /// Invariant: the sum over all topics.
    held: HubUsage,
}

/// What the hub keeps in all, for the metrics.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct HubUsage {
    /// Publications in histories.
    pub publications: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
}

/// The limits that concern topics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) publications_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) age_max: Duration,
    topics_max: usize,
}

/// There is no room for another topic: `topics_max`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TopicsFull;

impl Hub {
    /// An empty hub. `topics_max` is the shard's share of the node's bound.
    #[must_use]
    pub fn new(limits: &Limits, topics_max: usize, key: HashKey, seed: u64, now: Time) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let bounds = Bounds {
            publications_max: limits.history_publications_max,
            bytes_max: limits.history_bytes_max,
            age_max: limits.history_age_max,
            topics_max,
        };
        Self {
            topics: Map::with_hasher(key),
            empty_epoch: draw(&mut random),
            random,
            bounds,
            expiry: TimerWheel::new(now, EXPIRY_TICK),
            held: HubUsage::default(),
        }
    }

    /// The next position of a topic, which is made if there is none. Changes nothing else.
    ///
    /// # Errors
    /// When there is no room for a new topic.
    pub fn sequence(&mut self, name: &TopicName) -> Result<Position, TopicsFull> {
        self.topic_mut(name).map(|topic| topic.position_after())
    }

    /// Takes a sequenced publication into the topic's history and prepares it for sending.
    pub fn apply(
        &mut self,
        name: &TopicName,
        sequenced: Publication,
        now: Time,
    ) -> Arc<PreparedMessage> {
        let message = PreparedMessage::new(sequenced);
        let Ok(topic) = self.topic_mut(name) else {
            // Sequenced means that the topic is there; without one there is nobody to tell.
            return message;
        };
        let before = topic.held();
        topic.apply(Arc::clone(&message), now);
        topic.trim(now);
        let after = topic.held();
        let expires = std::mem::replace(&mut topic.expires, true);
        self.held.replace(before, after);
        if !expires {
            self.expiry.set(now + self.bounds.age_max, name.clone());
        }
        message
    }

    /// Counts one more subscriber on `shard` and answers where the topic is and what follows the
    /// position that was asked for.
    ///
    /// # Errors
    /// When there is no room for a new topic.
    pub fn subscribe(
        &mut self,
        name: &TopicName,
        shard: ShardId,
        after: Option<After>,
        now: Time,
    ) -> Result<Recovery, TopicsFull> {
        let topic = self.topic_mut(name)?;
        let before = topic.held();
        topic.trim(now);
        topic.add_interest(shard);
        let recovery = topic.recover(after);
        let after = topic.held();
        self.held.replace(before, after);
        Ok(recovery)
    }

    /// Where the topic is and what follows the position that was asked for; without one, the
    /// newest publication. Nothing is left behind: a topic that is not there is not made.
    pub fn read(&mut self, name: &TopicName, after: Option<After>, now: Time) -> Recovery {
        let Some(topic) = self.topics.get_mut(name) else {
            return Topic::new(self.empty_epoch, self.bounds).read(after);
        };
        let before = topic.held();
        topic.trim(now);
        let recovery = topic.read(after);
        let after = topic.held();
        self.held.replace(before, after);
        recovery
    }

    /// Counts `subscribers` less on `shard`, and collects the topic if nothing is left of it.
    pub fn unsubscribe(&mut self, name: &TopicName, shard: ShardId, subscribers: u32) {
        let Some(topic) = self.topics.get_mut(name) else {
            debug_assert!(false, "an unsubscribe from a topic that is gone: {name}");
            return;
        };
        topic.remove_interest(shard, subscribers);
        self.collect_if_idle(name);
    }

    /// Which shards have subscribers of a topic, and how many each.
    #[must_use]
    pub fn interest(&self, name: &TopicName) -> &[Interest] {
        self.topics.get(name).map_or(&[], Topic::interest)
    }

    /// Forgets publications that are too old, and topics of which nothing is left.
    pub fn expire(&mut self, now: Time) {
        let mut due = Vec::new();
        self.expiry.expire(now, |name| due.push(name));
        for name in due {
            self.expire_topic(name, now);
        }
    }

    /// When to call [`Hub::expire`] next.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Time> {
        self.expiry.next_deadline()
    }

    /// How many topics there are.
    #[must_use]
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    /// What all histories hold.
    #[must_use]
    pub fn held(&self) -> HubUsage {
        self.held
    }

    /// Subscribers of all topics, on all shards.
    #[must_use]
    pub fn subscribers(&self) -> u64 {
        self.topics.values().map(Topic::subscribers).sum()
    }

    fn expire_topic(&mut self, name: TopicName, now: Time) {
        let Some(topic) = self.topics.get_mut(&name) else {
            return;
        };
        let before = topic.held();
        topic.trim(now);
        let after = topic.held();
        self.held.replace(before, after);
        match topic.oldest() {
            Some(published) => {
                self.expiry.set(published + self.bounds.age_max, name);
            }
            None => {
                topic.expires = false;
                self.collect_if_idle(&name);
            }
        }
    }

    /// Only what was published to takes its epoch along: readers of a topic that never had a
    /// publication have missed nothing.
    fn collect_if_idle(&mut self, name: &TopicName) {
        let Some(topic) = self.topics.get(name) else {
            return;
        };
        if !topic.is_idle() {
            return;
        }
        if topic.last() > Offset(0) {
            self.empty_epoch = draw(&mut self.random);
        }
        self.topics.remove(name);
    }

    fn topic_mut(&mut self, name: &TopicName) -> Result<&mut Topic, TopicsFull> {
        if !self.topics.contains_key(name) {
            if self.topics.len() >= self.bounds.topics_max {
                return Err(TopicsFull);
            }
            self.topics
                .insert(name.clone(), Topic::new(self.empty_epoch, self.bounds));
        }
        self.topics.get_mut(name).ok_or(TopicsFull)
    }

    /// Asserts what must hold between calls.
    pub fn check_invariants(&self) {
        let mut sum = HubUsage::default();
        for topic in self.topics.values() {
            topic.check_invariants();
            sum.replace(HubUsage::default(), topic.held());
        }
        let expire = self.topics.values().filter(|topic| topic.expires).count();
        assert_eq!(
            self.expiry.len(),
            expire,
            "one entry for each topic that expires"
        );
        assert_eq!(sum, self.held, "the hub's totals are the sum of its topics");
    }
}

impl HubUsage {
    fn replace(&mut self, before: Self, after: Self) {
        self.publications = self.publications + after.publications - before.publications;
        self.bytes = self.bytes + after.bytes - before.bytes;
    }
}

fn draw(random: &mut fastrand::Rng) -> Epoch {
    // 36^6 values: six letters at most, and two lives of a topic agree once in two billion.
    Epoch::new(random.u64(1..2_176_782_336))
}

#[cfg(test)]
mod oracle_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::prepared::PayloadKind;

    const HOME: ShardId = ShardId(0);

    fn name(text: &str) -> TopicName {
        TopicName::new(text).unwrap()
    }

    fn hub(limits: &Limits) -> Hub {
        Hub::new(limits, 10, HashKey(1, 2), 7, Time::ZERO)
    }

    fn publish(hub: &mut Hub, topic: &TopicName, now: Time) -> Position {
        let position = hub.sequence(topic).unwrap();
        let Position { epoch, offset } = position;
        let payload = offset.to_string().into_bytes();
        let sequenced = Publication {
            epoch,
            offset,
            kind: PayloadKind::Text,
            payload,
        };
        let message = hub.apply(topic, sequenced, now);
        hub.check_invariants();
        assert_eq!(message.position(), position);
        position
    }

    fn read(hub: &mut Hub, topic: &TopicName, after: Option<After>, now: Time) -> Recovery {
        let recovery = hub.subscribe(topic, HOME, after, now).unwrap();
        hub.unsubscribe(topic, HOME, 1);
        hub.check_invariants();
        recovery
    }

    fn offsets(recovery: &Recovery) -> Vec<u64> {
        recovery.publications.iter().map(|p| p.offset().0).collect()
    }

    #[test]
    fn offsets_are_dense_and_begin_with_one() {
        let mut hub = hub(&Limits::default());
        let topic = name("a");
        let offsets: Vec<u64> = (0..3)
            .map(|_| publish(&mut hub, &topic, Time::ZERO).offset.0)
            .collect();
        assert_eq!(offsets, [1, 2, 3]);
    }

    #[test]
    fn a_reader_of_nothing_gets_the_position_that_the_next_topic_takes_over() {
        let mut hub = hub(&Limits::default());
        let (a, b) = (name("a"), name("b"));
        let before = read(&mut hub, &a, None, Time::ZERO);
        assert_eq!(
            (before.position.offset, before.recovered),
            (Offset(0), true)
        );
        assert_eq!(hub.topics(), 0, "a read leaves no topic behind");
        publish(&mut hub, &b, Time::ZERO);
        publish(&mut hub, &a, Time::ZERO);
        let since = read(
            &mut hub,
            &a,
            Some(After::Position(before.position)),
            Time::ZERO,
        );
        assert!(since.recovered);
        assert_eq!(offsets(&since), [1]);
    }

    #[test]
    fn a_collected_topic_comes_back_with_another_epoch() {
        let mut hub = hub(&Limits::default());
        let topic = name("a");
        let position = publish(&mut hub, &topic, Time::ZERO);
        hub.expire(Time::ZERO + Duration::from_secs(299));
        assert_eq!(hub.topics(), 1);
        hub.expire(Time::ZERO + Duration::from_secs(302));
        assert_eq!((hub.topics(), hub.held()), (0, HubUsage::default()));
        let now = Time::ZERO + Duration::from_secs(303);
        assert_ne!(publish(&mut hub, &topic, now).epoch, position.epoch);
        let late = read(&mut hub, &topic, Some(After::Position(position)), now);
        assert!(!late.recovered);
        assert_eq!(offsets(&late), [1]);
    }

    #[test]
    fn history_is_bounded_by_number_bytes_and_age() {
        let limits = Limits {
            history_publications_max: 3,
            history_bytes_max: 2,
            ..Limits::default()
        };
        let mut hub = hub(&limits);
        let topic = name("a");
        for _ in 0..5 {
            publish(&mut hub, &topic, Time::ZERO);
        }
        let all = read(&mut hub, &topic, Some(After::Earliest), Time::ZERO);
        assert_eq!(offsets(&all), [4, 5], "two bytes of payload");
        let old = read(
            &mut hub,
            &topic,
            Some(After::Earliest),
            Time::ZERO + limits.history_age_max,
        );
        assert_eq!(offsets(&old), [4, 5]);
        let later = Time::ZERO + limits.history_age_max + Duration::from_secs(1);
        assert_eq!(
            offsets(&read(&mut hub, &topic, Some(After::Earliest), later)),
            [0; 0]
        );
    }

    #[test]
    fn recovered_is_false_exactly_when_something_is_missing() {
        let limits = Limits {
            history_publications_max: 3,
            ..Limits::default()
        };
        let mut hub = hub(&limits);
        let topic = name("a");
        let mut last = publish(&mut hub, &topic, Time::ZERO);
        for _ in 0..4 {
            last = publish(&mut hub, &topic, Time::ZERO);
        }
        let epoch = last.epoch;
        let mut at = |epoch, offset| {
            let after = After::Position(Position {
                epoch,
                offset: Offset(offset),
            });
            let recovery = read(&mut hub, &topic, Some(after), Time::ZERO);
            (recovery.recovered, offsets(&recovery))
        };
        assert_eq!(at(epoch, 0), (false, vec![3, 4, 5]));
        assert_eq!(at(epoch, 1), (false, vec![3, 4, 5]));
        assert_eq!(at(epoch, 2), (true, vec![3, 4, 5]));
        assert_eq!(at(epoch, 5), (true, vec![]));
        assert_eq!(at(epoch, 6), (false, vec![3, 4, 5]), "in the future");
        assert_eq!(
            at(Epoch::new(0), 5),
            (false, vec![3, 4, 5]),
            "another epoch"
        );
        let unknown = read(&mut hub, &topic, Some(After::Unknown), Time::ZERO);
        assert_eq!(
            (unknown.recovered, offsets(&unknown)),
            (false, vec![3, 4, 5])
        );
    }

    #[test]
    fn a_poll_reads_without_a_trace() {
        let mut hub = hub(&Limits::default());
        let topic = name("a");
        let empty = hub.read(&topic, None, Time::ZERO);
        assert_eq!((empty.position.offset, empty.recovered), (Offset(0), true));
        let missing = After::Position(Position {
            epoch: Epoch::new(1),
            ..empty.position
        });
        assert!(!hub.read(&topic, Some(missing), Time::ZERO).recovered);
        assert_eq!(hub.topics(), 0);

        publish(&mut hub, &topic, Time::ZERO);
        let last = publish(&mut hub, &topic, Time::ZERO);
        let newest = hub.read(&topic, None, Time::ZERO);
        assert_eq!((newest.position, newest.recovered), (last, true));
        assert_eq!(offsets(&newest), [2]);
        let known = Some(After::Position(empty.position));
        assert_eq!(offsets(&hub.read(&topic, known, Time::ZERO)), [1, 2]);
        let later = Time::ZERO + Duration::from_secs(400);
        assert_eq!(offsets(&hub.read(&topic, None, later)), [0; 0]);
        hub.check_invariants();
    }

    #[test]
    fn topics_are_bounded() {
        let mut hub = hub(&Limits::default());
        for i in 0..10 {
            publish(&mut hub, &name(&i.to_string()), Time::ZERO);
        }
        assert_eq!(hub.sequence(&name("x")), Err(TopicsFull));
        assert!(hub.subscribe(&name("x"), HOME, None, Time::ZERO).is_err());
    }

    #[test]
    fn interest_is_counted_by_shard() {
        let mut hub = hub(&Limits::default());
        let topic = name("a");
        for shard in [0, 1, 1] {
            hub.subscribe(&topic, ShardId(shard), None, Time::ZERO)
                .unwrap();
        }
        assert_eq!(hub.subscribers(), 3);
        hub.unsubscribe(&topic, ShardId(0), 1);
        assert_eq!(
            hub.interest(&topic),
            [Interest {
                shard: ShardId(1),
                subscribers: 2
            }]
        );
        hub.unsubscribe(&topic, ShardId(1), 2);
        assert_eq!(hub.topics(), 0);
    }
}
