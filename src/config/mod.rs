//! What an operator may set, every limit with its unit in its name, and what follows from it.
//!
//! [`settings`] is the one table of names, defaults and meanings: flags, environment and file are
//! read by it alike. [`Config`] is what was set, [`Plan`] what the node does with it on this host.
//! Reading the environment, the command line and the host is left to `cli`.

pub mod choices;
mod decision;
pub mod driver;
pub mod error;
pub mod host;
mod injected;
pub mod layers;
pub mod limits;
pub mod listen;
pub mod nearest;
pub mod plan;
pub mod resolved;
pub mod secret;
pub mod settings;
pub mod source;
pub mod units;
pub mod values;

pub use choices::{Anonymous, DriverChoice, ForeignTokens, LogFormat, LogLevel};
pub use decision::Decision;
pub use driver::{CONNECTION_BYTES, DriverKind};
pub use error::ConfigError;
pub use host::HostFacts;
pub use layers::{GivenSetting, Layer, from_environment, from_file};
pub use limits::Limits;
pub use listen::{BoundListener, ListenAddress, is_localhost};
pub use plan::Plan;
pub use secret::Secret;
pub use settings::{SETTINGS, Setting, SettingGroup, SettingKind};
pub use source::SettingSource;
pub use units::{UnitError, parse_bytes, parse_duration, show_bytes, show_duration};
pub use values::{Config, is_word};
