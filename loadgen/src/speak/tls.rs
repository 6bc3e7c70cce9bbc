//! The TLS configuration for `wss://` targets, and what a failure of TLS means.

use std::fs;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore};

use self::trust::Trust;

mod trust;

/// Makes the TLS side of connections to one server.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug)]
pub enum Authorities<'a> {
    /// Those that this host believes.
    Host,
    /// Those of a file.
    File(&'a str),
    /// Anybody's.
    Anybody,
}

impl Tls {
    /// Trusts these authorities.
    ///
    /// # Errors
    /// When a file cannot be read or holds none, or the host's name cannot be in a certificate.
    pub fn new(host: &str, authorities: Authorities<'_>) -> Result<Self, String> {
        let certificates = match authorities {
            Authorities::File(path) => from_file(path)?,
            Authorities::Host => rustls_native_certs::load_native_certs().certs,
            Authorities::Anybody => Vec::new(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let inner = match authorities {
            Authorities::Anybody => None,
            _ => {
                let roots = roots(&certificates, authorities)?;
                let built = WebPkiServerVerifier::builder_with_provider(
                    Arc::new(roots),
                    Arc::clone(&provider),
                );
                Some(built.build().map_err(|e| e.to_string())?)
            }
        };
        let trust = Trust::new(
            inner,
            certificates,
            provider.signature_verification_algorithms,
        );
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trust))
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

fn roots(
    certificates: &[CertificateDer<'static>],
    authorities: Authorities<'_>,
) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    match authorities {
        Authorities::File(path) if roots.is_empty() => Err(format!(
            "--ca {path}: its certificates are damaged, or of a form that cannot be read"
        )),
        _ if roots.is_empty() => Err(
            "this host has no certificate authorities: name a file with --ca, or trust anybody \
             with --insecure"
                .to_owned(),
        ),
        _ => Ok(roots),
    }
}

/// The certificates of a file: PEM, with whatever else is in it, or the DER of one.
fn from_file(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |why: &str| format!("--ca {path}: {why}");
    if fs::metadata(path).is_ok_and(|it| it.is_dir()) {
        return Err(failed(
            "it is a folder: name a file in PEM, as `cat FOLDER/*.pem` makes it",
        ));
    }
    let bytes = fs::read(path).map_err(|e| failed(&e.to_string()))?;
    // A SEQUENCE with a length of two bytes: what every certificate in DER begins with.
    if bytes.starts_with(&[0x30, 0x82]) {
        return Ok(vec![CertificateDer::from(bytes)]);
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|e| failed(&format!("damaged PEM: {e:?}")))?;
    let text = String::from_utf8_lossy(&bytes);
    match found.is_empty() {
        false => Ok(found),
        true if text.contains("BEGIN TRUSTED CERTIFICATE") => Err(failed(
            "OpenSSL's own form: make it plain with `openssl x509 -in FILE -out PLAIN`",
        )),
        true if text.contains("PRIVATE KEY") => Err(failed(
            "there is a key in it and no certificate: name the file that has BEGIN CERTIFICATE",
        )),
        true => Err(failed(
            "there is no certificate in it: PEM has BEGIN CERTIFICATE",
        )),
    }
}

/// What a failure of TLS means, and what to do about it.
#[must_use]
pub fn in_words(error: &rustls::Error) -> String {
    let advice = match error {
        rustls::Error::InvalidCertificate(why) => certificate_advice(why),
        rustls::Error::AlertReceived(alert) => alert_advice(*alert),
        rustls::Error::InvalidMessage(_) => "the server does not speak TLS there: use ws://",
        rustls::Error::PeerIncompatible(_) => "it speaks neither TLS 1.2 nor 1.3 as we do",
        _ => "",
    };
    let words = certificate_words(error).map_or_else(|| error.to_string(), str::to_owned);
    if advice.is_empty() {
        return format!("TLS failed: {words}");
    }
    format!("TLS failed: {words} ({advice})")
}

/// Words for what the library tells in numbers.
fn certificate_words(error: &rustls::Error) -> Option<&'static str> {
    let rustls::Error::InvalidCertificate(why) = error else {
        return None;
    };
    match why {
        // The name of an authority leads to it, and then its key does not fit.
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Some("the certificate's authority is trusted by its name, and has another key")
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            Some("the certificate is signed in a way that is not understood")
        }
        _ => None,
    }
}

fn certificate_advice(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::UnknownIssuer => {
            "nobody who is trusted has signed it: name its authority, or the certificate itself, \
             with --ca; or the server leaves out an intermediate certificate, which --ca may \
             hold as well; --insecure trusts anybody"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect by a name of its subjectAltName, the common name does not count; or trust \
             anybody with --insecure"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it needs a new one; --insecure takes it as it is"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is the clock of this host right? --insecure takes it as it is"
        }
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is the file of --ca an older one? name the certificate that the server has now, or \
             its authority's; --insecure trusts anybody"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "RSA from 2048 bits on, ECDSA by P-256 or P-384 and Ed25519 are understood, and no \
             SHA-1"
        }
        _ => "--insecure trusts anybody",
    }
}

fn alert_advice(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => {
            "the server wants a certificate of its client, and loadgen has none"
        }
        AlertDescription::HandshakeFailure => {
            "nothing that both speak, or the server wants a certificate of its client, and \
             loadgen has none"
        }
        AlertDescription::UnrecognisedName => "the server has another name: put it into --target",
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3",
        _ => "",
    }
}
