//! Origins: where a page comes from, and which of them an operator allows (RFC 6454).

use std::fmt;
use std::str::FromStr;

use super::authority::Authority;

/// `scheme://host[:port]` in lower case (RFC 6454 §6.2).
pub(super) struct RequestOrigin<'a> {
    scheme: &'a str,
    pub(super) authority: Authority,
}

impl<'a> RequestOrigin<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme_is_right = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme_is_right || text.ends_with(':') || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let authority = Authority::parse(authority).filter(|authority| !authority.is_empty())?;
        Some(Self { scheme, authority })
    }

    /// Whether pages come from such an origin.
    pub(super) fn is_web(&self) -> bool {
        matches!(self.scheme, "http" | "https")
    }

    /// Whether this origin's host and port are these. The scheme only says which port is meant
    /// where none is written: TLS may end in front of us.
    pub(super) fn is_at(&self, host: &Authority) -> bool {
        self.authority.equals(host, self.default_port())
    }

    pub(super) fn default_port(&self) -> u16 {
        if self.scheme == "https" { 443 } else { 80 }
    }
}

/// An origin that the operator allows, compared letter by letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AllowedOrigin(String);

impl AllowedOrigin {
    /// The origin as it was configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowedOrigin {
    type Err = AllowedOriginError;

    /// Takes what a browser sends: `scheme://host` or `scheme://host:port`, in lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match RequestOrigin::parse(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(AllowedOriginError),
        }
    }
}

/// The text is no origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllowedOriginError;

impl fmt::Display for AllowedOriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an origin is scheme://host or scheme://host:port in lower case, without a slash \
             behind it, such as https://app.example.com",
        )
    }
}

impl std::error::Error for AllowedOriginError {}
