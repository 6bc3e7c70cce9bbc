//! A publication, encoded once for each form in which somebody wants it.
//!
//! Owns the payload and its wire bytes; knows nothing of who receives them.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use super::events;
use super::form::Content;
pub use super::form::WireForm;
pub use super::kind::PayloadKind;
use crate::base::{Chunk, Epoch, FrameEnd, Offset, Position, Time, TopicName};

/// A publication on its way to its topic's home, without a place in the topic yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// Where to.
    pub topic: TopicName,
    /// As what it is published.
    pub kind: PayloadKind,
    /// What is published.
    pub payload: Vec<u8>,
    /// When it came into the node.
    pub received: Time,
}

/// What a topic's home shard decided of a publication, before anything was done with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publication {
    /// The topic's life.
    pub epoch: Epoch,
    /// The publication's number in it.
    pub offset: Offset,
    /// As what it was published.
    pub kind: PayloadKind,
    /// What was published.
    pub payload: Vec<u8>,
}

/// A publication with its wire forms, each of which is kept once it is made.
#[derive(Debug)]
pub struct PreparedMessage {
    epoch: Epoch,
    offset: Offset,
    kind: PayloadKind,
    /// The WebSocket frame, whose tail is the payload.
    plain: Chunk,
    /// Where the payload begins in `plain`.
    payload_start: u32,
    json: OnceLock<Box<str>>,
    others: Encodings,
}

/// The other forms that somebody wanted, one behind the other.
type Encodings = OnceLock<Box<Encoding>>;

/// A publication's bytes in one form.
#[derive(Debug)]
struct Encoding {
    form: WireForm,
    chunk: Chunk,
    next: Encodings,
}

// A history keeps very many of them.
const _: () = assert!(size_of::<PreparedMessage>() <= 72 && size_of::<Encoding>() <= 32);

impl PreparedMessage {
    /// Encodes the plain form; the others follow when somebody asks.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a frame header has at most 10 bytes"
    )]
    pub fn new(sequenced: Publication) -> Arc<Self> {
        let Publication {
            epoch,
            offset,
            kind,
            payload,
        } = sequenced;
        let plain = unit(offset, WireForm::PLAIN, kind, &payload);
        let payload_start = (plain.bytes().len() - payload.len()) as u32;
        Arc::new(Self {
            epoch,
            offset,
            kind,
            plain,
            payload_start,
            json: OnceLock::new(),
            others: Encodings::new(),
        })
    }

    /// Its number in the topic's life.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Where a reader is that knows it.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            offset: self.offset,
        }
    }

    /// As what it was published.
    #[must_use]
    pub fn kind(&self) -> PayloadKind {
        self.kind
    }

    /// What was published.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.plain.bytes()[self.payload_start as usize..]
    }

    /// The wire bytes of a form: a chunk of one frame.
    pub fn chunk(&self, form: WireForm) -> &Chunk {
        if form == WireForm::PLAIN {
            return &self.plain;
        }
        let mut cell = &self.others;
        loop {
            let encoding = made(cell, || Box::new(self.encoding(form)));
            if encoding.form == form {
                return &encoding.chunk;
            }
            cell = &encoding.next;
        }
    }

    /// The wire bytes of a form for those who asked for the newest publication of an interval,
    /// and get this one for `conflated` of them, itself included.
    pub fn conflated_chunk(&self, form: WireForm, conflated: u32) -> Chunk {
        if form.is_json() {
            self.encode(form, &self.to_json(Some(conflated)))
        } else {
            self.chunk(form).clone()
        }
    }

    /// The JSON object of the publication, as docs/transports.md describes it.
    pub fn json(&self) -> &str {
        made::<Box<str>>(&self.json, || self.to_json(None).into_boxed_str())
    }

    fn encoding(&self, form: WireForm) -> Encoding {
        let json = if form.is_json() { self.json() } else { "" };
        Encoding {
            form,
            chunk: self.encode(form, json),
            next: Encodings::new(),
        }
    }

    /// Its bytes in a form, with this JSON object.
    fn encode(&self, form: WireForm, json: &str) -> Chunk {
        let (position, payload) = (self.position(), self.payload());
        let content: Cow<'_, [u8]> = match form.content() {
            Content::Payload => payload.into(),
            Content::Json => json.as_bytes().into(),
            Content::Event => events::publication(position, self.kind, payload).into(),
            Content::JsonEvent => events::event(Some(position), None, json).into(),
            Content::Line => [json.as_bytes(), b"\n"].concat().into(),
        };
        unit(self.offset, form, self.kind, &content)
    }

    fn to_json(&self, conflated: Option<u32>) -> String {
        let mut object = JsonPublication {
            offset: self.offset.0,
            conflated,
            ..JsonPublication::default()
        };
        let payload = self.payload();
        match (self.kind, str::from_utf8(payload)) {
            (PayloadKind::Json, Ok(text)) => match one_line(text) {
                Some(value) => object.data = Some(value),
                None => object.text = Some(text),
            },
            (PayloadKind::Text, Ok(text)) => object.text = Some(text),
            (_, _) => object.base64 = Some(STANDARD.encode(payload)),
        }
        on_one_line(serde_json::to_string(&object).unwrap_or_default())
    }
}

