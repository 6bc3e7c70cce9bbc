//! What of a request is needed for its answer.

use crate::base::TopicName;
use crate::http::{Dress, Known};
use crate::wire::http::{Method, RequestHead, Version};

/// A request and its answer, as far as the one says how the other is written.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Exchange {
    pub(super) version: Version,
    pub(super) keep_alive: bool,
    pub(super) head_only: bool,
    /// The answers to a poll that the client has.
    pub(super) known: Known,
    pub(super) dress: Dress,
    pub(super) topic: Option<TopicName>,
}

impl Exchange {
    /// Of a request that nobody could read: its answer is the last one.
    pub(super) const UNKNOWN: Self = Self::plain(false);

    /// What most long polls are: HTTP/1.1 whose connection stays open, of a page of our own origin
    /// or no page, and without `If-None-Match`.
    pub(super) const COMMON: Self = Self::plain(true);

    const fn plain(keep_alive: bool) -> Self {
        Self {
            version: Version::Http11,
            keep_alive,
            head_only: false,
            known: Known::NOTHING,
            dress: Dress::PLAIN,
            topic: None,
        }
    }

    /// Of the request with this head.
    pub(super) fn of(head: &RequestHead) -> Self {
        Self {
            version: head.version(),
            keep_alive: head.wants_keep_alive(),
            head_only: head.method() == &Method::Head,
            ..Self::UNKNOWN
        }
    }
}
