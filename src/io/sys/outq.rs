//! How much of what a socket took has not been acknowledged by its peer.
//!
//! A slow consumer hides bytes in the kernel, and neither the standard library nor a crate that
//! we know has a safe way to ask for them: hence an `unsafe` of its own.

use std::ffi::c_int;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, ioctl};

/// `SIOCOUTQ` of `linux/sockios.h`, which is `TIOCOUTQ` of `asm-generic/ioctls.h`.
const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;

/// Bytes in a socket's send queue, sent and unacknowledged ones included (tcp(7)); 0 where the
/// socket cannot tell.
#[expect(unsafe_code, reason = "the only way to ask")]
pub fn unacknowledged(socket: impl AsFd) -> usize {
    // SAFETY: SIOCOUTQ writes one int and reads nothing, which is what this getter says.
    let getter = unsafe { Getter::<SIOCOUTQ, c_int>::new() };
    // SAFETY: the getter hands the kernel memory for one int, and the descriptor is borrowed.
    let bytes = unsafe { ioctl(socket, getter) };
    let bytes = bytes.ok().and_then(|bytes| usize::try_from(bytes).ok());
    bytes.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn what_the_peer_does_not_take_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let mut client =
            TcpStream::connect(listener.local_addr().expect("address")).expect("connect");
        let (mut server, _) = listener.accept().expect("accept");
        assert_eq!(unacknowledged(&server), 0);
        server.set_nonblocking(true).expect("not blocking");
        while server.write(&[0; 65_536]).is_ok() {}
        assert!(unacknowledged(&server) > 0);
        client.read_exact(&mut [0; 1]).expect("a byte");
    }
}
