//! What a client says it has, by `If-None-Match` (RFC 9110 §13.1.2).
//!
//! Tags are compared weakly, and nothing in them is an error: caches and browsers send what they
//! have kept, and what is no tag of ours matches nothing.

use crate::base::Position;
use crate::wire::http::RequestHead;

/// The most tags that are looked at; a client has kept one, a cache some.
const TAGS_MAX: usize = 32;

/// What a proxy that compresses answers puts behind a tag, in its quotes.
const CODINGS: [&str; 5] = ["gzip", "br", "zstd", "deflate", "df"];

/// The answers that a client has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// It has one, whichever that is.
    any: bool,
    /// The positions behind those that it has.
    positions: Vec<Position>,
}

impl Known {
    /// No answers.
    pub const NOTHING: Self = Self {
        any: false,
        positions: Vec::new(),
    };

    pub(super) fn of(head: &RequestHead) -> Self {
        let mut known = Self::NOTHING;
        for value in head.values("If-None-Match") {
            // RFC 9110 §8.8.3: a tag may hold bytes above 7F; one that is not UTF-8 is not ours,
            // and the others of its line are read.
            let line = String::from_utf8_lossy(value);
            known.any |= line == "*";
            let tags = Tags(&line).filter_map(position).take(TAGS_MAX);
            known.positions.extend(tags);
        }
        known.positions.truncate(TAGS_MAX);
        known
    }

    /// Whether the answer at this position is one that the client has, so that 304 says all.
    #[must_use]
    pub fn matches(&self, position: Position) -> bool {
        self.any || self.has(position)
    }

    /// Whether the client is at this position, so that it waits for what follows.
    #[must_use]
    pub fn has(&self, position: Position) -> bool {
        self.positions.contains(&position)
    }

    /// The furthest that the client has come in the life of a topic that it named last.
    pub(super) fn furthest(&self) -> Option<Position> {
        let last = self.positions.last()?;
        let of_this_life = self.positions.iter().filter(|p| p.epoch == last.epoch);
        of_this_life.max_by_key(|position| position.offset).copied()
    }
}

/// The opaque parts of the tags in one line, without their quotes.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.0.is_empty() {
            let rest = self.0.trim_start_matches([' ', '\t', ',']);
            let strong = rest.strip_prefix("W/").unwrap_or(rest);
            let tag = strong.strip_prefix('"').and_then(|s| s.split_once('"'));
            // There are no escapes in a tag, and commas are allowed.
            let behind = tag.map_or(rest, |(_, behind)| behind);
            self.0 = behind.split_once(',').map_or("", |(_, next)| next);
            if let Some((tag, _)) = tag {
                return Some(tag);
            }
        }
        None
    }
}

/// The position that one of our tags names.
fn position(tag: &str) -> Option<Position> {
    let coded = CODINGS.iter().find_map(|coding| {
        let bare = tag.strip_suffix(coding)?;
        ["--", "-", ";"]
            .iter()
            .find_map(|mark| bare.strip_suffix(mark))
    });
    coded.unwrap_or(tag).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::tests::{head, head_of};

    fn known(lines: &[&str]) -> Known {
        let lines: String = lines
            .iter()
            .map(|line| format!("If-None-Match: {line}\r\n"))
            .collect();
        Known::of(&head(&format!("GET / HTTP/1.1\r\n{lines}\r\n")))
    }

    fn at(text: &str) -> Position {
        text.parse().expect("a position")
    }

    #[test]
    fn any_tag_of_any_line_matches_weakly() {
        for (lines, matches) in [
            (&[][..], false),
            (&["*"], true),
            (&["\"a:7\""], true),
            (&["W/\"a:7\""], true),
            (&["\"foo\", \"a:7\""], true),
            (&["W/\"foo\" , W/\"a:7\""], true),
            (&["\"a:7\",\"a:5\""], true),
            (&["\"a:7\"\t,, \"x\""], true),
            (&["\"foo\"", "\"a:7\""], true),
            (&["\"a:7\"", "*"], true),
            (&["\"a,b\", \"a:7\""], true),
            (&["\"a\\\", \"a:7\""], true),
            (&["garbage, \"a:7\""], true),
            (&["\"é\", \"a:7\""], true),
            (&["\"a:7-gzip\""], true),
            (&["\"a:7--gzip\""], true),
            (&["\"a:7;br\""], true),
            (&["W/\"a:7-zstd\""], true),
            (&["\"foo\""], false),
            (&["\"a:8\""], false),
            (&["\"b:7\""], false),
            (&["\"\""], false),
            (&[""], false),
            (&["a:7"], false),
            (&["w/\"a:7\""], false),
            (&["\"a:7"], false),
            (&["a:7\""], false),
            (&["\"a:7-x\""], false),
            (&["\"x, a:7\""], false),
            (&["'a:7'"], false),
        ] {
            assert_eq!(known(lines).matches(at("a:7")), matches, "{lines:?}");
        }
    }

    #[test]
    fn a_tag_that_is_no_text_leaves_the_others_of_its_line_readable() {
        let known = Known::of(&head_of(
            b"GET / HTTP/1.1\r\nIf-None-Match: \"\xff\", \"a:7\"\r\n\r\n",
        ));
        assert!(known.matches(at("a:7")));
        assert!(!known.matches(at("a:8")));
    }

    #[test]
    fn a_reader_goes_on_from_the_furthest_of_the_last_life() {
        for (line, expected) in [
            ("\"a:7\"", Some("a:7")),
            ("\"a:7\", \"a:5\"", Some("a:7")),
            ("\"b:9\", \"a:5\", \"a:7\"", Some("a:7")),
            ("\"a:7\", \"b:1\"", Some("b:1")),
            ("*", None),
            ("\"foo\"", None),
        ] {
            assert_eq!(known(&[line]).furthest(), expected.map(at), "{line}");
        }
    }

    #[test]
    fn tags_are_bounded() {
        let many = "\"a:1\",".repeat(1000) + "\"a:7\"";
        assert!(!known(&[&many]).matches(at("a:7")));
        assert_eq!(known(&[&many, &many]).positions.len(), TAGS_MAX);
    }
}
