//! Lines out of the pieces of a body, as newline-delimited JSON has them.
//!
//! Owns what has come of a line that is not whole, up to a bound; between lines it keeps nothing.

use std::error::Error;
use std::fmt;

/// Cuts a body into lines.
#[derive(Debug, Default)]
pub struct LineReader {
    /// The beginning of a line. Invariant: none, or at least one byte without a line feed.
    partial: Option<Box<PartialLine>>,
}

#[derive(Debug, Default)]
struct PartialLine {
    bytes: Vec<u8>,
}

const _: () = assert!(size_of::<LineReader>() <= 8, "kept for every stream");

impl LineReader {
    /// Hands out each line that these bytes end, without its LF or CRLF.
    ///
    /// # Errors
    /// When a line is longer than `line_bytes_max`.
    pub fn handle_bytes(
        &mut self,
        mut bytes: &[u8],
        line_bytes_max: usize,
        mut on_line: impl FnMut(&[u8]),
    ) -> Result<(), TooLong> {
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            match self.partial.take() {
                None if at > line_bytes_max => return Err(TooLong),
                None => on_line(without_cr(&bytes[..at])),
                Some(mut partial) => {
                    partial.extend(&bytes[..at], line_bytes_max)?;
                    on_line(without_cr(&partial.bytes));
                }
            }
            bytes = &bytes[at + 1..];
        }
        if !bytes.is_empty() {
            let partial = self.partial.get_or_insert_default();
            partial.extend(bytes, line_bytes_max)?;
        }
        Ok(())
    }
}

impl PartialLine {
    fn extend(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), TooLong> {
        if self.bytes.len() + bytes.len() > bytes_max {
            return Err(TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line or an event is longer than its reader's bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("line or event of the answer is too long")
    }
}

impl Error for TooLong {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(text: &[u8], size: usize, max: usize) -> (Vec<Vec<u8>>, Result<(), TooLong>) {
        let mut reader = LineReader::default();
        let mut lines = Vec::new();
        let mut pieces = text.chunks(size);
        let read = pieces.try_for_each(|piece| {
            reader.handle_bytes(piece, max, |line| lines.push(line.to_vec()))
        });
        (lines, read)
    }

    #[test]
    fn lines_are_handed_out_when_they_end_whatever_the_pieces() {
        let text = b"one\n\n{}\r\nlong long line\nrest";
        for size in 1..=text.len() {
            let (lines, read) = in_pieces(text, size, 14);
            assert_eq!(read, Ok(()));
            assert_eq!(
                lines,
                [&b"one"[..], b"", b"{}", b"long long line"],
                "{size}"
            );
            assert_eq!(in_pieces(text, size, 13).1, Err(TooLong), "{size}");
        }
    }

    #[test]
    fn nothing_is_kept_between_lines() {
        let mut reader = LineReader::default();
        for (bytes, keeps) in [("a\nb", true), ("\n", false), ("c\n", false)] {
            let read = reader.handle_bytes(bytes.as_bytes(), 9, |_| ());
            assert_eq!(read, Ok(()));
            assert_eq!(reader.partial.is_some(), keeps, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a')], 0..60),
            size in 1usize..20,
        ) {
            prop_assert_eq!(in_pieces(&text, size, 100), in_pieces(&text, 100, 100));
        }
    }
}
