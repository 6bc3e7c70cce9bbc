//! The text of `/metrics`: the sums over all shards at the moment of the scrape.
//!
//! prometheus-client writes the format; its own counters and histograms are not used, since they
//! are locked or shared between writers. One [`Collector`] reads the shards instead.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::format::{Format, ScrapeEncoder};
use super::histogram::Histogram;
use super::names;
use super::process::Process;
use super::reasons::Label;
use super::shard::ShardMetrics;
use super::value::Family;

/// What is true of the whole node.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeMetrics {
    /// When the node started, since 1970-01-01 UTC: [`crate::base::clock::unix`].
    pub started: Duration,
    /// The version of the program.
    pub version: &'static str,
    /// The name of the driver that moves the bytes.
    pub driver: &'static str,
    /// Connections beyond which new ones are answered 503.
    pub max_connections: usize,
}

/// The text of `/metrics` now.
#[must_use]
pub fn render(shards: &[Arc<ShardMetrics>], node: &NodeMetrics, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape {
        shards: shards.to_vec(),
        node: node.clone(),
        process: Process::read(),
        format,
    }));
    let mut page = String::with_capacity(32 * 1024);
    let written = match format {
        Format::Text => text::encode_registry(&mut page, &registry),
        Format::OpenMetrics => text::encode(&mut page, &registry),
    };
    match written {
        Ok(()) => page,
        Err(fmt::Error) => unreachable!("writing to a string does not fail"),
    }
}

/// One metric that is the sum of the shards' counters.
struct CounterRow(&'static str, &'static str, fn(&ShardMetrics) -> u64);

const COUNTERS: &[CounterRow] = &[
    CounterRow(names::CONNECTIONS_OPENED, "Connections taken.", |s| {
        s.connections_opened.get()
    }),
    CounterRow(
        names::HANDSHAKES,
        "WebSocket handshakes answered with 101.",
        |s| s.handshakes.get(),
    ),
    CounterRow(
        names::PUBLICATIONS,
        "Publications that were given an offset.",
        |s| s.publications.get(),
    ),
    CounterRow(
        names::DELIVERIES,
        "Publications put into outboxes, one for each subscriber.",
        |s| s.deliveries.get(),
    ),
    CounterRow(names::DELIVERIES_BYTES, "Bytes put into outboxes.", |s| {
        s.deliveries_bytes.get()
    }),
    CounterRow(
        names::SENT_BYTES,
        "Bytes that the system took from the node.",
        |s| s.sent_bytes.get(),
    ),
    CounterRow(names::RECEIVED_BYTES, "Bytes that clients sent.", |s| {
        s.received_bytes.get()
    }),
    CounterRow(
        names::RECEIVED_MESSAGES,
        "WebSocket messages that clients sent.",
        |s| s.received_messages.get(),
    ),
    CounterRow(
        names::PINGS_SENT,
        "Pings and other signs of life sent.",
        |s| s.pings_sent.get(),
    ),
    CounterRow(
        names::ACCEPT_FAILURES,
        "Accepts that failed for lack of descriptors or memory.",
        |s| s.accept_failures.get(),
    ),
    CounterRow(
        names::REFUSED_FULL,
        "Connections answered 503 since the node was full.",
        |s| s.refused_full.get(),
    ),
    CounterRow(names::MESH_MESSAGES, "Messages between shards.", |s| {
        s.mesh_messages.get()
    }),
    CounterRow(names::MESH_WAKES, "Wakes between shards.", |s| {
        s.mesh_wakes.get()
    }),
    CounterRow(names::TURNS, "Turns of the event loops.", |s| s.turns.get()),
    CounterRow(names::SENDS, "System calls that send.", |s| s.sends.get()),
];

/// One metric that is the sum of the shards' gauges.
struct GaugeRow(&'static str, &'static str, fn(&ShardMetrics) -> i64);

