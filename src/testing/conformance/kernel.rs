//! Drivers of the kernel's sockets under test, with peers over plain sockets on loopback.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::base::Address;
use crate::io::sys;
use crate::io::uring::probe;
use crate::io::{
    Driver, EpollDriver, EpollOptions, ListenOptions, ListenSocket, UringDriver, UringOptions,
};

use super::{Harness, RawPeer};

/// A driver, where it listens, and a listener of peers. `TCP` or Unix.
pub(super) struct KernelHarness<D, const TCP: bool> {
    driver: D,
    accepts_per_turn_max: usize,
    address: SockAddr,
    /// The peers' side of `target`.
    answering: Socket,
    target: Address,
    /// A socket file that nobody answers on.
    dead: PathBuf,
    /// A port that is taken, so that nobody else gets it, and that nobody answers on.
    silent: Option<Socket>,
}

pub(super) fn tcp() -> KernelHarness<EpollDriver, true> {
    KernelHarness::epoll(EpollOptions::default())
}

/// Bounds so small that everything takes several turns.
pub(super) fn tcp_small() -> KernelHarness<EpollDriver, true> {
    KernelHarness::epoll(EpollOptions {
        receive_buffer_bytes: 1000,
        reads_per_turn_max: 2,
        accepts_per_turn_max: 3,
        events_per_turn_max: 2,
    })
}

pub(super) fn unix() -> KernelHarness<EpollDriver, false> {
    KernelHarness::epoll(EpollOptions::default())
}

/// Runs a script over io_uring; where the kernel has none, that is said instead.
pub(super) fn on_uring<const TCP: bool>(
    options: &UringOptions,
    script: impl FnOnce(KernelHarness<UringDriver, TCP>),
) {
    if let Err(missing) = probe() {
        // Past the test runner, which would keep it to itself.
        let _ = writeln!(io::stderr(), "io_uring scripts are skipped: {missing}");
        return;
    }
    let driver = UringDriver::new(options.clone()).expect("driver");
    script(KernelHarness::new(driver, options.accepts_per_turn_max));
}

/// Queues, buffers and tables so small that everything runs short all the time.
pub(super) fn uring_small() -> UringOptions {
    UringOptions {
        connections_max: 256,
        ring_files_max: 40,
        accepts_per_turn_max: 3,
        submissions: 4,
        completions: 8,
        buffers: 2,
        buffer_bytes: 500,
    }
}

impl<const TCP: bool> KernelHarness<EpollDriver, TCP> {
    fn epoll(options: EpollOptions) -> Self {
        let accepts = options.accepts_per_turn_max;
        Self::new(EpollDriver::new(options).expect("driver"), accepts)
    }
}

impl<D: Driver<Listener = ListenSocket>, const TCP: bool> KernelHarness<D, TCP> {
    pub(super) fn new(mut driver: D, accepts_per_turn_max: usize) -> Self {
        // As the node itself does: by default megabytes fit before a send is short.
        let listening = ListenOptions {
            unsent_bytes: Some(16 * 1024),
            ..ListenOptions::default()
        };
        let listener = sys::bind(&any_address(TCP), &listening).expect("bind");
        let address = sock_addr(listener.address());
        driver.listen(listener).expect("listen");
        let (answering, target) = answering(TCP);
        let dead = socket_path();
        drop(std::os::unix::net::UnixListener::bind(&dead).expect("bind"));
        Self {
            driver,
            accepts_per_turn_max,
            address,
            answering,
            target,
            dead,
            silent: None,
        }
    }
}

/// A listener of our own, not blocking.
fn answering(tcp: bool) -> (Socket, Address) {
    let (socket, address) = bound(tcp);
    socket.listen(64).expect("listen");
    socket.set_nonblocking(true).expect("not blocking");
    (socket, address)
}

fn bound(tcp: bool) -> (Socket, Address) {
    let address = any_address(tcp);
    let socket = stream(&sock_addr(&address));
    socket.bind(&sock_addr(&address)).expect("bind");
    let bound = socket.local_addr().expect("address").as_socket();
    (socket, bound.map_or(address, Address::Inet))
}

