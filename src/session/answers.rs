//! The answers to HTTP requests, from what the node says to their bytes.

use serde::Serialize;

use super::Reply;
use crate::http::Known;
use crate::hub::{PublishOutcome, Recovery};
use crate::metrics::PollAnswer;
use crate::wire::answer;
use crate::wire::http::Response;

pub(super) fn no_room_for_topic() -> Response {
    unavailable(
        "topics_full",
        "the node has no room for another topic: try again later",
    )
}

pub(super) fn unavailable(code: &str, message: &str) -> Response {
    Response::error(503, code, message).header("Retry-After", "1")
}

pub(super) fn published(topic: &str, outcome: &PublishOutcome) -> Response {
    #[derive(Serialize)]
    struct Published<'a> {
        topic: &'a str,
        position: String,
        epoch: String,
        offset: u64,
        subscribers: u32,
        queued: u32,
        dropped: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        complete: Option<bool>,
    }
    match *outcome {
        PublishOutcome::Published {
            position,
            subscribers,
            queued,
            dropped,
            complete,
        } => {
            let published = Published {
                topic,
                position: position.to_string(),
                epoch: position.epoch.to_string(),
                offset: position.offset.0,
                subscribers,
                queued,
                dropped,
                complete: (!complete).then_some(false),
            };
            Response::json(200, &published)
        }
        PublishOutcome::Busy => unavailable(
            "busy",
            "the node cannot take more publications now: try again",
        ),
        PublishOutcome::TopicsFull => no_room_for_topic(),
    }
}

pub(super) fn reply(reply: &Reply) -> Response {
    match reply {
        Reply::Text(503, text) => Response::text(503, text.clone())
            .header("Retry-After", "1")
            .uncached(),
        Reply::Text(status, text) => Response::text(*status, text.clone()).uncached(),
        Reply::Metrics(format, text) => {
            Response::new(200, format.content_type(), text.as_bytes()).uncached()
        }
        Reply::Page(html) => page(html),
        Reply::Script(text) => script(text),
    }
}

/// What follows a position; 304 if the client has said that it has this very answer.
pub(super) fn read(recovery: &Recovery, known: &Known) -> Response {
    let Recovery {
        position,
        recovered,
        publications,
    } = recovery;
    if known.matches(*position) {
        return answer::not_modified(*position);
    }
    answer::publications(*position, *recovered, publications)
}

/// How an answer to a poll is counted.
pub(super) fn poll_answer(response: &Response, recovery: &Recovery) -> PollAnswer {
    if response.status() == 304 {
        PollAnswer::NotModified
    } else if recovery.recovered && recovery.publications.is_empty() {
        PollAnswer::Empty
    } else {
        PollAnswer::News
    }
}

/// A page loads nothing from elsewhere, and nobody may frame it.
fn page(html: &str) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline'; \
        connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'none'";
    Response::new(200, "text/html; charset=utf-8", html.as_bytes())
        .header("Content-Security-Policy", POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .uncached()
}

/// The script is the same for everybody, and pages of any site may load it; only its CORS headers
/// depend on who asks, which a cache has to know.
fn script(text: &str) -> Response {
    Response::new(200, "text/javascript; charset=utf-8", text.as_bytes())
        .header("Cache-Control", "max-age=300")
        .header("Cross-Origin-Resource-Policy", "cross-origin")
        .vary("Origin")
        .header("X-Content-Type-Options", "nosniff")
}
