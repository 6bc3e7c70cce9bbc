//! Accepting without descriptors, in a process of its own: the limit is the whole process's.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::base::{Address, ConnId, clock};
use crate::io::uring::probe;
use crate::io::{
    Close, Driver, EpollDriver, EpollOptions, Event, ListenOptions, ListenSocket, UringDriver,
    UringOptions, sys,
};

#[test]
fn without_descriptors_accepting_rests_and_goes_on_when_there_are_some() {
    run_alone("descriptors_run_out_in_this_process");
}

#[test]
fn over_io_uring_no_descriptors_are_needed_but_for_unix_sockets() {
    run_alone("descriptors_run_out_over_io_uring");
}

/// Runs an ignored test of this module in a process of its own.
fn run_alone(name: &str) {
    let inner = format!("testing::conformance::scarcity::{name}");
    let test = std::env::current_exe().expect("this test's program");
    let output = Command::new(test)
        .args(["--exact", &inner, "--ignored"])
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

struct ScarceShard<D: Driver> {
    driver: D,
    sockets: Vec<D::Socket>,
    failures: usize,
    polls: usize,
}

impl<D: Driver<Listener = ListenSocket>> ScarceShard<D> {
    fn new(mut driver: D, listener: ListenSocket) -> Self {
        driver.listen(listener).expect("listen");
        Self {
            driver,
            sockets: Vec::new(),
            failures: 0,
            polls: 0,
        }
    }

    fn poll(&mut self, timeout: Duration) {
        let Self {
            driver,
            sockets,
            failures,
            polls,
        } = self;
        *polls += 1;
        let on_event = |event: Event<'_, D::Socket>| match event {
            Event::Accepted { socket, .. } => sockets.push(socket),
            Event::AcceptFailed { .. } => *failures += 1,
            _ => {}
        };
        driver.poll(Some(timeout), on_event).expect("poll");
    }

    /// For a while nobody is accepted, which is said once, and there is no spinning.
    fn rests(&mut self) {
        self.polls = 0;
        let until = clock::now() + Duration::from_millis(350);
        while clock::now() < until {
            self.poll(Duration::from_millis(50));
        }
        assert_eq!((self.failures, self.sockets.len()), (1, 0));
        assert!(self.polls < 30, "{} polls: it spins", self.polls);
    }

    fn accept(&mut self, count: usize) {
        let deadline = clock::now() + Duration::from_secs(20);
        while self.sockets.len() < count {
            assert!(clock::now() < deadline, "not accepted");
            self.poll(Duration::from_millis(20));
        }
    }
}

fn limit_descriptors(current: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(current),
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("below the hard limit");
}

/// The number that the next descriptor would have.
fn next_descriptor() -> u64 {
    use std::os::fd::AsRawFd as _;
    let file = std::fs::File::open("/dev/null").expect("open");
    u64::try_from(file.as_raw_fd()).expect("not negative")
}

#[test]
#[ignore = "takes the whole process's descriptors; its neighbour runs it in one of its own"]
fn descriptors_run_out_in_this_process() {
    let options = ListenOptions::default();
    let listener = sys::bind(&"127.0.0.1:0".parse().expect("an address"), &options).expect("bind");
    let Address::Inet(address) = *listener.address() else {
        unreachable!("bound to TCP");
    };
    let driver = EpollDriver::new(EpollOptions::default()).expect("driver");
    let mut shard = ScarceShard::new(driver, listener);

    let id = ConnId {
        slot: 0,
        generation: 0,
    };
    let _first = TcpStream::connect(address).expect("connect");
    shard.accept(1);
    let socket = shard.sockets.pop().expect("accepted");
    shard.driver.open(id, socket).expect("open");

    let _others = [0; 3].map(|_| TcpStream::connect(address).expect("connect"));
    let before = getrlimit(Resource::Nofile).current.expect("a limit");
    limit_descriptors(next_descriptor());

    shard.rests();

    // A connection that ends makes room at once.
    shard.driver.close(id, Close::Graceful);
    shard.poll(Duration::ZERO);
    assert_eq!(shard.sockets.len(), 1);

    limit_descriptors(before);
    shard.accept(3);
}

#[test]
#[ignore = "takes the whole process's descriptors; its neighbour runs it in one of its own"]
fn descriptors_run_out_over_io_uring() {
    if probe().is_err() {
        return;
    }
    let options = ListenOptions::default();
    let tcp = sys::bind(&"127.0.0.1:0".parse().expect("an address"), &options).expect("bind");
    let Address::Inet(address) = *tcp.address() else {
        unreachable!("bound to TCP");
    };
    let driver = || UringDriver::new(UringOptions::default()).expect("driver");
    let mut over_tcp = ScarceShard::new(driver(), tcp);
    let path = std::env::temp_dir().join(format!("altavoz-scarce-{}.sock", std::process::id()));
    let unix = sys::bind(&Address::Unix(path.clone()), &options).expect("bind");
    let mut over_unix = ScarceShard::new(driver(), unix);

    let _tcp = [0; 3].map(|_| TcpStream::connect(address).expect("connect"));
    let _unix = [0; 3].map(|_| UnixStream::connect(&path).expect("connect"));
    let before = getrlimit(Resource::Nofile).current.expect("a limit");
    limit_descriptors(next_descriptor());

    over_tcp.accept(3);
    over_unix.rests();
    limit_descriptors(before);
    over_unix.accept(3);
}
