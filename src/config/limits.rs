//! The bounds that clients can run into, and those that keep the node itself in shape.

use std::time::Duration;

/// Every bound of the node. The defaults are those of docs/operations.md.
#[derive(Clone, PartialEq, Debug)]
pub struct Limits {
    /// The longest WebSocket message from a client, in bytes, over all its fragments.
    pub message_bytes_max: usize,
    /// The most fragments of one WebSocket message.
    pub fragments_max: u32,
    /// The longest body of a request, in bytes: published, or read away.
    pub body_bytes_max: usize,
    /// The longest request head, in bytes, request line and headers together.
    pub head_bytes_max: usize,
    /// The most headers of one request.
    pub headers_max: usize,
    /// How long a client may take from its first byte to the end of its request head.
    pub handshake_timeout: Duration,
    /// How long a client may take for a request's body.
    pub body_timeout: Duration,
    /// How long a kept-alive HTTP connection may be idle between requests.
    pub keep_alive_timeout: Duration,
    /// How long a WebSocket may be silent before it is pinged.
    pub ping_interval: Duration,
    /// How long the answer to a ping may take.
    pub pong_timeout: Duration,
    /// How long a long poll is held if the client does not say.
    pub long_poll_timeout: Duration,
    /// How long a client may ask for a long poll to be held.
    pub long_poll_timeout_max: Duration,
    /// The longest interval of conflation that a client may ask for.
    pub conflate_max: Duration,
    /// How long a peer may take to answer our close, or to read the rest after it was too slow.
    pub close_linger: Duration,
    /// How long what follows a 101 waits where a proxy stands in between, so that the proxy has
    /// read the 101 before.
    pub upgrade_pause: Duration,
    /// Bytes that may wait for one connection, counted as if each had its own copy.
    pub outbox_bytes_max: usize,
    /// Real memory of everything that waits in outboxes of the node, in bytes.
    pub node_outbox_bytes_max: usize,
    /// `SO_SNDBUF` of accepted sockets, in bytes; 0: grows with what the network takes, up to
    /// `net.ipv4.tcp_wmem`. A fixed one is a speed limit of about its size for each round trip.
    pub socket_send_buffer_bytes: usize,
    /// Bytes that may wait unsent in an accepted socket: bounds what a reader that never reads
    /// hides in the kernel, and does not slow down one that reads.
    pub socket_unsent_bytes_max: usize,
    /// Publications that a topic keeps.
    pub history_publications_max: usize,
    /// Bytes of payload that a topic keeps.
    pub history_bytes_max: usize,
    /// How long a topic keeps a publication.
    pub history_age_max: Duration,
    /// Topics of the node.
    pub topics_max: usize,
    /// Publishes of one connection that may wait for their answer; then it is not read from.
    pub publishes_in_flight_max: usize,
    /// How long a POST waits for the shards' counts before it says `"complete":false`.
    pub publish_answer_timeout: Duration,
    /// Connections accepted in one turn of a shard's loop.
    pub accepts_per_turn_max: usize,
    /// Requests under way from one shard to another, which bounds every inbox.
    pub mesh_credits_per_pair: u32,
    /// Connections above the limit that are taken in order to answer 503 or a health check.
    pub reserve_connections: usize,
    /// Subscribers that a turn of a shard's loop writes new publications to, and as many that it
    /// writes to who had to wait for their turn; the others follow in the next turns, so that
    /// other connections are heard in between.
    pub fanout_per_turn_max: usize,
    /// Deadlines of connections, such as pings, that a turn of a shard's loop sees to; the others
    /// follow in the next turns, so that a million idle connections do not make others wait.
    pub timers_per_turn_max: usize,
    /// Bytes of fan-out that are collected for one group before they are flushed within a turn.
    pub turn_chunk_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 * 1024,
            fragments_max: 1024,
            body_bytes_max: 1024 * 1024,
            head_bytes_max: 16 * 1024,
            headers_max: 64,
            handshake_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(75),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            long_poll_timeout: Duration::from_secs(25),
            long_poll_timeout_max: Duration::from_secs(120),
            conflate_max: Duration::from_secs(60),
            close_linger: Duration::from_secs(5),
            upgrade_pause: Duration::from_millis(50),
            outbox_bytes_max: 1024 * 1024,
            node_outbox_bytes_max: 1024 * 1024 * 1024,
            socket_send_buffer_bytes: 0,
            socket_unsent_bytes_max: 16 * 1024,
            history_publications_max: 100,
            history_bytes_max: 1024 * 1024,
            history_age_max: Duration::from_secs(300),
            topics_max: 1_000_000,
            publishes_in_flight_max: 16,
            publish_answer_timeout: Duration::from_secs(5),
            accepts_per_turn_max: 256,
            mesh_credits_per_pair: 1024,
            reserve_connections: 64,
            fanout_per_turn_max: 1024,
            timers_per_turn_max: 128,
            turn_chunk_bytes_max: 64 * 1024,
        }
    }
}
