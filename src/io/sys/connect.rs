//! Outgoing sockets: made, bound and begun, without waiting.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::base::Address;

/// Begins to connect a new socket that does not block; it is there when it becomes writable
/// and holds no error.
///
/// `from` is an address of this host to come from, for TCP only. Its port is chosen when the
/// connection is made and may be shared between connections to different targets.
///
/// # Errors
/// When the system refuses at once: no descriptor, an address that is not ours, no such path,
/// a Unix socket whose backlog is full.
pub fn connect(target: &Address, from: Option<IpAddr>) -> io::Result<OwnedFd> {
    match target {
        Address::Inet(address) => inet(*address, from),
        Address::Unix(path) => unix(path),
    }
}

/// A new socket for that target that blocks and is not connected; bound to `from`, as with
/// [`connect`], if that is given.
///
/// # Errors
/// When the system refuses: no descriptor, an address that is not ours.
pub fn unconnected(target: &Address, from: Option<IpAddr>) -> io::Result<OwnedFd> {
    match target {
        Address::Inet(address) => bound(*address, from, SocketFlags::CLOEXEC),
        Address::Unix(_) => stream(AddressFamily::UNIX, SocketFlags::CLOEXEC),
    }
}

fn inet(target: SocketAddr, from: Option<IpAddr>) -> io::Result<OwnedFd> {
    let socket = bound(target, from, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    begun(net::connect(&socket, &target)).map(|()| socket)
}

fn bound(target: SocketAddr, from: Option<IpAddr>, flags: SocketFlags) -> io::Result<OwnedFd> {
    let family = match target {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let socket = stream(family, flags)?;
    set_tcp_nodelay(&socket, true)?;
    if let Some(from) = from {
        // A port taken by bind is taken from all targets; with this option it is chosen by
        // connect, when the target is known.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        net::bind(&socket, &SocketAddr::new(from, 0))?;
    }
    Ok(socket)
}

fn unix(path: &Path) -> io::Result<OwnedFd> {
    let socket = stream(
        AddressFamily::UNIX,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
    )?;
    let target = SocketAddrUnix::new(path)?;
    begun(net::connect(&socket, &target)).map(|()| socket)
}

fn stream(family: AddressFamily, flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(net::socket_with(family, SocketType::STREAM, flags, None)?)
}

/// A signal does not stop a connection that is under way either.
fn begun(result: Result<(), Errno>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
