//! What shards say to each other.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{After, ConnId, ShardId, Tag, Time, TopicName};
use crate::hub::{PublishOutcome, Recovery, TopicsFull};
use crate::wire::prepared::{Draft, PreparedMessage};

/// A message and its sender; `None` is the main thread.
#[derive(Debug)]
pub struct Letter<S> {
    /// The shard that sent it.
    pub from: Option<ShardId>,
    /// What it says.
    pub message: Message<S>,
}

/// Everything that goes through an inbox.
#[derive(Debug)]
pub enum Message<S> {
    /// Takes a credit and wants an answer.
    Request(Request<S>),
    /// Gives credits back.
    Answer(Answer),
    /// From the main thread, outside the credits; there are a handful in a node's life.
    Control(Control),
}

/// What one shard asks of another. Each is answered once.
#[derive(Debug)]
pub enum Request<S> {
    /// To the topic's home: give it an offset and deliver it. Answered by `Published`.
    Publish {
        /// Who waits for the answer.
        origin: Origin,
        /// What, and where to.
        draft: Draft,
    },
    /// To the topic's home: count one more subscriber on my shard. Answered by `Subscribed`.
    Subscribe {
        /// The subscriber.
        origin: Origin,
        /// Of what.
        topic: TopicName,
        /// From where.
        after: Option<After>,
    },
    /// To the topic's home: so many subscribers less on my shard. Answered by `Unsubscribed`.
    Unsubscribe {
        /// Of what.
        topic: TopicName,
        /// How many.
        subscribers: u32,
    },
    /// To the topic's home: what follows a position? Answered by `Read`.
    Read {
        /// Who asks.
        origin: Origin,
        /// Of what.
        topic: TopicName,
        /// From where; without it, the newest publication.
        after: Option<After>,
    },
    /// From the topic's home: put it into your subscribers' outboxes. Answered by `Delivered`.
    Deliver {
        /// The home's name for this publication's count.
        delivery: u32,
        /// Of what.
        topic: TopicName,
        /// What.
        message: Arc<PreparedMessage>,
        /// When it came into the node.
        received: Time,
    },
    /// Take over an accepted socket. Answered by `Adopted`.
    Adopt {
        /// The socket.
        socket: S,
        /// Which of the node's listeners it came in by.
        door: u16,
    },
}

/// The answers, which give credits back.
#[derive(Debug)]
pub enum Answer {
    /// To `Publish`.
    Published {
        /// Who waits.
        origin: Origin,
        /// What became of it.
        outcome: PublishOutcome,
    },
    /// To `Subscribe`.
    Subscribed {
        /// The subscriber.
        origin: Origin,
        /// Of what.
        topic: TopicName,
        /// Where it is, and what it missed.
        result: Result<Recovery, TopicsFull>,
    },
    /// To `Unsubscribe`.
    Unsubscribed,
    /// To `Read`.
    Read {
        /// Who asked.
        origin: Origin,
        /// What follows.
        recovery: Recovery,
    },
    /// To several `Deliver`s of one turn.
    Delivered(Vec<DeliveryResult>),
    /// To `Adopt`.
    Adopted,
}

impl Answer {
    /// How many requests this answers.
    #[must_use]
    pub fn credits(&self) -> u32 {
        match self {
            Self::Delivered(counts) => u32::try_from(counts.len()).unwrap_or(u32::MAX),
            Self::Published { .. }
            | Self::Subscribed { .. }
            | Self::Unsubscribed
            | Self::Read { .. }
            | Self::Adopted => 1,
        }
    }
}

/// What one shard did with a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeliveryResult {
    /// The home's name for this count.
    pub delivery: u32,
    /// Into how many outboxes it was put.
    pub queued: u32,
    /// For how many subscribers a policy dropped it.
    pub dropped: u32,
}

/// Who waits for what a topic's home has to say. It is told untouched who asked, and how they call
/// it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The shard where the wish came in.
    pub shard: ShardId,
    /// The connection there.
    pub conn: ConnId,
    /// Its name for the wish.
    pub tag: Tag,
}

/// Commands of the main thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Begin to drain: still take connections for `grace`, then close all of them over `window`.
    Drain {
        /// How long new connections are still taken.
        grace: Duration,
        /// Over how long closes are spread.
        window: Duration,
    },
    /// Nothing but a turn, which shows that the shard has one.
    Turn,
    /// Every shard is empty: end the thread.
    Stop,
}
