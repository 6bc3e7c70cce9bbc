//! Whether this kernel has all that the driver needs, found out by trying it.
//!
//! That the kernel knows an operation does not say that it knows it as we use it. So after the
//! list of operations a whole driver is set up, and a connection on loopback lives its life in it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use io_uring::register::Probe;
use io_uring::{IoUring, opcode};
use rustix::io::Errno;

use crate::base::{Address, Chunk, ConnId, Part, clock};
use crate::io::driver::{Close, Driver, Event, Peer, SendStatus};
use crate::io::sys::{self, ListenOptions};

use super::{UringDriver, UringOptions, UringSocket};

/// How long the connection on loopback may take for each step.
const STEP: Duration = Duration::from_secs(2);

/// What both ends of it say.
const WORD: &[u8] = b"altavoz";

const NEAR: ConnId = ConnId {
    slot: 0,
    generation: 0,
};
const FAR: ConnId = ConnId {
    slot: 1,
    generation: 0,
};

/// Tries everything that the driver needs.
///
/// # Errors
/// What is missing, and what would help.
pub fn probe() -> Result<(), String> {
    check_operations()?;
    rehearse()
        .map_err(|(what, error)| format!("{what} does not work here: {error}{}", lift(&error)))
}

fn check_operations() -> Result<(), String> {
    let ring = IoUring::new(2).map_err(|error| refused(&error))?;
    let mut known = Probe::new();
    let probed = ring.submitter().register_probe(&mut known);
    probed.map_err(|error| format!("this kernel's io_uring is too old to be asked: {error}"))?;
    let needed = [
        ("accept", opcode::Accept::CODE, "5.5"),
        ("connect", opcode::Connect::CODE, "5.5"),
        ("send", opcode::Send::CODE, "5.6"),
        ("sendmsg", opcode::SendMsg::CODE, "5.3"),
        ("receive", opcode::Recv::CODE, "5.6"),
        ("poll", opcode::PollAdd::CODE, "5.1"),
        ("cancel", opcode::AsyncCancel2::CODE, "5.19"),
        ("shutdown", opcode::Shutdown::CODE, "5.11"),
        ("close", opcode::Close::CODE, "5.15"),
        ("files update", opcode::FilesUpdate::CODE, "5.19"),
        ("socket command", opcode::UringCmd16::CODE, "6.7"),
        ("descriptor install", opcode::FixedFdInstall::CODE, "6.8"),
    ];
    for (name, code, since) in needed {
        if !known.is_supported(code) {
            return Err(format!(
                "this kernel's io_uring has no {name}, which is there since Linux {since}"
            ));
        }
    }
    Ok(())
}

fn refused(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::NOSYS) => {
            "this kernel has no io_uring, or the container's seccomp profile hides it".into()
        }
        Some(Errno::PERM | Errno::ACCESS) => "io_uring is not allowed here: look at \
             `sysctl kernel.io_uring_disabled`, and at what the container forbids"
            .into(),
        _ => format!("the kernel sets up no io_uring: {error}{}", lift(error)),
    }
}

/// What lifts a limit that the error does not name.
fn lift(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOMEM) => {
            "; raise the limit of locked memory (`ulimit -l`, LimitMEMLOCK= in the systemd unit)"
        }
        Some(Errno::MFILE | Errno::NFILE) => {
            "; raise the limit of open files (`ulimit -n`, LimitNOFILE=)"
        }
        _ => "",
    }
}

