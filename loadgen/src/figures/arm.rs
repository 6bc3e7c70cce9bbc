//! What one arm of a run brought: the clients of one transport, or of one polling interval.
//!
//! Every column of an honest comparison of transports, with its unit in its name. It is data
//! alone: who measures is in [`crate::worker`], who compares and draws is elsewhere.
//!
//! Two spans of time are in it. Deliveries are counted for every publication of the round,
//! however late they came. Traffic (requests, answers, bytes, segments) is counted in a window,
//! the same for all arms: as long as the round was to last. Where somebody polls, publishing
//! begins one of the longest intervals before it, since the first polls find less than later
//! ones. So a share or a rate is the one of a run that never ends, and not one of its beginning.
//! Where nothing is published the window is the time for which connections were held.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::transport::Transport;
use crate::measure::stats::Summary;

use super::range::Range;

/// One arm.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Arm {
    /// `ws`, `sse`, `longpoll`, `stream`, or polling with its interval, such as `poll-2s`;
    /// each name is in a report once.
    pub name: String,
    /// How its clients read.
    pub transport: Transport,
    /// From one poll of a client to its next, for polling.
    pub interval_ms: Option<f64>,
    /// At most one push in so many milliseconds.
    pub conflate_ms: Option<u64>,
    /// Whether polls ask for the newest publication alone.
    pub newest: bool,
    /// Whether requests of a client share a connection.
    pub keep_alive: bool,
    /// Whether requests say `If-None-Match`, and are answered 304 if there is nothing new.
    pub etag: bool,
    /// To how many bytes the heads of requests are filled up.
    pub request_head_bytes: Option<u64>,
    /// Clients that were asked for.
    pub clients: u64,
    /// How they came in.
    pub connect: ArmConnect,
    /// What they got.
    pub deliveries: ArmDeliveries,
    /// What it took; nothing if no window was measured.
    pub traffic: ArmTraffic,
    /// What it cost the server: known only if the arm is alone in its run.
    pub server: ArmServer,
    /// Median and range over the repeats, by figure; empty for one repeat.
    pub over_repeats: BTreeMap<String, Range>,
}

/// How the clients of an arm came in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct ArmConnect {
    /// Clients that did.
    pub connected: u64,
    /// Clients that did not.
    pub failed: u64,
    /// Request to open: to 101, to the head of a stream, to the first answer of a poll.
    pub upgrade: Summary,
}

/// What the clients of an arm got of the publications of all repeats.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct ArmDeliveries {
    /// Deliveries that were due.
    pub expected: u64,
    /// Deliveries that came.
    pub received: u64,
    /// Received of expected.
    pub reach_percent: Option<f64>,
    /// Deliveries that did not come.
    pub lost: u64,
    /// Deliveries of what was there already.
    pub duplicated: u64,
    /// Deliveries after a later one of the same stream.
    pub reordered: u64,
    /// Deliveries behind which another one stood in the same answer: they came, and their
    /// client never showed them alone.
    pub merged: u64,
    /// Merged of received.
    pub merged_percent: Option<f64>,
    /// Publications that were left out by design, conflated or skipped by the newest: they were
    /// not due.
    pub left_out: u64,
    /// Answers and greetings that said `"recovered":false`: the server owned to a gap.
    pub unrecovered: u64,
    /// Staleness: from the intended moment of a publication to the read that brought it.
    pub staleness: Summary,
    /// The same from the moment at which it really left.
    pub staleness_uncorrected: Summary,
    /// The share of the publishing time in which a client did not have the newest publication.
    pub outdated_percent: Option<f64>,
}

/// What an arm took in its window.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct ArmTraffic {
    /// How long the window was, over all repeats.
    pub window_seconds: f64,
    /// Deliveries within the window: what the figures for each delivery are divided by.
    pub deliveries: u64,
    /// Requests sent; an upgrade is one too.
    pub requests: u64,
    /// Requests a second, of all clients together.
    pub requests_per_second: Option<f64>,
    /// Requests for one delivery.
    pub requests_per_delivery: Option<f64>,
    /// Whole answers to polls and long polls.
    pub answers: u64,
    /// Of these, answers that brought nothing, 304 included.
    pub empty_answers: u64,
    /// Empty answers of all.
    pub empty_percent: Option<f64>,
    /// Answers that were 304.
    pub not_modified_answers: u64,
    /// Answers other than 2xx and 304, by status.
    pub refused_answers: BTreeMap<String, u64>,
    /// Requests whose connection ended before their answer was whole.
    pub broken_requests: u64,
    /// Polls that came due while the one before had no answer.
    pub late_polls: u64,
    /// From the moment at which a poll was due to its whole answer; polling only.
    pub answer_time: Summary,
    /// How late the generator itself came to a poll, behind its timetable.
    pub lateness: Summary,
    /// Connections that were opened.
    pub connections_opened: u64,
    /// Bytes that clients sent, heads and framing included, as the program wrote them.
    pub app_up_bytes: u64,
    /// Bytes that clients received, the same way.
    pub app_down_bytes: u64,
    /// Both directions, for one delivery.
    pub app_bytes_per_delivery: Option<f64>,
    /// Both directions, for one client in a second.
    pub app_bytes_per_client_second: Option<f64>,
    /// What TCP counted, where the system tells.
    pub wire: Option<ArmWire>,
}

/// What TCP counted at the clients' ends of an arm's connections in its window.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct ArmWire {
    /// Segments that clients sent, acknowledgements included.
    pub segments_up: u64,
    /// Segments that clients received.
    pub segments_down: u64,
    /// Of these, segments up with data.
    pub data_segments_up: u64,
    /// Of these, segments down with data.
    pub data_segments_down: u64,
    /// Bytes of data that the server acknowledged.
    pub data_up_bytes: u64,
    /// Bytes of data that clients received.
    pub data_down_bytes: u64,
    /// What a segment costs besides its data: IP, TCP and its time stamps.
    pub segment_head_bytes: u64,
    /// Data and heads, up.
    pub up_bytes: u64,
    /// Data and heads, down.
    pub down_bytes: u64,
    /// Both directions, for one delivery.
    pub bytes_per_delivery: Option<f64>,
    /// Both directions, for one client in a second.
    pub bytes_per_client_second: Option<f64>,
    /// An estimate, not measured: both directions on Ethernet, with 38 bytes more a segment,
    /// data cut at 1,448 bytes, and an acknowledgement for every second segment so made.
    pub ethernet_estimate_bytes: u64,
    /// The same for one delivery.
    pub ethernet_estimate_bytes_per_delivery: Option<f64>,
    /// Connections that broke before TCP could be asked.
    pub unseen_connections: u64,
}

/// What an arm that was alone cost the server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ArmServer {
    /// CPU for one delivery, publishing included.
    pub cpu_per_delivery_us: Option<f64>,
    /// CPU for one client in a second, everything included.
    pub cpu_per_client_second_us: Option<f64>,
    /// Resident memory for one client: growth from before the first to everybody connected.
    pub memory_per_client_bytes: Option<f64>,
    /// The kernel's objects and buffers for one client, both ends, where they may be read.
    pub kernel_memory_per_client_bytes: Option<f64>,
}
