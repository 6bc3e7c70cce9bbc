//! What can be wrong with an answer.

use std::error::Error;
use std::fmt;

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AnswerError {
    /// What came is not HTTP, or has more than [`RESPONSE_HEADERS_MAX`](super::RESPONSE_HEADERS_MAX) headers.
    Malformed(httparse::Error),
    /// The head is longer than [`RESPONSE_HEAD_BYTES_MAX`](super::RESPONSE_HEAD_BYTES_MAX).
    TooLong,
    /// The server switched to another protocol, which nobody asked for.
    UnaskedSwitch,
    /// The length of the body is said twice, wrongly, or by a coding other than chunked.
    UnknownFraming,
    /// A chunk is not framed as it should be.
    WrongChunk,
    /// The connection ended before the answer was whole.
    Eof,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "answer is not http: {error}"),
            Self::TooLong => f.write_str("head of the answer is longer than 16 KiB"),
            Self::UnaskedSwitch => f.write_str("server switched protocols unasked"),
            Self::UnknownFraming => f.write_str("length of the answer's body is not clear"),
            Self::WrongChunk => f.write_str("chunk of the answer is framed wrongly"),
            Self::Eof => f.write_str("connection ended within an answer"),
        }
    }
}

impl Error for AnswerError {}

impl From<httparse::Error> for AnswerError {
    fn from(error: httparse::Error) -> Self {
        Self::Malformed(error)
    }
}
