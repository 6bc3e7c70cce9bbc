//! What all benches share: how long criterion looks at each.

use std::time::Duration;

use criterion::Criterion;

/// Short: figures to compare by, not to publish.
pub(crate) fn short() -> Criterion {
    Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000))
        .without_plots()
}
