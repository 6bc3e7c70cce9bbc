//! What TCP counted on a connection: segments and bytes, both directions.
//!
//! The load generator says with it what a transport costs on the wire. No crate that we know
//! has a safe call for `TCP_INFO`, so this is an `unsafe` of its own.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

use crate::io::TcpCounters;

/// `struct tcp_info` of `linux/tcp.h` up to `tcpi_data_segs_out`, which Linux has since 4.6.
const INFO_BYTES: usize = 160;

/// The counters of a TCP socket; `None` for any other socket, and where the kernel does not
/// count that much.
#[must_use]
#[expect(unsafe_code, reason = "the only way to ask")]
pub fn tcp_counters(socket: impl AsFd) -> Option<TcpCounters> {
    let mut info = [0_u8; INFO_BYTES];
    let mut length = libc::socklen_t::try_from(INFO_BYTES).ok()?;
    let memory: *mut c_void = info.as_mut_ptr().cast();
    let fd = socket.as_fd();
    // SAFETY: the descriptor is borrowed for the call, and the kernel writes at most `length`
    // bytes into `info`, which is as long, and then the number of them into `length`.
    let failed = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            memory,
            &raw mut length,
        )
    };
    if failed != 0 || usize::try_from(length) != Ok(INFO_BYTES) {
        return None;
    }
    Some(TcpCounters {
        bytes_acknowledged: u64_at(&info, 120),
        bytes_received: u64_at(&info, 128),
        segments_sent: u32_at(&info, 136),
        segments_received: u32_at(&info, 140),
        data_segments_received: u32_at(&info, 152),
        data_segments_sent: u32_at(&info, 156),
    })
}

fn u32_at(info: &[u8; INFO_BYTES], offset: usize) -> u64 {
    let bytes = info[offset..].first_chunk().copied().unwrap_or_default();
    u64::from(u32::from_ne_bytes(bytes))
}

fn u64_at(info: &[u8; INFO_BYTES], offset: usize) -> u64 {
    u64::from_ne_bytes(info[offset..].first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn both_ends_count_the_same_bytes_and_segments() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let mut client = TcpStream::connect(address).expect("connect");
        let (mut server, _) = listener.accept().expect("accept");
        for n in 1..=3 {
            client.write_all(&[0; 100]).expect("written");
            server.read_exact(&mut [0; 100]).expect("read");
            let up = tcp_counters(&server).expect("counters");
            assert_eq!((up.bytes_received, up.data_segments_received), (100 * n, n));
        }
        server.write_all(&[0; 7]).expect("written");
        client.read_exact(&mut [0; 7]).expect("read");
        let counters = tcp_counters(&client).expect("counters");
        // The answer carried the acknowledgement of everything before it.
        assert_eq!(counters.bytes_acknowledged, 301, "the SYN counts as one");
        assert_eq!(counters.bytes_received, 7);
        assert_eq!(counters.data_segments_sent, 3);
        assert_eq!(counters.data_segments_received, 1);
        assert!(counters.segments_sent > 3 && counters.segments_received > 1);
    }

    #[test]
    fn a_socket_that_is_not_tcp_has_none() {
        let (socket, _) = UnixStream::pair().expect("a pair");
        assert_eq!(tcp_counters(&socket), None);
    }
}
