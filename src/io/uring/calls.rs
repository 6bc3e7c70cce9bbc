//! What is asked of a ring and answered at once: single operations, and descriptors that go into
//! its table and come out.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use io_uring::types::Fixed;
use io_uring::{opcode, squeue};

use super::entry::{Kind, Token};
use super::ring::Ring;

impl Ring {
    /// Does one operation now, and gives back its result.
    ///
    /// # Errors
    /// Its own, and `Interrupted` if it did not come back at once.
    pub(super) fn call(&mut self, operation: squeue::Entry) -> io::Result<u32> {
        self.push(Token::new(Kind::Call, 0), operation);
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
}
