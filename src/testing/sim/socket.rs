//! A simulated socket between its accept and its opening.

use std::sync::Arc;

use super::link::LinkId;

/// An accepted simulated socket; closed when dropped.
#[derive(Debug)]
pub struct SimSocket {
    link: LinkId,
    /// Its death tells the net that nobody will open the socket.
    _alive: Arc<()>,
}

impl SimSocket {
    pub(super) fn new(link: LinkId, alive: Arc<()>) -> Self {
        Self {
            link,
            _alive: alive,
        }
    }

    /// Where its other end is.
    pub(super) fn link(&self) -> LinkId {
        self.link
    }
}