/// A step that failed, and how.
type ProbeFailure = (&'static str, io::Error);

/// What was seen so far.
#[derive(Default)]
struct ProbeFindings {
    accepted: Option<UringSocket>,
    connected: bool,
    received: [Vec<u8>; 2],
    closed: [bool; 2],
}

impl ProbeFindings {
    fn note(&mut self, event: Event<'_, UringSocket>) {
        let at = |id: ConnId| id.index().min(1);
        match event {
            Event::Accepted { socket, .. } => self.accepted = Some(socket),
            Event::Connected { .. } => self.connected = true,
            Event::Received { id, bytes } => self.received[at(id)].extend_from_slice(bytes),
            Event::Closed { id, .. } => self.closed[at(id)] = true,
            _ => {}
        }
    }
}

/// A connection on loopback, both ends in one driver: it is accepted, speaks, pauses and ends.
fn rehearse() -> Result<(), ProbeFailure> {
    let mut driver = small_driver().map_err(|error| ("io_uring as we need it", error))?;
    let address = listen(&mut driver).map_err(|error| ("listening on loopback", error))?;
    let mut seen = ProbeFindings::default();
    driver.connect(NEAR, &address, Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    until(&mut driver, &mut seen, "connecting", |seen| seen.connected)?;
    let accept = "accepting into a table of descriptors";
    until(&mut driver, &mut seen, accept, |seen| {
        seen.accepted.is_some()
    })?;
    if let Some(socket) = seen.accepted.take() {
        let opened = driver.open(FAR, socket);
        opened.map_err(|error| (accept, error))?;
    }
    let part = || Part::whole(Chunk::private(WORD.to_vec()));
    // A volley of small sends, and an operation of its own.
    let ways = [(NEAR, vec![part()]), (FAR, vec![part(), part()])];
    for (from, parts) in ways {
        let what = "sending, and receiving into shared buffers";
        if driver.send(from, &parts) == SendStatus::Gone {
            return Err((what, io::ErrorKind::NotConnected.into()));
        }
        let (to, words) = (1 - from.index(), WORD.repeat(parts.len()));
        until(&mut driver, &mut seen, what, |seen| {
            seen.received[to] == words
        })?;
    }
    if !matches!(driver.peer(FAR), Some(Peer::Inet(_))) {
        let error = io::ErrorKind::Unsupported.into();
        return Err(("taking a descriptor out of a table", error));
    }
    driver.receive(FAR, false);
    driver.close(FAR, Close::Reset);
    let closing = "cancelling, socket options and closing";
    until(&mut driver, &mut seen, closing, |seen| {
        seen.closed == [true, true]
    })
}

fn small_driver() -> io::Result<UringDriver> {
    UringDriver::new(UringOptions {
        connections_max: 8,
        submissions: 16,
        completions: 64,
        buffers: 8,
        ..UringOptions::default()
    })
}

fn listen(driver: &mut UringDriver) -> io::Result<Address> {
    let any = Address::Inet(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = sys::bind(&any, &ListenOptions::default())?;
    let address = listener.address().clone();
    driver.listen(listener)?;
    Ok(address)
}

fn until(
    driver: &mut UringDriver,
    seen: &mut ProbeFindings,
    what: &'static str,
    holds: impl Fn(&ProbeFindings) -> bool,
) -> Result<(), ProbeFailure> {
    until_within(STEP, driver, seen, what, holds)
}

fn until_within(
    step: Duration,
    driver: &mut UringDriver,
    seen: &mut ProbeFindings,
    what: &'static str,
    holds: impl Fn(&ProbeFindings) -> bool,
) -> Result<(), ProbeFailure> {
    let deadline = clock::now() + step;
    while !holds(seen) {
        let left = deadline.since(clock::now());
        if left.is_zero() {
            return Err((what, io::ErrorKind::TimedOut.into()));
        }
        let polled = driver.poll(Some(left), |event| seen.note(event));
        polled.map_err(|error| (what, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_a_sentence_that_says_what_is_missing() {
        let not_allowed = refused(&Errno::PERM.into());
        assert!(not_allowed.contains("io_uring_disabled"), "{not_allowed}");
        let none = refused(&Errno::NOSYS.into());
        assert!(
            none.starts_with("this kernel has no io_uring, or "),
            "{none}"
        );
        let locked = refused(&Errno::NOMEM.into());
        assert!(locked.contains("ulimit -l"), "{locked}");
    }

    /// Otherwise a mistake of ours would look like a kernel that cannot, and skip every test.
    #[test]
    fn where_all_operations_are_there_everything_works() {
        if check_operations().is_ok() {
            assert_eq!(probe(), Ok(()));
        }
    }

    #[test]
    fn what_does_not_happen_is_named_and_not_waited_for_for_ever() {
        if probe().is_err() {
            return;
        }
        let mut driver = small_driver().expect("driver");
        let nothing = &mut ProbeFindings::default();
        let never = until_within(Duration::ZERO, &mut driver, nothing, "a miracle", |_| false);
        let (what, error) = never.expect_err("it does not happen");
        assert_eq!((what, error.kind()), ("a miracle", io::ErrorKind::TimedOut));
    }
}
