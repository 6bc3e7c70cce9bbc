//! A longer way to a server: a relay on this host that holds every byte back for a while.
//!
//! For a few clients: a thread for each direction of each connection. What is read is passed on
//! a fixed time later, in order, so that a round trip takes twice that time more. TCP's own
//! handshake is not delayed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use altavoz::base::{Time, clock};

use crate::base::failure::Failure;

/// Bytes of one read.
const READ_BYTES: usize = 16 * 1024;

/// A relay; its threads end with their connections, and the listener with the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay {
    /// Where it listens.
    pub address: SocketAddr,
}

impl Delay {
    /// Passes everything on to `server`, each way `one_way` later.
    ///
    /// # Errors
    /// When it cannot listen.
    pub(crate) fn start(server: SocketAddr, one_way: Duration) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::usage(format!("a relay that delays: {e}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else {
                    return;
                };
                // A connection that cannot be relayed is closed, which its client sees.
                let _ = relay(client, server, one_way);
            }
        });
        Ok(Self { address })
    }
}

fn relay(client: TcpStream, server: SocketAddr, one_way: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pass_on(client.try_clone()?, server.try_clone()?, one_way);
    pass_on(server, client, one_way);
    Ok(())
}

/// One direction: one thread reads and notes when, another writes when it is time.
fn pass_on(mut from: TcpStream, to: TcpStream, one_way: Duration) {
    let (read, due) = channel::<(Time, Vec<u8>)>();
    thread::spawn(move || write_later(to, &due));
    thread::spawn(move || {
        let mut buffer = [0; READ_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let at = clock::now() + one_way;
            if read.send((at, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
}

fn write_later(mut to: TcpStream, due: &Receiver<(Time, Vec<u8>)>) {
    // Nobody sends here: it is a wait with a deadline.
    let (never, nothing) = channel::<()>();
    while let Ok((at, bytes)) = due.recv() {
        let _ = nothing.recv_timeout(at.since(clock::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    drop(never);
    // The end of one direction is the end of it on the other side.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_through_in_order_and_not_too_early() {
        let echo = TcpListener::bind(("127.0.0.1", 0)).expect("it listens");
        let server = echo.local_addr().expect("an address");
        thread::spawn(move || {
            let (mut conn, _) = echo.accept().expect("a connection");
            let mut text = Vec::new();
            conn.read_to_end(&mut text).expect("all of it");
            conn.write_all(&text).expect("all of it");
        });
        let one_way = Duration::from_millis(20);
        let delay = Delay::start(server, one_way).expect("a relay");
        let begun = clock::now();
        let mut client = TcpStream::connect(delay.address).expect("connected");
        for word in ["one ", "two ", "three"] {
            client.write_all(word.as_bytes()).expect("written");
        }
        client.shutdown(Shutdown::Write).expect("ended");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("the answer");
        assert_eq!(text, "one two three");
        assert!(clock::now().since(begun) >= 2 * one_way);
    }
}
