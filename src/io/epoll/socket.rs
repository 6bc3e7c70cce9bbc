//! [`EpollSocket`]: what was accepted and is no connection yet.

use std::os::fd::OwnedFd;

/// An accepted socket, TCP or Unix, not blocking; closed when dropped.
#[derive(Debug)]
pub struct EpollSocket {
    pub(super) fd: OwnedFd,
    pub(super) is_unix: bool,
}

impl EpollSocket {
    pub(super) fn new(fd: OwnedFd, is_unix: bool) -> Self {
        Self { fd, is_unix }
    }
}
