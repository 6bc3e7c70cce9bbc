//! Listening sockets: bound once, shared by all shards, removed at the end.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::base::Address;

use super::connect;

/// The longest segment, in bytes. On loopback one is nearly 64 KiB otherwise, which is all that a
/// send buffer of 32 KiB (doubled by the kernel) holds: with a single segment under way the peer
/// delays its acknowledgement by 40 ms, and a reader of long messages gets 1.6 MB/s and counts as
/// slow. On a network segments are shorter by themselves.
const SEGMENT_BYTES_MAX: u32 = 16 * 1024;

/// `SO_SNDBUF` of a Unix socket where none is given, in bytes: there is no mark of unsent bytes
/// there, and what is left to the kernel is 208 KiB for a reader that never reads.
const UNIX_SEND_BUFFER_BYTES: usize = 32 * 1024;

/// How to listen; accepted sockets inherit the last four.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Connections that may wait to be accepted; the kernel caps it at `somaxconn`.
    pub backlog: i32,
    /// Join a port that another process of ours listens on, instead of refusing it.
    pub share_port: bool,
    /// Leave IPv4 to another listener: without it `[::]` takes both, whatever the host's default.
    pub only_ipv6: bool,
    /// Permission bits of a Unix socket's file.
    pub unix_mode: u32,
    /// `SO_SNDBUF` in bytes, which the kernel doubles; `None`: on TCP it grows with what the
    /// network takes, up to `net.ipv4.tcp_wmem`.
    pub send_buffer_bytes: Option<usize>,
    /// `TCP_NOTSENT_LOWAT` in bytes: how much may wait in a socket that was not sent yet, since the
    /// peer's window or the network has no room; `None`: as much as the send buffer holds.
    pub unsent_bytes: Option<u32>,
    /// How long a connection is silent before the kernel probes it; `None`: it does not.
    pub keepalive: Option<Duration>,
    /// How long sent bytes may stay without an answer before the kernel gives the connection
    /// up; `None`: some fifteen minutes.
    pub user_timeout: Option<Duration>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 65_535,
            share_port: false,
            only_ipv6: false,
            unix_mode: 0o660,
            send_buffer_bytes: None,
            unsent_bytes: None,
            keepalive: None,
            user_timeout: None,
        }
    }
}

/// A socket that listens, for one driver. Dropped, it stops; the last one of an address removes
/// the Unix socket's file.
#[derive(Debug)]
pub struct ListenSocket {
    socket: Socket,
    address: Address,
    file: Option<Arc<SocketFile>>,
    options: ListenOptions,
}

/// Binds and listens.
///
/// Port 0 becomes one that is free. A Unix socket's file on which nobody answers is replaced.
///
/// # Errors
/// `AddrInUse` when somebody listens there already, with or without `SO_REUSEPORT`, unless
/// `share_port` is set; otherwise what the system says.
pub fn bind(address: &Address, options: &ListenOptions) -> io::Result<ListenSocket> {
    match address {
        Address::Inet(address) => bind_inet(*address, options),
        Address::Unix(path) => bind_unix(path, options),
    }
}

impl ListenSocket {
    /// Where it listens, with the port that `:0` became.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether it is a Unix-domain socket.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        self.file.is_some()
    }

    /// One socket a shard, this one included: on TCP each with a backlog of its own, between
    /// which the kernel spreads connections; on Unix all on the one backlog.
    ///
    /// # Errors
    /// When the system gives no more.
    pub fn for_shards(self, shards: usize) -> io::Result<Vec<Self>> {
        let mut all = Vec::with_capacity(shards);
        for _ in 1..shards {
            all.push(self.sibling()?);
        }
        all.insert(0, self);
        Ok(all)
    }

    fn sibling(&self) -> io::Result<Self> {
        let socket = match &self.address {
            Address::Inet(address) => listen_inet(*address, &self.options)?,
            Address::Unix(_) => self.socket.try_clone()?,
        };
        Ok(Self {
            socket,
            address: self.address.clone(),
            file: self.file.clone(),
            options: self.options.clone(),
        })
    }
}

