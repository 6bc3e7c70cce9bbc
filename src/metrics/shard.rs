//! What one shard counts: it alone writes, everybody reads.

use super::histogram::Histogram;
use super::reasons::{CloseReason, DropReason, PollAnswer, RefuseReason, StatusClass};
use super::value::{Counter, Family, Gauge};

/// The counters, gauges and histograms of one shard.
///
/// Shared as `Arc<ShardMetrics>`: the shard writes, a scrape reads.
///
/// ```
/// use altavoz::metrics::{CloseReason, ShardMetrics};
///
/// let metrics = ShardMetrics::new();
/// metrics.connections.add(1);
/// metrics.deliveries.add(3);
/// metrics.closed(CloseReason::Client);
/// assert_eq!(metrics.closes.get(CloseReason::Client), 1);
/// ```
// 128 bytes: the adjacent cache line is fetched too, so two shards' counters must not be neighbours.
#[repr(align(128))]
#[derive(Debug)]
pub struct ShardMetrics {
    /// Connections that became this shard's.
    pub connections_opened: Counter,
    /// WebSocket handshakes answered with 101.
    pub handshakes: Counter,
    /// HTTP answers by class of status.
    pub http_requests: Family<StatusClass>,
    /// Polls and long polls by what they were answered.
    pub polls: Family<PollAnswer>,
    /// Publications that this shard, as the topic's home, gave an offset.
    pub publications: Counter,
    /// Publications that were not taken.
    pub publish_refusals: Family<RefuseReason>,
    /// Publications put into outboxes, one for each subscriber.
    pub deliveries: Counter,
    /// Bytes put into outboxes, as they go over the wire.
    pub deliveries_bytes: Counter,
    /// Bytes that the system took from us.
    pub sent_bytes: Counter,
    /// Bytes that clients sent.
    pub received_bytes: Counter,
    /// WebSocket messages that clients sent.
    pub received_messages: Counter,
    /// Pings and other signs of life sent.
    pub pings_sent: Counter,
    /// Connections that ended.
    pub closes: Family<CloseReason>,
    /// Publications that left an outbox unsent.
    pub drops: Family<DropReason>,
    /// Accepts that failed for lack of descriptors or memory.
    pub accept_failures: Counter,
    /// Connections answered with 503 since the node was full.
    pub refused_full: Counter,
    /// Messages to other shards.
    pub mesh_messages: Counter,
    /// Wakes of other shards; fewer than messages, since they coalesce.
    pub mesh_wakes: Counter,
    /// Turns of the event loop.
    pub turns: Counter,
    /// System calls that send.
    pub sends: Counter,
    /// Nanoseconds that the loop was not asleep.
    pub busy_nanos: Counter,

    /// Connections now.
    pub connections: Gauge,
    /// WebSockets now.
    pub websockets: Gauge,
    /// Readers of server-sent events now.
    pub event_streams: Gauge,
    /// Readers of streams of lines now.
    pub line_streams: Gauge,
    /// Long polls that are held now.
    pub long_polls: Gauge,
    /// Topics whose home is here.
    pub topics: Gauge,
    /// Subscriptions of this shard's connections.
    pub subscriptions: Gauge,
    /// Bytes that wait in outboxes.
    pub outbox_bytes: Gauge,
    /// Bytes of payload kept for recovery.
    pub history_bytes: Gauge,
    /// Publications kept for recovery.
    pub history_publications: Gauge,
    /// Rings of io_uring; 0 with epoll.
    pub rings: Gauge,
    /// Entries of the rings' tables that are in use: connections that need no descriptor.
    pub direct_descriptors: Gauge,
    /// 1 while the shard drains, else 0.
    pub draining: Gauge,

    /// From a publication's arrival to the last write of its fan-out here.
    pub fanout_seconds: Histogram,
    /// How long a turn of the loop took, sleep apart: what everybody else waits.
    pub turn_seconds: Histogram,
    /// Bytes that waited for one connection when more was queued behind them.
    pub outbox_depth_bytes: Histogram,
    /// From accepting a connection to its 101.
    pub handshake_seconds: Histogram,
}

impl Default for ShardMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ShardMetrics {
    /// All zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            connections_opened: Counter::default(),
            handshakes: Counter::default(),
            http_requests: Family::default(),
            polls: Family::default(),
            publications: Counter::default(),
            publish_refusals: Family::default(),
            deliveries: Counter::default(),
            deliveries_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            received_bytes: Counter::default(),
            received_messages: Counter::default(),
            pings_sent: Counter::default(),
            closes: Family::default(),
            drops: Family::default(),
            accept_failures: Counter::default(),
            refused_full: Counter::default(),
            mesh_messages: Counter::default(),
            mesh_wakes: Counter::default(),
            turns: Counter::default(),
            sends: Counter::default(),
            busy_nanos: Counter::default(),
            connections: Gauge::default(),
            websockets: Gauge::default(),
            event_streams: Gauge::default(),
            line_streams: Gauge::default(),
            long_polls: Gauge::default(),
            topics: Gauge::default(),
            subscriptions: Gauge::default(),
            outbox_bytes: Gauge::default(),
            history_bytes: Gauge::default(),
            history_publications: Gauge::default(),
            rings: Gauge::default(),
            direct_descriptors: Gauge::default(),
            draining: Gauge::default(),
            fanout_seconds: Histogram::durations(),
            turn_seconds: Histogram::durations(),
            outbox_depth_bytes: Histogram::bytes(),
            handshake_seconds: Histogram::durations(),
        }
    }

    /// Counts an HTTP answer.
    pub fn http_response(&self, status: u16) {
        self.http_requests.add(StatusClass::of(status), 1);
    }

    /// Counts a publication that was not taken.
    pub fn publish_refused(&self, reason: RefuseReason) {
        self.publish_refusals.add(reason, 1);
    }

    /// Counts the end of a connection.
    pub fn closed(&self, reason: CloseReason) {
        self.closes.add(reason, 1);
    }

    /// Counts publications that left an outbox unsent.
    pub fn dropped(&self, reason: DropReason, publications: u64) {
        self.drops.add(reason, publications);
    }
}
