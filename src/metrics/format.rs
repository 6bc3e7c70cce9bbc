//! The two texts of `/metrics`, and how a metric is written in each.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder,
    NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

/// As which text the metrics are written. Samples are the same in both; the name that `HELP` and
/// `TYPE` give a counter is not, and a reader of the one finds no counters in the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Prometheus' text format 0.0.4, for everybody.
    Text,
    /// OpenMetrics 1.0, for who asks for it.
    OpenMetrics,
}

impl Format {
    /// Its `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The encoder, with the forms that repeat.
pub(super) struct ScrapeEncoder<'a> {
    pub(super) encoder: DescriptorEncoder<'a>,
    pub(super) format: Format,
}

impl ScrapeEncoder<'_> {
    pub(super) fn metric<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, None, kind)
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        self.metric(name, help, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    pub(super) fn seconds(&mut self, name: &str, help: &str, value: Duration) -> fmt::Result {
        self.counter(name, help, |counter| counter.value(&value.as_secs_f64()))
    }

    /// A counter's samples end in `_total`. In OpenMetrics that is a suffix, which the library
    /// writes; in the older format it belongs to the name.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        write: impl FnOnce(&mut CounterEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let format = self.format;
        let name = match format {
            Format::Text => &format!("{name}_total"),
            Format::OpenMetrics => name,
        };
        let metric = self.metric(name, help, MetricType::Counter)?;
        write(&mut CounterEncoder { metric, format })
    }
}

/// Writes the samples of one counter.
pub(super) struct CounterEncoder<'a> {
    metric: MetricEncoder<'a>,
    format: Format,
}

impl CounterEncoder<'_> {
    pub(super) fn value(
        &mut self,
        value: &(impl EncodeCounterValue + EncodeGaugeValue),
    ) -> fmt::Result {
        encode(&mut self.metric, self.format, value)
    }

    pub(super) fn labelled(
        &mut self,
        labels: &impl EncodeLabelSet,
        value: &(impl EncodeCounterValue + EncodeGaugeValue),
    ) -> fmt::Result {
        encode(&mut self.metric.encode_family(labels)?, self.format, value)
    }
}

/// A gauge's sample is the one that the library writes under the name as it is.
fn encode(
    metric: &mut MetricEncoder<'_>,
    format: Format,
    value: &(impl EncodeCounterValue + EncodeGaugeValue),
) -> fmt::Result {
    match format {
        Format::Text => metric.encode_gauge(value),
        Format::OpenMetrics => metric.encode_counter(value, None::<&Exemplar<NoLabelSet, u64>>),
    }
}
