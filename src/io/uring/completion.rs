//! [`Completion`]: what became of an operation.

use io_uring::cqueue;
use rustix::io::Errno;

use super::entry::Token;

/// What became of an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub(super) token: Token,
    /// What a system call would have returned; an error is negative.
    pub(super) result: i32,
    pub(super) flags: u32,
}

impl Completion {
    /// Whether more completions of the same operation follow.
    pub(super) fn has_more(&self) -> bool {
        cqueue::more(self.flags)
    }

    /// The buffer that was received into.
    pub(super) fn buffer(&self) -> Option<u16> {
        cqueue::buffer_select(self.flags)
    }

    /// The error, if it is one.
    pub(super) fn error(&self) -> Option<Errno> {
        error(self.result)
    }
}

/// The error that a result stands for.
pub(super) fn error(result: i32) -> Option<Errno> {
    (result < 0).then(|| Errno::from_raw_os_error(-result))
}
