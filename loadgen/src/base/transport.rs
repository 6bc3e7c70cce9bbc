//! The ways in which a client reads a topic.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How a client gets its publications.
#[derive(
    ValueEnum, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Transport {
    /// A WebSocket.
    #[default]
    Ws,
    /// Server-sent events.
    Sse,
    /// Requests that are held until there is something new.
    LongPoll,
    /// One JSON object a line, without an end.
    Stream,
    /// Requests on a timetable.
    Poll,
    /// Questions on a timetable, each a message on a WebSocket that is answered with one.
    Ask,
}

impl Transport {
    /// As it stands on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sse => "sse",
            Self::LongPoll => "longpoll",
            Self::Stream => "stream",
            Self::Poll => "poll",
            Self::Ask => "ask",
        }
    }

    /// Whether its clients have a timetable of their own.
    #[must_use]
    pub const fn is_scheduled(self) -> bool {
        matches!(self, Self::Poll | Self::Ask)
    }

    /// Whether one answer goes on for ever, and everything comes in it.
    #[must_use]
    pub const fn is_push(self) -> bool {
        matches!(self, Self::Ws | Self::Sse | Self::Stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for transport in Transport::value_variants() {
            let name = transport.name();
            assert_eq!(Transport::from_str(name, false), Ok(*transport));
            assert_eq!(
                serde_json::to_string(transport).ok(),
                Some(format!("\"{name}\""))
            );
        }
    }
}
