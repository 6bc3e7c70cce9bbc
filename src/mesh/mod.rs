//! Shard to shard: an inbox each, a coalesced wake, and credits instead of full queues.
//!
//! The only module that meets other threads. It knows [`Message`]s and shards, and nothing of
//! connections or topics' contents.
//!
//! Every request from one shard to another takes one of the pair's credits and is answered
//! exactly once; the answer gives the credit back. An inbox therefore never holds more than
//! `2 * shards * credits` messages, though the channel itself has no bound: two full shards
//! cannot wait for each other, because an answer needs no credit.

mod doorbell;
mod message;
mod node;

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};

pub use doorbell::Doorbell;
pub use message::{Answer, Control, DeliveryResult, Letter, Message, Origin, Request};
pub use node::{NodeState, Permit};

use crate::base::ShardId;
use crate::io::Wake;

/// One shard's end of the mesh. `S` is an accepted socket on its way to another shard.
#[derive(Debug)]
pub struct Mesh<S> {
    me: ShardId,
    inbox: Receiver<Letter<S>>,
    bell: Arc<Doorbell>,
    lanes: Vec<Lane<S>>,
    /// Messages that came in and went out, for the metrics.
    traffic: Traffic,
}

/// What went through a shard's end of the mesh since it was last asked.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Traffic {
    /// Messages handed to other shards.
    pub messages: u64,
    /// Times that another shard had to be woken.
    pub wakes: u64,
}

/// The way to another shard.
#[derive(Debug)]
struct Lane<S> {
    /// Of its inbox.
    entrance: Sender<Letter<S>>,
    bell: Arc<Doorbell>,
    /// Requests that may still be sent. Invariant: credits + requests unanswered = the pair's bound.
    credits: u32,
    /// Subscribes and unsubscribes that wait for a credit, in their order. Each connection has
    /// at most two of them.
    waiting: VecDeque<Request<S>>,
    /// Something was sent since the last [`Mesh::ring`].
    rings: bool,
}

/// What is needed to reach one shard: made before its thread is started.
#[derive(Debug)]
pub struct Joint<S> {
    entrance: Sender<Letter<S>>,
    inbox: Receiver<Letter<S>>,
    bell: Arc<Doorbell>,
}

impl<S> Joint<S> {
    /// The joint of a shard that `waker` wakes.
    #[must_use]
    pub fn new(waker: Box<dyn Wake>) -> Self {
        let (entrance, inbox) = unbounded();
        Self {
            entrance,
            inbox,
            bell: Arc::new(Doorbell::new(waker)),
        }
    }

    /// A way to send commands to the shard from outside the mesh.
    #[must_use]
    pub fn remote(&self) -> Remote<S> {
        Remote {
            entrance: self.entrance.clone(),
            bell: Arc::clone(&self.bell),
        }
    }
}

/// Commands to a shard from the main thread.
#[derive(Debug)]
pub struct Remote<S> {
    entrance: Sender<Letter<S>>,
    bell: Arc<Doorbell>,
}

impl<S> Remote<S> {
    /// Sends a command and wakes the shard; does nothing if the shard has ended.
    pub fn send(&self, control: Control) {
        if self
            .entrance
            .send(Letter {
                from: None,
                message: Message::Control(control),
            })
            .is_ok()
        {
            self.bell.ring();
        }
    }
}

impl<S> Mesh<S> {
    /// Connects all shards with each other; the result is in the order of the joints.
    /// `credits` is how many requests one shard may have unanswered at another.
    #[must_use]
    pub fn connect(joints: Vec<Joint<S>>, credits: u32) -> Vec<Self> {
        let lanes = |_: usize| joints.iter().map(|joint| joint.lane(credits)).collect();
        let lanes: Vec<Vec<Lane<S>>> = (0..joints.len()).map(lanes).collect();
        joints
            .into_iter()
            .zip(lanes)
            .zip(0..)
            .map(|((joint, lanes), i)| Self {
                me: ShardId(i),
                inbox: joint.inbox,
                bell: joint.bell,
                lanes,
                traffic: Traffic::default(),
            })
            .collect()
    }

    /// Which shard this is.
    #[must_use]
    pub fn me(&self) -> ShardId {
        self.me
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.lanes.len()
    }

    /// Whether a request to `to` may be sent now, without overtaking one that waits.
    #[must_use]
    pub fn has_credit(&self, to: ShardId) -> bool {
        let lane = &self.lanes[to.index()];
        lane.credits > 0 && lane.waiting.is_empty()
    }

    /// Sends a request for which [`Mesh::has_credit`] was true.
    pub fn request(&mut self, to: ShardId, request: Request<S>) {
        debug_assert!(to != self.me, "a shard does not send to itself");
        debug_assert!(self.has_credit(to), "a request without a credit");
        let me = self.me;
        self.traffic.messages += 1;
        self.lanes[to.index()].request(me, request);
    }

