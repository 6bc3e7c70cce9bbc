//! How a reader gets a topic's publications, and whether.

use std::time::Duration;

use crate::wire::prepared::WireForm;

/// What becomes of a subscription that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joins {
    /// It is a subscriber's, who gets publications like this from now on.
    Member {
        /// How.
        manner: Manner,
    },
    /// The answer was all that was waited for.
    Answered,
    /// Nobody waits for it any more.
    Gone,
}

/// How a reader gets publications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Each one.
    Each(WireForm),
    /// Of each interval the newest one.
    Newest(WireForm, Duration),
    /// The next ones as one answer, and then no more.
    Once,
}

impl Manner {
    /// Each one, or of each `interval` the newest one if it is not zero.
    #[must_use]
    pub fn new(form: WireForm, interval: Duration) -> Self {
        if interval.is_zero() {
            Self::Each(form)
        } else {
            Self::Newest(form, interval)
        }
    }

    /// How publications are written, if each is for itself.
    #[must_use]
    pub fn form(self) -> Option<WireForm> {
        match self {
            Self::Each(form) | Self::Newest(form, _) => Some(form),
            Self::Once => None,
        }
    }
}
