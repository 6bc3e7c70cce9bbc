//! The topics whose home this shard is, and the publications that come to them.
//!
//! One of the three owners of a shard. It knows which shards have readers, not who they are, and
//! of a publisher only its [`Origin`].

mod publications;

use std::sync::Arc;

use self::publications::{OpenPublication, Publications};
use super::delivery::Delivery;
use super::surroundings::Surroundings;
use crate::base::{After, Position, ShardId, Time, TopicName};
use crate::hub::{Hub, HubUsage, Interest, PublishOutcome, Recovery, TopicsFull};
use crate::mesh::{DeliveryResult, Mesh, Origin, Request};
use crate::metrics::RefuseReason;
use crate::wire::prepared::{Draft, Publication};

/// All home topics of a shard.
pub(super) struct Home {
    hub: Hub,
    publications: Publications,
}

/// What became of a publication at its home.
#[derive(Debug)]
pub(super) enum HomeOutcome {
    /// It is on its way to every shard that has readers; to this one's, it is still to be given.
    OnItsWay(Option<Delivery>),
    /// Nobody is there who reads it.
    Done(PublishOutcome),
    /// It was not sequenced.
    Refused(RefuseReason),
}

impl Home {
    pub(super) fn new(hub: Hub) -> Self {
        Self {
            hub,
            publications: Publications::default(),
        }
    }

    /// What follows a position, without a subscription.
    pub(super) fn read(&mut self, topic: &TopicName, after: Option<After>, now: Time) -> Recovery {
        self.hub.read(topic, after, now)
    }

    /// Counts one more subscriber on a shard.
    pub(super) fn subscribe(
        &mut self,
        topic: &TopicName,
        shard: ShardId,
        after: Option<After>,
        now: Time,
    ) -> Result<Recovery, TopicsFull> {
        self.hub.subscribe(topic, shard, after, now)
    }

    /// Counts so many subscribers less on a shard.
    pub(super) fn unsubscribe(&mut self, topic: &TopicName, shard: ShardId, subscribers: u32) {
        self.hub.unsubscribe(topic, shard, subscribers);
    }

    /// Room first, then an offset, then everybody. `backlog` says how many publications of a topic
    /// wait behind a flush on this shard.
    pub(super) fn publish<S>(
        &mut self,
        around: &Surroundings,
        mesh: &mut Mesh<S>,
        (origin, draft): (Origin, Draft),
        backlog: impl Fn(&TopicName) -> usize,
    ) -> HomeOutcome {
        let Draft {
            topic,
            kind,
            payload,
            received,
        } = draft;
        if !self.has_room_everywhere(around, mesh, &topic, backlog) {
            return HomeOutcome::Refused(RefuseReason::NoCredit);
        }
        let Ok(position) = self.hub.sequence(&topic) else {
            return HomeOutcome::Refused(RefuseReason::TopicsFull);
        };
        let Position { epoch, offset } = position;
        let sequenced = Publication {
            epoch,
            offset,
            kind,
            payload,
        };
        let message = self.hub.apply(&topic, sequenced, around.now);
        around.metrics.publications.add(1);
        let interest = self.hub.interest(&topic).to_vec();
        let open = OpenPublication::new(origin, position, &interest);
        if interest.is_empty() {
            return HomeOutcome::Done(open.outcome());
        }
        let number = self.expect(around, open, &interest);
        let delivery = Delivery {
            home: around.id,
            number,
            topic,
            message,
            received,
        };
        let is_read_here = send_to_others(mesh, &delivery, &interest);
        HomeOutcome::OnItsWay(is_read_here.then_some(delivery))
    }

    /// Waits for the counts of a publication, and gives that a number. Counts of other shards, and
    /// of very many subscribers, may take long; the origin is told what there is in time.
    fn expect(
        &mut self,
        around: &Surroundings,
        open: OpenPublication,
        interest: &[Interest],
    ) -> u32 {
        let limits = around.limits();
        let takes_long = |i: &Interest| {
            i.shard != around.id || i.subscribers as usize > limits.fanout_per_turn_max
        };
        let by = around.now + limits.publish_answer_timeout;
        let takes_long = interest.iter().any(takes_long);
        self.publications.insert(open, takes_long.then_some(by))
    }

    /// Nothing is sequenced that some interested shard has no room for. This one has none while
    /// as many publications as it would give another shard credits wait behind a flush.
    fn has_room_everywhere<S>(
        &self,
        around: &Surroundings,
        mesh: &Mesh<S>,
        topic: &TopicName,
        backlog: impl Fn(&TopicName) -> usize,
    ) -> bool {
        let most = around.limits().mesh_credits_per_pair as usize;
        let mut interest = self.hub.interest(topic).iter().map(|i| i.shard);
        interest.all(|shard| {
            if shard == around.id {
                backlog(topic) < most
            } else {
                mesh.has_credit(shard)
            }
        })
    }

    /// One shard has reported; whoever waits for that is named when all have.
    pub(super) fn count(&mut self, delivered: DeliveryResult) -> Option<(Origin, PublishOutcome)> {
        self.publications.count(delivered)
    }

    /// An origin that has waited long enough, and what is counted for it so far.
    pub(super) fn next_late(&mut self, now: Time) -> Option<(Origin, PublishOutcome)> {
        self.publications.next_late(now)
    }

    /// Forgets what is too old.
    pub(super) fn expire(&mut self, now: Time) {
        self.hub.expire(now);
    }

    /// When history is too old, or a publisher has waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        Time::earliest(self.hub.next_expiry(), self.publications.next_deadline())
    }

    /// How many topics there are.
    pub(super) fn topics(&self) -> usize {
        self.hub.topics()
    }

    /// What their histories hold.
    pub(super) fn held(&self) -> HubUsage {
        self.hub.held()
    }

    /// Whether nobody reads, nothing is kept, and nobody waits for an outcome.
    pub(super) fn is_at_rest(&self) -> bool {
        self.hub.next_expiry().is_none()
            && self.hub.subscribers() == 0
            && self.publications.is_empty()
    }

    pub(super) fn check_invariants(&self) {
        self.hub.check_invariants();
    }
}

/// Sends a publication to the other shards that have readers. Says whether this one has some.
fn send_to_others<S>(mesh: &mut Mesh<S>, delivery: &Delivery, interest: &[Interest]) -> bool {
    let mut is_read_here = false;
    for Interest { shard, .. } in interest {
        if *shard == delivery.home {
            is_read_here = true;
            continue;
        }
        let request = Request::Deliver {
            delivery: delivery.number,
            topic: delivery.topic.clone(),
            message: Arc::clone(&delivery.message),
            received: delivery.received,
        };
        mesh.request(*shard, request);
    }
    is_read_here
}
