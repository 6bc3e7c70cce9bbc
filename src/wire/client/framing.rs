//! Where the body of an answer ends (RFC 9112 §6.3 and §7.1).
//!
//! Keeps no byte of it: whoever wants the body takes it piece by piece as it comes.

use super::error::AnswerError;

/// All extensions and trailers of one body together, in bytes; they are read and forgotten.
const EXTRA_BYTES_MAX: u16 = 16 * 1024;

/// What the next byte of a body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyPlace {
    /// One of so many bytes that a sized body still has. Never 0.
    Sized(u64),
    /// A byte of a body that only the end of the connection ends.
    UntilClose,
    /// A digit of a chunk's size, or what ends them.
    Size {
        /// What the digits so far say.
        value: u64,
        /// How many there were.
        digits: u8,
        /// Bytes of extensions so far.
        extra: u16,
    },
    /// Within a chunk's extension.
    Extension {
        /// The chunk's size.
        value: u64,
        /// Bytes of extensions so far.
        extra: u16,
    },
    /// The LF behind a chunk's size.
    SizeLf {
        /// The chunk's size.
        value: u64,
        /// Bytes of extensions so far.
        extra: u16,
    },
    /// One of so many bytes that the chunk still has. Never 0.
    Data {
        /// How many.
        left: u64,
        /// Bytes of extensions so far.
        extra: u16,
    },
    /// The CR behind a chunk's data.
    DataCr {
        /// Bytes of extensions so far.
        extra: u16,
    },
    /// The LF behind a chunk's data.
    DataLf {
        /// Bytes of extensions so far.
        extra: u16,
    },
    /// Within a line of the trailers.
    Trailer {
        /// Whether nothing of the line has come.
        is_empty: bool,
        /// Bytes of extensions and trailers so far.
        extra: u16,
    },
    /// The LF behind a line of the trailers.
    TrailerLf {
        /// Whether the line was empty, so that the body ends with it.
        is_empty: bool,
        /// Bytes of extensions and trailers so far.
        extra: u16,
    },
    /// Nothing: the body is whole.
    Done,
}

impl BodyPlace {
    /// A body in chunks.
    pub(super) const CHUNKED: Self = Self::size(0);

    /// A body of so many bytes.
    pub(super) const fn sized(length: u64) -> Self {
        match length {
            0 => Self::Done,
            left => Self::Sized(left),
        }
    }

    const fn size(extra: u16) -> Self {
        Self::Size {
            value: 0,
            digits: 0,
            extra,
        }
    }

    /// Takes what is there up to the end of the first run of data, and says how many bytes came
    /// before the data and how many are data.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(usize, usize), AnswerError> {
        let mut before = 0;
        while *self != Self::Done && before < bytes.len() {
            let data = self.take_data(bytes.len() - before);
            if data > 0 {
                return Ok((before, data));
            }
            *self = self.take_byte(bytes[before])?;
            before += 1;
        }
        Ok((before, 0))
    }

    /// Of so many bytes, how many are data; 0 where a byte of the framing is next.
    fn take_data(&mut self, available: usize) -> usize {
        let most = |left: u64| usize::try_from(left).map_or(available, |left| left.min(available));
        match *self {
            Self::UntilClose => available,
            Self::Sized(left) => {
                let taken = most(left);
                *self = Self::sized(left - taken as u64);
                taken
            }
            Self::Data { left, extra } => {
                let taken = most(left);
                *self = match left - taken as u64 {
                    0 => Self::DataCr { extra },
                    left => Self::Data { left, extra },
                };
                taken
            }
            _ => 0,
        }
    }

    /// RFC 9112 §7.1, one byte of everything that is not data.
    fn take_byte(self, byte: u8) -> Result<Self, AnswerError> {
        match (self, byte) {
            (
                Self::Size {
                    value,
                    digits,
                    extra,
                },
                _,
            ) => size_byte(value, digits, extra, byte),
            (Self::Extension { value, extra }, b'\r') => Ok(Self::SizeLf { value, extra }),
            (Self::Extension { value, extra }, _) => Ok(Self::Extension {
                value,
                extra: more(extra, byte)?,
            }),
            (Self::SizeLf { value: 0, extra }, b'\n') => Ok(Self::Trailer {
                is_empty: true,
                extra,
            }),
            (Self::SizeLf { value: left, extra }, b'\n') => Ok(Self::Data { left, extra }),
            (Self::DataCr { extra }, b'\r') => Ok(Self::DataLf { extra }),
            (Self::DataLf { extra }, b'\n') => Ok(Self::size(extra)),
            (Self::Trailer { is_empty, extra }, b'\r') => Ok(Self::TrailerLf { is_empty, extra }),
            (Self::Trailer { extra, .. }, _) => Ok(Self::Trailer {
                is_empty: false,
                extra: more(extra, byte)?,
            }),
            (Self::TrailerLf { is_empty: true, .. }, b'\n') => Ok(Self::Done),
            (Self::TrailerLf { extra, .. }, b'\n') => Ok(Self::Trailer {
                is_empty: true,
                extra,
            }),
            _ => Err(AnswerError::WrongChunk),
        }
    }
}

