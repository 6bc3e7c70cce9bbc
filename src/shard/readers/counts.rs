//! What became of publications on this shard: counted group by group, reported when all are done.

use slab::Slab;

use crate::base::ShardId;
use crate::mesh::DeliveryResult;
use crate::shard::slot::slot_number;

/// The counts of publications that are being given to this shard's subscribers.
#[derive(Debug, Default)]
pub(super) struct Counts {
    open: Slab<Count>,
    /// Those that are complete and not reported.
    done: Vec<CompleteCount>,
}

#[derive(Debug)]
struct Count {
    home: ShardId,
    delivered: DeliveryResult,
    /// Groups that have not been given the publication.
    groups: u32,
}

/// A count that is complete, and where to report it.
#[derive(Debug)]
pub(crate) struct CompleteCount {
    pub(crate) home: ShardId,
    pub(crate) delivered: DeliveryResult,
}

impl Counts {
    /// Begins to count the delivery that its topic's home calls `delivery`. It is held open until
    /// it is [closed](Counts::close) once, and once more for each group that
    /// [waits](Counts::wait_for).
    pub(super) fn begin(&mut self, home: ShardId, delivery: u32) -> u32 {
        let delivered = DeliveryResult {
            delivery,
            queued: 0,
            dropped: 0,
        };
        slot_number(self.open.insert(Count {
            home,
            delivered,
            groups: 1,
        }))
    }

    /// So many groups will be given the publication.
    pub(super) fn wait_for(&mut self, count: u32, groups: u32) {
        self.open[count as usize].groups += groups;
    }

    /// So many subscribers were given it, and so many were too slow.
    pub(super) fn add(&mut self, count: u32, queued: u32, dropped: u32) {
        let delivered = &mut self.open[count as usize].delivered;
        delivered.queued += queued;
        delivered.dropped += dropped;
    }

    /// One group less to wait for.
    pub(super) fn close(&mut self, count: u32) {
        let open = &mut self.open[count as usize];
        open.groups -= 1;
        if open.groups == 0 {
            let Count {
                home, delivered, ..
            } = self.open.remove(count as usize);
            self.done.push(CompleteCount { home, delivered });
        }
    }

    /// What is complete, sorted by its home; give the memory back with [`Counts::give_back`].
    pub(super) fn take_done(&mut self) -> Vec<CompleteCount> {
        let mut done = std::mem::take(&mut self.done);
        done.sort_by_key(|done| done.home);
        done
    }

    pub(super) fn give_back(&mut self, mut done: Vec<CompleteCount>) {
        done.clear();
        if self.done.is_empty() {
            self.done = done;
        }
    }

    /// Whether nothing is counted any more.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.done.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_done_when_every_group_was_given_the_publication() {
        let mut counts = Counts::default();
        let count = counts.begin(ShardId(1), 7);
        counts.wait_for(count, 2);
        counts.close(count);
        counts.add(count, 3, 1);
        counts.close(count);
        assert!(counts.take_done().is_empty());
        counts.add(count, 2, 0);
        counts.close(count);
        let done = counts.take_done();
        let delivered = DeliveryResult {
            delivery: 7,
            queued: 5,
            dropped: 1,
        };
        assert_eq!((done[0].home, done[0].delivered), (ShardId(1), delivered));
        counts.give_back(done);
        assert!(counts.is_empty());
    }

    #[test]
    fn without_groups_it_is_done_at_once() {
        let mut counts = Counts::default();
        let count = counts.begin(ShardId(0), 7);
        counts.wait_for(count, 0);
        counts.close(count);
        assert_eq!(counts.take_done().len(), 1);
    }
}
