//! What is asked of a ring and waited for by nobody: single operations that are answered at once,
//! descriptors that go into its table and come out, and what is done before one is closed.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;

use super::operation::{OperationKind, Token};
use super::ring::Ring;

/// Bytes that one read throws away before a graceful close of a TCP socket, at most: more than
/// the kernel lets wait.
const DISCARD_BYTES: u32 = 1 << 30;

/// The same on Unix sockets, where throwing away takes memory, and how often.
const SCRATCH_BYTES: u32 = 256 * 1024;
const SCRATCH_READS: usize = 4;

#[expect(clippy::cast_possible_truncation, reason = "eight bytes")]
const LINGER_BYTES: u32 = size_of::<libc::linger>() as u32;

impl Ring {
    /// Does one operation now, and gives back its result.
    ///
    /// # Errors
    /// Its own, and `Interrupted` if it did not come back at once.
    pub(super) fn call(&mut self, operation: squeue::Entry) -> io::Result<u32> {
        self.push(Token::new(OperationKind::Call, 0), operation);
        // What is queued before it may need several enters to be handed over.
        for _ in 0..16 {
            self.enter(0, None)?;
            if let Some(completion) = self.take_call() {
                return match completion.error() {
                    Some(error) => Err(error.into()),
                    None => Ok(completion.result.cast_unsigned()),
                };
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// Puts a descriptor into the table; where.
    ///
    /// # Errors
    /// When the table is full, or the system gives no memory.
    pub(super) fn install(&mut self, socket: &OwnedFd) -> io::Result<u32> {
        // The kernel writes the place over the descriptor.
        let mut descriptor = Box::new(socket.as_raw_fd());
        let update = opcode::FilesUpdate::new(&raw mut *descriptor, 1).offset(-1);
        if let Err(error) = self.call(update.build()) {
            if error.kind() == io::ErrorKind::Interrupted {
                // It may still be under way.
                mem::forget(descriptor);
            }
            return Err(error);
        }
        self.places.take();
        u32::try_from(*descriptor).map_err(io::Error::other)
    }

    /// An ordinary descriptor for the one at that place, which the caller closes.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    #[expect(unsafe_code, reason = "the kernel names a descriptor by its number")]
    pub(super) fn export(&mut self, file: u32) -> io::Result<OwnedFd> {
        let number = self.call(opcode::FixedFdInstall::new(Fixed(file), 0).build())?;
        let number = RawFd::try_from(number).map_err(io::Error::other)?;
        // SAFETY: the kernel has just made it for us, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }

    /// The error that the socket holds; asking takes it away.
    pub(super) fn pending_error(&mut self, file: u32) -> Option<Errno> {
        let socket = self.export(file).ok()?;
        match socket_error(&socket) {
            Ok(Ok(())) => None,
            Ok(Err(error)) | Err(error) => Some(error),
        }
    }

    /// Makes the close that follows a reset. Without effect on a Unix socket.
    pub(super) fn reset_with_close(&mut self, file: u32) {
        static NO_LINGER: libc::linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        let set = opcode::SetSockOpt::new(
            Fixed(file),
            libc::SOL_SOCKET.cast_unsigned(),
            libc::SO_LINGER.cast_unsigned(),
            (&raw const NO_LINGER).cast(),
            LINGER_BYTES,
        );
        self.push_aside(set.build());
    }

    /// Reads what has arrived, so that the close that follows sends no RST.
    pub(super) fn throw_away_input(&mut self, file: u32, unix: bool) {
        let read = |address, len, flags| {
            let receive = opcode::Recv::new(Fixed(file), address, len);
            receive.flags(libc::MSG_DONTWAIT | flags).build()
        };
        if !unix {
            // tcp(7): with MSG_TRUNC nothing is written to the address.
            self.push_aside(read(ptr::null_mut(), DISCARD_BYTES, libc::MSG_TRUNC));
            return;
        }
        let scratch = self.scratch(SCRATCH_BYTES);
        for _ in 0..SCRATCH_READS {
            self.push_aside(read(scratch, SCRATCH_BYTES, 0));
        }
    }

    /// Closes an accepted socket that nobody wanted.
    pub(super) fn discard(&mut self, file: u32) {
        let close = opcode::Close::new(Fixed(file)).build();
        self.push(Token::new(OperationKind::Discard, 0), close);
    }
}
