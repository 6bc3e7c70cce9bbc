//! What was set, by whomever: the node's configuration with its defaults.

use std::time::Duration;

use ipnet::IpNet;

use crate::base::Address;

use super::error::{ConfigError, Source};
use super::layers::Layer;
use super::limits::Limits;
use super::listen::ListenAddress;
use super::secret::Secret;
use super::settings::{Kind, Setting};

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
    pub sources: Vec<(&'static str, Source)>,
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

impl Config {
    /// The defaults under the layers, the weakest layer first: file, environment, flags.
    ///
    /// # Errors
    /// The first value that is wrong, with the place where it stands.
    pub fn from_layers(layers: &[Layer]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for given in layers.iter().flatten() {
            config.set(given.setting, &given.source, &given.values)?;
        }
        Ok(config)
    }

    /// Where the value of `key` came from.
    #[must_use]
    pub fn source(&self, key: &str) -> &Source {
        let found = self.sources.iter().find(|(k, _)| *k == key);
        found.map_or(&Source::Default, |(_, source)| source)
    }

    /// The name of `key` as the operator wrote it, or its flag.
    #[must_use]
    pub fn name_of(&self, key: &str) -> String {
        Setting::by_key(key).map_or_else(|| key.into(), |s| self.source(key).name(s))
    }

    /// Replaces a value, so that a stronger layer leaves nothing of a weaker one's list.
    fn set(
        &mut self,
        setting: &'static Setting,
        source: &Source,
        values: &[String],
    ) -> Result<(), ConfigError> {
        let wrong = |message| ConfigError::at(source.quote(setting, values), message);
        if values.len() != 1 && setting.kind != Kind::List {
            return Err(wrong(format!("takes one value, not {}", values.len())));
        }
        (setting.apply)(self, values).map_err(wrong)?;
        self.sources.retain(|(key, _)| *key != setting.key);
        self.sources.push((setting.key, source.clone()));
        Ok(())
    }
}

/// Whether a text is what RFC 9110 §5.6.2 calls a token: the name of a header, of a subprotocol.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let is_word_byte = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_word_byte)
}

/// Writes an enum with the words that an operator writes for its values.
macro_rules! words {
    ($(#[$doc:meta])* $enum:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum $enum { $($(#[$value_doc])* $value,)* }

        impl $enum {
            /// Every word, as in `a|b`.
            pub const WORDS: &'static [&'static str] = &[$($word,)*];

            /// Reads a word.
            ///
            /// # Errors
            /// When it is none of them; the message lists them.
            pub fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$value),)*
                    _ => Err(format!("must be one of {}", Self::WORDS.join(", "))),
                }
            }

            /// The word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }
    };
}

words! {
    /// What a client without a key or token may do; each includes the one before.
    Anonymous {
        /// Nothing.
        None = "none",
        /// Subscribe and read.
        Subscribe = "subscribe",
        /// Publish too.
        Publish = "publish",
    }
}

words! {
    /// What becomes of a token that is not the key, where none is needed.
    ForeignTokens {
        /// It is as good as none: gateways hand on those of other applications.
        Ignore = "ignore",
        /// It is refused, so that a mistyped key is noticed.
        Refuse = "refuse",
    }
}

words! {
    /// What moves the bytes.
    DriverChoice {
        /// The best that this host has.
        Auto = "auto",
        /// Readiness by epoll.
        Epoll = "epoll",
        /// Completion by io_uring.
        Uring = "uring",
    }
}

words! {
    /// How a log line looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

words! {
    /// The least of what is logged.
    LogLevel {
        /// What failed.
        Error = "error",
        /// What may fail soon.
        Warn = "warn",
        /// What the node does.
        Info = "info",
        /// Why it does it.
        Debug = "debug",
        /// Each step.
        Trace = "trace",
    }
}
