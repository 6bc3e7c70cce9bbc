//! Reports for a terminal: lines, rows behind names, columns and paragraphs.

/// The widest line of a paragraph.
pub(crate) const COLUMNS: usize = 80;

/// A text that is being written.
#[derive(Debug, Default)]
pub(crate) struct Lines(String);

impl Lines {
    /// One line.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref());
        self.0.push('\n');
    }

    /// A value behind its name.
    pub(crate) fn row(&mut self, name: &str, value: impl AsRef<str>) {
        self.line(format!("  {name:<26} {}", value.as_ref()));
    }

    /// Columns behind a name; a name that is too long has a line of its own.
    pub(crate) fn named(&mut self, name: &str, width: usize, columns: &str) {
        let mut name = name;
        if name.chars().count() > width {
            self.line(format!("  {name}"));
            name = "";
        }
        self.line(format!("  {name:<width$}{columns}").trim_end());
    }

    /// A text in lines that are not too wide.
    pub(crate) fn paragraph(&mut self, text: &str) {
        const INDENT: &str = "  ";
        for line in broken(text, COLUMNS - INDENT.len()) {
            self.line(format!("{INDENT}{line}"));
        }
    }

    /// All of it.
    #[must_use]
    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

/// Texts side by side, each at the right edge of its column.
pub(crate) fn columns<T: AsRef<str>>(cells: impl IntoIterator<Item = T>, width: usize) -> String {
    let cell = |cell: T| format!("{:>width$}", cell.as_ref());
    cells.into_iter().map(cell).collect()
}

/// What was not measured.
#[must_use]
pub(crate) fn or_dash<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

/// The words of a text in lines of at most `width` characters.
#[must_use]
pub(crate) fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_broken_and_lines_never_too_wide() {
        assert_eq!(broken("a bc def", 4), ["a bc", "def"]);
        assert_eq!(broken("abcdef g", 4), ["abcdef", "g"]);
        assert_eq!(broken("", 4), [""]);
    }

    #[test]
    fn a_long_name_leaves_the_columns_where_they_are() {
        let mut out = Lines::default();
        let cells = columns(["1", "22"], 4);
        out.named("ab", 3, &cells);
        out.named("abcd", 3, &cells);
        assert_eq!(out.into_text(), "  ab    1  22\n  abcd\n        1  22\n");
    }
}
