//! The moment in which an answer is made, as its head says it (RFC 9110 §6.6.1).

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::HttpDate;

/// The line's name, its 29 characters (RFC 9110 §5.6.7) and its end.
const LINE_BYTES: usize = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();

/// The last second of the year 9999, beyond which there is no such date.
const UNIX_SECONDS_MAX: u64 = 253_402_300_799;

/// A `Date` line, ready to be written: it is made once for many answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Date([u8; LINE_BYTES]);

impl Date {
    /// The line of the moment so long after the beginning of 1970, in whole seconds.
    #[must_use]
    pub fn at(unix: Duration) -> Self {
        let seconds = Duration::from_secs(unix.as_secs().min(UNIX_SECONDS_MAX));
        let line = format!("Date: {}\r\n", HttpDate::from(UNIX_EPOCH + seconds));
        let mut bytes = [b' '; LINE_BYTES];
        debug_assert_eq!(line.len(), LINE_BYTES, "{line:?}");
        for (byte, written) in bytes.iter_mut().zip(line.bytes()) {
            *byte = written;
        }
        Self(bytes)
    }

    /// The line, with its end.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_in_the_one_form_that_may_be_sent() {
        for (seconds, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 GMT"),
            (UNIX_SECONDS_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            let date = Date::at(Duration::from_secs(seconds));
            let line = format!("Date: {expected}\r\n");
            assert_eq!(str::from_utf8(date.line()), Ok(&*line), "{seconds}");
        }
    }

    #[test]
    fn a_date_does_not_change_within_a_second() {
        let at = |millis| Date::at(Duration::from_millis(millis));
        assert_eq!(at(1_000), at(1_999));
        assert_ne!(at(1_999), at(2_000));
    }
}
