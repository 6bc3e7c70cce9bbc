//! What operations in flight refer to, kept until they have come back.
//!
//! What is here may move; what the kernel was told of lies behind it, on the heap, and stays.

use std::io;
use std::ptr;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};
use socket2::SockAddr;

use crate::base::{Address, Part};
use crate::io::driver::SEND_BATCH_PARTS_MAX;

/// A send that waits for room goes on by itself until all is sent: with one send of a connection
/// in flight nothing can get between its halves.
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;

/// The memory of one operation.
pub(super) enum OperationMemory {
    /// Bytes to send.
    One(Part),
    /// The same in several parts.
    Many(Box<SendParts>),
    /// What is left of a send that was told as sent. It is copied, so that it holds nothing else.
    Rest(Box<[u8]>),
    /// Where to connect to.
    Address(Box<SockAddr>),
}

/// Parts of a send, and the list of them as the kernel reads it.
pub(super) struct SendParts {
    parts: Vec<Part>,
    slices: [libc::iovec; SEND_BATCH_PARTS_MAX],
    header: libc::msghdr,
}

// SAFETY: the addresses in it are those of its own parts, which may be sent and dropped anywhere.
#[expect(unsafe_code, reason = "an address is not Send by itself")]
unsafe impl Send for SendParts {}

impl OperationMemory {
    /// What a send needs until it is back.
    pub(super) fn send(parts: &[Part]) -> Self {
        match parts {
            [part] => Self::One(part.clone()),
            _ => Self::Many(SendParts::new(parts)),
        }
    }

    /// What a connect needs until it is back.
    ///
    /// # Errors
    /// When a path is too long for a Unix socket.
    pub(super) fn address(target: &Address) -> io::Result<Self> {
        let address = match target {
            Address::Inet(address) => (*address).into(),
            Address::Unix(path) => SockAddr::unix(path)?,
        };
        Ok(Self::Address(Box::new(address)))
    }

    /// How many bytes are sent.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::One(part) => part.len() as usize,
            Self::Many(gather) => gather.parts.iter().map(|part| part.len() as usize).sum(),
            Self::Rest(bytes) => bytes.len(),
            Self::Address(_) => 0,
        }
    }

    /// How many bytes of a rest there are.
    pub(super) fn rest_bytes(&self) -> usize {
        match self {
            Self::Rest(bytes) => bytes.len(),
            _ => 0,
        }
    }

    /// The operation that uses it, on the descriptor at that place.
    pub(super) fn operation(&self, file: u32) -> squeue::Entry {
        let file = Fixed(file);
        match self {
            Self::One(part) => send(file, part.bytes()),
            Self::Rest(bytes) => send(file, bytes),
            Self::Many(gather) => opcode::SendMsg::new(file, &raw const gather.header)
                .flags(SEND_FLAGS.cast_unsigned())
                .build(),
            Self::Address(address) => {
                opcode::Connect::new(file, address.as_ptr().cast(), address.len()).build()
            }
        }
    }
}

fn send(file: Fixed, bytes: &[u8]) -> squeue::Entry {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let send = opcode::Send::new(file, bytes.as_ptr(), len);
    send.flags(SEND_FLAGS).build()
}

impl SendParts {
    fn new(parts: &[Part]) -> Box<Self> {
        debug_assert!((1..=SEND_BATCH_PARTS_MAX).contains(&parts.len()));
        let none = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        let parts = &parts[..parts.len().min(SEND_BATCH_PARTS_MAX)];
        let mut gather = Box::new(Self {
            parts: parts.to_vec(),
            slices: [none; SEND_BATCH_PARTS_MAX],
            header: no_header(),
        });
        let Self {
            parts,
            slices,
            header,
        } = &mut *gather;
        for (slice, part) in slices.iter_mut().zip(parts.iter()) {
            let bytes = part.bytes();
            slice.iov_base = bytes.as_ptr().cast_mut().cast();
            slice.iov_len = bytes.len();
        }
        header.msg_iov = slices.as_mut_ptr();
        header.msg_iovlen = parts.len();
        gather
    }
}

#[expect(
    unsafe_code,
    reason = "the structure has fields of padding on some systems"
)]
fn no_header() -> libc::msghdr {
    // SAFETY: a header of zeroes has no name, no parts and no control data.
    unsafe { std::mem::zeroed() }
}
