//! The known name that a misspelled one is nearest to.

/// The candidate with the fewest edits to `text`, if they are few enough for a slip.
#[must_use]
pub fn nearest<'a>(text: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slip = (text.chars().count() / 3).max(2);
    candidates
        .map(|candidate| (edits(text, candidate), candidate))
        .filter(|(edits, _)| *edits <= slip)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Characters to insert, delete or replace until `a` is `b` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Row i holds the edits from the first i characters of `a` to each beginning of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("listen", "listen"), 0);
    }

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let names = ["listen", "max_connections", "shards"];
        assert_eq!(
            nearest("max_conections", names.into_iter()),
            Some("max_connections")
        );
        assert_eq!(nearest("listne", names.into_iter()), Some("listen"));
        assert_eq!(nearest("frobnicate", names.into_iter()), None);
    }
}
