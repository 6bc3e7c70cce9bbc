//! Where a reader is in a topic: epoch and offset.

use std::fmt;
use std::str::FromStr;

/// The number of a publication in its topic's life. The first one is 1; 0 is before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One life of a topic. Written in base 36, as `[a-z0-9]+`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of this number, which the caller draws at random.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 36^13 > 2^64: thirteen digits hold every number.
        let mut digits = [0u8; 13];
        let mut rest = self.0;
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = DIGITS[usize::try_from(rest % 36).unwrap_or(0)];
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        f.write_str(str::from_utf8(&digits[first..]).unwrap_or_default())
    }
}

impl FromStr for Epoch {
    type Err = PositionError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let canonical = s
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        if s.is_empty() || !canonical {
            return Err(PositionError);
        }
        u64::from_str_radix(s, 36)
            .map(Self)
            .map_err(|_| PositionError)
    }
}

/// Where a reader is: everything up to `offset` in the topic's life `epoch` is known to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The topic's life.
    pub epoch: Epoch,
    /// The newest publication that is known.
    pub offset: Offset,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (epoch, offset) = s.split_once(':').ok_or(PositionError)?;
        if !offset.bytes().all(|b| b.is_ascii_digit()) {
            return Err(PositionError);
        }
        let offset = offset.parse().map(Offset).map_err(|_| PositionError)?;
        Ok(Self {
            epoch: epoch.parse()?,
            offset,
        })
    }
}

/// From where a reader wants to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// Everything that is kept.
    Earliest,
    /// Everything behind this position.
    Position(Position),
    /// Everything behind what is no position of ours: as behind one of another life, nobody knows
    /// what is missing.
    Unknown,
}

/// The text is not a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PositionError;

impl fmt::Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position is {epoch}:{offset}, such as x7f3:17")
    }
}

impl std::error::Error for PositionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        for number in [0, 1, 35, 36, u64::MAX] {
            let position = Position {
                epoch: Epoch::new(number),
                offset: Offset(17),
            };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[test]
    fn other_texts_are_no_positions() {
        for text in [
            "", ":", "x7f3", "x7f3:", ":1", "X:1", "a:+1", "a:-1", "a:1:2", "a: 1", "é:1",
        ] {
            assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
        }
        assert!(
            "zzzzzzzzzzzzzz:1".parse::<Position>().is_err(),
            "longer than 64 bits"
        );
    }
}
