//! How a stream is asked for, and the head of its answer.

use std::time::Duration;

use crate::testing::node::asking::AskedHeaders;
use crate::testing::node::line::{ClientContext, ResponseHead};
use crate::testing::node::plan::percent;
use crate::testing::node::report::Milestone;
use crate::wire::form::Content;
use crate::wire::prepared::WireForm;

/// The request for a stream, in one of the ways to ask for it.
pub(super) fn request(
    cx: &mut ClientContext<'_>,
    form: WireForm,
    conflate: Option<Duration>,
    topic: usize,
    words: &AskedHeaders,
) -> String {
    let mut parameters = Vec::new();
    let mut accept = "";
    match form.content() {
        Content::Line => parameters.push("mode=stream".to_owned()),
        _ if percent(cx.rng, 50) => parameters.push("mode=sse".to_owned()),
        _ => accept = "Accept: text/event-stream\r\n",
    }
    if form.content() == Content::JsonEvent {
        parameters.push("format=json".to_owned());
    }
    if let Some(interval) = conflate {
        parameters.push(format!("conflate={}ms", interval.as_millis()));
    }
    let target = words.target(&cx.plan.topics[topic], &parameters);
    let version = if form.is_chunked() { "1.1" } else { "1.0" };
    let said = words.header_lines();
    format!("GET {target} HTTP/{version}\r\nHost: node.test\r\n{accept}{said}\r\n")
}

pub(super) fn check_head(head: &ResponseHead, form: WireForm) {
    let media_type = match form.content() {
        Content::Line => "application/x-ndjson",
        _ => "text/event-stream; charset=utf-8",
    };
    let chunked = form.is_chunked().then_some("chunked");
    for (name, value) in [
        ("content-type", Some(media_type)),
        ("transfer-encoding", chunked),
        ("content-length", None),
        ("cache-control", Some("no-store, no-transform")),
        ("x-accel-buffering", Some("no")),
        ("connection", (!form.is_chunked()).then_some("close")),
    ] {
        assert_eq!(head.header(name), value, "{name} in {}", head.text);
    }
}

pub(super) fn opened(form: WireForm) -> Milestone {
    match form {
        WireForm::EVENTS => Milestone::EventStreams,
        WireForm::JSON_EVENTS => Milestone::JsonEventStreams,
        WireForm::LINES => Milestone::LineStreams,
        _ => Milestone::BareStreams,
    }
}
