//! UTF-8 that arrives in pieces (RFC 3629), checked once and as early as possible.
//!
//! Owns the bytes of a character that a piece ended in; what is complete becomes text at once,
//! so that no byte is checked twice. The check of whole slices is the standard library's.

/// The start of a character whose rest has not arrived.
#[derive(Clone, Copy, Default, Debug)]
pub struct Utf8 {
    /// Bytes of the character under way. Invariant: `start[..len]` can become a character.
    start: [u8; 4],
    /// Invariant: 0 <= len < 4.
    len: u8,
}

/// The bytes so far are the start of no text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidUtf8;

impl Utf8 {
    /// Takes the next piece and adds what is complete to `text`.
    ///
    /// # Errors
    /// As soon as a byte arrives that no further bytes can make right: `ED A0` fails with its
    /// second byte, without waiting for the third.
    pub fn push(&mut self, mut bytes: &[u8], text: &mut String) -> Result<(), InvalidUtf8> {
        while self.len > 0 {
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            self.push_byte(byte, text)?;
            bytes = rest;
        }
        let (whole, start) = bytes.split_at(last_boundary(bytes));
        text.push_str(str::from_utf8(whole).map_err(|_| InvalidUtf8)?);
        start
            .iter()
            .try_for_each(|&byte| self.push_byte(byte, text))
    }

    /// Whether the text may end here, which is not so inside a character.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.len == 0
    }

    fn push_byte(&mut self, byte: u8, text: &mut String) -> Result<(), InvalidUtf8> {
        let len = usize::from(self.len);
        self.start[len] = byte;
        match str::from_utf8(&self.start[..=len]) {
            Ok(character) => {
                text.push_str(character);
                self.len = 0;
                Ok(())
            }
            // No error length: the character has only begun. Four bytes never end so.
            Err(error) if error.error_len().is_none() => {
                self.len += 1;
                Ok(())
            }
            Err(_) => Err(InvalidUtf8),
        }
    }
}

/// Where the last character begins if it lacks bytes; else the end.
fn last_boundary(bytes: &[u8]) -> usize {
    let end = bytes.len();
    let first = end.saturating_sub(3);
    let lead = (first..end).rev().find(|&at| !is_continuation(bytes[at]));
    lead.filter(|&at| end - at < character_len(bytes[at]))
        .unwrap_or(end)
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn character_len(lead: u8) -> usize {
    match lead {
        0..0xc0 => 1,
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        // Also for leads that are never right: the check of the character refuses them.
        0xf0..=0xff => 4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The text of all pieces, or how many bytes were taken when it failed.
    fn check<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(String, bool), usize> {
        let (mut utf8, mut text, mut taken) = (Utf8::default(), String::new(), 0);
        for piece in pieces {
            taken += piece.len();
            utf8.push(piece, &mut text).map_err(|InvalidUtf8| taken)?;
        }
        Ok((text, utf8.is_complete()))
    }

    /// The simple twin: the number of the first byte that cannot be right, counted from 1.
    fn first_wrong_byte(bytes: &[u8]) -> Option<usize> {
        (1..=bytes.len())
            .find(|&n| str::from_utf8(&bytes[..n]).is_err_and(|error| error.error_len().is_some()))
    }

    fn nearly_text() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            any::<u8>().prop_map(|b| vec![b]),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            prop::sample::select(vec![0xed, 0xa0, 0x80, 0xf4, 0x90, 0xc0, 0xe0, 0xf0, 0xef])
                .prop_map(|b: u8| vec![b]),
            "[a-z]{0,20}".prop_map(String::into_bytes),
        ];
        proptest::collection::vec(byte, 0..8).prop_map(|parts| parts.concat())
    }

    #[test]
    fn a_surrogate_fails_with_its_second_byte() {
        assert_eq!(check([&b"\xed"[..], b"\xa0", b"\x80"]), Err(2));
        assert_eq!(check([&b"\xf4"[..], b"\x90", b"\x80", b"\x80"]), Err(2));
    }

    #[test]
    fn a_text_that_ends_inside_a_character_is_not_complete() {
        assert_eq!(check([&b"a\xe2\x82"[..]]), Ok(("a".into(), false)));
        assert_eq!(check([&b"a\xe2\x82"[..], b"\xac"]), Ok(("a€".into(), true)));
    }

    proptest! {
        #[test]
        fn text_in_any_pieces_is_the_same_text(text: String, size in 1usize..9) {
            let arrived = check(text.as_bytes().chunks(size));
            prop_assert_eq!(arrived, Ok((text, true)));
        }

        #[test]
        fn the_first_wrong_byte_is_found_when_it_arrives(bytes in nearly_text(), size in 1usize..9) {
            let wrong = first_wrong_byte(&bytes);
            prop_assert_eq!(check(bytes.chunks(1)).err(), wrong);
            let piece_end = wrong.map(|n| n.next_multiple_of(size).min(bytes.len()));
            prop_assert_eq!(check(bytes.chunks(size)).err(), piece_end);
        }

        #[test]
        fn what_is_complete_is_what_the_standard_library_takes(bytes in nearly_text()) {
            let whole = check([&bytes[..]]).ok().filter(|(_, complete)| *complete);
            let expected = String::from_utf8(bytes).ok();
            prop_assert_eq!(whole.map(|(text, _)| text), expected);
        }
    }
}