const GAUGES: &[GaugeRow] = &[
    GaugeRow(names::CONNECTIONS, "Connections now.", |s| {
        s.connections.get()
    }),
    GaugeRow(names::WEBSOCKETS, "WebSockets now.", |s| s.websockets.get()),
    GaugeRow(
        names::EVENT_STREAMS,
        "Readers of server-sent events now.",
        |s| s.event_streams.get(),
    ),
    GaugeRow(
        names::LINE_STREAMS,
        "Readers of streams of lines now.",
        |s| s.line_streams.get(),
    ),
    GaugeRow(names::LONG_POLLS, "Long polls that are held now.", |s| {
        s.long_polls.get()
    }),
    GaugeRow(names::TOPICS, "Topics now.", |s| s.topics.get()),
    GaugeRow(names::SUBSCRIPTIONS, "Subscriptions now.", |s| {
        s.subscriptions.get()
    }),
    GaugeRow(names::OUTBOX_BYTES, "Bytes that wait in outboxes.", |s| {
        s.outbox_bytes.get()
    }),
    GaugeRow(
        names::HISTORY_BYTES,
        "Bytes of payload kept for recovery.",
        |s| s.history_bytes.get(),
    ),
    GaugeRow(
        names::HISTORY_PUBLICATIONS,
        "Publications kept for recovery.",
        |s| s.history_publications.get(),
    ),
    GaugeRow(names::RINGS, "Rings of io_uring; 0 with epoll.", |s| {
        s.rings.get()
    }),
    GaugeRow(
        names::DIRECT_DESCRIPTORS,
        "Connections in tables of io_uring, which need no descriptor.",
        |s| s.direct_descriptors.get(),
    ),
];

/// One histogram over all shards, and how many of its own units make one of the metric's.
struct HistogramRow(
    &'static str,
    &'static str,
    f64,
    fn(&ShardMetrics) -> &Histogram,
);

const HISTOGRAMS: &[HistogramRow] = &[
    HistogramRow(
        names::FANOUT_SECONDS,
        "From a publication to the last write of its fan-out on a shard.",
        PER_SECOND,
        |s| &s.fanout_seconds,
    ),
    HistogramRow(
        names::TURN_SECONDS,
        "How long a turn of an event loop took.",
        PER_SECOND,
        |s| &s.turn_seconds,
    ),
    HistogramRow(
        names::OUTBOX_DEPTH_BYTES,
        "Bytes that waited for a connection when more was queued behind them.",
        1.0,
        |s| &s.outbox_depth_bytes,
    ),
    HistogramRow(
        names::HANDSHAKE_SECONDS,
        "From accepting a connection to its 101.",
        PER_SECOND,
        |s| &s.handshake_seconds,
    ),
];

/// Nanoseconds of a second. Bounds are divided by it, since a product would print as 1.0000000000000001e-6.
const PER_SECOND: f64 = 1e9;

/// Everything that one scrape reads.
#[derive(Debug)]
struct Scrape {
    shards: Vec<Arc<ShardMetrics>>,
    node: NodeMetrics,
    process: Process,
    format: Format,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = ScrapeEncoder {
            encoder,
            format: self.format,
        };
        self.encode_node(&mut out)?;
        self.encode_process(&mut out)?;
        self.encode_sums(&mut out)?;
        self.encode_reasons(&mut out)?;
        self.encode_histograms(&mut out)?;
        self.encode_shards(&mut out)
    }
}

impl Scrape {
    fn encode_node(&self, out: &mut ScrapeEncoder<'_>) -> fmt::Result {
        let build = [("version", self.node.version), ("driver", self.node.driver)];
        out.metric(
            names::BUILD_INFO,
            "The version of the program.",
            MetricType::Gauge,
        )?
        .encode_family(&build)?
        .encode_gauge(&1i64)?;
        out.gauge(names::SHARDS, "Event loops.", whole(self.shards.len()))?;
        let max = whole(self.node.max_connections);
        out.gauge(
            names::MAX_CONNECTIONS,
            "Connections beyond which new ones are answered 503.",
            max,
        )?;
        let draining = self.shards.iter().any(|s| s.draining.get() != 0);
        out.gauge(
            names::DRAINING,
            "1 while the node drains.",
            i64::from(draining),
        )?;
        out.metric(
            names::START_TIME_SECONDS,
            "When the node started, since 1970.",
            MetricType::Gauge,
        )?
        .encode_gauge(&self.node.started.as_secs_f64())
    }

