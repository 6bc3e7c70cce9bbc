//! Counts by name: reasons of failures, close codes, statuses.

use std::collections::BTreeMap;

/// Adds counts by name.
pub fn add_counts(into: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, count) in from {
        *into.entry(name.clone()).or_default() += count;
    }
}

/// Counts one by name.
pub fn count(into: &mut BTreeMap<String, u64>, name: &str) {
    match into.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(into.insert(name.to_owned(), 1)),
    }
}
