//! The shadow model: what clients published, what they were told, and what they read.
//!
//! It knows nothing of the node but the interface. What can be judged at once is asserted here
//! and in `reading`; the rest is for `verdict`, when the run is over.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;

pub(super) use super::asking::AskedPosition;
use crate::base::Time;
use crate::wire::prepared::{PayloadKind, WireForm};

/// Everything that clients know together.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) publications: Vec<ModelPublication>,
    pub(super) subscriptions: Vec<ModelSubscription>,
    pub(super) polls: Vec<Poll>,
    /// Positions that somebody was told, by topic, in the order of the telling.
    told: BTreeMap<usize, Vec<(String, u64)>>,
}

/// A message that a client has begun to publish.
#[derive(Debug)]
pub(super) struct ModelPublication {
    pub(super) topic: usize,
    pub(super) client: usize,
    pub(super) payload: Vec<u8>,
    pub(super) kind: PayloadKind,
    pub(super) sent: Time,
    pub(super) outcome: PostOutcome,
    /// When somebody knew that it was sequenced.
    pub(super) known: Option<Time>,
    /// It must have been sequenced, though nobody was told.
    pub(super) certain: bool,
}

/// What its publisher was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PostOutcome {
    /// Nothing: on a WebSocket, or not yet, or the connection was lost.
    Unknown,
    /// 503, or 403.
    Refused,
    /// 200.
    Answered(PostAnswer),
}

/// A POST's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PostAnswer {
    pub(super) epoch: String,
    pub(super) offset: u64,
    pub(super) subscribers: u64,
    pub(super) queued: u64,
    pub(super) dropped: u64,
    pub(super) complete: bool,
    pub(super) at: Time,
}

/// What a client wants that reads one publication behind the other.
#[derive(Clone, Debug)]
pub(super) struct ReadingWish {
    pub(super) client: usize,
    pub(super) topic: usize,
    pub(super) form: WireForm,
    /// Of each such interval the newest one.
    pub(super) conflate: Option<Duration>,
    pub(super) asked: AskedPosition,
    /// It reads at once, and nothing on its way takes time but the node itself.
    pub(super) prompt: bool,
}

/// A client that has asked to subscribe: a WebSocket or a stream.
#[derive(Debug)]
pub(super) struct ModelSubscription {
    pub(super) wish: ReadingWish,
    pub(super) requested: Time,
    /// When the head of the answer was read.
    pub(super) opened: Option<Time>,
    /// It was answered, and not by 101 or 200.
    pub(super) refused: bool,
    pub(super) greeting: Option<ModelGreeting>,
    pub(super) seen: Vec<SeenPublication>,
    /// When it began to go, by itself.
    pub(super) left: Option<Time>,
    pub(super) ended: Option<Time>,
    /// It was open and read everything when nothing was under way any more.
    pub(super) quiet: bool,
}

/// What comes before the first publication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ModelGreeting {
    pub(super) epoch: String,
    /// From where the reader goes on, if it is said.
    pub(super) begins: Option<u64>,
    /// Where the topic was, if it is said.
    pub(super) last: Option<u64>,
    pub(super) recovered: bool,
    pub(super) at: Time,
}

/// A publication that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SeenPublication {
    pub(super) publication: usize,
    /// Its offset, where the form says it.
    pub(super) offset: Option<u64>,
    /// For how many it stands, where the form says it; 1 without conflation.
    pub(super) stands_for: Option<u64>,
    pub(super) at: Time,
}

/// A poll, or a long poll.
#[derive(Debug)]
pub(super) struct Poll {
    pub(super) topic: usize,
    pub(super) asked: AskedPosition,
    pub(super) conditional: bool,
    /// How long it is held at most; `None` if it is not.
    pub(super) held: Option<Duration>,
    /// Only the head is wanted.
    pub(super) head_only: bool,
    pub(super) prompt: bool,
    pub(super) requested: Time,
    /// When the answer before it was read, if it was written behind another request.
    pub(super) begun_by: Time,
    pub(super) refused: bool,
    pub(super) answer: Option<PollAnswer>,
    /// When it was answered, or its connection was over.
    pub(super) ended: Option<Time>,
}

/// The answer to a poll.
#[derive(Debug)]
pub(super) struct PollAnswer {
    pub(super) epoch: String,
    pub(super) last: u64,
    pub(super) recovered: bool,
    pub(super) seen: Vec<SeenPublication>,
    pub(super) not_modified: bool,
    /// The node was going away.
    pub(super) draining: bool,
    pub(super) at: Time,
}

/// The body of the answer to a POST.
#[derive(Deserialize)]
struct JsonAnswer {
    topic: String,
    position: String,
    epoch: String,
    offset: u64,
    subscribers: u64,
    queued: u64,
    dropped: u64,
    complete: Option<bool>,
}

