//! The addresses of a name, and which of them answers (RFC 8305): they are tried in the order of
//! the system, by turns of the families, each a quarter of a second behind the one before or as
//! soon as that has failed, and the first that takes a connection wins.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use altavoz::config::is_localhost;

use crate::base::failure::Failure;

/// So many addresses of a name are tried.
const ADDRESSES_MAX: usize = 16;

/// How long an attempt is alone before the next one begins (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// How long an attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The addresses of a name, in the order in which they are tried.
///
/// # Errors
/// When it has none.
pub fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let found = match (name, port).to_socket_addrs() {
        Ok(found) => found.collect(),
        // RFC 6761 §6.3: this host, also where no file and no server says so.
        Err(_) if is_localhost(name) => loopback(port),
        Err(error) => {
            return Err(Failure::usage(format!(
                "{name}: no address for this name: {error}"
            )));
        }
    };
    Ok(by_turns(found))
}

/// Connects to the first address that takes it, and says which.
///
/// # Errors
/// When none does: each address with what it said.
pub fn dial(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), String> {
    let (to_us, attempts) = channel();
    let mut waiting = addresses.iter();
    let mut running = 0;
    let mut failures = String::new();
    loop {
        if let Some(address) = waiting.next().copied() {
            let to_us = to_us.clone();
            running += 1;
            thread::spawn(move || {
                let attempt = TcpStream::connect_timeout(&address, ATTEMPT_TIMEOUT);
                // Nobody waits for the rest once one has won.
                let _ = to_us.send((address, attempt));
            });
        } else if running == 0 {
            return Err(failures);
        }
        let wait = if waiting.len() > 0 {
            HEAD_START
        } else {
            2 * ATTEMPT_TIMEOUT
        };
        match attempts.recv_timeout(wait) {
            Ok((address, Ok(stream))) => return Ok((stream, address)),
            Ok((address, Err(error))) => {
                running -= 1;
                let joint = if failures.is_empty() { "" } else { "; " };
                let written = write!(failures, "{joint}{address}: {}", plain(&error));
                debug_assert!(written.is_ok());
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                if waiting.len() == 0 {
                    return Err(failures);
                }
            }
        }
    }
}

/// The system's words without its number.
fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => error.kind().to_string(),
        None => error.to_string(),
    }
}

fn loopback(port: u16) -> Vec<SocketAddr> {
    let both = [
        IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(Ipv4Addr::LOCALHOST),
    ];
    both.map(|address| SocketAddr::new(address, port)).to_vec()
}

/// Each once, the families by turns from the first one on (RFC 8305 §4).
fn by_turns(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut each: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !each.contains(&address) {
            each.push(address);
        }
    }
    let is_first = each.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        each.into_iter().partition(|it| it.is_ipv4() == is_first);
    let mut turns = Vec::new();
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            turns.truncate(ADDRESSES_MAX);
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let parse = |text: &&str| text.parse().expect("an address");
        texts.iter().map(parse).collect()
    }

    #[test]
    fn families_take_turns_and_nothing_is_tried_twice() {
        let found = addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::2]:1",
            "1.1.1.1:1",
            "2.2.2.2:1",
            "3.3.3.3:1",
        ]);
        let turns = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"];
        assert_eq!(by_turns(found), addresses(&turns));
        let many = (0..99).map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        assert_eq!(by_turns(many.collect()).len(), ADDRESSES_MAX);
    }

    #[test]
    fn the_first_address_that_listens_wins_wherever_it_stands() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let open = listener.local_addr().expect("bound");
        let shut = SocketAddr::new("127.0.0.2".parse().expect("an address"), open.port());
        for all in [[open, shut], [shut, open]] {
            let (_, address) = dial(&all).expect("one listens");
            assert_eq!(address, open);
        }
        drop(listener);
        let why = dial(&[shut, open]).expect_err("nobody listens");
        assert!(
            why.contains(&shut.to_string()) && why.contains(&open.to_string()),
            "{why}"
        );
        assert!(why.contains("refused"), "{why}");
    }

    #[test]
    fn localhost_and_what_is_below_it_is_this_host() {
        for name in ["localhost", "LOCALHOST.", "a.localhost", "a.b.localhost."] {
            assert!(is_localhost(name), "{name}");
            let found = resolve(name, 7).expect(name);
            assert!(found.iter().all(|it| it.ip().is_loopback()), "{found:?}");
        }
        assert!(!is_localhost("localhost.example"));
        assert!(resolve("no-such-name.invalid", 1).is_err());
    }
}
