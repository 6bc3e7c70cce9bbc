//! What a seed draws before anything runs: the node's limits, and how many clients of which
//! manner come. Bounds are small, so that they are hit often.

use std::time::Duration;

use fastrand::Rng;

use crate::base::Time;
use crate::config::{Anonymous, Limits};
use crate::testing::sim::Profile;

/// How long a node takes at most for what it does at once, where shards are held back but
/// nothing else is in its way: the way to a topic's home and back, a tick of its timers, and a
/// coalescing window.
pub(super) const SLACK: Duration = Duration::from_millis(700);

/// When the clocks of the simulated network begin.
const BEGUN: Time = Time::from_nanos(1_000_000_000);

/// One run.
#[derive(Debug)]
pub(super) struct RunPlan {
    pub(super) shards: usize,
    pub(super) limits: Limits,
    pub(super) coalesce: Duration,
    /// One listener for all shards, which hand its sockets around.
    pub(super) shared_door: bool,
    pub(super) anonymous: Anonymous,
    pub(super) connections_max: usize,
    pub(super) topics: Vec<String>,
    /// Each topic has a subscriber from the start who reads at once and stays.
    pub(super) witnesses: bool,
    pub(super) clients: usize,
    /// How long clients come and go.
    pub(super) busy: Duration,
    /// Few come, and nobody stays, so that topics are left and forgotten.
    pub(super) restless: bool,
    /// Most poll one topic, or stream it, and a turn writes to few of them.
    pub(super) crowd: bool,
    pub(super) crowd_streams: bool,
    /// How hard shards are held back at random, in percent of the turns.
    pub(super) stalls_percent: u8,
    pub(super) drain: Option<DrainPlan>,
    /// What readers that want less than all choose from: so few that they meet.
    pub(super) intervals: [Duration; 2],
    pub(super) payload_bytes_max: usize,
}

/// When the node is told to go away, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct DrainPlan {
    pub(super) after: Duration,
    pub(super) grace: Duration,
    pub(super) window: Duration,
}

impl DrainPlan {
    /// When the node is told to go away.
    pub(super) fn begins(&self) -> Time {
        BEGUN + self.after
    }

    /// When everybody was told.
    pub(super) fn ends(&self) -> Time {
        self.begins() + self.grace + self.window
    }
}

impl RunPlan {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let busy = millis(rng, 3_000..10_000);
        let restless = percent(rng, 20);
        let crowd = !restless && percent(rng, 15);
        let topics = rng.usize(1..=if crowd { 1 } else { 4 });
        Self {
            shards: rng.usize(1..=if crowd { 2 } else { 4 }),
            limits: limits(rng, restless, crowd),
            coalesce: or(rng, 30, Duration::ZERO, |rng| millis(rng, 1..20)),
            shared_door: percent(rng, 30),
            anonymous: or(rng, 6, Anonymous::Publish, |_| Anonymous::Subscribe),
            connections_max: or(rng, if crowd { 0 } else { 15 }, 1_000, |rng| {
                rng.usize(6..14)
            }),
            topics: (0..topics).map(|i| format!("t/{i}")).collect(),
            witnesses: !restless && percent(rng, 60),
            clients: rng.usize(match () {
                () if restless => 6..=16,
                () if crowd => 24..=48,
                () => 12..=36,
            }),
            busy,
            restless,
            crowd,
            crowd_streams: crowd && percent(rng, 40),
            stalls_percent: rng.u8(if crowd { 25..60 } else { 0..25 }),
            drain: percent(rng, if crowd { 50 } else { 20 }).then(|| DrainPlan {
                after: busy.mul_f64(rng.f64()),
                grace: millis(rng, 0..1_000),
                window: millis(rng, 0..2_000),
            }),
            intervals: [interval(rng), interval(rng)],
            payload_bytes_max: *pick(rng, &[40, 300, 2_000]),
        }
    }

    /// The interval of a reader that wants less than all, if it is one.
    pub(super) fn some_interval(&self, rng: &mut Rng, often: u8) -> Option<Duration> {
        percent(rng, often).then(|| *pick(rng, &self.intervals))
    }

    /// Whether the node has room for whatever these clients publish.
    pub(super) fn takes_all(&self) -> bool {
        let limits = &self.limits;
        self.anonymous == Anonymous::Publish
            && limits.mesh_credits_per_pair >= 64
            && limits.fanout_per_turn_max >= 64
            && limits.topics_max >= 1_000
    }

    /// Whether nothing makes the node slow but its own stalls: whoever is on a perfect network and
    /// reads at once is served within [`SLACK`].
    pub(super) fn is_prompt(&self) -> bool {
        let limits = &self.limits;
        limits.mesh_credits_per_pair >= 64
            && limits.fanout_per_turn_max >= 64
            && limits.timers_per_turn_max >= 64
    }

    /// The most bytes that one publication has on the wire, in its longest form.
    pub(super) fn frame_bytes_max(&self) -> usize {
        self.payload_bytes_max * 2 + 80
    }

    /// The most that one outbox may ever hold: its bound, and what goes beyond it by rule. That
    /// is one publication, or one turn's chunk of them, for an empty outbox; a recovery with the
    /// 101 and the greeting before it; and answers to what was read before the bound was met.
    pub(super) fn outbox_bytes_peak(&self) -> usize {
        let limits = &self.limits;
        let chunk = limits.turn_chunk_bytes_max.max(self.frame_bytes_max());
        let kept = limits.history_publications_max;
        let recovery =
            (limits.history_bytes_max * 2 + kept * 80).min(kept * self.frame_bytes_max());
        limits.outbox_bytes_max + chunk + recovery + 300 + Profile::rough().segment_bytes_max
    }

    /// The same for answers. One to a long poll has all that came while a flush was under way or
    /// collected: as much as there are credits for, and what is published in one turn.
    pub(super) fn answer_bytes_peak(&self) -> usize {
        let limits = &self.limits;
        let a_turn = self.clients * limits.publishes_in_flight_max;
        let most = a_turn + self.shards * limits.mesh_credits_per_pair as usize;
        self.outbox_bytes_peak() + most * self.frame_bytes_max()
    }
}

