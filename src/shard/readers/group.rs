//! One group of subscribers: who its members are, and what it has to give them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::{Chunk, ConnId, Time, TopicName};
use crate::session::Manner;
use crate::shard::member::{Member, Membership};
use crate::wire::prepared::PreparedMessage;

/// The subscribers of a topic that get the same bytes.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) topic: TopicName,
    pub(crate) manner: Manner,
    pub(crate) members: Vec<Member>,
    /// Publications of this turn, in the order of their offsets; of an interval, the newest one.
    pub(crate) pending: Vec<Pending>,
    /// For how many publications the pending one stands, in a group that collects.
    pub(crate) conflated: u32,
    /// Not before this moment is it flushed again, in a group that collects.
    pub(super) due: Time,
    /// Whether it is in the list of groups to flush.
    pub(super) dirty: bool,
    /// What is left of a flush that takes several turns.
    pub(super) under_way: Option<Box<UnderWay>>,
    /// The topic's next group.
    pub(super) next: u32,
}

/// A publication that waits for the end of the turn.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) message: Arc<PreparedMessage>,
    /// Its count on this shard; `None` if it waits for an interval to end, for which no publisher
    /// is to wait.
    pub(crate) count: Option<u32>,
    /// When it came into the node.
    pub(crate) received: Time,
}

/// A flush that takes several turns.
#[derive(Debug)]
pub(crate) enum UnderWay {
    /// Chunks, each with its publications, to all members from `cursor` on for the first of
    /// them, and to all for the others.
    FanOut {
        chunks: VecDeque<(Chunk, Vec<Pending>)>,
        cursor: usize,
    },
    /// One answer to each of these held polls, which are members no more.
    Answers {
        pending: Vec<Pending>,
        waiting: Vec<Member>,
    },
}

impl UnderWay {
    /// Whether nothing is left of it.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::FanOut { chunks, .. } => chunks.is_empty(),
            Self::Answers { waiting, .. } => waiting.is_empty(),
        }
    }
}

/// What a subscriber leaves behind.
pub(crate) struct MemberRemains {
    pub(crate) topic: TopicName,
    /// Members that took another place, and which.
    pub(crate) moved: [Option<(ConnId, Membership)>; 2],
}
