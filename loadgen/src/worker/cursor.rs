//! How far a client that polls is, as its next request says it.

use altavoz::base::Position;
use altavoz::wire::client::AnswerHead;

/// What the last answer said of itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Cursor {
    /// Nothing, or there was none.
    #[default]
    Unknown,
    /// The position of a server of ours, without memory of its own.
    Position(Position),
    /// Whatever else a server tags its answers with.
    Tags(Box<Tags>),
}

const _: () = assert!(
    size_of::<Cursor>() <= 24,
    "kept for every client that polls"
);

/// The tags of an answer, as they stood there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tags {
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Cursor {
    /// Goes on to what an answer says; one without tags changes nothing.
    pub fn advance(&mut self, head: &AnswerHead) {
        if let (Some(etag), None) = (&head.etag, &head.last_modified)
            && let Some(position) = position(etag)
        {
            *self = Self::Position(position);
        } else if head.etag.is_some() || head.last_modified.is_some() {
            *self = Self::Tags(Box::new(Tags {
                etag: head.etag.clone(),
                last_modified: head.last_modified.clone(),
            }));
        }
    }

    /// The position, if it is one of a server of ours.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Position(position) => Some(*position),
            Self::Unknown | Self::Tags(_) => None,
        }
    }

    /// Appends the headers that ask for what is new.
    pub fn write_headers(&self, out: &mut Vec<u8>) {
        match self {
            Self::Unknown => {}
            Self::Position(position) => {
                out.extend_from_slice(format!("If-None-Match: \"{position}\"\r\n").as_bytes());
            }
            Self::Tags(tags) => {
                let headers = [
                    ("If-None-Match", &tags.etag),
                    ("If-Modified-Since", &tags.last_modified),
                ];
                for (name, value) in headers {
                    if let Some(value) = value {
                        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                    }
                }
            }
        }
    }
}

/// The position in a tag that we would write the same way.
fn position(etag: &str) -> Option<Position> {
    let text = etag.strip_prefix('"')?.strip_suffix('"')?;
    let position: Position = text.parse().ok()?;
    (position.to_string() == text).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(etag: Option<&str>, last_modified: Option<&str>) -> String {
        let mut cursor = Cursor::default();
        cursor.advance(&AnswerHead {
            etag: etag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
            ..AnswerHead::default()
        });
        let mut out = Vec::new();
        cursor.write_headers(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn what_an_answer_says_is_said_back() {
        assert_eq!(headers(None, None), "");
        for etag in ["\"x7f3:17\"", "\"X7F3:17\"", "W/\"x7f3:17\"", "0"] {
            let expected = format!("If-None-Match: {etag}\r\n");
            assert_eq!(headers(Some(etag), None), expected);
        }
        assert_eq!(
            headers(Some("0"), Some("then")),
            "If-None-Match: 0\r\nIf-Modified-Since: then\r\n"
        );
    }

    #[test]
    fn a_position_is_kept_as_one_and_an_answer_without_tags_changes_nothing() {
        let mut cursor = Cursor::default();
        let head = |etag: Option<&str>| AnswerHead {
            etag: etag.map(str::to_owned),
            ..AnswerHead::default()
        };
        cursor.advance(&head(Some("\"x7f3:17\"")));
        let known = cursor.position();
        assert_eq!(known.map(|p| p.to_string()).as_deref(), Some("x7f3:17"));
        cursor.advance(&head(None));
        assert_eq!(cursor.position(), known);
    }
}
