//! GET and HEAD of a topic: by which transport it is read, from where on, and how long.

use std::time::Duration;

use super::accept::TopicAnswer;
use super::bad_request;
use super::known::Known;
use super::query::{Parameter, Query};
use crate::base::{After, PositionError};
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

/// The transport that `mode=` names, or the one that the client's `Accept` wants.
pub(super) fn mode(wanted: TopicAnswer, query: &Query) -> Result<Mode, HttpError> {
    match query.get(Parameter::Mode) {
        None if wanted == TopicAnswer::Events => Ok(Mode::Events),
        None | Some("poll") => Ok(Mode::Poll),
        Some("sse") => Ok(Mode::Events),
        Some("longpoll") => Ok(Mode::LongPoll),
        Some("stream") => Ok(Mode::Stream),
        Some(_) => Err(bad_request("'mode=' is sse, longpoll, poll or stream")),
    }
}

/// From where a reader wants to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StartPosition {
    pub(super) after: Option<After>,
    /// The answers that it has: at one of them the answer is 304.
    pub(super) known: Known,
}

/// The headers come before the query: a client that comes back keeps its URL and says in a header
/// how far it came since. So does what a polyfill without headers appends, before `after=`.
///
/// # Errors
/// 400 for a query that says nothing sensible. Headers are filled in by browsers, whatever there
/// is to fill in, so that nothing in them is an error.
pub(super) fn start(head: &RequestHead, query: &Query) -> Result<StartPosition, HttpError> {
    if let Some(after) = last_event_id(head) {
        return Ok(StartPosition {
            after: Some(after),
            known: Known::NOTHING,
        });
    }
    let known = Known::of(head);
    let after = match known.furthest() {
        Some(position) => Some(After::Position(position)),
        None => asked(query)?,
    };
    Ok(StartPosition { after, known })
}

/// An id of another stream, of another server, or of none is a position that nobody knows; so are
/// two. An empty one is none (WHATWG HTML §9.2.4).
fn last_event_id(head: &RequestHead) -> Option<After> {
    let mut ids = head.headers("Last-Event-ID").filter(|id| !id.is_empty());
    let (id, second) = (ids.next()?, ids.next());
    let known = read(id).filter(|_| second.is_none());
    Some(known.unwrap_or(After::Unknown))
}

fn asked(query: &Query) -> Result<Option<After>, HttpError> {
    let names = [
        (Parameter::LastEventId, "lastEventId"),
        (Parameter::After, "after"),
    ];
    let said = names
        .iter()
        .find_map(|(name, text)| Some((query.get(*name)?, text)));
    let Some((value, name)) = said else {
        return Ok(None);
    };
    let after = read(value).ok_or_else(|| {
        let message = format!("'{name}=' is earliest or a position: {PositionError}");
        bad_request(message)
    });
    after.map(Some)
}

fn read(text: &str) -> Option<After> {
    if text == "earliest" {
        return Some(After::Earliest);
    }
    text.parse().ok().map(After::Position)
}

/// How long a long poll is held.
pub(super) fn hold(query: &Query, limits: &Limits) -> Result<Duration, HttpError> {
    let Some(timeout) = duration(query, Parameter::Timeout, "timeout")? else {
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
    let Some(interval) = duration(query, Parameter::Conflate, "conflate")? else {
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
    if query.get(Parameter::Conflate).is_none() {
        return Ok(());
    }
    let message = "'conflate=' is for WebSockets, event streams and streams: an answer to a poll \
        has all there is";
    Err(bad_request(message))
}

fn duration(query: &Query, name: Parameter, text: &str) -> Result<Option<Duration>, HttpError> {
    let Some(value) = query.get(name) else {
        return Ok(None);
    };
    parse_duration(value)
        .map(Some)
        .map_err(|error| bad_request(format!("'{text}={value}': {error}")))
}