impl AsFd for ListenSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn bind_inet(address: SocketAddr, options: &ListenOptions) -> io::Result<ListenSocket> {
    if address.port() != 0 && !options.share_port {
        probe(address, options)?;
    }
    let socket = listen_inet(address, options)?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(ListenSocket {
        socket,
        address: Address::Inet(bound),
        file: None,
        options: options.clone(),
    })
}

/// Fails if anybody listens there. With `SO_REUSEPORT` alone a second node would join silently
/// and take half of the connections.
fn probe(address: SocketAddr, options: &ListenOptions) -> io::Result<()> {
    let socket = inet_socket(address, options)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

fn inet_socket(address: SocketAddr, options: &ListenOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(options.only_ipv6)?;
    }
    Ok(socket)
}

fn listen_inet(address: SocketAddr, options: &ListenOptions) -> io::Result<Socket> {
    let socket = inet_socket(address, options)?;
    // After a restart, connections of the old process in TIME_WAIT still name the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_mss(SEGMENT_BYTES_MAX)?;
    if let Some(idle) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
    if let Some(bytes) = options.unsent_bytes {
        socket.set_tcp_notsent_lowat(bytes)?;
    }
    socket.bind(&address.into())?;
    start(&socket, options.send_buffer_bytes, options.backlog)?;
    Ok(socket)
}

fn start(socket: &Socket, send_buffer_bytes: Option<usize>, backlog: i32) -> io::Result<()> {
    if let Some(bytes) = send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.listen(backlog)
}

fn bind_unix(path: &Path, options: &ListenOptions) -> io::Result<ListenSocket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    let file = SocketFile::new(path)?;
    // Before `listen` nobody can connect, so nobody gets in under the old mode.
    fs::set_permissions(path, fs::Permissions::from_mode(options.unix_mode))?;
    let send_buffer_bytes = options.send_buffer_bytes.unwrap_or(UNIX_SEND_BUFFER_BYTES);
    start(&socket, Some(send_buffer_bytes), options.backlog)?;
    Ok(ListenSocket {
        socket,
        address: Address::Unix(path.to_owned()),
        file: Some(Arc::new(file)),
        options: options.clone(),
    })
}

/// Whether the path is a socket that its process left behind.
fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    let refused = |e: io::Error| e.kind() == io::ErrorKind::ConnectionRefused;
    // Not blocking: the backlog of somebody who is stopped may be full.
    is_socket && connect(&Address::Unix(path.to_owned()), None).is_err_and(refused)
}

/// A Unix socket's file, removed with its last listener if it is still ours.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: the path may be somebody else's by the time we end.
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // A file that cannot be removed is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = fs::symlink_metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

