//! How many connections read in which way.

use crate::metrics::ShardMetrics;
use crate::session::Reader;

/// So many more read in this way.
pub(super) fn count(metrics: &ShardMetrics, reader: Option<Reader>, n: i64) {
    match reader {
        Some(Reader::WebSocket) => metrics.websockets.add(n),
        Some(Reader::Events) => metrics.event_streams.add(n),
        Some(Reader::Lines) => metrics.line_streams.add(n),
        Some(Reader::Held) => metrics.long_polls.add(n),
        None => {}
    }
}