    /// Sends a request that must not get lost, as soon as there is a credit for it.
    pub fn request_when_possible(&mut self, to: ShardId, request: Request<S>) {
        if self.has_credit(to) {
            self.request(to, request);
        } else {
            self.lanes[to.index()].waiting.push_back(request);
        }
    }

    /// Answers a request, which needs no credit.
    pub fn answer(&mut self, to: ShardId, answer: Answer) {
        debug_assert!(to != self.me, "a shard does not send to itself");
        self.traffic.messages += 1;
        let letter = Letter {
            from: Some(self.me),
            message: Message::Answer(answer),
        };
        self.lanes[to.index()].send(letter);
    }

    /// The next message, if there is one. An answer gives its credits back here, and requests
    /// that waited for them go out.
    pub fn receive(&mut self) -> Option<Letter<S>> {
        let letter = self.inbox.try_recv().ok()?;
        if let (Some(from), Message::Answer(answer)) = (letter.from, &letter.message) {
            self.give_back(from, answer.credits());
        }
        Some(letter)
    }

    /// Says that the inbox is about to be emptied: a message that comes later rings again.
    pub fn open_inbox(&self) {
        self.bell.hear();
    }

    /// How many messages wait.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.inbox.len()
    }

    /// Wakes every shard that was sent something, once.
    pub fn ring(&mut self) {
        for lane in self.lanes.iter_mut().filter(|lane| lane.rings) {
            lane.rings = false;
            self.traffic.wakes += u64::from(lane.bell.ring());
        }
    }

    /// What went out since the last call.
    pub fn take_traffic(&mut self) -> Traffic {
        std::mem::take(&mut self.traffic)
    }

    /// Requests that are not answered yet or wait to be sent, over all pairs.
    #[must_use]
    pub fn unanswered(&self, credits: u32) -> usize {
        let of = |lane: &Lane<S>| (credits - lane.credits) as usize + lane.waiting.len();
        self.lanes.iter().map(of).sum()
    }

    fn give_back(&mut self, from: ShardId, credits: u32) {
        let me = self.me;
        let lane = &mut self.lanes[from.index()];
        lane.credits += credits;
        while lane.credits > 0 {
            let Some(request) = lane.waiting.pop_front() else {
                return;
            };
            self.traffic.messages += 1;
            lane.request(me, request);
        }
    }
}

impl<S> Joint<S> {
    fn lane(&self, credits: u32) -> Lane<S> {
        Lane {
            entrance: self.entrance.clone(),
            bell: Arc::clone(&self.bell),
            credits,
            waiting: VecDeque::new(),
            rings: false,
        }
    }
}

impl<S> Lane<S> {
    fn request(&mut self, me: ShardId, request: Request<S>) {
        self.credits -= 1;
        self.send(Letter {
            from: Some(me),
            message: Message::Request(request),
        });
    }

    /// A shard that has ended takes nothing any more, and nobody waits for its answers then.
    fn send(&mut self, letter: Letter<S>) {
        self.rings |= self.entrance.send(letter).is_ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::base::TopicName;

    #[derive(Clone, Default)]
    struct Count(Arc<AtomicU32>);

    impl Wake for Count {
        fn wake(&self) {
            // Relaxed: only this test's thread counts.
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn pair(credits: u32) -> (Mesh<()>, Mesh<()>, Count) {
        let count = Count::default();
        let joints = vec![
            Joint::new(Box::new(Count::default())),
            Joint::new(Box::new(count.clone())),
        ];
        let mut meshes = Mesh::connect(joints, credits).into_iter();
        (meshes.next().unwrap(), meshes.next().unwrap(), count)
    }

    fn unsubscribe() -> Request<()> {
        Request::Unsubscribe {
            topic: TopicName::new("a").unwrap(),
            subscribers: 1,
        }
    }

    #[test]
    fn an_answer_gives_the_credit_back_and_lets_the_next_one_go() {
        let (mut a, mut b, _) = pair(1);
        let there = ShardId(1);
        a.request_when_possible(there, unsubscribe());
        a.request_when_possible(there, unsubscribe());
        assert!(!a.has_credit(there));
        assert_eq!(a.unanswered(1), 2);
        assert!(b.receive().is_some() && b.receive().is_none());
        b.answer(ShardId(0), Answer::Unsubscribed);
        assert!(a.receive().is_some());
        assert!(!a.has_credit(there), "the one that waited took it");
        assert!(b.receive().is_some());
        b.answer(ShardId(0), Answer::Unsubscribed);
        assert!(a.receive().is_some());
        assert!(a.has_credit(there));
    }

    #[test]
    fn many_messages_wake_once() {
        let (mut a, b, woken) = pair(10);
        for _ in 0..3 {
            a.request(ShardId(1), unsubscribe());
        }
        a.ring();
        a.request(ShardId(1), unsubscribe());
        a.ring();
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        b.open_inbox();
        a.request(ShardId(1), unsubscribe());
        a.ring();
        assert_eq!(woken.0.load(Ordering::Relaxed), 2);
        assert_eq!(
            a.take_traffic(),
            Traffic {
                messages: 5,
                wakes: 2
            }
        );
    }
}
