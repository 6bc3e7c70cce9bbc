//! What a request asks for, once it is understood and allowed.

use std::time::Duration;

use super::{Cors, Known};
use crate::base::{After, TopicName};
use crate::metrics::Format;
use crate::wire::handshake::AcceptKey;
use crate::wire::http::Response;
use crate::wire::prepared::WireForm;

/// A request that is understood and allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoutedRequest {
    /// What it asks for.
    pub route: Route,
    /// What every answer to it goes through.
    pub dress: Dress,
    /// Whether the connection stays open behind the answer.
    pub keep_alive: bool,
    /// Whether it is a HEAD, whose answer has no body.
    pub head_only: bool,
}

/// What every answer to a request has, whatever it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dress {
    /// If a page of another origin may read it.
    pub cors: Option<Cors>,
    /// It would have been another one with another `Accept`.
    pub negotiated: bool,
}

impl Dress {
    /// What most answers have.
    pub const PLAIN: Self = Self {
        cors: None,
        negotiated: false,
    };

    /// The answer with it; the same answer if it has it already. Each depends on who asks, also
    /// where this request was not one of an allowed origin's page.
    #[must_use]
    pub fn apply(&self, response: Response) -> Response {
        let response = match &self.cors {
            Some(cors) => cors.apply(response),
            None => response.vary("Origin"),
        };
        if self.negotiated {
            response.vary("Accept")
        } else {
            response
        }
    }
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// Publish the body, which follows, to this topic.
    Publish {
        /// The topic.
        topic: TopicName,
    },
    /// Become a WebSocket that reads a topic.
    WebSocket(Reading, Upgrade),
    /// Answer with one publication behind the other, as events or lines.
    Stream(Reading),
    /// Answer as soon as there is something behind a position.
    LongPoll {
        /// The topic.
        topic: TopicName,
        /// Where to begin; without it, with the next publication.
        after: Option<After>,
        /// The answers that the client has: 304 instead of one of them.
        known: Known,
        /// After how long the answer is that nothing is new.
        timeout: Duration,
    },
    /// Answer at once with what is behind a position.
    Poll {
        /// The topic.
        topic: TopicName,
        /// Where to begin; without it, with the newest publication.
        after: Option<After>,
        /// The answers that the client has: 304 instead of one of them.
        known: Known,
    },
    /// Become a WebSocket that sends back what it gets.
    Echo(Upgrade),
    /// Whether the process answers.
    Health,
    /// Whether the node takes new connections.
    Ready {
        /// Say 404 instead of 503 while draining.
        drain_404: bool,
    },
    /// The metrics as text.
    Metrics(Format),
    /// A page of the node, or the script that pages use.
    Page(Page),
    /// OPTIONS, with its complete answer: the methods, or a CORS preflight.
    Options(Response),
}

/// What a reader wants of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The topic.
    pub topic: TopicName,
    /// How publications are written.
    pub form: WireForm,
    /// Where to begin; without it, with the next publication.
    pub after: Option<After>,
    /// Of each interval of this length only the newest publication; of zero, each one.
    pub conflate: Duration,
}

/// What a request to become a WebSocket gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upgrade {
    /// What tells the client that its key was read.
    pub key: AcceptKey,
    /// The subprotocol that was chosen.
    pub protocol: Option<Box<str>>,
    /// Whether the client's messages are taken.
    pub may_speak: bool,
}

/// What the node has for browsers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Page {
    /// The dashboard, perhaps on one topic.
    Dashboard,
    /// The same topic by every transport.
    Compare,
    /// The client that falls back.
    Client,
    /// What the scripts of both pages have in common.
    Common,
}
