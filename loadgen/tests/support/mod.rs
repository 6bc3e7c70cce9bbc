//! Somebody else's server to measure: tungstenite, a thread a connection, and a hub that loses,
//! repeats, reorders and closes on purpose. And the program itself, run and read.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use tungstenite::protocol::Role;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::{Message, WebSocket};

/// What the hub does wrong, to every tenth message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The first subscriber misses it, the second gets it twice, the third gets it late.
    LoseRepeatReorder,
    /// The first subscriber is closed with this code instead of getting it.
    Close(u16),
    /// Everybody gets it wrapped in JSON, together with the one before.
    WrapPairs,
}

enum Happening {
    Joined(usize, Box<WebSocket<TcpStream>>),
    Said(usize, Message),
}

/// Serves until the test process ends.
pub(crate) fn server(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (to_hub, happenings) = channel();
    thread::spawn(move || hub(fault, &happenings));
    thread::spawn(move || {
        for (place, stream) in listener.incoming().flatten().enumerate() {
            let to_hub = to_hub.clone();
            thread::spawn(move || serve(place, stream, &to_hub));
        }
    });
    address
}

fn serve(place: usize, stream: TcpStream, to_hub: &Sender<Happening>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut start = [0; 4];
    stream.peek(&mut start).ok()?;
    if start == *b"POST" {
        return take_posts(place, stream, to_hub);
    }
    let writer = stream.try_clone().ok()?;
    let mut socket = tungstenite::accept(stream).ok()?;
    let writer = WebSocket::from_raw_socket(writer, Role::Server, None);
    to_hub
        .send(Happening::Joined(place, Box::new(writer)))
        .ok()?;
    loop {
        let message = socket.read().ok()?;
        if message.is_text() {
            to_hub.send(Happening::Said(place, message)).ok()?;
        }
    }
}

/// Publishes every body, and says 503 to every tenth of them all the same.
fn take_posts(place: usize, stream: TcpStream, to_hub: &Sender<Happening>) -> Option<()> {
    let mut answers = stream.try_clone().ok()?;
    let mut requests = BufReader::new(stream);
    for n in 0.. {
        let mut length = 0;
        loop {
            let mut line = String::new();
            requests
                .read_line(&mut line)
                .ok()
                .filter(|count| *count > 0)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        requests.read_exact(&mut body).ok()?;
        let message = Message::text(String::from_utf8(body).ok()?);
        to_hub.send(Happening::Said(place, message)).ok()?;
        let status = if n % 10 == 9 { "503 Full" } else { "200 OK" };
        write!(
            answers,
            "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}"
        )
        .ok()?;
    }
    None
}

fn hub(fault: Fault, happenings: &Receiver<Happening>) {
    let mut sockets: Vec<(usize, Box<WebSocket<TcpStream>>)> = Vec::new();
    let mut said: Vec<Message> = Vec::new();
    for happening in happenings {
        match happening {
            Happening::Joined(place, socket) => sockets.push((place, socket)),
            Happening::Said(publisher, message) => {
                said.push(message);
                let others = sockets.iter_mut().filter(|(place, _)| *place != publisher);
                for (i, (_, socket)) in others.enumerate() {
                    for message in wrong(fault, i, &said) {
                        // Who is gone gets nothing.
                        drop(socket.send(message));
                    }
                }
            }
        }
    }
}

/// What the subscriber gets when the last of these was said.
fn wrong(fault: Fault, subscriber: usize, said: &[Message]) -> Vec<Message> {
    let n = said.len() - 1;
    let message = said[n].clone();
    match (fault, subscriber, n % 10) {
        (Fault::LoseRepeatReorder, 0, 3) => vec![],
        (Fault::LoseRepeatReorder, 1, 4) => vec![message.clone(), message],
        (Fault::LoseRepeatReorder, 2, 5) => vec![],
        (Fault::LoseRepeatReorder, 2, 6) => vec![message, said[n - 1].clone()],
        (Fault::Close(code), 0, 3) => vec![Message::Close(Some(CloseFrame {
            code: code.into(),
            reason: "on purpose".into(),
        }))],
        (Fault::WrapPairs, _, even) if even % 2 == 0 => vec![],
        (Fault::WrapPairs, ..) => {
            let pair = [&said[n - 1], &message].map(|m| format!("{{\"data\":\"{m}\"}}"));
            vec![Message::text(pair.join("\n"))]
        }
        _ => vec![message],
    }
}

/// TLS in front of another server.
pub(crate) fn tls_in_front_of(inner: SocketAddr) -> SocketAddr {
    let chain = CertificateDer::from_pem_file(certificate("cert.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(certificate("key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .expect("the key fits");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for outer in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || {
                let tls = ServerConnection::new(config).ok()?;
                let inner = TcpStream::connect(inner).ok()?;
                pipe(StreamOwned::new(tls, outer), inner)
            });
        }
    });
    address
}

/// The path of a test certificate for localhost and 127.0.0.1, valid for a hundred years.
pub(crate) fn certificate(name: &str) -> String {
    format!("{}/tests/certificates/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn pipe(mut outer: StreamOwned<ServerConnection, TcpStream>, mut inner: TcpStream) -> Option<()> {
    let blink = Some(Duration::from_millis(1));
    outer.sock.set_read_timeout(blink).ok()?;
    inner.set_read_timeout(blink).ok()?;
    let mut buffer = [0; 4096];
    loop {
        if let Some(count) = read(&mut outer, &mut buffer)? {
            inner.write_all(&buffer[..count]).ok()?;
        }
        if let Some(count) = read(&mut inner, &mut buffer)? {
            outer.write_all(&buffer[..count]).ok()?;
            outer.flush().ok()?;
        }
    }
}

/// `None` at the end, `Some(None)` when nothing is there now.
fn read(from: &mut impl Read, buffer: &mut [u8]) -> Option<Option<usize>> {
    match from.read(buffer) {
        Ok(0) => None,
        Ok(count) => Some(Some(count)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Some(None),
        Err(_) => None,
    }
}

/// Runs the program.
pub(crate) fn loadgen(line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(line.split(' '))
        .output()
        .expect("the program runs")
}

/// Runs it quietly and reads its JSON; the exit code too.
pub(crate) fn report(line: &str) -> (Value, Option<i32>) {
    let output = loadgen(&format!("{line} --quiet --json -"));
    let words = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words}"));
    (value, output.status.code())
}
