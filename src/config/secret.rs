//! A key that is compared, but never shown.

use std::fmt;
use std::fs;
use std::io::{self, Read};

use subtle::ConstantTimeEq;

/// The longest file with a key, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The publish key. Its `Debug` shows nothing of it, and there is no `Display`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A key from what the operator wrote: the key itself, or `@FILE` that holds it.
    ///
    /// # Errors
    /// When the file cannot be read, or the key is empty or cannot stand in a header.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(path) = text.strip_prefix('@') else {
            return Self::checked(text);
        };
        let held =
            read(path).map_err(|error| format!("cannot read the key's file {path}: {error}"))?;
        let key = held.trim_start_matches('\u{feff}').trim();
        Self::checked(key).map_err(|wrong| format!("in {path}: {wrong}"))
    }

    /// Whether `given` is this key; takes as long whichever byte differs.
    #[must_use]
    pub fn matches(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }

    fn checked(key: &str) -> Result<Self, String> {
        if key.is_empty() {
            return Err("the key is empty".into());
        }
        // RFC 9110 §11.4: credentials after `Bearer ` are one word of visible characters.
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "a key is one word of visible ASCII characters, without blanks: \
                        it stands in an Authorization header"
                    .into(),
            );
        }
        Ok(Self(key.into()))
    }
}

/// The file's text; a link is followed, as in the folders of secrets that a cluster mounts.
fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    let file = fs::File::open(path)?;
    let bytes = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if bytes as u64 > FILE_BYTES_MAX {
        let message = format!("it is longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_only_and_is_not_shown() {
        let secret = Secret::parse("s3cret").unwrap();
        assert!(secret.matches(b"s3cret"));
        for wrong in ["", "s3cre", "s3cret ", "S3cret", "s3cretx"] {
            assert!(!secret.matches(wrong.as_bytes()), "{wrong}");
        }
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }

    #[test]
    fn a_key_that_cannot_stand_in_a_header_is_refused() {
        for text in ["", "two words", "tab\there", "schlüssel", "line\nbreak"] {
            let wrong = Secret::parse(text).unwrap_err();
            assert!(text.is_empty() || !wrong.contains(text), "{wrong}");
        }
    }

    #[test]
    fn a_key_in_a_file_is_read_without_its_line_end() {
        let path = std::env::temp_dir().join(format!("altavoz-key-{}", std::process::id()));
        fs::write(&path, "from-file\n").unwrap();
        let secret = Secret::parse(&format!("@{}", path.display()));
        fs::write(&path, "\u{feff}from-file\r\n\r\n").unwrap();
        let foreign = Secret::parse(&format!("@{}", path.display()));
        fs::write(&path, "\n").unwrap();
        let empty = Secret::parse(&format!("@{}", path.display()));
        fs::remove_file(&path).unwrap();
        assert!(secret.unwrap().matches(b"from-file"));
        assert!(foreign.unwrap().matches(b"from-file"));
        assert!(empty.unwrap_err().ends_with("the key is empty"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let wrong = Secret::parse("@/nonexistent/key").unwrap_err();
        assert!(
            wrong.starts_with("cannot read the key's file /nonexistent/key: "),
            "{wrong}"
        );
    }

    #[test]
    fn a_file_without_an_end_is_not_read_for_ever() {
        let wrong = Secret::parse("@/dev/zero").unwrap_err();
        assert!(wrong.ends_with("it is longer than 65536 bytes"), "{wrong}");
    }
}
