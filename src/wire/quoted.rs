//! Lists in headers whose members may hold quoted strings (RFC 9110 §5.6.4).

/// Splits where the separator is not in a quoted string; `None` if a quote does not close.
pub(crate) fn split_unquoted(text: &str, separator: char) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if c == separator && !quoted => {
                parts.push(&text[start..i]);
                start = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// A parameter's value without the quotes around it, where it has some.
pub(crate) fn unquoted(value: &str) -> &str {
    let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    bare.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_in_quotes_separate_nothing() {
        for (text, parts) in [
            ("", Some(vec![""])),
            ("a, b", Some(vec!["a", " b"])),
            ("a=\"b,c\",d", Some(vec!["a=\"b,c\"", "d"])),
            (r#"a="\",",b"#, Some(vec![r#"a="\",""#, "b"])),
            ("a=\"b,c", None),
        ] {
            assert_eq!(split_unquoted(text, ','), parts, "{text}");
        }
        assert_eq!((unquoted("\"a\""), unquoted("\"a")), ("a", "\"a"));
    }
}
