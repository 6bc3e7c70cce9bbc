//! GET and HEAD of a topic: by which transport it is read, from where on, and how long.

use std::time::Duration;

use super::bad_request;
use super::query::{Name, Query};
use crate::base::{After, Position};
use crate::config::{Limits, parse_duration, show_duration};
use crate::wire::http::{HttpError, RequestHead};

/// By which transport a topic is read without an upgrade.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Events,
    Stream,
    LongPoll,
    Poll,
}

/// What is the same for intervals of conflation: two readers whose intervals differ by less share
/// their publications.
const CONFLATE_STEP: Duration = Duration::from_millis(10);

/// The transport that `mode=` names, or that the client's `Accept` asks for.
pub(super) fn mode(head: &RequestHead, query: &Query) -> Result<Mode, HttpError> {
    match query.get(Name::Mode) {
        None if accepts(head, "text/event-stream") => Ok(Mode::Events),
        None | Some("poll") => Ok(Mode::Poll),
        Some("sse") => Ok(Mode::Events),
        Some("longpoll") => Ok(Mode::LongPoll),
        Some("stream") => Ok(Mode::Stream),
        Some(_) => Err(bad_request("'mode=' is sse, longpoll, poll or stream")),
    }
}

/// Whether this media type is the first that the client asks for.
pub(super) fn accepts_first(head: &RequestHead, media_type: &str) -> bool {
    let first = head.list("Accept").next();
    first.is_some_and(|first| is_type(first, media_type))
}

fn accepts(head: &RequestHead, media_type: &str) -> bool {
    head.list("Accept").any(|item| is_type(item, media_type))
}

fn is_type(item: &str, media_type: &str) -> bool {
    let essence = item.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

/// From where a reader wants to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Start {
    pub(super) after: Option<After>,
    /// It was said by `If-None-Match`: where nothing is new, the answer is 304.
    pub(super) conditional: bool,
}

/// The headers come before `after=`: a client that comes back keeps its URL and says in a header
/// how far it came since.
pub(super) fn start(head: &RequestHead, query: &Query) -> Result<Start, HttpError> {
    if let Some(id) = only(head, "Last-Event-ID")? {
        return Ok(Start {
            after: Some(after(id, "Last-Event-ID")?),
            conditional: false,
        });
    }
    if let Some(tag) = only(head, "If-None-Match")? {
        return Ok(Start {
            after: Some(After::Position(position_of(tag)?)),
            conditional: true,
        });
    }
    let after = query.get(Name::After).map(|text| after(text, "after"));
    Ok(Start {
        after: after.transpose()?,
        conditional: false,
    })
}

/// The header, if it is there and not empty.
fn only<'a>(head: &'a RequestHead, name: &str) -> Result<Option<&'a str>, HttpError> {
    let mut values = head.headers(name);
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(bad_request(format!("there are several {name} headers")));
    }
    Ok(first.filter(|value| !value.is_empty()))
}

fn after(text: &str, name: &str) -> Result<After, HttpError> {
    if text == "earliest" {
        return Ok(After::Earliest);
    }
    let position = text.parse().map_err(|e| {
        let message = format!("'{name}' is earliest or a position: {e}");
        bad_request(message)
    })?;
    Ok(After::Position(position))
}

/// Weak tags count as well (RFC 9110 §13.1.2). A proxy that compresses answers puts `-gzip` behind
/// the position.
fn position_of(tag: &str) -> Result<Position, HttpError> {
    let strong = tag.trim();
    let strong = strong.strip_prefix("W/").unwrap_or(strong);
    let quoted = strong.strip_prefix('"').and_then(|s| s.strip_suffix('"'));
    let position = quoted.map(|s| s.strip_suffix("-gzip").unwrap_or(s));
    let position = position.and_then(|text| text.parse().ok());
    position.ok_or_else(|| bad_request("'If-None-Match' is one ETag of this topic's answers"))
}

/// How long a long poll is held.
pub(super) fn hold(query: &Query, limits: &Limits) -> Result<Duration, HttpError> {
    let Some(timeout) = duration(query, Name::Timeout, "timeout")? else {
        return Ok(limits.long_poll_timeout);
    };
    let most = limits.long_poll_timeout_max;
    if timeout > most {
        let most = show_duration(most);
        return Err(bad_request(format!("'timeout=' is at most {most}")));
    }
    Ok(timeout)
}

/// The interval of which only the newest publication is wanted; zero if each one is.
pub(super) fn conflation(query: &Query, limits: &Limits) -> Result<Duration, HttpError> {
    let Some(interval) = duration(query, Name::Conflate, "conflate")? else {
        return Ok(Duration::ZERO);
    };
    let most = limits.conflate_max;
    if !(CONFLATE_STEP..=most).contains(&interval) {
        let (least, most) = (show_duration(CONFLATE_STEP), show_duration(most));
        let message = format!("'conflate=' is from {least} to {most}");
        return Err(bad_request(message));
    }
    let steps = interval.as_nanos().div_ceil(CONFLATE_STEP.as_nanos());
    Ok(CONFLATE_STEP * u32::try_from(steps).unwrap_or(u32::MAX))
}

pub(super) fn no_conflation(query: &Query) -> Result<(), HttpError> {
    if query.get(Name::Conflate).is_none() {
        return Ok(());
    }
    let message = "'conflate=' is for WebSockets, event streams and streams: an answer to a poll \
        has all there is";
    Err(bad_request(message))
}

fn duration(query: &Query, name: Name, text: &str) -> Result<Option<Duration>, HttpError> {
    let Some(value) = query.get(name) else {
        return Ok(None);
    };
    parse_duration(value)
        .map(Some)
        .map_err(|error| bad_request(format!("'{text}={value}': {error}")))
}