/// Whether accepting failed for want of something that may come back, so that it is tried again
/// in a while.
#[must_use]
pub fn is_scarcity(error: Errno) -> bool {
    // What accept(2) says of the listener itself is our own mistake; it must not spin either.
    matches!(
        error,
        Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::BADF
            | Errno::INVAL
            | Errno::NOTSOCK
            | Errno::OPNOTSUPP
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn loopback() -> Address {
        "127.0.0.1:0".parse().expect("an address")
    }

    fn socket_path(name: &str) -> PathBuf {
        let id = std::process::id();
        std::env::temp_dir().join(format!("altavoz-{id}-{name}.sock"))
    }

    #[test]
    fn a_send_buffer_holds_several_segments_also_on_loopback() {
        let listener = bind(&loopback(), &ListenOptions::default()).expect("bind");
        let Address::Inet(address) = *listener.address() else {
            panic!("an internet address");
        };
        let client = std::net::TcpStream::connect(address).expect("connect");
        let (accepted, _) = listener.socket.accept().expect("accept");
        assert!(accepted.tcp_mss().expect("its segments") <= SEGMENT_BYTES_MAX);
        drop(client);
    }

    #[test]
    fn port_0_is_bound_once_and_shared_by_all_shards() {
        let listener = bind(&loopback(), &ListenOptions::default()).expect("bind");
        let sockets = listener.for_shards(3).expect("three");
        let addresses: Vec<_> = sockets.iter().map(ListenSocket::address).collect();
        assert_eq!(addresses.len(), 3);
        assert!(addresses.windows(2).all(|pair| pair[0] == pair[1]));
        assert_ne!(addresses[0], &loopback());
    }

    #[test]
    fn a_port_somebody_listens_on_is_refused_unless_it_is_shared() {
        let first = bind(&loopback(), &ListenOptions::default()).expect("bind");
        let refused = bind(first.address(), &ListenOptions::default());
        assert_eq!(
            refused.map_err(|e| e.kind()).err(),
            Some(io::ErrorKind::AddrInUse)
        );
        let shared = ListenOptions {
            share_port: true,
            ..ListenOptions::default()
        };
        assert!(bind(first.address(), &shared).is_ok());
    }

    #[test]
    fn every_ipv6_address_takes_ipv4_as_well_unless_that_is_left_to_another() {
        let any = Address::Inet("[::]:0".parse().expect("an address"));
        let port = |listener: &ListenSocket| match listener.address() {
            Address::Inet(address) => address.port(),
            Address::Unix(_) => unreachable!("bound to TCP"),
        };
        let Ok(both) = bind(&any, &ListenOptions::default()) else {
            return; // A host without IPv6.
        };
        assert!(std::net::TcpStream::connect(("127.0.0.1", port(&both))).is_ok());
        let options = ListenOptions {
            only_ipv6: true,
            ..ListenOptions::default()
        };
        let six = bind(&any, &options).expect("bind");
        let beside = SocketAddr::from(([0, 0, 0, 0], port(&six)));
        assert!(std::net::TcpStream::connect(("127.0.0.1", port(&six))).is_err());
        assert!(bind(&Address::Inet(beside), &ListenOptions::default()).is_ok());
    }

    #[test]
    fn a_stopped_owner_with_a_full_backlog_is_no_reason_to_wait() {
        let path = socket_path("full");
        let owner = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        owner
            .bind(&SockAddr::unix(&path).expect("a path"))
            .expect("bind");
        owner.listen(0).expect("listen");
        let address = Address::Unix(path.clone());
        let waiting: Vec<_> = (0..4).map_while(|_| connect(&address, None).ok()).collect();
        assert!(waiting.len() < 4, "the backlog is full");
        let refused = bind(&address, &ListenOptions::default());
        let kind = refused.map_err(|e| e.kind()).err();
        fs::remove_file(&path).expect("still there");
        assert_eq!(kind, Some(io::ErrorKind::AddrInUse));
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let options = ListenOptions {
            send_buffer_bytes: Some(32 * 1024),
            unsent_bytes: Some(16 * 1024),
            keepalive: Some(Duration::from_secs(60)),
            user_timeout: Some(Duration::from_secs(30)),
            ..ListenOptions::default()
        };
        let listener = bind(&loopback(), &options).expect("bind");
        let Address::Inet(address) = listener.address() else {
            unreachable!("bound to TCP");
        };
        let _client = std::net::TcpStream::connect(address).expect("connect");
        let (accepted, _) = listener.socket.accept().expect("the handshake is over");
        assert!(accepted.tcp_nodelay().expect("nodelay"));
        assert!(accepted.keepalive().expect("keepalive"));
        assert_eq!(accepted.send_buffer_size().expect("sndbuf"), 64 * 1024);
        assert_eq!(accepted.tcp_notsent_lowat().expect("lowat"), 16 * 1024);
        let timeout = accepted.tcp_user_timeout().expect("user timeout");
        assert_eq!(timeout, Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_stale_socket_file_is_replaced_and_removed_at_the_end() {
        let path = socket_path("stale");
        // The standard library's listener leaves its file behind.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bind"));
        let address = Address::Unix(path.clone());
        let listener = bind(&address, &ListenOptions::default()).expect("replaces it");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let both = listener.for_shards(2).expect("two");
        assert!(UnixStream::connect(&path).is_ok());
        drop(both);
        assert!(!path.exists());
    }

    #[test]
    fn a_unix_socket_that_answers_and_a_file_that_is_none_are_left_alone() {
        let path = socket_path("alive");
        let address = Address::Unix(path.clone());
        let first = bind(&address, &ListenOptions::default()).expect("bind");
        assert!(bind(&address, &ListenOptions::default()).is_err());
        drop(first);
        fs::write(&path, "not a socket").expect("write");
        assert!(bind(&address, &ListenOptions::default()).is_err());
        fs::remove_file(&path).expect("still there");
    }
}
