//! What a session wants.

use std::net::SocketAddr;

use crate::base::{After, Tag, TopicName};
use crate::http::Page;
use crate::metrics::{CloseReason, Format, PollAnswer};
use crate::wire::prepared::Draft;

/// The most memory that a scratch buffer keeps between turns, in bytes.
const SCRATCH_BYTES_MAX: usize = 64 * 1024;

/// Bytes for the client and wishes to the node, in this order: the bytes come first.
#[derive(Debug, Default)]
pub struct Outputs {
    /// To be sent, behind everything that waits.
    pub bytes: Vec<u8>,
    /// How many of the bytes leave by themselves, and what follows them after a pause; 0 if all
    /// may leave together.
    pub apart: usize,
    /// To be done, in their order.
    pub actions: Vec<Action>,
}

impl Outputs {
    /// Empties the bytes, and gives their memory back if it was much.
    pub fn give_back(&mut self) {
        self.bytes.clear();
        self.apart = 0;
        self.bytes.shrink_to(SCRATCH_BYTES_MAX);
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    pub(super) fn finish_draining(&mut self) {
        self.act(Action::Finish(CloseReason::Draining));
    }
}

/// A wish to the node.
#[derive(Debug)]
pub enum Action {
    /// Answered by `handle_read`, without a subscription.
    Read {
        /// By this name.
        tag: Tag,
        /// What.
        topic: TopicName,
        /// From where; without it, the newest publication.
        after: Option<After>,
    },
    /// Answered by `handle_subscribed` or `handle_topics_full`.
    Subscribe {
        /// By this name.
        tag: Tag,
        /// To what.
        topic: TopicName,
        /// From where.
        after: Option<After>,
    },
    /// Answered by `handle_published`.
    Publish(Tag, Draft),
    /// Answered by `handle_reply`, at once.
    Ask(Question),
    /// It was answered with 101.
    Upgraded,
    /// It reads in this way now, or does not any more.
    Reads(Option<Reader>),
    /// A poll was answered.
    Polled(PollAnswer),
    /// It has said its close and waits for the peer's: no publications any more.
    Leave(CloseReason),
    /// Send what waits, then close.
    Finish(CloseReason),
    /// Close now, whatever waits.
    Abort(CloseReason),
    /// A trusted proxy says for which client the connection is; for `None`, for one that has no
    /// address.
    Relayed(Option<SocketAddr>),
    /// A trusted proxy says whose request this is; by `None`, its own or that client's.
    Client(Option<SocketAddr>),
    /// An HTTP answer with this status was given.
    Answered(u16),
    /// The client tried to publish and may not.
    NotAllowed,
    /// A WebSocket message came in.
    MessageIn,
    /// A ping or another sign of life went out.
    Pinged,
}

/// How a client reads over some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reader {
    /// A WebSocket.
    WebSocket,
    /// Server-sent events.
    Events,
    /// A stream of lines.
    Lines,
    /// A long poll that is held.
    Held,
}

/// What a client asks of the node itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// Does the process answer?
    Health,
    /// Does it take connections?
    Ready {
        /// While draining the answer is 404, as HAProxy's `disable-on-404` wants it.
        drain_404: bool,
    },
    /// Its counters, as this text.
    Metrics(Format),
    /// A page, or the script for pages.
    Page(Page),
}

/// The node's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// A status and a line of text.
    Text(u16, String),
    /// The text of `/metrics`.
    Metrics(Format, String),
    /// A page.
    Page(&'static str),
    /// A script.
    Script(&'static str),
}