/// What is in a cell, or is made for it. Shards ask side by side, and none waits while another one
/// is making it: who comes second drops its own, which is rare and costs less than to sleep.
fn made<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    match cell.get() {
        Some(made) => made,
        None => {
            let made = make();
            // All that is done inside is a move.
            cell.get_or_init(|| made)
        }
    }
}

#[derive(Serialize, Default)]
struct JsonPublication<'a> {
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflated: Option<u32>,
}

/// A JSON text as a value for a line of its own. Between its tokens line ends may stand, inside a
/// string they cannot (RFC 8259 §7), so that they become blanks.
fn one_line(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.replace(['\r', '\n'], " ")).ok()
}

/// Characters that line readers of some languages take for the end of a line, and how JSON says
/// them without writing them.
const FOREIGN_LINE_ENDS: [(char, &str); 3] = [
    ('\u{85}', "\\u0085"),
    ('\u{2028}', "\\u2028"),
    ('\u{2029}', "\\u2029"),
];

/// The same JSON, such that whoever reads line by line sees one. Outside of strings JSON is ASCII,
/// so these characters can only stand where an escape may stand too (RFC 8259 §7).
fn on_one_line(json: String) -> String {
    if json.is_ascii() {
        return json;
    }
    FOREIGN_LINE_ENDS
        .iter()
        .fold(json, |json, (end, escape)| match json.contains(*end) {
            true => json.replace(*end, escape),
            false => json,
        })
}

/// A chunk of one publication.
fn unit(offset: Offset, form: WireForm, kind: PayloadKind, content: &[u8]) -> Chunk {
    let mut bytes = Vec::new();
    form.wrap(&mut bytes, kind.opcode(form.content()), content);
    let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Chunk::publications(bytes, vec![FrameEnd { offset, end }])
}

/// Publications of one turn as contiguous chunks of at most `bytes_max` each (a longer
/// publication is a chunk of its own), in their order; a chunk of one publication is that
/// publication's own, not a copy.
pub fn contiguous(
    messages: &[Arc<PreparedMessage>],
    form: WireForm,
    bytes_max: usize,
) -> Vec<Chunk> {
    let mut chunks = Vec::with_capacity(1);
    let mut rest = messages;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(run_len(rest, form, bytes_max));
        chunks.push(join(run, form));
        rest = behind;
    }
    chunks
}

/// How many publications from the front fit into one chunk; at least one.
fn run_len(messages: &[Arc<PreparedMessage>], form: WireForm, bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = messages.iter().take_while(|message| {
        bytes += message.chunk(form).bytes().len();
        bytes <= bytes_max
    });
    fits.count().max(1)
}

