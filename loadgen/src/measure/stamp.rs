//! What a publication carries so that any receiver can measure it.
//!
//! A fixed-length ASCII head at the front of the payload: a marker, the run, the round, the
//! stream, the sequence number, when it was meant to leave and when it left. Both moments are
//! `CLOCK_MONOTONIC`, so they compare between all processes of one host and of no other.
//! Text, because every server takes text.

/// Bytes of a stamp; the smallest payload.
pub const STAMP_BYTES: usize = 60;

/// How every stamp begins.
pub const MARKER: &[u8; 4] = b"LGz1";

/// The head of a payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stamp {
    /// Which run of the generator: others on the same topic are told apart.
    pub run: u32,
    /// 0 is the warm-up, then the repeats.
    pub round: u8,
    /// Which publisher on which topic; at most 24 bits.
    pub stream: u32,
    /// Place in the stream and round, from 0.
    pub seq: u32,
    /// When it should have left, in nanoseconds.
    pub intended: u64,
    /// When it left, in nanoseconds.
    pub sent: u64,
}

impl Stamp {
    /// Appends the stamp, filled up to a payload of `size` bytes.
    pub fn write(&self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size.max(STAMP_BYTES);
        out.extend_from_slice(MARKER);
        write_hex(out, u64::from(self.run), 8);
        write_hex(out, u64::from(self.round), 2);
        write_hex(out, u64::from(self.stream), 6);
        write_hex(out, u64::from(self.seq), 8);
        write_hex(out, self.intended, 16);
        write_hex(out, self.sent, 16);
        out.resize(end, b'.');
    }

    /// Reads the stamp at the front of `bytes`, if there is one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.get(..STAMP_BYTES)?.strip_prefix(MARKER)?;
        let (run, rest) = rest.split_at(8);
        let (round, rest) = rest.split_at(2);
        let (stream, rest) = rest.split_at(6);
        let (seq, rest) = rest.split_at(8);
        let (intended, sent) = rest.split_at(16);
        Some(Self {
            run: read_hex(run)?.try_into().ok()?,
            round: read_hex(round)?.try_into().ok()?,
            stream: read_hex(stream)?.try_into().ok()?,
            seq: read_hex(seq)?.try_into().ok()?,
            intended: read_hex(intended)?,
            sent: read_hex(sent)?,
        })
    }
}

/// Reads stamps and remembers the last one: all subscribers of a publication carry the same
/// bytes, and comparing 60 bytes is ten times as fast as reading them.
#[derive(Debug)]
pub struct StampReader {
    bytes: [u8; STAMP_BYTES],
    stamp: Option<Stamp>,
}

impl StampReader {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: [0; STAMP_BYTES],
            stamp: None,
        }
    }

    /// The stamp at the front of `bytes`.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Stamp> {
        let head: &[u8; STAMP_BYTES] = bytes.first_chunk()?;
        if self.stamp.is_none() || *head != self.bytes {
            self.stamp = Some(Stamp::read(head)?);
            self.bytes = *head;
        }
        self.stamp
    }

    /// Hands out every stamp of a message. A server that wraps or joins payloads is understood,
    /// as long as it leaves their text alone; a payload as it was sent has exactly one.
    pub fn each(&mut self, message: &[u8], mut on: impl FnMut(Stamp)) -> usize {
        if let Some(stamp) = self.read(message) {
            on(stamp);
            return 1;
        }
        let mut rest = message;
        let mut found = 0;
        while let Some(at) = rest.windows(MARKER.len()).position(|w| w == MARKER) {
            rest = &rest[at..];
            if let Some(stamp) = self.read(rest) {
                on(stamp);
                found += 1;
            }
            rest = &rest[MARKER.len()..];
        }
        found
    }
}

impl Default for StampReader {
    fn default() -> Self {
        Self::new()
    }
}

fn write_hex(out: &mut Vec<u8>, value: u64, digits: u32) {
    for i in (0..digits).rev() {
        let nibble = usize::try_from(value >> (4 * i) & 15).unwrap_or(0);
        out.push(b"0123456789abcdef"[nibble]);
    }
}

fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let nibble = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(seq: u32) -> Stamp {
        Stamp {
            run: 0xdead_beef,
            round: 3,
            stream: 0xff_ffff,
            seq,
            intended: u64::MAX,
            sent: 7,
        }
    }

    fn found(message: &[u8]) -> Vec<u32> {
        let mut found = Vec::new();
        StampReader::new().each(message, |s| found.push(s.seq));
        found
    }

    #[test]
    fn a_stamp_survives_its_text_and_fills_the_payload() {
        let mut out = Vec::new();
        stamp(9).write(&mut out, 100);
        assert_eq!(out.len(), 100);
        assert_eq!(Stamp::read(&out), Some(stamp(9)));
        assert!(out.is_ascii());
    }

    #[test]
    fn text_that_is_no_stamp_is_none() {
        let mut out = Vec::new();
        stamp(9).write(&mut out, 64);
        assert_eq!(Stamp::read(&out[..59]), None);
        assert_eq!(Stamp::read(&out[1..]), None);
        out[20] = b'x';
        assert_eq!(Stamp::read(&out), None);
    }

    #[test]
    fn wrapped_and_joined_payloads_are_all_found() {
        let mut message = b"{\"data\":\"".to_vec();
        stamp(1).write(&mut message, 64);
        message.extend_from_slice(b"\"}\nLGz1\n{\"data\":\"");
        stamp(2).write(&mut message, 64);
        message.extend_from_slice(b"\"}");
        assert_eq!(found(&message), [1, 2]);
        assert!(found(b"hello").is_empty());
        assert_eq!(found(&message[9..73]), [1]);
    }
}
