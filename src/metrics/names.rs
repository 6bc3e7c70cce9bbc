//! The name of every metric, once; docs/operations.md says what each means.
//!
//! The unit stands last. In the text a counter's sample ends in `_total` besides, and a
//! histogram's in `_bucket`, `_sum` and `_count`, as OpenMetrics has it.

/// Writes the constants and [`ALL`] from one list.
macro_rules! names {
    ($($(#[$doc:meta])* $constant:ident = $name:literal;)*) => {
        $($(#[$doc])* pub const $constant: &str = concat!("altavoz_", $name);)*

        /// Every name.
        pub const ALL: &[&str] = &[$($constant,)*];
    };
}

names! {
    /// Counter: connections.
    CONNECTIONS_OPENED = "connections_opened";
    /// Counter: WebSocket handshakes.
    HANDSHAKES = "handshakes";
    /// Counter by class: HTTP answers.
    HTTP_REQUESTS = "http_requests";
    /// Counter by answer: polls and long polls.
    POLLS = "polls";
    /// Counter: publications.
    PUBLICATIONS = "publications";
    /// Counter by reason: publications not taken.
    PUBLISH_REFUSED = "publish_refused";
    /// Counter: publications put into outboxes.
    DELIVERIES = "deliveries";
    /// Counter: bytes put into outboxes.
    DELIVERIES_BYTES = "deliveries_bytes";
    /// Counter: bytes sent.
    SENT_BYTES = "sent_bytes";
    /// Counter: bytes received.
    RECEIVED_BYTES = "received_bytes";
    /// Counter: WebSocket messages received.
    RECEIVED_MESSAGES = "received_messages";
    /// Counter: pings and other signs of life.
    PINGS_SENT = "pings_sent";
    /// Counter by reason: connections that ended.
    CLOSED = "closed";
    /// Counter by reason: publications dropped from outboxes.
    DROPPED = "dropped";
    /// Counter: accepts that failed.
    ACCEPT_FAILURES = "accept_failures";
    /// Counter: connections refused by a full node.
    REFUSED_FULL = "refused_full";
    /// Counter: messages between shards.
    MESH_MESSAGES = "mesh_messages";
    /// Counter: wakes between shards.
    MESH_WAKES = "mesh_wakes";
    /// Counter: turns of the event loops.
    TURNS = "turns";
    /// Counter: system calls that send.
    SENDS = "sends";
    /// Counter: time that the event loops were not asleep.
    BUSY_SECONDS = "busy_seconds";

    /// Gauge: connections.
    CONNECTIONS = "connections";
    /// Gauge: WebSockets.
    WEBSOCKETS = "websockets";
    /// Gauge: server-sent events.
    EVENT_STREAMS = "event_streams";
    /// Gauge: streams of lines.
    LINE_STREAMS = "line_streams";
    /// Gauge: long polls that are held.
    LONG_POLLS = "long_polls";
    /// Gauge: topics.
    TOPICS = "topics";
    /// Gauge: subscriptions.
    SUBSCRIPTIONS = "subscriptions";
    /// Gauge: bytes in outboxes.
    OUTBOX_BYTES = "outbox_bytes";
    /// Gauge: bytes of history.
    HISTORY_BYTES = "history_bytes";
    /// Gauge: publications of history.
    HISTORY_PUBLICATIONS = "history_publications";
    /// Gauge: rings of io_uring.
    RINGS = "rings";
    /// Gauge: entries of the rings' tables that are in use.
    DIRECT_DESCRIPTORS = "direct_descriptors";
    /// Gauge: draining or not.
    DRAINING = "draining";

    /// Histogram: publish to last write.
    FANOUT_SECONDS = "fanout_seconds";
    /// Histogram: length of a turn.
    TURN_SECONDS = "turn_seconds";
    /// Histogram: bytes waiting for one connection.
    OUTBOX_DEPTH_BYTES = "outbox_depth_bytes";
    /// Histogram: accept to 101.
    HANDSHAKE_SECONDS = "handshake_seconds";

    /// Gauge by shard: connections.
    SHARD_CONNECTIONS = "shard_connections";
    /// Gauge by shard: topics whose home it is.
    SHARD_TOPICS = "shard_topics";
    /// Gauge by shard: subscriptions.
    SHARD_SUBSCRIPTIONS = "shard_subscriptions";
    /// Counter by shard: publications put into outboxes.
    SHARD_DELIVERIES = "shard_deliveries";
    /// Counter by shard: time not asleep.
    SHARD_BUSY_SECONDS = "shard_busy_seconds";
    /// Counter by shard: turns.
    SHARD_TURNS = "shard_turns";

    /// Gauge: shards.
    SHARDS = "shards";
    /// Gauge: the limit of connections.
    MAX_CONNECTIONS = "max_connections";
    /// Gauge: the version, as a label.
    BUILD_INFO = "build_info";
    /// Gauge: when the node started, seconds since 1970.
    START_TIME_SECONDS = "process_start_time_seconds";
    /// Gauge: real memory.
    PROCESS_RESIDENT_MEMORY_BYTES = "process_resident_memory_bytes";
    /// Gauge: descriptors in use.
    PROCESS_OPEN_FDS = "process_open_fds";
    /// Gauge: descriptors that may be in use.
    PROCESS_MAX_FDS = "process_max_fds";
    /// Counter: CPU time, user and system.
    PROCESS_CPU_SECONDS = "process_cpu_seconds";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once() {
        for name in ALL {
            assert_eq!(ALL.iter().filter(|n| n == &name).count(), 1, "{name}");
        }
    }
}