fn size_byte(value: u64, digits: u8, extra: u16, byte: u8) -> Result<BodyPlace, AnswerError> {
    if let Some(digit) = char::from(byte).to_digit(16) {
        // Sixteen digits hold 64 bits.
        if digits == 16 {
            return Err(AnswerError::WrongChunk);
        }
        return Ok(BodyPlace::Size {
            value: (value << 4) | u64::from(digit),
            digits: digits + 1,
            extra,
        });
    }
    match byte {
        b'\r' if digits > 0 => Ok(BodyPlace::SizeLf { value, extra }),
        b';' | b' ' | b'\t' if digits > 0 => Ok(BodyPlace::Extension { value, extra }),
        _ => Err(AnswerError::WrongChunk),
    }
}

/// One more byte that is read and forgotten.
fn more(extra: u16, byte: u8) -> Result<u16, AnswerError> {
    let is_control = byte != b'\t' && byte.is_ascii_control();
    if is_control || extra >= EXTRA_BYTES_MAX {
        return Err(AnswerError::WrongChunk);
    }
    Ok(extra + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a body, and how many bytes are left behind it, if it is whole.
    fn check(framing: BodyPlace, body: &[u8]) -> Result<Option<(Vec<u8>, usize)>, AnswerError> {
        let whole = in_pieces(framing, body, body.len().max(1));
        for size in 1..body.len() {
            assert_eq!(in_pieces(framing, body, size), whole, "in pieces of {size}");
        }
        whole
    }

    fn in_pieces(
        mut framing: BodyPlace,
        body: &[u8],
        size: usize,
    ) -> Result<Option<(Vec<u8>, usize)>, AnswerError> {
        let (mut data, mut taken) = (Vec::new(), 0);
        for piece in body.chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() && framing != BodyPlace::Done {
                let (before, count) = framing.take(rest)?;
                data.extend_from_slice(&rest[before..before + count]);
                taken += before + count;
                rest = &rest[before + count..];
            }
        }
        Ok((framing == BodyPlace::Done).then_some((data, body.len() - taken)))
    }

    #[test]
    fn a_sized_body_ends_with_its_last_byte() {
        let whole = |data: &[u8], left| Ok(Some((data.to_vec(), left)));
        assert_eq!(check(BodyPlace::sized(5), b"helloHTTP"), whole(b"hello", 4));
        assert_eq!(check(BodyPlace::sized(0), b"HTTP"), whole(b"", 4));
        assert_eq!(check(BodyPlace::sized(9), b"hello"), Ok(None));
        assert_eq!(check(BodyPlace::sized(u64::MAX), b"hello"), Ok(None));
    }

    #[test]
    fn chunks_are_joined_and_what_surrounds_them_is_forgotten() {
        let whole = |data: &[u8], left| Ok(Some((data.to_vec(), left)));
        let body = b"5\r\nhello\r\n00b;a=\"b\"\r\n, wide world\r\n0\r\nDigest: x\r\n\r\nHTTP";
        assert_eq!(check(BodyPlace::CHUNKED, b"0\r\n\r\n"), whole(b"", 0));
        let body = String::from_utf8_lossy(body).replace("00b", "00c");
        assert_eq!(
            check(BodyPlace::CHUNKED, body.as_bytes()),
            whole(b"hello, wide world", 4)
        );
        assert_eq!(check(BodyPlace::CHUNKED, b"5\r\nhel"), Ok(None));
    }

    #[test]
    fn chunks_that_are_none_are_refused() {
        let long = format!("1;{}", "x".repeat(usize::from(EXTRA_BYTES_MAX) + 1));
        for wrong in [
            "\r\n",
            "g\r\n",
            "1\nx",
            "1\r\nxy",
            "1\r\nx\n",
            "0\r\n\n",
            "11111111111111111\r\n",
            "1;\n",
            &long,
        ] {
            let found = in_pieces(BodyPlace::CHUNKED, wrong.as_bytes(), wrong.len());
            assert_eq!(found, Err(AnswerError::WrongChunk), "{wrong:?}");
        }
    }

    #[test]
    fn a_body_without_length_goes_on() {
        assert_eq!(check(BodyPlace::UntilClose, b"hello"), Ok(None));
    }
}
