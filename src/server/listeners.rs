//! The node's listening sockets, one set for each shard.

use std::io;
use std::thread;
use std::time::Duration;

use super::error::ServeError;
use crate::base::{Address, clock};
use crate::config::{BoundListener, ListenAddress, Plan};
use crate::http::Door;
use crate::io::sys::{self, ListenOptions, ListenSocket};

/// What listens, before the shards take it.
pub(super) struct Listeners {
    bound: Vec<BoundListener>,
    /// Each shard's sockets, in the order of `bound`.
    sockets: Vec<Vec<ListenSocket>>,
}

/// How often another port is tried where the system chooses it, and one of a name's addresses has
/// it taken.
const PORT_TRIES: usize = 16;

/// How long the kernel may take to let go of a killed process's sockets, and how often to look.
const LETTING_GO_MAX: Duration = Duration::from_secs(1);
const LETTING_GO_LOOK: Duration = Duration::from_millis(20);

impl Listeners {
    /// Binds everything that the plan names, for so many shards.
    pub(super) fn bind(plan: &Plan, shards: usize) -> Result<Self, ServeError> {
        let public = plan.listen.iter().map(|listen| (listen, false));
        let admin = plan.admin_listen.iter().map(|listen| (listen, true));
        let mut listeners = Self {
            bound: Vec::new(),
            sockets: (0..shards).map(|_| Vec::new()).collect(),
        };
        for (listen, admin) in public.chain(admin) {
            let added = bind_all(plan, listen).and_then(|sockets| {
                let mut sockets = sockets.into_iter();
                sockets.try_for_each(|socket| listeners.add(socket, listen.proxy, admin))
            });
            added.map_err(|failed| cannot_listen(&failed))?;
        }
        Ok(listeners)
    }

    /// Where the node listens, with the real ports.
    pub(super) fn bound(&self) -> &[BoundListener] {
        &self.bound
    }

    /// What requests through each listener may do.
    pub(super) fn doors(&self) -> Vec<Door> {
        self.bound.iter().map(door).collect()
    }

    /// Each shard's sockets, in the order of the doors.
    pub(super) fn into_sockets(self) -> Vec<Vec<ListenSocket>> {
        self.sockets
    }

    fn add(
        &mut self,
        socket: ListenSocket,
        proxy: bool,
        admin: bool,
    ) -> Result<(), ListenerFailure> {
        let address = socket.address().clone();
        let sockets = socket.for_shards(self.sockets.len());
        let sockets = sockets.map_err(|error| (address.clone(), error))?;
        let listen = ListenAddress::on(address, proxy);
        self.bound.push(BoundListener { listen, admin });
        for (shard, socket) in self.sockets.iter_mut().zip(sockets) {
            shard.push(socket);
        }
        Ok(())
    }
}

/// Where it failed, and how.
type ListenerFailure = (Address, io::Error);

/// Every address of one `--listen`, all on one port also where the system chooses it.
fn bind_all(plan: &Plan, listen: &ListenAddress) -> Result<Vec<ListenSocket>, ListenerFailure> {
    let is_chosen = matches!(&listen.address, Address::Inet(first) if first.port() == 0);
    for _ in 1..PORT_TRIES {
        match bind_once(plan, listen) {
            Err((_, error)) if is_chosen && error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    bind_once(plan, listen)
}

/// Of a name's addresses those that this host does not have are passed over, unless it has none:
/// where IPv6 is switched off, `localhost` may have its IPv6 address all the same.
fn bind_once(plan: &Plan, listen: &ListenAddress) -> Result<Vec<ListenSocket>, ListenerFailure> {
    let (mut sockets, mut absent) = (Vec::new(), None);
    for address in listen.addresses() {
        let address = on_the_port_of(sockets.first(), address);
        match bind_patiently(&address, &options(plan, &address)) {
            Ok(socket) => sockets.push(socket),
            Err(error) if !listen.others.is_empty() && sys::is_elsewhere(&error) => {
                tracing::warn!(%address, %error, "passed over, since this host does not have it");
                absent = Some((address, error));
            }
            Err(error) => return Err((address, error)),
        }
    }
    match absent {
        Some(absent) if sockets.is_empty() => Err(absent),
        _ => Ok(sockets),
    }
}

/// Waits a little for the kernel where a node that was killed has only just gone.
fn bind_patiently(address: &Address, options: &ListenOptions) -> io::Result<ListenSocket> {
    let until = clock::now() + LETTING_GO_MAX;
    loop {
        match sys::bind(address, options) {
            Err(error) if clock::now() < until && sys::is_letting_go(address, &error) => {
                thread::park_timeout(LETTING_GO_LOOK);
            }
            bound => return bound,
        }
    }
}

fn on_the_port_of(first: Option<&ListenSocket>, address: Address) -> Address {
    match (first.map(ListenSocket::address), address) {
        (Some(Address::Inet(first)), Address::Inet(mut address)) => {
            address.set_port(first.port());
            Address::Inet(address)
        }
        (_, address) => address,
    }
}

fn options(plan: &Plan, address: &Address) -> ListenOptions {
    let limits = &plan.limits;
    ListenOptions {
        send_buffer_bytes: Some(limits.socket_send_buffer_bytes).filter(|bytes| *bytes > 0),
        unsent_bytes: u32::try_from(limits.socket_unsent_bytes_max).ok(),
        share_port: plan.share_port,
        only_ipv6: is_beside_ipv4(plan, address),
        // A stream has no pong: who has gone without a word is noticed by what is not
        // acknowledged. Later than a pong would be due, so that a WebSocket is told first.
        user_timeout: Some(limits.ping_interval + limits.pong_timeout + limits.close_linger),
        ..ListenOptions::default()
    }
}

/// Whether it is `[::]` and another listener has an IPv4 address with the same port, which it
/// would take as well.
fn is_beside_ipv4(plan: &Plan, address: &Address) -> bool {
    let Address::Inet(six) = address else {
        return false;
    };
    let is_ipv4 = |other: Address| match other {
        Address::Inet(other) => other.port() == six.port() && other.ip().to_canonical().is_ipv4(),
        Address::Unix(_) => false,
    };
    let listeners = plan.listen.iter().chain(&plan.admin_listen);
    let is_any = six.is_ipv6() && six.ip().is_unspecified() && six.port() != 0;
    is_any && listeners.flat_map(ListenAddress::addresses).any(is_ipv4)
}

fn door(bound: &BoundListener) -> Door {
    let BoundListener { listen, admin } = bound;
    Door {
        admin: *admin,
        // Behind a Unix socket is a proxy of this host, and behind that anybody.
        loopback: is_loopback(&listen.address),
        unix: matches!(listen.address, Address::Unix(_)),
        proxy: listen.proxy,
    }
}

fn is_loopback(address: &Address) -> bool {
    matches!(address, Address::Inet(_)) && address.is_local()
}

fn cannot_listen((address, error): &ListenerFailure) -> ServeError {
    let hint = sys::obstacle(address, error);
    let hint = hint.unwrap_or_else(|| "see --listen".into());
    ServeError::Start(format!("cannot listen on {address}: {error}; {hint}"))
}
