//! `loadgen bare`: the leanest possible broadcast servers, as yardsticks for others.
//!
//! No topics, no outbox, no timers, no second thread: what one of them costs is what the kernel
//! costs. `sends` is a loop of plain `send`s, `rings` hands sends over by hundreds to io_uring.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use crate::base::failure::Failure;
use crate::options::{BareOptions, DriverKind};

mod rings;
mod sends;
mod upgrade;

/// Serves until it is killed.
///
/// # Errors
/// When it cannot listen, or the kernel refuses epoll or io_uring.
pub fn run(options: &BareOptions) -> Result<(), Failure> {
    let _ = crate::host::doctor::raise_descriptors();
    if let Some(id) = options.pin {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    serve(options).map_err(|e| Failure::usage(format!("bare loop on {}: {e}", options.listen)))
}

fn serve(options: &BareOptions) -> io::Result<()> {
    let addresses = options.listen.to_socket_addrs()?;
    let address = addresses.into_iter().next().ok_or(Errno::ADDRNOTAVAIL)?;
    match options.driver {
        DriverKind::Uring => {
            let listener = listen(address, SocketFlags::empty())?;
            rings::serve(listener)
        }
        DriverKind::Auto | DriverKind::Epoll => {
            let listener = listen(address, SocketFlags::NONBLOCK)?;
            sends::serve(listener)
        }
    }
}

fn listen(address: SocketAddr, flags: SocketFlags) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = flags | SocketFlags::CLOEXEC;
    let listener = net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Accepted sockets inherit both.
    sockopt::set_socket_reuseaddr(&listener, true)?;
    sockopt::set_tcp_nodelay(&listener, true)?;
    net::bind(&listener, &address)?;
    net::listen(&listener, 65_535)?;
    let bound = SocketAddr::try_from(net::getsockname(&listener)?)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}{bound}", crate::server::node::BANNER)?;
    out.flush()?;
    Ok(listener)
}
