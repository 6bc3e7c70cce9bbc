//! One topic at its home.

use std::sync::Arc;

use super::history::History;
use super::{Bounds, HubUsage, Recovery};
use crate::base::{After, Epoch, Offset, Position, ShardId, Time};
use crate::wire::prepared::PreparedMessage;

/// How many subscribers of a topic a shard has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    /// The shard.
    pub shard: ShardId,
    /// Its subscribers. Invariant: at least 1.
    pub subscribers: u32,
}

/// One life of a topic.
#[derive(Debug)]
pub struct Topic {
    epoch: Epoch,
    /// The newest publication's offset; 0 before the first.
    last: Offset,
    history: History,
    interest: Vec<Interest>,
    /// The hub looks at it again when its oldest publication, or the one that was, is too old.
    pub(super) expires: bool,
    bounds: Bounds,
}

impl Topic {
    pub(super) fn new(epoch: Epoch, bounds: Bounds) -> Self {
        let (history, interest) = (History::default(), Vec::new());
        Self {
            epoch,
            last: Offset(0),
            history,
            interest,
            expires: false,
            bounds,
        }
    }

    pub(super) fn apply(&mut self, message: Arc<PreparedMessage>, now: Time) {
        let position = message.position();
        debug_assert_eq!(position, self.position_after(), "offsets are dense");
        self.last = position.offset;
        self.history.push(message, now);
    }

    pub(super) fn trim(&mut self, now: Time) {
        self.history.trim(&self.bounds, now);
    }

    pub(super) fn add_interest(&mut self, shard: ShardId) {
        match self
            .interest
            .iter_mut()
            .find(|interest| interest.shard == shard)
        {
            Some(interest) => interest.subscribers += 1,
            None => self.interest.push(Interest {
                shard,
                subscribers: 1,
            }),
        }
    }

    pub(super) fn remove_interest(&mut self, shard: ShardId, subscribers: u32) {
        let Some(i) = self
            .interest
            .iter()
            .position(|interest| interest.shard == shard)
        else {
            debug_assert!(
                false,
                "an unsubscribe without its subscribe from shard {shard}"
            );
            return;
        };
        debug_assert!(subscribers <= self.interest[i].subscribers);
        self.interest[i].subscribers = self.interest[i].subscribers.saturating_sub(subscribers);
        if self.interest[i].subscribers == 0 {
            self.interest.swap_remove(i);
        }
    }

    /// The position that the next publication will have.
    pub(super) fn position_after(&self) -> Position {
        Position {
            epoch: self.epoch,
            offset: self.last.next(),
        }
    }

    pub(super) fn last(&self) -> Offset {
        self.last
    }

    pub(super) fn interest(&self) -> &[Interest] {
        &self.interest
    }

    pub(super) fn subscribers(&self) -> u64 {
        self.interest
            .iter()
            .map(|interest| u64::from(interest.subscribers))
            .sum()
    }

    /// Whether nothing is left of it, nor anything to come that would look for it.
    pub(super) fn is_idle(&self) -> bool {
        self.interest.is_empty() && self.held().publications == 0 && !self.expires
    }

    pub(super) fn held(&self) -> HubUsage {
        self.history.held()
    }

    pub(super) fn oldest(&self) -> Option<Time> {
        self.history.oldest()
    }

    pub(super) fn recover(&self, after: Option<After>) -> Recovery {
        let position = Position {
            epoch: self.epoch,
            offset: self.last,
        };
        let known = match after {
            None => Some(self.last),
            Some(After::Earliest) => Some(Offset(self.first().0 - 1)),
            Some(After::Position(asked)) => self.reaches(asked).then_some(asked.offset),
            Some(After::Unknown) => None,
        };
        let publications = self.history.behind(known.unwrap_or_default());
        Recovery {
            position,
            recovered: known.is_some(),
            publications,
        }
    }

    /// As [`Topic::recover`]; without a position, the newest publication.
    pub(super) fn read(&self, after: Option<After>) -> Recovery {
        let mut recovery = self.recover(after);
        if after.is_none() {
            let before = Offset(self.last.0.saturating_sub(1));
            recovery.publications = self.history.behind(before);
        }
        recovery
    }

    /// Whether nothing is missing behind a position.
    fn reaches(&self, asked: Position) -> bool {
        let (first, last) = (self.first(), self.last);
        asked.epoch == self.epoch && asked.offset <= last && asked.offset.next() >= first
    }

    /// The oldest publication that is kept, or the next one if none is.
    fn first(&self) -> Offset {
        self.history.first().unwrap_or_else(|| self.last.next())
    }

    pub(super) fn check_invariants(&self) {
        self.history.check_invariants(self.last);
        assert!(
            self.expires || self.held().publications == 0,
            "history expires"
        );
        assert!(
            self.interest
                .iter()
                .all(|interest| interest.subscribers > 0)
        );
    }
}
