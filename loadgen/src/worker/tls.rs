//! The TLS configuration for `wss://` targets.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Makes the TLS side of connections to one server.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the authorities of a PEM file, or the host's own.
    ///
    /// # Errors
    /// When the file cannot be read or holds none, or the host's name cannot be in a certificate.
    pub fn new(host: &str, ca: Option<&str>) -> Result<Self, String> {
        let roots = match ca {
            Some(path) => from_file(path)?,
            None => from_host()?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned());
        Ok(Self {
            config: Arc::new(config),
            name: name.map_err(|e| format!("{host}: {e}"))?,
        })
    }

    /// A new connection.
    ///
    /// # Errors
    /// When the library refuses its configuration.
    pub fn connection(&self) -> Result<ClientConnection, String> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone())
            .map_err(|e| e.to_string())
    }
}

fn from_file(path: &str) -> Result<RootCertStore, String> {
    let file = File::open(path).map_err(|e| format!("--ca {path}: {e}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
        let certificate = certificate.map_err(|e| format!("--ca {path}: {e:?}"))?;
        roots
            .add(certificate)
            .map_err(|e| format!("--ca {path}: {e}"))?;
    }
    if roots.is_empty() {
        return Err(format!("--ca {path}: there is no certificate in it"));
    }
    Ok(roots)
}

fn from_host() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this host has no certificate authorities: name a file with --ca".to_owned());
    }
    Ok(roots)
}
