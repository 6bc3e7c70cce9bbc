//! What was set, by whomever: the node's configuration with its defaults.

use std::time::Duration;

use ipnet::IpNet;

use crate::base::Address;

use super::choices::{Anonymous, DriverChoice, ForeignTokens, LogFormat, LogLevel};
use super::limits::Limits;
use super::listen::ListenAddress;
use super::secret::Secret;
use super::source::SettingSource;

/// What an operator may set. `None` is left to the plan, which knows the host.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// Where clients come in.
    pub listen: Vec<ListenAddress>,
    /// Where the node's own pages, metrics and publishing are, if not on the public listeners.
    pub admin_listen: Option<ListenAddress>,
    /// Whose PROXY header and forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Event-loop threads.
    pub shards: Option<usize>,
    /// What moves the bytes.
    pub driver: DriverChoice,
    /// Connections beyond which new ones are answered 503.
    pub max_connections: Option<usize>,
    /// What a publisher proves itself with.
    pub publish_key: Option<Secret>,
    /// What a client without a key may do.
    pub anonymous: Option<Anonymous>,
    /// What becomes of a token that is not the key, where none is needed.
    pub foreign_tokens: ForeignTokens,
    /// Subprotocols of WebSockets that are served.
    pub subprotocols: Vec<String>,
    /// Start beside another node on the same port.
    pub share_port: bool,
    /// Start off loopback with neither key nor tokens.
    pub insecure: bool,
    /// Origins that may connect besides our own: scheme, host and port.
    pub allow_origins: Vec<String>,
    /// How long the closes are spread when the node stops.
    pub drain: Option<Duration>,
    /// How long connections are still taken before that.
    pub drain_grace: Duration,
    /// How long a publication may wait for others, so that they leave in one write.
    pub coalesce: Duration,
    /// Whether `/echo` is there.
    pub echo: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines there are.
    pub log_level: LogLevel,
    /// Every bound.
    pub limits: Limits,
    /// Where each value that is not a default came from, by its key.
    pub sources: Vec<(&'static str, SettingSource)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![ListenAddress::on(
                Address::Inet(([127, 0, 0, 1], 8000).into()),
                false,
            )],
            admin_listen: None,
            trusted_proxies: Vec::new(),
            shards: None,
            driver: DriverChoice::Auto,
            max_connections: None,
            publish_key: None,
            anonymous: None,
            foreign_tokens: ForeignTokens::Ignore,
            subprotocols: Vec::new(),
            share_port: false,
            insecure: false,
            allow_origins: Vec::new(),
            drain: None,
            drain_grace: Duration::ZERO,
            coalesce: Duration::ZERO,
            echo: false,
            log_format: LogFormat::Text,
            log_level: LogLevel::Info,
            limits: Limits::default(),
            sources: Vec::new(),
        }
    }
}

/// Whether a text is what RFC 9110 §5.6.2 calls a token: the name of a header, of a subprotocol.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let is_word_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_word_byte)
}
