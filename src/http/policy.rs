//! What the operator decided, as far as single requests meet it.

use super::origin::AllowedOrigin;
use crate::config::{Anonymous, ForeignTokens, Secret};

/// Who may do what on this node.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The key for publishing and for the node's own pages.
    pub publish_key: Option<Secret>,
    /// What a client without a key may do.
    pub anonymous: Anonymous,
    /// What becomes of a token that is not the key, where none is needed.
    pub foreign_tokens: ForeignTokens,
    /// Subprotocols that are served; if none is named, the first that a client offers is chosen.
    pub subprotocols: Vec<String>,
    /// Origins of other sites whose pages may use the node.
    pub allow_origins: Vec<AllowedOrigin>,
    /// Whether `/echo` is there.
    pub echo: bool,
    /// Whether there is an admin listener, which alone then has the pages and takes publications.
    pub admin_elsewhere: bool,
}

/// The listener that a request came in by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Door {
    /// It is the admin listener.
    pub admin: bool,
    /// It is bound to a loopback address, so that only programs of this host reach it.
    pub loopback: bool,
    /// It is a Unix socket: behind it is a proxy of this host, and behind that anybody.
    pub unix: bool,
    /// A PROXY header comes first.
    pub proxy: bool,
}
