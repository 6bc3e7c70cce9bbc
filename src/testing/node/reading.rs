//! What clients have read, in each of its forms, for the shadow model. Each payload is compared
//! with what was published.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::body::BodyEvent;
use super::model::{Model, ModelGreeting, PollAnswer, PostOutcome, SeenPublication};
use crate::base::Time;
use crate::wire::form::Content;
use crate::wire::prepared::PayloadKind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonGreeting {
    position: String,
    recovered: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadPublication<'a> {
    offset: u64,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    text: Option<String>,
    base64: Option<String>,
    conflated: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonPoll<'a> {
    position: String,
    recovered: bool,
    #[serde(borrow)]
    publications: Vec<ReadPublication<'a>>,
}

impl Model {
    /// A subscriber has read a message, or a line.
    pub(super) fn read(&mut self, id: usize, is_text: bool, payload: &[u8], now: Time) {
        let subscription = &self.subscriptions[id];
        if !subscription.wish.form.is_json() {
            self.read_plain(id, is_text, payload, now);
        } else if subscription.greeting.is_none() {
            self.read_greeting(id, None, payload, now);
        } else {
            assert!(is_text, "JSON is text");
            self.read_json(id, payload, now);
        }
    }

    /// A subscriber has read an event of a publication, or the one before all of them.
    pub(super) fn read_event(&mut self, id: usize, event: &BodyEvent, now: Time) {
        let position = event.id.as_deref().expect("an event has an id");
        let (epoch, offset) = split_position(position);
        let subscription = &self.subscriptions[id];
        let (topic, content) = (subscription.wish.topic, subscription.wish.form.content());
        let Some(greeting) = &subscription.greeting else {
            self.read_first_event(id, event, (epoch, offset), now);
            return;
        };
        assert_eq!(epoch, greeting.epoch, "another life in the middle");
        self.told(topic, &epoch, offset);
        let data = event.data.as_deref().expect("a publication has data");
        if content == Content::JsonEvent {
            assert_eq!(event.name, None, "JSON has no name");
            self.read_json(id, data.as_bytes(), now);
            let seen = self.subscriptions[id].seen.last();
            assert_eq!(seen.and_then(|seen| seen.offset), Some(offset));
        } else {
            self.read_plain_event(id, event.name.as_deref(), data, offset, now);
        }
    }

    /// What a poll was answered with 200.
    pub(super) fn read_poll(&mut self, id: usize, tag: &str, body: &[u8], now: Time) {
        let poll: JsonPoll<'_> = serde_json::from_slice(body).expect("an answer to a poll");
        assert_eq!(poll.position, tag, "the tag is the position");
        let (epoch, last) = split_position(&poll.position);
        let topic = self.polls[id].topic;
        self.told(topic, &epoch, last);
        let publications = poll.publications.into_iter();
        let seen = publications.map(|publication| {
            assert_eq!(publication.conflated, None, "polls are not conflated");
            self.take_json(topic, publication, now)
        });
        let seen = seen.collect();
        self.polls[id].answer = Some(PollAnswer {
            epoch,
            last,
            recovered: poll.recovered,
            seen,
            not_modified: false,
            draining: false,
            at: now,
        });
    }

    /// A poll was answered with 304, or only the head of its answer was wanted.
    pub(super) fn read_poll_head(&mut self, id: usize, status: u16, tag: &str, now: Time) {
        let (epoch, last) = split_position(tag);
        self.told(self.polls[id].topic, &epoch, last);
        self.polls[id].answer = Some(PollAnswer {
            epoch,
            last,
            recovered: true,
            seen: Vec::new(),
            not_modified: status == 304,
            draining: false,
            at: now,
        });
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
        let stands_for = self.stands_for_one(id);
        self.note(id, publication, (None, stands_for), now);
    }

    fn read_plain_event(
        &mut self,
        id: usize,
        name: Option<&str>,
        data: &str,
        offset: u64,
        now: Time,
    ) {
        let payload = match name {
            None => data.as_bytes().to_vec(),
            Some("base64") => STANDARD.decode(data).expect("base64 is base64"),
            Some(other) => panic!("an event {other:?}"),
        };
        let publication = number_in(&payload);
        let expected = &self.publications[publication];
        assert!(
            expected.payload == payload,
            "a payload was changed: {payload:?}"
        );
        let fits = expected.kind != PayloadKind::Binary && !payload.contains(&b'\r');
        assert_eq!(name.is_none(), fits, "base64 is what a line cannot hold");
        let stands_for = self.stands_for_one(id);
        self.note(id, publication, (Some(offset), stands_for), now);
    }