fn any_address(tcp: bool) -> Address {
    if tcp {
        "127.0.0.1:0".parse().expect("an address")
    } else {
        Address::Unix(socket_path())
    }
}

/// A path of its own in each call.
fn socket_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Only the number matters, no other memory goes with it.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("altavoz-conformance-{}-{number}.sock", std::process::id());
    std::env::temp_dir().join(name)
}

fn sock_addr(address: &Address) -> SockAddr {
    match address {
        Address::Inet(address) => (*address).into(),
        Address::Unix(path) => SockAddr::unix(path).expect("a short path"),
    }
}

fn stream(address: &SockAddr) -> Socket {
    Socket::new(
        Domain::from(i32::from(address.family())),
        Type::STREAM,
        None,
    )
    .expect("socket")
}

impl<D, const TCP: bool> Drop for KernelHarness<D, TCP> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.dead);
        if let Address::Unix(path) = &self.target {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl<D, const TCP: bool> Harness for KernelHarness<D, TCP>
where
    D: Driver<Listener = ListenSocket, Target = Address>,
{
    type Driver = D;
    type Peer = SocketPeer;

    const SLEEPS: bool = true;
    const RESETS: bool = TCP;

    fn driver(&mut self) -> &mut D {
        &mut self.driver
    }

    fn accepts_per_turn_max(&self) -> usize {
        self.accepts_per_turn_max
    }

    fn connect(&mut self) -> SocketPeer {
        let socket = stream(&self.address);
        let connected = socket.connect(&self.address);
        SocketPeer::new(connected.map(|()| socket))
    }

    fn target(&mut self) -> Address {
        self.target.clone()
    }

    fn answer(&mut self) -> Option<SocketPeer> {
        let (socket, _) = self.answering.accept().ok()?;
        Some(SocketPeer::new(Ok(socket)))
    }

    fn nobody(&mut self) -> Address {
        if !TCP {
            return Address::Unix(self.dead.clone());
        }
        let (socket, address) = bound(TCP);
        self.silent = Some(socket);
        address
    }

    fn step(&mut self) {}
}

/// A socket that does not block, and what is to be written to it.
pub(super) struct SocketPeer {
    socket: Option<Socket>,
    unwritten: Vec<u8>,
    reading: bool,
    received: Vec<u8>,
    fin: bool,
    ended: bool,
    reset: bool,
}

impl SocketPeer {
    fn new(socket: io::Result<Socket>) -> Self {
        let reset = socket.is_err();
        let socket = socket.ok();
        if let Some(socket) = &socket {
            socket.set_nonblocking(true).expect("not blocking");
        }
        Self {
            socket,
            unwritten: Vec::new(),
            reading: true,
            received: Vec::new(),
            fin: false,
            ended: false,
            reset,
        }
    }

    fn pump_out(&mut self) {
        let Some(socket) = &self.socket else {
            return;
        };
        while !self.unwritten.is_empty() {
            match socket.send(&self.unwritten) {
                Ok(sent) => drop(self.unwritten.drain(..sent)),
                Err(_) => return,
            }
        }
        if self.fin {
            self.fin = false;
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    fn pump_in(&mut self) {
        let Some(socket) = self.socket.as_mut().filter(|_| self.reading) else {
            return;
        };
        let mut buffer = vec![0; 64 * 1024];
        while !self.ended && !self.reset {
            match socket.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(n) => self.received.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.reset = true,
            }
        }
    }
}

impl RawPeer for SocketPeer {
    fn write(&mut self, bytes: &[u8]) {
        self.unwritten.extend_from_slice(bytes);
        self.pump_out();
    }

    fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    fn set_reading(&mut self, on: bool) {
        self.reading = on;
    }

    fn pump(&mut self) {
        self.pump_out();
        self.pump_in();
    }

    fn received(&self) -> &[u8] {
        &self.received
    }

    fn is_ended(&self) -> bool {
        self.ended
    }

    fn is_reset(&self) -> bool {
        self.reset
    }

    fn fin(&mut self) {
        self.fin = true;
        self.pump_out();
    }

    fn reset(&mut self) {
        if let Some(socket) = self.socket.take() {
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }
}
