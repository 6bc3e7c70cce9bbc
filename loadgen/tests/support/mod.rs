//! Somebody else's server to measure ([`server`]), TLS in front of one, and the program itself,
//! run and read ([`program`]).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub(crate) mod http;
mod peek;
mod program;
pub(crate) mod server;

pub(crate) use program::{loadgen, report};

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
