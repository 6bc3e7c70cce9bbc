//! Accepting without descriptors, in a process of its own: the limit is the whole process's.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::base::{ConnId, clock};
use crate::io::epoll::Socket;
use crate::io::{Address, Close, Driver, EpollDriver, EpollOptions, Event, ListenOptions, sys};

const INNER: &str = "testing::conformance::scarcity::descriptors_run_out_in_this_process";

#[test]
fn without_descriptors_accepting_rests_and_goes_on_when_there_are_some() {
    let test = std::env::current_exe().expect("this test's program");
    let output = Command::new(test)
        .args(["--exact", INNER, "--ignored"])
        .output()
        .expect("run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

struct Shard {
    driver: EpollDriver,
    sockets: Vec<Socket>,
    failures: usize,
    polls: usize,
}

impl Shard {
    fn poll(&mut self, timeout: Duration) {
        let Self {
            driver,
            sockets,
            failures,
            polls,
        } = self;
        *polls += 1;
        let on_event = |event: Event<'_, Socket>| match event {
            Event::Accepted { socket, .. } => sockets.push(socket),
            Event::AcceptFailed { .. } => *failures += 1,
            _ => {}
        };
        driver.poll(Some(timeout), on_event).expect("poll");
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
    let mut shard = Shard {
        driver: EpollDriver::new(EpollOptions::default()).expect("driver"),
        sockets: Vec::new(),
        failures: 0,
        polls: 0,
    };
    shard.driver.listen(listener).expect("listen");

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

    // It is said once, and the driver sleeps in between.
    shard.polls = 0;
    let until = clock::now() + Duration::from_millis(350);
    while clock::now() < until {
        shard.poll(Duration::from_millis(50));
    }
    assert_eq!((shard.failures, shard.sockets.len()), (1, 0));
    assert!(shard.polls < 30, "{} polls: it spins", shard.polls);

    // A connection that ends makes room at once.
    shard.driver.close(id, Close::Graceful);
    shard.poll(Duration::ZERO);
    assert_eq!(shard.sockets.len(), 1);

    limit_descriptors(before);
    shard.accept(3);
}