impl Model {
    /// A new message with a payload like no other.
    pub(super) fn publish(
        &mut self,
        (client, topic): (usize, usize),
        kind: PayloadKind,
        bytes: usize,
        now: Time,
    ) -> usize {
        let id = self.publications.len();
        let payload = payload(id, kind, bytes);
        self.publications.push(ModelPublication {
            topic,
            client,
            payload,
            kind,
            sent: now,
            outcome: PostOutcome::Unknown,
            known: None,
            certain: false,
        });
        id
    }

    pub(super) fn subscribe(&mut self, wish: ReadingWish, now: Time) -> usize {
        self.subscriptions.push(ModelSubscription {
            wish,
            requested: now,
            opened: None,
            refused: false,
            greeting: None,
            seen: Vec::new(),
            left: None,
            ended: None,
            quiet: false,
        });
        self.subscriptions.len() - 1
    }

    pub(super) fn poll(&mut self, poll: Poll) -> usize {
        self.polls.push(poll);
        self.polls.len() - 1
    }

    /// A POST was answered with 200.
    pub(super) fn answered(&mut self, id: usize, topic: &str, body: &[u8], now: Time) {
        let answer: JsonAnswer = serde_json::from_slice(body).expect("an answer is JSON");
        assert_eq!(answer.topic, topic, "the answer names the topic");
        assert_eq!(
            answer.position,
            format!("{}:{}", answer.epoch, answer.offset),
            "the position is epoch and offset"
        );
        let publication = &mut self.publications[id];
        assert_eq!(publication.outcome, PostOutcome::Unknown, "answered twice");
        publication.known = publication.known.or(Some(now));
        let topic = publication.topic;
        self.told(topic, &answer.epoch, answer.offset);
        self.publications[id].outcome = PostOutcome::Answered(PostAnswer {
            epoch: answer.epoch,
            offset: answer.offset,
            subscribers: answer.subscribers,
            queued: answer.queued,
            dropped: answer.dropped,
            complete: answer.complete.unwrap_or(true),
            at: now,
        });
    }

    /// A publish was refused, so nobody may ever read it.
    pub(super) fn refused(&mut self, id: usize) {
        let publication = &mut self.publications[id];
        assert_eq!(publication.outcome, PostOutcome::Unknown, "answered twice");
        assert_eq!(publication.known, None, "refused, and read by somebody");
        publication.outcome = PostOutcome::Refused;
    }

    /// All that a client has published was taken.
    pub(super) fn certain(&mut self, client: usize) {
        let own = self.publications.iter_mut().filter(|p| p.client == client);
        own.for_each(|publication| publication.certain = true);
    }

    /// Somebody was told this position.
    pub(super) fn told(&mut self, topic: usize, epoch: &str, offset: u64) {
        let told = self.told.entry(topic).or_default();
        told.push((epoch.to_owned(), offset));
    }

    /// A position that a client may have kept: the newest that anybody was told, one from a short
    /// while ago, or any.
    pub(super) fn some_position(&self, topic: usize, rng: &mut Rng) -> Option<(String, u64)> {
        let told = self.told.get(&topic)?;
        let back = match rng.u8(0..10) {
            0..4 => 0,
            4..8 => rng.usize(0..40),
            _ => rng.usize(..told.len()),
        };
        told.get(told.len().saturating_sub(back + 1)).cloned()
    }
}

impl ModelSubscription {
    /// Which publication is the first that what was read stands for, if that is known without
    /// anybody's help.
    pub(super) fn first(&self) -> Option<u64> {
        let seen = self.seen.first()?;
        Some(seen.offset? + 1 - seen.stands_for?)
    }
}

/// The topics' newest lives, by what their publications' answers said.
pub(super) fn epochs(model: &Model) -> usize {
    let mut of_topic: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for publication in &model.publications {
        if let PostOutcome::Answered(answer) = &publication.outcome {
            of_topic
                .entry(publication.topic)
                .or_default()
                .push(&answer.epoch);
        }
    }
    let lives = of_topic.into_values().map(|mut epochs| {
        epochs.sort_unstable();
        epochs.dedup();
        epochs.len() - 1
    });
    lives.sum()
}

/// `17~` and a filling, so that each payload says which publication it is. Some texts have
/// carriage returns, and some JSON has line ends between its tokens.
fn payload(id: usize, kind: PayloadKind, bytes: usize) -> Vec<u8> {
    let mut payload = format!("{id}~").into_bytes();
    let letters: &[u8] = if id.is_multiple_of(3) {
        b"abc\"\\\n de"
    } else {
        b"abc\r\n de\\"
    };
    let filling = (0..bytes).map(|i| match kind {
        PayloadKind::Binary => u8::try_from((i * 7 + id) % 256).unwrap_or(0),
        PayloadKind::Text | PayloadKind::Json => letters[(i + id) % 9],
    });
    payload.extend(filling);
    if kind == PayloadKind::Json {
        let text = String::from_utf8_lossy(&payload);
        payload = serde_json::to_vec(&text).expect("a string has a JSON form");
        if id.is_multiple_of(4) {
            payload = [b"[\n", &payload[..], b",\r\n1]"].concat();
        }
    }
    payload
}
