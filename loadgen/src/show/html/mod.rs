//! Reports as one HTML file that needs nothing else: no network, no script, no font.
//!
//! A page is data ([`Page`]): facts, tables and plots, put together by whoever has results.
//! This module knows how to write it, so that it can be read on a phone, on a wide screen, by
//! day and by night, and on paper. It knows nothing of what is measured.

pub(crate) mod axis;
pub(crate) mod bars;
pub(crate) mod latency;
pub(crate) mod legend;
pub(crate) mod lines;
pub(crate) mod page;
pub(crate) mod ratios;
pub(crate) mod svg;
pub(crate) mod table;

pub(crate) use bars::Bars;
pub(crate) use legend::Style;
pub(crate) use lines::{Lines, Series};
pub(crate) use page::{Block, Page, Section};
pub(crate) use ratios::Ratios;

/// Text as it may stand in HTML and in attributes.
#[must_use]
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            escape("<a href=\"x\">'&'</a>"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;"
        );
    }
}
