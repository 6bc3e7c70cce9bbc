//! What waits for its moment in the simulated network.

use super::link::LinkId;
use crate::base::ListenerId;

/// What happens at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum DueEvent {
    Accept(ListenerId, LinkId),
    Connected(LinkId),
    Deliver(LinkId),
    Complete(LinkId),
    Writable(LinkId),
    Broken(LinkId),
    Closed(LinkId),
    /// For the peer.
    Arrive(LinkId),
}

impl DueEvent {
    /// A number for its kind, and whom it concerns.
    pub(super) fn told(self) -> (u8, LinkId) {
        match self {
            Self::Accept(_, id) => (0, id),
            Self::Connected(id) => (1, id),
            Self::Deliver(id) => (2, id),
            Self::Complete(id) => (3, id),
            Self::Writable(id) => (4, id),
            Self::Broken(id) => (5, id),
            Self::Closed(id) => (6, id),
            Self::Arrive(id) => (7, id),
        }
    }
}
