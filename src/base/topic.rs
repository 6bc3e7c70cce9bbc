//! Names of topics.

use std::fmt;
use std::sync::Arc;

/// The longest name, in bytes of UTF-8.
pub const TOPIC_NAME_BYTES_MAX: usize = 255;

/// A topic's name, shared: 1 to 255 bytes of UTF-8 without control characters, whose segments
/// between slashes are neither empty nor `.` nor `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Checks a name that is already percent-decoded.
    ///
    /// # Errors
    /// Says which rule the name breaks.
    pub fn new(name: &str) -> Result<Self, TopicNameError> {
        if name.is_empty() {
            return Err(TopicNameError::Empty);
        }
        if name.len() > TOPIC_NAME_BYTES_MAX {
            return Err(TopicNameError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(TopicNameError::Control);
        }
        if name
            .split('/')
            .any(|segment| matches!(segment, "" | "." | ".."))
        {
            return Err(TopicNameError::Segment);
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which rule a topic's name breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TopicNameError {
    /// There is no name.
    Empty,
    /// It is longer than 255 bytes.
    TooLong,
    /// It holds a control character.
    Control,
    /// A segment between slashes is empty, `.` or `..`.
    Segment,
}

impl fmt::Display for TopicNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the topic's name is missing: use /topics/NAME",
            Self::TooLong => "the topic's name is longer than 255 bytes",
            Self::Control => "the topic's name holds a control character",
            Self::Segment => "the topic's name has an empty, '.' or '..' segment between slashes",
        })
    }
}

impl std::error::Error for TopicNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken() {
        for name in ["a", "sport/scores", "…", "a.b", "...", "a b"] {
            assert!(TopicName::new(name).is_ok(), "{name}");
        }
        assert!(TopicName::new(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn names_that_are_refused() {
        for name in [
            "", "/", "/a", "a/", "a//b", "a/./b", "a/..", ".", "a\n", "a\u{7f}", "a\u{85}",
        ] {
            assert!(TopicName::new(name).is_err(), "{name:?}");
        }
        assert_eq!(
            TopicName::new(&"x".repeat(256)),
            Err(TopicNameError::TooLong)
        );
    }
}
