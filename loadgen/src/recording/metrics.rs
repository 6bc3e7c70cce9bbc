//! What a server says of itself, before and after.

use std::collections::BTreeMap;

/// Prometheus samples by name and labels; empty without a URL.
pub(crate) type Metrics = BTreeMap<String, f64>;

/// What changed, and gauges as they are at the end.
#[must_use]
pub(crate) fn difference(before: &Metrics, after: &Metrics) -> Metrics {
    let change = |(name, value): (&String, &f64)| {
        let base = name.split('{').next().unwrap_or(name);
        let is_counter = ["_total", "_count", "_sum", "_bucket"]
            .iter()
            .any(|end| base.ends_with(end));
        let before = before.get(name).copied().filter(|_| is_counter);
        (name.clone(), value - before.unwrap_or(0.0))
    };
    after.iter().map(change).collect()
}
