//! How an operation is named to a ring, and what became of it.

use io_uring::cqueue;
use rustix::io::Errno;

use crate::base::ConnId;

/// What an operation was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum OperationKind {
    /// Nobody waits for it.
    Ignored,
    /// A send of a volley, whose index is its place there.
    Taken,
    /// Somebody waits for it at once.
    Call,
    /// The waker's poll.
    Wake,
    /// An accept into the ring's table.
    AcceptDirect,
    /// An accept of an ordinary descriptor.
    AcceptPlain,
    /// The close of an accepted socket that nobody wanted.
    Discard,
    /// Of a connection, and all that follow.
    Receive,
    Send,
    Watch,
    Connect,
    Shutdown,
    Close,
}

impl OperationKind {
    const ALL: [Self; 13] = [
        Self::Ignored,
        Self::Taken,
        Self::Call,
        Self::Wake,
        Self::AcceptDirect,
        Self::AcceptPlain,
        Self::Discard,
        Self::Receive,
        Self::Send,
        Self::Watch,
        Self::Connect,
        Self::Shutdown,
        Self::Close,
    ];

    /// Whether it always comes back; others only if something went wrong.
    pub(super) fn is_counted(self) -> bool {
        !matches!(self, Self::Ignored | Self::Taken)
    }
}

/// The name of an operation, which its completion carries: what it was for, and the slot of its
/// connection or the number of its listener.
///
/// A slot is enough: it is used again only after the last operation of its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) kind: OperationKind,
    pub(super) index: u32,
}

impl Token {
    pub(super) const fn new(kind: OperationKind, index: u32) -> Self {
        Self { kind, index }
    }

    /// Of a connection.
    pub(super) fn of(kind: OperationKind, id: ConnId) -> Self {
        Self::new(kind, id.slot)
    }

    pub(super) fn to_bits(self) -> u64 {
        u64::from(self.index) << 8 | self.kind as u64
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        let [kind, rest @ ..] = bits.to_le_bytes();
        let [a, b, c, d, ..] = rest;
        let kind = OperationKind::ALL.get(usize::from(kind));
        Self {
            kind: kind.copied().unwrap_or(OperationKind::Ignored),
            index: u32::from_le_bytes([a, b, c, d]),
        }
    }
}

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
        error_of(self.result)
    }
}

/// The error that a result stands for.
pub(super) fn error_of(result: i32) -> Option<Errno> {
    (result < 0).then(|| Errno::from_raw_os_error(-result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_bits() {
        for kind in OperationKind::ALL {
            for index in [0, 1, 77_777, u32::MAX] {
                let token = Token::new(kind, index);
                assert_eq!(Token::from_bits(token.to_bits()), token);
            }
        }
    }
}
