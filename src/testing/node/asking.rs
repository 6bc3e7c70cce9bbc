//! From where a simulated reader wants to go on, and how it says so: in the query, or in one of
//! the headers that go before it.

use fastrand::Rng;

use super::line::ClientContext;
use super::plan::{percent, pick};

/// A life that no topic has.
const STRANGE_EPOCH: &str = "zz9";

/// Ids that a browser keeps from other streams.
const STRANGE_IDS: [&str; 5] = ["42", "\"1:2\"", "1526919030474-55", "id é", "W/x, 1:2"];

/// What stands before and behind a tag that is true.
const TAGS_AROUND: [(&str, &str); 4] = [
    ("", ""),
    ("W/", ""),
    ("\"foo\", ", ""),
    ("zz8:3 ,\"zz8:3\", W/", " , \"a,b\""),
];

/// From where a reader wants to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum AskedPosition {
    Next,
    Earliest,
    Position(String, u64),
}

impl AskedPosition {
    /// Nowhere in particular, or a position that some reader was told: of the newest publication,
    /// of an older one, of an older life, of the future, or of nothing that ever was.
    pub(super) fn draw(cx: &mut ClientContext<'_>, topic: usize) -> Self {
        let position = cx.model.some_position(topic, cx.rng);
        match (cx.rng.u8(0..10), position) {
            (0..3, _) => Self::Next,
            (3, _) => Self::Earliest,
            (4, Some((epoch, offset))) => Self::Position(epoch, offset + cx.rng.u64(1..50)),
            (5, _) => Self::Position(STRANGE_EPOCH.to_owned(), cx.rng.u64(0..9)),
            (_, Some((epoch, offset))) => Self::Position(epoch, offset),
            (_, None) => Self::Next,
        }
    }

    /// As a value; `None` if there is nothing to say.
    fn text(&self) -> Option<String> {
        match self {
            Self::Next => None,
            Self::Earliest => Some("earliest".to_owned()),
            Self::Position(epoch, offset) => Some(format!("{epoch}:{offset}")),
        }
    }
}

/// The words in which it is said.
#[derive(Clone, Debug, Default)]
pub(super) struct AskedHeaders {
    /// For the query.
    pub(super) query: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    /// Said by `If-None-Match`: where nothing is new, 304 is the answer to a poll.
    pub(super) conditional: bool,
}

impl AskedHeaders {
    pub(super) fn draw(rng: &mut Rng, asked: &AskedPosition) -> Self {
        let Some(text) = asked.text() else {
            return Self::default();
        };
        let mut words = Self::default();
        match (rng.u8(0..5), asked) {
            // As good as a position of another life.
            (0, AskedPosition::Position(epoch, _))
                if epoch == STRANGE_EPOCH && percent(rng, 50) =>
            {
                let id = *pick(rng, &STRANGE_IDS);
                words.say("Last-Event-ID", id);
            }
            (0, _) => words.say("Last-Event-ID", &text),
            (1, AskedPosition::Position(..)) => {
                let (before, behind) = *pick(rng, &TAGS_AROUND);
                if percent(rng, 20) {
                    words.say("If-None-Match", "W/\"foo\"");
                }
                words.say("If-None-Match", &format!("{before}\"{text}\"{behind}"));
                words.conditional = true;
            }
            // A polyfill has appended it to a URL that says how the client began.
            (2, _) => words.query.push(format!("after=zz8:3&lastEventId={text}")),
            (3, _) => words.query.push(format!("after=zz8:3&after={text}&after=")),
            _ => words.query.push(format!("after={text}")),
        }
        // The client has kept its URL, and says in the header how far it came since.
        if !words.headers.is_empty() && percent(rng, 50) {
            words.query.push("after=zz8:3".to_owned());
        }
        words
    }

    /// The target of a request for a topic.
    pub(super) fn target(&self, topic: &str, parameters: &[String]) -> String {
        let all = [parameters, &self.query].concat();
        let mark = if all.is_empty() { "" } else { "?" };
        format!("/topics/{topic}{mark}{}", all.join("&"))
    }

    /// The headers as lines.
    pub(super) fn header_lines(&self) -> String {
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        self.headers.iter().map(line).collect()
    }

    fn say(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}
