//! From where a simulated reader wants to go on, and how it says so: in the query, or in one of
//! the headers that go before it.

use fastrand::Rng;

use super::line::Cx;
use super::plan::percent;

/// From where a reader wants to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    Next,
    Earliest,
    Position(String, u64),
}

impl Asked {
    /// Nowhere in particular, or a position that some reader was told: of the newest publication,
    /// of an older one, of an older life, of the future, or of nothing that ever was.
    pub(super) fn draw(cx: &mut Cx<'_>, topic: usize) -> Self {
        let position = cx.model.some_position(topic, cx.rng);
        match (cx.rng.u8(0..10), position) {
            (0..3, _) => Self::Next,
            (3, _) => Self::Earliest,
            (4, Some((epoch, offset))) => Self::Position(epoch, offset + cx.rng.u64(1..50)),
            (5, _) => Self::Position("zz9".to_owned(), cx.rng.u64(0..9)),
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
pub(super) struct Words {
    /// For the query.
    pub(super) query: Vec<String>,
    pub(super) header: Option<(String, String)>,
    /// Said by `If-None-Match`: where nothing is new, 304 is the answer to a poll.
    pub(super) conditional: bool,
}

impl Words {
    pub(super) fn draw(rng: &mut Rng, asked: &Asked) -> Self {
        let Some(text) = asked.text() else {
            return Self::default();
        };
        let mut words = Self::default();
        match (rng.u8(0..4), asked) {
            (0, _) => words.header = Some(("Last-Event-ID".to_owned(), text)),
            (1, Asked::Position(..)) => {
                let tag = *super::plan::pick(rng, &["", "W/"]);
                words.header = Some(("If-None-Match".to_owned(), format!("{tag}\"{text}\"")));
                words.conditional = true;
            }
            _ => words.query.push(format!("after={text}")),
        }
        // The client has kept its URL, and says in the header how far it came since.
        if words.header.is_some() && percent(rng, 50) {
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

    /// The header as a line.
    pub(super) fn header_line(&self) -> String {
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        self.header.as_ref().map(line).unwrap_or_default()
    }
}