    fn read_first_event(&mut self, id: usize, event: &BodyEvent, at: (String, u64), now: Time) {
        let (epoch, begins) = at;
        let (Some(name @ ("position" | "reset")), Some(data)) =
            (event.name.as_deref(), event.data.as_deref())
        else {
            panic!("the first event is {event:?}");
        };
        self.read_greeting(id, Some(begins), data.as_bytes(), now);
        let greeting = self.subscriptions[id].greeting.as_ref();
        let greeting = greeting.expect("it was just read");
        assert_eq!(greeting.recovered, name == "position", "its name says it");
        assert_eq!(greeting.epoch, epoch, "id and data are of one life");
        assert!(
            greeting.last >= Some(begins),
            "a place behind where the topic is"
        );
    }

    fn read_greeting(&mut self, id: usize, begins: Option<u64>, payload: &[u8], now: Time) {
        let greeting: JsonGreeting =
            serde_json::from_slice(payload).expect("the first message is the greeting");
        let (epoch, last) = split_position(&greeting.position);
        self.told(self.subscriptions[id].wish.topic, &epoch, last);
        self.subscriptions[id].greeting = Some(ModelGreeting {
            epoch,
            begins,
            last: Some(last),
            recovered: greeting.recovered,
            at: now,
        });
    }

    fn read_json(&mut self, id: usize, payload: &[u8], now: Time) {
        let json: ReadPublication<'_> =
            serde_json::from_slice(payload).expect("a publication in JSON");
        let topic = self.subscriptions[id].wish.topic;
        let is_conflated = self.subscriptions[id].wish.conflate.is_some();
        assert_eq!(
            json.conflated.is_some(),
            is_conflated,
            "who asked for less than all is told for how many each stands"
        );
        let seen = self.take_json(topic, json, now);
        self.subscriptions[id].seen.push(seen);
    }

    /// Holds a publication in JSON against what was published.
    fn take_json(&mut self, topic: usize, json: ReadPublication<'_>, now: Time) -> SeenPublication {
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
        let same = match kind {
            // Line ends between tokens have become blanks.
            PayloadKind::Json => expected.payload.iter().map(blank).eq(payload),
            PayloadKind::Text | PayloadKind::Binary => expected.payload == payload,
        };
        assert!(same, "the payload of {publication} was changed");
        assert_eq!(expected.kind, kind, "each kind has its own field");
        let stands_for = json.conflated.unwrap_or(1);
        assert!(
            (1..=json.offset).contains(&stands_for),
            "conflated from {stands_for} publications up to {}",
            json.offset
        );
        self.note_known(topic, publication, now);
        SeenPublication {
            publication,
            offset: Some(json.offset),
            stands_for: Some(stands_for),
            at: now,
        }
    }

    /// Without conflation each publication stands for itself.
    fn stands_for_one(&self, id: usize) -> Option<u64> {
        let conflate = self.subscriptions[id].wish.conflate;
        conflate.is_none().then_some(1)
    }

    fn note(
        &mut self,
        id: usize,
        publication: usize,
        (offset, stands_for): (Option<u64>, Option<u64>),
        now: Time,
    ) {
        self.note_known(self.subscriptions[id].wish.topic, publication, now);
        self.subscriptions[id].seen.push(SeenPublication {
            publication,
            offset,
            stands_for,
            at: now,
        });
    }

    fn note_known(&mut self, topic: usize, publication: usize, now: Time) {
        let read = &mut self.publications[publication];
        assert_eq!(read.topic, topic, "a publication of another topic");
        assert_ne!(
            read.outcome,
            PostOutcome::Refused,
            "read, though it was refused"
        );
        read.known = read.known.or(Some(now));
    }
}

fn blank(byte: &u8) -> u8 {
    if matches!(byte, b'\r' | b'\n') {
        b' '
    } else {
        *byte
    }
}

pub(super) fn split_position(position: &str) -> (String, u64) {
    let (epoch, offset) = position.split_once(':').expect("epoch and offset");
    (
        epoch.to_owned(),
        offset.parse().expect("an offset is a number"),
    )
}

/// Which publication a payload is of.
fn number_in(payload: &[u8]) -> usize {
    let end = payload.iter().position(|b| *b == b'~');
    let end = end.expect("a payload of ours");
    let start = payload.iter().position(u8::is_ascii_digit).unwrap_or(end);
    let digits = std::str::from_utf8(&payload[start..end]).expect("a number");
    digits.parse().expect("a number")
}