    fn encode_process(&self, out: &mut ScrapeEncoder<'_>) -> fmt::Result {
        let Process {
            resident_bytes,
            open_fds,
            max_fds,
            cpu,
        } = self.process;
        let gauges = [
            (
                names::PROCESS_RESIDENT_MEMORY_BYTES,
                "Real memory.",
                resident_bytes,
            ),
            (names::PROCESS_OPEN_FDS, "Descriptors in use.", open_fds),
            (
                names::PROCESS_MAX_FDS,
                "Descriptors that may be in use.",
                max_fds,
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                out.gauge(name, help, i64::try_from(value).unwrap_or(i64::MAX))?;
            }
        }
        out.seconds(
            names::PROCESS_CPU_SECONDS,
            "CPU time, user and system.",
            cpu,
        )
    }

    fn encode_sums(&self, out: &mut ScrapeEncoder<'_>) -> fmt::Result {
        for CounterRow(name, help, read) in COUNTERS {
            let sum = self.sum(*read);
            out.counter(name, help, |counter| counter.value(&sum))?;
        }
        let busy = Duration::from_nanos(self.sum(|s| s.busy_nanos.get()));
        out.seconds(
            names::BUSY_SECONDS,
            "Time that the event loops were not asleep.",
            busy,
        )?;
        for GaugeRow(name, help, read) in GAUGES {
            out.gauge(name, help, self.shards.iter().map(|s| read(s)).sum())?;
        }
        Ok(())
    }

    fn encode_reasons(&self, out: &mut ScrapeEncoder<'_>) -> fmt::Result {
        self.encode_family(out, names::HTTP_REQUESTS, "HTTP answers.", |s| {
            &s.http_requests
        })?;
        self.encode_family(out, names::POLLS, "Polls and long polls.", |s| &s.polls)?;
        self.encode_family(
            out,
            names::PUBLISH_REFUSED,
            "Publications that were not taken.",
            |s| &s.publish_refusals,
        )?;
        self.encode_family(out, names::CLOSED, "Connections that ended.", |s| &s.closes)?;
        self.encode_family(
            out,
            names::DROPPED,
            "Publications that left an outbox unsent.",
            |s| &s.drops,
        )
    }

    fn encode_family<L: Label>(
        &self,
        out: &mut ScrapeEncoder<'_>,
        name: &str,
        help: &str,
        read: fn(&ShardMetrics) -> &Family<L>,
    ) -> fmt::Result {
        out.counter(name, help, |counter| {
            L::ALL.iter().try_for_each(|label| {
                let sum: u64 = self.shards.iter().map(|s| read(s).get(*label)).sum();
                counter.labelled(&[(L::KEY, label.name())], &sum)
            })
        })
    }

