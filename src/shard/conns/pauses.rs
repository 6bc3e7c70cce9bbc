//! Whose pause ends when.
//!
//! All pauses are equally long, so they end in the order in which they began.

use std::collections::VecDeque;

use crate::base::{ConnId, Time};

/// When which connection's pause is over. Invariant: the earliest first.
///
/// Some of them have closed since, or did not wait; it holds what was upgraded within one pause.
#[derive(Debug, Default)]
pub(super) struct Pauses(VecDeque<(Time, ConnId)>);

impl Pauses {
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.0.front().map(|(at, _)| *at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, at: Time, id: ConnId) {
        debug_assert!(self.0.back().is_none_or(|(last, _)| *last <= at));
        self.0.push_back((at, id));
    }

    pub(super) fn pop_due(&mut self, now: Time) -> Option<ConnId> {
        let is_due = self.0.front().is_some_and(|(at, _)| *at <= now);
        is_due
            .then(|| self.0.pop_front())
            .flatten()
            .map(|(_, id)| id)
    }
}
