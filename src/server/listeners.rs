//! The node's listening sockets, one set for each shard.

use std::io;

use super::ServeError;
use crate::config::{self, Bound, ListenAddress, Plan};
use crate::http::Door;
use crate::io::sys::{self, Address, ListenOptions, ListenSocket};

/// What listens, before the shards take it.
pub(super) struct Listeners {
    bound: Vec<Bound>,
    /// Each shard's sockets, in the order of `bound`.
    sockets: Vec<Vec<ListenSocket>>,
}

impl Listeners {
    /// Binds everything that the plan names, for so many shards.
    pub(super) fn bind(plan: &Plan, shards: usize) -> Result<Self, ServeError> {
        let public = plan.listen.iter().map(|listen| (listen, false));
        let admin = plan.admin_listen.iter().map(|listen| (listen, true));
        let mut listeners = Self {
            bound: Vec::new(),
            sockets: (0..shards).map(|_| Vec::new()).collect(),
        };
        let limits = &plan.limits;
        let options = ListenOptions {
            send_buffer_bytes: Some(limits.socket_send_buffer_bytes).filter(|bytes| *bytes > 0),
            unsent_bytes: u32::try_from(limits.socket_unsent_bytes_max).ok(),
            share_port: plan.share_port,
            // A stream has no pong: who has gone without a word is noticed by what is not
            // acknowledged. Later than a pong would be due, so that a WebSocket is told first.
            user_timeout: Some(limits.ping_interval + limits.pong_timeout + limits.close_linger),
            ..ListenOptions::default()
        };
        for (listen, admin) in public.chain(admin) {
            let bound = listeners.add(listen, admin, &options);
            bound.map_err(|error| cannot_listen(listen, &error))?;
        }
        Ok(listeners)
    }

    /// Where the node listens, with the real ports.
    pub(super) fn bound(&self) -> &[Bound] {
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
        listen: &ListenAddress,
        admin: bool,
        options: &ListenOptions,
    ) -> io::Result<()> {
        let socket = sys::bind(&to_io(&listen.address), options)?;
        let address = to_config(socket.address());
        let listen = ListenAddress {
            address,
            proxy: listen.proxy,
        };
        self.bound.push(Bound { listen, admin });
        let sockets = socket.for_shards(self.sockets.len())?;
        for (shard, socket) in self.sockets.iter_mut().zip(sockets) {
            shard.push(socket);
        }
        Ok(())
    }
}

fn door(bound: &Bound) -> Door {
    let Bound { listen, admin } = bound;
    Door {
        admin: *admin,
        // Behind a Unix socket is a proxy of this host, and behind that anybody.
        loopback: is_loopback(&listen.address),
        unix: matches!(listen.address, config::Address::Unix(_)),
        proxy: listen.proxy,
    }
}

fn is_loopback(address: &config::Address) -> bool {
    matches!(address, config::Address::Tcp(_)) && address.is_local()
}

fn to_io(address: &config::Address) -> Address {
    match address {
        config::Address::Tcp(address) => Address::Inet(*address),
        config::Address::Unix(path) => Address::Unix(path.clone()),
    }
}

fn to_config(address: &Address) -> config::Address {
    match address {
        Address::Inet(address) => config::Address::Tcp(*address),
        Address::Unix(path) => config::Address::Unix(path.clone()),
    }
}

fn cannot_listen(listen: &ListenAddress, error: &io::Error) -> ServeError {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "somebody listens there already: stop that, choose another --listen, or start beside \
             another node with --share-port"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE, and a Unix socket a folder that may be \
             written to"
        }
        io::ErrorKind::AddrNotAvailable => "this host does not have that address",
        _ => "see --listen",
    };
    ServeError::Start(format!(
        "cannot listen on {}: {error}; {hint}",
        listen.address
    ))
}
