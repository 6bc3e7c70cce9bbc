//! An operator's mistake: what is wrong, where it was said, and what to do.

use std::fmt;

use super::settings::{Setting, SettingKind};
use super::source::SettingSource;

impl SettingSource {
    /// The name of `setting` as it was written here: `--listen`, `ALTAVOZ_LISTEN`,
    /// `node.toml:3: listen`.
    #[must_use]
    pub fn name(&self, setting: &Setting) -> String {
        match self {
            Self::Default | Self::Flag => setting.flag(),
            Self::Environment => setting.variable(),
            Self::File { path, line } => format!("{}:{line}: {}", path.display(), setting.key),
        }
    }

    /// The name together with the values; a secret's value is left out.
    #[must_use]
    pub fn quote(&self, setting: &Setting, values: &[String]) -> String {
        let name = self.name(setting);
        if setting.kind == SettingKind::Secret || values.is_empty() {
            return name;
        }
        let values = values.join(" ");
        match self {
            Self::Default | Self::Flag => format!("{name} {values}"),
            Self::Environment => format!("{name}={values}"),
            Self::File { .. } => format!("{name} = {values}"),
        }
    }
}

impl fmt::Display for SettingSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// Why the configuration does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    place: Option<String>,
    message: String,
}

impl ConfigError {
    /// An error at a place, which its display begins with.
    #[must_use]
    pub fn at(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: Some(place.into()),
            message: message.into(),
        }
    }

    /// An error of the whole.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            place: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ConfigError {}
