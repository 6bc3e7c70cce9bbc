//! Publications until every shard has counted them, and who waits for that.

use std::collections::VecDeque;

use slab::Slab;

use crate::base::{Position, Time};
use crate::hub::{Interest, PublishOutcome};
use crate::mesh::{DeliveryResult, Origin};
use crate::shard::slot::slot_number;

/// Publications of this home that are not counted on every shard yet.
#[derive(Debug, Default)]
pub(super) struct Publications {
    open: Slab<OpenPublication>,
    /// Which origin is told by when that the count is not complete; the oldest first.
    deadlines: VecDeque<(Time, u64, u32)>,
    /// Tells one use of a slot from the next.
    serial: u64,
}

/// One publication on its way.
#[derive(Debug)]
pub(super) struct OpenPublication {
    serial: u64,
    origin: Origin,
    position: Position,
    subscribers: u32,
    queued: u32,
    dropped: u32,
    /// Shards that have not reported yet.
    waiting: usize,
    /// The origin was told already, with an incomplete count.
    answered: bool,
}

impl Publications {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.front().map(|(at, ..)| *at)
    }

    /// Gives it a number, by which shards report. The origin is told by that time at the latest.
    pub(super) fn insert(&mut self, mut open: OpenPublication, by: Option<Time>) -> u32 {
        self.serial += 1;
        open.serial = self.serial;
        let number = slot_number(self.open.insert(open));
        if let Some(by) = by {
            self.deadlines.push_back((by, self.serial, number));
        }
        number
    }

    /// One shard has reported. Whoever waits for the outcome is named when all have.
    pub(super) fn count(&mut self, delivered: DeliveryResult) -> Option<(Origin, PublishOutcome)> {
        let number = delivered.delivery as usize;
        let Some(open) = self.open.get_mut(number) else {
            debug_assert!(false, "a count for a publication that is complete");
            return None;
        };
        open.queued += delivered.queued;
        open.dropped += delivered.dropped;
        open.waiting -= 1;
        if open.waiting > 0 {
            return None;
        }
        let open = self.open.remove(number);
        (!open.answered).then(|| (open.origin, open.outcome()))
    }

    /// An origin that has waited long enough, and what is counted for it so far.
    pub(super) fn next_late(&mut self, now: Time) -> Option<(Origin, PublishOutcome)> {
        while let Some((by, serial, number)) = self.deadlines.front().copied() {
            let open = self.open.get_mut(number as usize);
            let waits = open.filter(|open| open.serial == serial);
            if waits.is_some() && by > now {
                return None;
            }
            self.deadlines.pop_front();
            if let Some(open) = waits
                && !std::mem::replace(&mut open.answered, true)
            {
                return Some((open.origin, open.outcome()));
            }
        }
        None
    }
}

impl OpenPublication {
    pub(super) fn new(origin: Origin, position: Position, interest: &[Interest]) -> Self {
        Self {
            serial: 0,
            origin,
            position,
            subscribers: interest.iter().map(|i| i.subscribers).sum(),
            queued: 0,
            dropped: 0,
            waiting: interest.len(),
            answered: false,
        }
    }

    pub(super) fn outcome(&self) -> PublishOutcome {
        PublishOutcome::Published {
            position: self.position,
            subscribers: self.subscribers,
            queued: self.queued,
            dropped: self.dropped,
            complete: self.waiting == 0,
        }
    }
}
