//! The two ends of a subscription on a shard, by which a connection and its group name each other.

use crate::base::{ConnId, Offset};

/// One subscriber in its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Member {
    /// The connection.
    pub(super) conn: ConnId,
    /// The first publication it has not got by recovery. Older ones are skipped, so recovery and
    /// live delivery can neither overlap nor leave a gap.
    pub(super) from: Offset,
}

/// Where a connection is in the groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Membership {
    /// The group's slot.
    pub(super) group: u32,
    /// The member's place in it.
    pub(super) index: u32,
}