    fn encode_histograms(&self, out: &mut ScrapeEncoder<'_>) -> fmt::Result {
        for HistogramRow(name, help, scale, read) in HISTOGRAMS {
            let (buckets, sum) = self.summed(*read, *scale);
            let count = buckets.iter().map(|(_, count)| count).sum();
            out.metric(name, help, MetricType::Histogram)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn encode_shards(&self, out: &mut ScrapeEncoder<'_>) -> fmt::Result {
        let gauges: [GaugeRow; 3] = [
            GaugeRow(names::SHARD_CONNECTIONS, "Connections of a shard.", |s| {
                s.connections.get()
            }),
            GaugeRow(names::SHARD_TOPICS, "Topics whose home a shard is.", |s| {
                s.topics.get()
            }),
            GaugeRow(
                names::SHARD_SUBSCRIPTIONS,
                "Subscriptions of a shard.",
                |s| s.subscriptions.get(),
            ),
        ];
        for GaugeRow(name, help, read) in gauges {
            let mut metric = out.metric(name, help, MetricType::Gauge)?;
            for (shard, values) in self.shards.iter().enumerate() {
                metric
                    .encode_family(&[("shard", shard)])?
                    .encode_gauge(&read(values))?;
            }
        }
        let counters: [CounterRow; 2] = [
            CounterRow(
                names::SHARD_DELIVERIES,
                "Publications put into outboxes of a shard.",
                |s| s.deliveries.get(),
            ),
            CounterRow(names::SHARD_TURNS, "Turns of a shard's event loop.", |s| {
                s.turns.get()
            }),
        ];
        for CounterRow(name, help, read) in counters {
            out.counter(name, help, |counter| {
                let mut shards = self.shards.iter().enumerate();
                shards.try_for_each(|(n, s)| counter.labelled(&[("shard", n)], &read(s)))
            })?;
        }
        self.encode_shards_busy(out)
    }

    fn encode_shards_busy(&self, out: &mut ScrapeEncoder<'_>) -> fmt::Result {
        let help = "Time that a shard's event loop was not asleep.";
        out.counter(names::SHARD_BUSY_SECONDS, help, |counter| {
            let busy = |s: &ShardMetrics| Duration::from_nanos(s.busy_nanos.get()).as_secs_f64();
            let mut shards = self.shards.iter().enumerate();
            shards.try_for_each(|(n, s)| counter.labelled(&[("shard", n)], &busy(s)))
        })
    }

    fn sum(&self, read: fn(&ShardMetrics) -> u64) -> u64 {
        self.shards.iter().map(|s| read(s)).sum()
    }

    /// The buckets and the sum over all shards, in the metric's unit.
    fn summed(&self, read: fn(&ShardMetrics) -> &Histogram, scale: f64) -> (Vec<(f64, u64)>, f64) {
        let empty = ShardMetrics::new();
        let bounds = read(&empty)
            .bounds()
            .iter()
            .map(|bound| real(*bound) / scale);
        let mut buckets: Vec<_> = bounds
            .chain([f64::INFINITY])
            .map(|bound| (bound, 0))
            .collect();
        let mut sum = 0.0;
        for histogram in self.shards.iter().map(|s| read(s)) {
            for (bucket, count) in buckets.iter_mut().zip(histogram.counts()) {
                bucket.1 += count;
            }
            sum += real(histogram.sum()) / scale;
        }
        (buckets, sum)
    }
}

fn whole(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a graph needs no 53rd bit")]
fn real(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::super::reasons::{CloseReason, DropReason};
    use super::*;

    fn node() -> NodeMetrics {
        NodeMetrics {
            started: Duration::from_millis(1_500),
            version: "1.2.3",
            driver: "epoll",
            max_connections: 1_000,
        }
    }

    /// Two shards with different counts.
    fn two_shards() -> Vec<Arc<ShardMetrics>> {
        let shards: Vec<_> = (0..2).map(|_| Arc::new(ShardMetrics::new())).collect();
        for (shard, n) in shards.iter().zip([3u32, 4]) {
            shard.deliveries.add(u64::from(n));
            shard.connections.add(i64::from(n) * 10);
            shard.busy_nanos.add(u64::from(n) * 500_000_000);
            shard.closed(CloseReason::SlowConsumer);
            shard.dropped(DropReason::Closed, u64::from(n));
            shard.http_response(503);
            shard.turn_seconds.observe(Duration::from_millis(2) * n);
        }
        shards
    }

    /// Every sample of a page: its name with labels, and its value.
    fn samples(page: &str) -> Vec<(&str, f64)> {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        pairs
            .map(|(name, value)| (name, value.parse().expect("a number")))
            .collect()
    }

    #[track_caller]
    fn check(page: &str, sample: &str, value: f64) {
        let found = samples(page).into_iter().find(|(name, _)| *name == sample);
        assert_eq!(found, Some((sample, value)), "{page}");
    }

    #[test]
    fn counters_and_gauges_are_summed_over_the_shards() {
        let page = render(&two_shards(), &node(), Format::Text);
        check(&page, "altavoz_deliveries_total", 7.0);
        check(&page, "altavoz_connections", 70.0);
        check(&page, "altavoz_busy_seconds_total", 3.5);
        check(&page, "altavoz_closed_total{reason=\"slow_consumer\"}", 2.0);
        check(&page, "altavoz_closed_total{reason=\"no_pong\"}", 0.0);
        check(&page, "altavoz_dropped_total{reason=\"closed\"}", 7.0);
        check(&page, "altavoz_http_requests_total{class=\"5xx\"}", 2.0);
    }

    #[test]
    fn a_few_series_tell_the_shards_apart() {
        let page = render(&two_shards(), &node(), Format::Text);
        check(&page, "altavoz_shard_connections{shard=\"0\"}", 30.0);
        check(&page, "altavoz_shard_connections{shard=\"1\"}", 40.0);
        check(&page, "altavoz_shard_deliveries_total{shard=\"1\"}", 4.0);
        check(&page, "altavoz_shard_busy_seconds_total{shard=\"0\"}", 1.5);
    }

    #[test]
    fn histograms_add_up_in_cumulative_buckets() {
        let page = render(&two_shards(), &node(), Format::Text);
        check(&page, "altavoz_turn_seconds_count", 2.0);
        check(&page, "altavoz_turn_seconds_sum", 0.014);
        check(&page, "altavoz_turn_seconds_bucket{le=\"0.005\"}", 0.0);
        check(&page, "altavoz_turn_seconds_bucket{le=\"0.01\"}", 2.0);
        check(&page, "altavoz_turn_seconds_bucket{le=\"+Inf\"}", 2.0);
        check(
            &page,
            "altavoz_outbox_depth_bytes_bucket{le=\"256.0\"}",
            0.0,
        );
    }

    #[test]
    fn the_node_and_its_process_are_described() {
        let page = render(&two_shards(), &node(), Format::Text);
        check(
            &page,
            "altavoz_build_info{version=\"1.2.3\",driver=\"epoll\"}",
            1.0,
        );
        check(&page, "altavoz_shards", 2.0);
        check(&page, "altavoz_max_connections", 1000.0);
        check(&page, "altavoz_draining", 0.0);
        check(&page, "altavoz_process_start_time_seconds", 1.5);
    }

    #[test]
    fn one_draining_shard_is_a_draining_node() {
        let shards = two_shards();
        shards.iter().for_each(|shard| shard.draining.set(1));
        check(
            &render(&shards, &node(), Format::Text),
            "altavoz_draining",
            1.0,
        );
    }

    /// The name of each metric as a format's `TYPE` and `HELP` have it, and its kind.
    fn described(page: &str, what: &str) -> Vec<(String, String)> {
        let lines = page.lines().filter_map(|line| line.strip_prefix(what));
        let pairs = lines.filter_map(|line| line.split_once(' '));
        let mut found: Vec<_> = pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        found.sort();
        found
    }

    #[test]
    fn every_name_is_on_the_page_once_and_nothing_else_is() {
        for format in [Format::Text, Format::OpenMetrics] {
            let page = render(&two_shards(), &node(), format);
            let types = described(&page, "# TYPE ");
            let found: Vec<_> = types
                .iter()
                .map(|(name, kind)| match (format, kind.as_str()) {
                    (Format::Text, "counter") => name.strip_suffix("_total").expect(name),
                    _ => name,
                })
                .collect();
            let mut names: Vec<_> = names::ALL.to_vec();
            // Kernels before 6.2 do not say it.
            if !found.contains(&names::PROCESS_OPEN_FDS) {
                names.retain(|name| *name != names::PROCESS_OPEN_FDS);
            }
            names.sort_unstable();
            let mut sorted = found.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, names);
            let helps = described(&page, "# HELP ");
            assert!(types.iter().map(|t| &t.0).eq(helps.iter().map(|h| &h.0)));
        }
    }

    #[test]
    fn each_format_describes_the_samples_that_it_has() {
        for format in [Format::Text, Format::OpenMetrics] {
            let page = render(&two_shards(), &node(), format);
            assert_eq!(page.contains("# EOF"), format == Format::OpenMetrics);
            assert!(!page.contains("_total_total"));
            let types = described(&page, "# TYPE ");
            for (sample, _) in samples(&page) {
                let name = sample.split('{').next().unwrap_or(sample);
                let is_described = types.iter().any(|(family, kind)| {
                    let suffixes: &[&str] = match (format, kind.as_str()) {
                        (Format::OpenMetrics, "counter") => &["_total"],
                        (_, "histogram") => &["_bucket", "_sum", "_count"],
                        _ => &[""],
                    };
                    suffixes
                        .iter()
                        .any(|suffix| *name == format!("{family}{suffix}"))
                });
                assert!(is_described, "{format:?} {sample}");
            }
        }
    }

    #[test]
    fn both_formats_have_the_same_samples_and_none_twice() {
        let text = render(&two_shards(), &node(), Format::Text);
        let open = render(&two_shards(), &node(), Format::OpenMetrics);
        let names = |page| samples(page).into_iter().map(|(name, _)| name);
        let mut seen: Vec<_> = names(&text).collect();
        assert!(names(&open).eq(seen.iter().copied()));
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "a sample stands there twice");
    }

    #[test]
    fn a_node_without_shards_still_has_every_series() {
        check(
            &render(&[], &node(), Format::Text),
            "altavoz_turn_seconds_count",
            0.0,
        );
        check(
            &render(&[], &node(), Format::Text),
            "altavoz_deliveries_total",
            0.0,
        );
    }
}
