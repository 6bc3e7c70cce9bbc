//! What sessions have asked of topics and have no answer to yet: each wish gets one, also where its
//! connection has gone meanwhile. Nothing is kept in a release build.

use std::collections::BTreeSet;

use crate::base::{ConnId, Tag};

/// Wishes without an answer.
#[derive(Debug, Default)]
pub(super) struct Asked(BTreeSet<(ConnId, Tag)>);

impl Asked {
    /// A session asks for something by this name.
    pub(super) fn begin(&mut self, conn: ConnId, tag: Tag) {
        if cfg!(debug_assertions) {
            let is_new = self.0.insert((conn, tag));
            assert!(is_new, "{conn} has two wishes of one name: {tag:?}");
        }
    }

    /// The answer is here.
    pub(super) fn end(&mut self, conn: ConnId, tag: Tag) {
        if cfg!(debug_assertions) {
            let was_asked = self.0.remove(&(conn, tag));
            assert!(was_asked, "an answer that {conn} did not ask for: {tag:?}");
        }
    }

    /// Whether every wish has its answer.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    const CONN: ConnId = ConnId {
        slot: 1,
        generation: 2,
    };

    #[test]
    #[should_panic(expected = "did not ask")]
    fn a_second_answer_is_seen() {
        let mut asked = Asked::default();
        asked.begin(CONN, Tag(7));
        asked.end(CONN, Tag(7));
        assert!(asked.is_empty());
        asked.end(CONN, Tag(7));
    }

    #[test]
    #[should_panic(expected = "did not ask")]
    fn another_tag_is_seen() {
        let mut asked = Asked::default();
        asked.begin(CONN, Tag(7));
        asked.end(CONN, Tag(8));
    }

    #[test]
    #[should_panic(expected = "two wishes of one name")]
    fn a_name_that_is_used_twice_is_seen() {
        let mut asked = Asked::default();
        asked.begin(CONN, Tag(7));
        asked.begin(CONN, Tag(7));
    }
}