fn join(run: &[Arc<PreparedMessage>], form: WireForm) -> Chunk {
    if let [only] = run {
        return only.chunk(form).clone();
    }
    let len = run
        .iter()
        .map(|message| message.chunk(form).bytes().len())
        .sum();
    let mut bytes = Vec::with_capacity(len);
    let mut frames = Vec::with_capacity(run.len());
    for message in run {
        bytes.extend_from_slice(message.chunk(form).bytes());
        let end = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        frames.push(FrameEnd {
            offset: message.offset(),
            end,
        });
    }
    Chunk::publications(bytes, frames)
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc};
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn message(offset: u64, kind: PayloadKind, payload: &[u8]) -> Arc<PreparedMessage> {
        PreparedMessage::new(Publication {
            epoch: Epoch::new(1),
            offset: Offset(offset),
            kind,
            payload: payload.to_vec(),
        })
    }

    #[test]
    fn each_kind_has_its_json() {
        let json = |kind, payload: &[u8]| message(7, kind, payload).json().to_owned();
        assert_eq!(
            json(PayloadKind::Json, b"{\"a\": 1}"),
            r#"{"offset":7,"data":{"a": 1}}"#
        );
        assert_eq!(
            json(PayloadKind::Json, b" [\r\n1,\n\"a\"]\n"),
            r#"{"offset":7,"data":[  1, "a"]}"#
        );
        assert_eq!(
            json(PayloadKind::Text, b"a\"b"),
            r#"{"offset":7,"text":"a\"b"}"#
        );
        assert_eq!(
            json(PayloadKind::Binary, &[0, 255]),
            r#"{"offset":7,"base64":"AP8="}"#
        );
    }

    #[test]
    fn no_json_has_what_some_take_for_the_end_of_a_line() {
        let ends = "\u{85}\u{2028}\u{2029}\u{b}\u{c}\u{1c}é";
        for (kind, payload) in [
            (PayloadKind::Text, ends.to_owned()),
            (
                PayloadKind::Json,
                "{\"\u{2028}\": \"\u{85}\u{2029}é\"}".to_owned(),
            ),
        ] {
            let message = message(7, kind, payload.as_bytes());
            let json = message.json();
            assert_eq!(json.lines().count(), 1);
            let is_end = |c: char| c.is_control() || "\u{2028}\u{2029}".contains(c);
            assert!(!json.contains(is_end), "{json:?}");
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            match kind {
                PayloadKind::Text => assert_eq!(value["text"], payload),
                _ => assert_eq!(value["data"]["\u{2028}"], "\u{85}\u{2029}é"),
            }
        }
    }

    #[test]
    fn each_form_is_made_once_and_wrapped_as_it_says() {
        let message = message(7, PayloadKind::Text, b"a\nb");
        let text = |form| String::from_utf8_lossy(message.chunk(form).bytes()).into_owned();
        assert_eq!(
            text(WireForm::LINES),
            "1b\r\n{\"offset\":7,\"text\":\"a\\nb\"}\n\r\n"
        );
        assert_eq!(
            text(WireForm::BARE_LINES),
            "{\"offset\":7,\"text\":\"a\\nb\"}\n"
        );
        assert_eq!(text(WireForm::BARE_EVENTS), "data: a\ndata: b\nid: 1:7\n\n");
        assert_eq!(
            text(WireForm::JSON_EVENTS),
            "2a\r\ndata: {\"offset\":7,\"text\":\"a\\nb\"}\nid: 1:7\n\n\r\n"
        );
        for form in [WireForm::EVENTS, WireForm::LINES, WireForm::PLAIN] {
            assert!(message.chunk(form).is_same(message.chunk(form)));
        }
    }

    #[test]
    fn whoever_asks_while_another_is_encoding_does_not_wait() {
        // Only a failure takes so long.
        const PATIENCE: Duration = Duration::from_secs(10);
        let cell = OnceLock::new();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let cell = &cell;
            let first = made(cell, || {
                scope.spawn(move || tell.send(*made(cell, || "second")));
                assert_eq!(told.recv_timeout(PATIENCE), Ok("second"));
                "first"
            });
            assert_eq!(*first, "second", "both go on with the same");
        });
    }

    #[test]
    fn shards_that_ask_for_several_forms_at_once_get_the_same_bytes() {
        let forms = [WireForm::JSON, WireForm::EVENTS, WireForm::LINES];
        for _ in 0..100 {
            let message = &message(7, PayloadKind::Text, b"a");
            let start = &Barrier::new(forms.len());
            let ask = |first: usize| {
                start.wait();
                let turned = forms.iter().cycle().skip(first).take(forms.len());
                let ask = |form: &WireForm| message.chunk(*form).bytes().len();
                assert!(turned.map(ask).all(|len| len > 0));
                forms.map(|form| message.chunk(form).clone())
            };
            let chunks: Vec<_> = thread::scope(|scope| {
                let threads = [0, 1, 2].map(|first| scope.spawn(move || ask(first)));
                threads.map(|thread| thread.join().unwrap()).into()
            });
            for of_shard in &chunks {
                let same = of_shard.iter().zip(&chunks[0]);
                same.for_each(|(a, b)| assert!(a.is_same(b)));
            }
        }
    }

    #[test]
    fn a_conflated_publication_says_for_how_many_it_stands() {
        let message = message(7, PayloadKind::Text, b"a");
        let chunk = message.conflated_chunk(WireForm::BARE_LINES, 3);
        assert_eq!(
            chunk.bytes(),
            b"{\"offset\":7,\"text\":\"a\",\"conflated\":3}\n"
        );
        let plain = message.conflated_chunk(WireForm::PLAIN, 3);
        assert!(plain.is_same(message.chunk(WireForm::PLAIN)));
    }

    #[test]
    fn the_payload_is_the_tail_of_the_plain_frame() {
        for len in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            let message = message(1, PayloadKind::Text, &payload);
            assert_eq!(message.payload(), payload);
            assert_eq!(message.chunk(WireForm::PLAIN).bytes()[0], 0x81);
        }
    }

    #[test]
    fn a_turn_becomes_chunks_that_keep_order_and_bound() {
        let messages: Vec<_> = (1..=5)
            .map(|i| message(i, PayloadKind::Text, &[b'a'; 8]))
            .collect();
        let chunks = contiguous(&messages, WireForm::PLAIN, 25);
        let offsets: Vec<Vec<u64>> = chunks
            .iter()
            .map(|c| c.frames().iter().map(|f| f.offset.0).collect())
            .collect();
        assert_eq!(offsets, [vec![1, 2], vec![3, 4], vec![5]]);
        assert!(chunks[2].is_same(messages[4].chunk(WireForm::PLAIN)));
        assert_eq!(contiguous(&messages, WireForm::PLAIN, 1).len(), 5);
    }
}
