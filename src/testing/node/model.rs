//! The shadow model: what clients published, what they were told, and what they read.
//!
//! It knows nothing of the node but the interface. What can be judged at once is asserted here;
//! the rest is for `verdict`, when the run is over.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::Time;
use crate::wire::prepared::{PayloadKind, WireForm};

/// Everything that clients know together.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) publications: Vec<Publication>,
    pub(super) subscriptions: Vec<Subscription>,
}

/// A message that a client has begun to publish.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) topic: usize,
    pub(super) client: usize,
    pub(super) payload: Vec<u8>,
    pub(super) kind: PayloadKind,
    pub(super) sent: Time,
    pub(super) outcome: Outcome,
    /// When somebody knew that it was sequenced.
    pub(super) known: Option<Time>,
    /// It must have been sequenced, though nobody was told.
    pub(super) certain: bool,
}

/// What its publisher was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Nothing: on a WebSocket, or not yet, or the connection was lost.
    Unknown,
    /// 503, or 403.
    Refused,
    /// 200.
    Answered(Answer),
}

/// A POST's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) epoch: String,
    pub(super) offset: u64,
    pub(super) subscribers: u64,
    pub(super) queued: u64,
    pub(super) dropped: u64,
    pub(super) complete: bool,
    pub(super) at: Time,
}

/// A client that has asked to subscribe.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) client: usize,
    pub(super) topic: usize,
    pub(super) form: WireForm,
    pub(super) asked: Asked,
    pub(super) requested: Time,
    /// When the 101 was read.
    pub(super) opened: Option<Time>,
    /// It was answered, and not by 101.
    pub(super) refused: bool,
    pub(super) greeting: Option<Greeting>,
    pub(super) seen: Vec<Seen>,
    pub(super) ended: Option<Time>,
    /// It was open and read everything when nothing was under way any more.
    pub(super) quiet: bool,
}

/// From where a subscriber wanted to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Next,
    Earliest,
    Position(String, u64),
}

/// The first message of a subscriber with positions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Greeting {
    pub(super) epoch: String,
    pub(super) last: u64,
    pub(super) recovered: bool,
    pub(super) at: Time,
}

/// A publication that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) publication: usize,
    /// Its offset, where the form says it.
    pub(super) offset: Option<u64>,
}

#[derive(Deserialize)]
struct JsonGreeting {
    position: String,
    recovered: bool,
}