fn limits(rng: &mut Rng, restless: bool, crowd: bool) -> Limits {
    let few_at_once = if crowd { 100 } else { 50 };
    let age_max = if restless { 1_500 } else { 15_000 };
    Limits {
        message_bytes_max: 4_096,
        outbox_bytes_max: *pick(rng, &[300, 600, 2_000, 20_000]),
        node_outbox_bytes_max: or(rng, 15, 1 << 20, |rng| rng.usize(500..3_000)),
        history_publications_max: rng.usize(3..=20),
        history_bytes_max: *pick(rng, &[200, 1_000, 100_000]),
        history_age_max: millis(rng, 1_000..age_max),
        topics_max: or(rng, 15, 1_000, |rng| rng.usize(1..3)),
        publishes_in_flight_max: rng.usize(1..=16),
        mesh_credits_per_pair: or(rng, 50, 64, |rng| rng.u32(1..=8)),
        turn_chunk_bytes_max: *pick(rng, &[100, 1_000, 64 * 1024]),
        timers_per_turn_max: or(rng, few_at_once, 128, |rng| rng.usize(1..=4)),
        fanout_per_turn_max: or(rng, few_at_once, 1_024, |rng| rng.usize(1..=4)),
        ping_interval: millis(rng, 1_600..4_000),
        pong_timeout: millis(rng, 1_200..1_500),
        close_linger: millis(rng, 500..2_000),
        upgrade_pause: millis(rng, 0..150),
        handshake_timeout: millis(rng, 1_000..3_000),
        body_timeout: millis(rng, 1_000..3_000),
        keep_alive_timeout: millis(rng, 1_000..5_000),
        publish_answer_timeout: or(rng, 50, Duration::from_secs(3), |rng| millis(rng, 5..60)),
        long_poll_timeout: millis(rng, 200..4_000),
        long_poll_timeout_max: Duration::from_secs(4),
        reserve_connections: 3,
        ..Limits::default()
    }
}

/// How the network treats the next client.
pub(super) fn profile(rng: &mut Rng) -> Profile {
    let mut profile = match rng.u8(0..10) {
        0..3 => Profile::smooth(),
        3..8 => Profile::rough(),
        _ => Profile::lossy(),
    };
    if percent(rng, 50) {
        profile.window_bytes = rng.usize(200..2_000);
    }
    if percent(rng, 40) {
        profile.segment_bytes_max = rng.usize(20..200);
        profile.delay_max = profile.delay_max.min(Duration::from_millis(5));
    }
    profile
}

fn interval(rng: &mut Rng) -> Duration {
    const MILLIS: [u64; 8] = [10, 25, 60, 100, 300, 1_000, 2_500, 7_000];
    Duration::from_millis(*pick(rng, &MILLIS))
}

/// Something else than usual, in so many percent of cases.
pub(super) fn or<T>(rng: &mut Rng, often: u8, usual: T, other: impl Fn(&mut Rng) -> T) -> T {
    if percent(rng, often) {
        other(rng)
    } else {
        usual
    }
}

pub(super) fn percent(rng: &mut Rng, often: u8) -> bool {
    rng.u8(0..100) < often
}

pub(super) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}

pub(super) fn millis(rng: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}
