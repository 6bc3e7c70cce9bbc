//! [`UringSocket`]: what was accepted and is no connection yet.

use std::os::fd::OwnedFd;

use super::wake::UringWaker;

/// An accepted socket, TCP or Unix, that blocks; closed when dropped.
///
/// One of a listener that only its driver has is in that driver's table of descriptors and can be
/// opened by no other; one of a listener that drivers share is an ordinary descriptor.
#[derive(Debug)]
pub struct UringSocket(SocketPlace);

#[derive(Debug)]
enum SocketPlace {
    Direct(DirectSocket),
    Plain { fd: OwnedFd, is_unix: bool },
}

/// A socket that its driver is about to open.
pub(super) enum SocketToOpen {
    /// Ring and place.
    Direct(u8, u32),
    Plain {
        fd: OwnedFd,
        is_unix: bool,
    },
}

impl UringSocket {
    /// The one at a place of the table of a ring of the driver with this waker.
    pub(super) fn direct(ring: u8, file: u32, home: &UringWaker) -> Self {
        Self(SocketPlace::Direct(DirectSocket {
            place: Some((ring, file)),
            home: home.clone(),
        }))
    }

    pub(super) fn plain(fd: OwnedFd, is_unix: bool) -> Self {
        Self(SocketPlace::Plain { fd, is_unix })
    }

    /// What the driver with this waker opens; `None` if it is another one's.
    pub(super) fn take(self, driver: &UringWaker) -> Option<SocketToOpen> {
        match self.0 {
            SocketPlace::Plain { fd, is_unix } => Some(SocketToOpen::Plain { fd, is_unix }),
            SocketPlace::Direct(mut direct) if direct.home.is_same(driver) => {
                let (ring, file) = direct.place.take()?;
                Some(SocketToOpen::Direct(ring, file))
            }
            SocketPlace::Direct(_) => None,
        }
    }
}

/// A place in a ring's table; its driver is told when it is dropped.
#[derive(Debug)]
struct DirectSocket {
    /// Until it is opened.
    place: Option<(u8, u32)>,
    home: UringWaker,
}

impl Drop for DirectSocket {
    fn drop(&mut self) {
        if let Some((ring, file)) = self.place {
            self.home.drop_socket(ring, file);
        }
    }
}