#[derive(Deserialize)]
struct JsonPublication<'a> {
    offset: u64,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    text: Option<String>,
    base64: Option<String>,
}

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
        self.publications.push(Publication {
            topic,
            client,
            payload,
            kind,
            sent: now,
            outcome: Outcome::Unknown,
            known: None,
            certain: false,
        });
        id
    }

    pub(super) fn subscribe(
        &mut self,
        (client, topic): (usize, usize),
        form: WireForm,
        asked: Asked,
        now: Time,
    ) -> usize {
        self.subscriptions.push(Subscription {
            client,
            topic,
            form,
            asked,
            requested: now,
            opened: None,
            refused: false,
            greeting: None,
            seen: Vec::new(),
            ended: None,
            quiet: false,
        });
        self.subscriptions.len() - 1
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
        assert_eq!(publication.outcome, Outcome::Unknown, "answered twice");
        publication.known = publication.known.or(Some(now));
        publication.outcome = Outcome::Answered(Answer {
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
        assert_eq!(publication.outcome, Outcome::Unknown, "answered twice");
        assert_eq!(publication.known, None, "refused, and read by somebody");
        publication.outcome = Outcome::Refused;
    }

    /// All that a client has published was taken.
    pub(super) fn certain(&mut self, client: usize) {
        let own = self.publications.iter_mut().filter(|p| p.client == client);
        own.for_each(|publication| publication.certain = true);
    }

    /// A subscriber has read a message.
    pub(super) fn read(&mut self, id: usize, is_text: bool, payload: &[u8], now: Time) {
        let subscription = &self.subscriptions[id];
        if !subscription.form.is_json() {
            self.read_plain(id, is_text, payload, now);
        } else if subscription.greeting.is_none() {
            self.read_greeting(id, payload, now);
        } else {
            self.read_json(id, is_text, payload, now);
        }
    }

    /// A position that a client may have kept: of the newest publication, or of an older one.
    pub(super) fn some_position(&self, topic: usize, back: usize) -> Option<(String, u64)> {
        let of_topic = self.publications.iter().rev().filter(|p| p.topic == topic);
        let positions = of_topic.filter_map(|p| match &p.outcome {
            Outcome::Answered(answer) => Some((answer.epoch.clone(), answer.offset)),
            Outcome::Unknown | Outcome::Refused => None,
        });
        positions.take(back + 1).last()
    }

    fn read_plain(&mut self, id: usize, is_text: bool, payload: &[u8], now: Time) {
        let publication = number_in(payload);
        let expected = &self.publications[publication];
        assert!(
            expected.payload == payload,
            "a payload was changed: {payload:?}"
        );
        let is_binary = expected.kind == PayloadKind::Binary;
        assert_eq!(is_text, !is_binary, "text stays text, and binary binary");
        self.note(id, publication, None, now);
    }

    fn read_greeting(&mut self, id: usize, payload: &[u8], now: Time) {
        let greeting: JsonGreeting =
            serde_json::from_slice(payload).expect("the first message is the greeting");
        let (epoch, last) = split_position(&greeting.position);
        self.subscriptions[id].greeting = Some(Greeting {
            epoch,
            last,
            recovered: greeting.recovered,
            at: now,
        });
    }

    fn read_json(&mut self, id: usize, is_text: bool, payload: &[u8], now: Time) {
        assert!(is_text, "JSON is text");
        let json: JsonPublication<'_> =
            serde_json::from_slice(payload).expect("a publication in JSON");
        let (kind, payload) = match (json.data, json.text, json.base64) {
            (Some(data), None, None) => (PayloadKind::Json, data.get().as_bytes().to_vec()),
            (None, Some(text), None) => (PayloadKind::Text, text.into_bytes()),
            (None, None, Some(coded)) => {
                let bytes = STANDARD.decode(coded).expect("base64 is base64");
                (PayloadKind::Binary, bytes)
            }
            _ => panic!("a publication has one payload"),
        };
        let publication = number_in(&payload);
        let expected = &self.publications[publication];
        assert!(
            expected.payload == payload,
            "a payload was changed: {payload:?}"
        );
        assert_eq!(expected.kind, kind, "each kind has its own field");
        self.note(id, publication, Some(json.offset), now);
    }

    fn note(&mut self, id: usize, publication: usize, offset: Option<u64>, now: Time) {
        let read = &mut self.publications[publication];
        assert_eq!(
            read.topic, self.subscriptions[id].topic,
            "a publication of another topic"
        );
        assert_ne!(
            read.outcome,
            Outcome::Refused,
            "read, though it was refused"
        );
        read.known = read.known.or(Some(now));
        self.subscriptions[id].seen.push(Seen {
            publication,
            offset,
        });
    }
}

/// The topics' newest lives, by what their publications' answers said.
pub(super) fn epochs(model: &Model) -> usize {
    let mut of_topic: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for publication in &model.publications {
        if let Outcome::Answered(answer) = &publication.outcome {
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

pub(super) fn split_position(position: &str) -> (String, u64) {
    let (epoch, offset) = position.split_once(':').expect("epoch and offset");
    (
        epoch.to_owned(),
        offset.parse().expect("an offset is a number"),
    )
}

/// `17~` and a filling, so that each payload says which publication it is.
fn payload(id: usize, kind: PayloadKind, bytes: usize) -> Vec<u8> {
    let mut payload = format!("{id}~").into_bytes();
    let filling = (0..bytes).map(|i| match kind {
        PayloadKind::Binary => u8::try_from((i * 7 + id) % 256).unwrap_or(0),
        PayloadKind::Text | PayloadKind::Json => b"abc\"\\\n de"[(i + id) % 9],
    });
    payload.extend(filling);
    if kind == PayloadKind::Json {
        let text = String::from_utf8_lossy(&payload);
        payload = serde_json::to_vec(&text).expect("a string has a JSON form");
    }
    payload
}

fn number_in(payload: &[u8]) -> usize {
    let payload = payload.strip_prefix(b"\"").unwrap_or(payload);
    let end = payload
        .iter()
        .position(|b| *b == b'~')
        .expect("a payload of ours");
    let digits = std::str::from_utf8(&payload[..end]).expect("a number");
    digits.parse().expect("a number")
}
