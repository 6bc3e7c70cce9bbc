//! A request whose body is still coming.
//!
//! Whether there is one follows from its framing alone. A body that is not published is read away
//! up to the same bounds, so that what comes behind it is the next request and never a part of
//! this one; the request is answered when it is whole.

use super::Context;
use super::exchange::Exchange;
use crate::http::Route;
use crate::wire::http::{BodyReader, Expectation, Framing, HttpError, RequestHead, Response};

/// A request, and what it is about to get.
#[derive(Debug)]
pub(super) struct IncomingRequest {
    pub(super) head: RequestHead,
    pub(super) exchange: Exchange,
    /// What it asks for, or why it does not get it.
    pub(super) asked: Result<Route, Response>,
}

/// What becomes of a request's body.
#[derive(Debug)]
pub(super) enum BodyUse {
    /// There is none.
    Absent,
    /// It is read; the client waits for a word before it sends it.
    Awaited(BodyReader),
    /// It is read; the client sends it by itself.
    Coming(BodyReader),
    /// It is not read: the answer comes at once, and is the last one.
    Unread,
}

impl IncomingRequest {
    /// What becomes of its body. A request that could not be served with its body is refused
    /// from here on.
    pub(super) fn body(&mut self, cx: &Context, framing: Framing) -> BodyUse {
        let expectation = self.expectation();
        if framing.is_empty() {
            return BodyUse::Absent;
        }
        // RFC 9110 §10.1.1: who asks before it sends is told at once what is wrong. Whether the
        // body comes all the same nobody knows. A connection from the reserve is for one answer.
        if cx.is_full || expectation != Some(Expectation::Nothing) && self.asked.is_err() {
            return BodyUse::Unread;
        }
        match self.reader(cx, framing) {
            Ok(reader) if expectation == Some(Expectation::Continue) => BodyUse::Awaited(reader),
            Ok(reader) => BodyUse::Coming(reader),
            Err(error) => {
                self.refuse(&error);
                BodyUse::Unread
            }
        }
    }

    /// Answers with this mistake, unless there is something else to say already.
    pub(super) fn refuse(&mut self, error: &HttpError) {
        if self.asked.is_ok() {
            self.asked = Err(error.to_response());
        }
    }

    /// What it expects; `None` if nobody knows.
    fn expectation(&mut self) -> Option<Expectation> {
        match self.head.expectation() {
            Ok(expectation) => Some(expectation),
            Err(error) => {
                self.asked = Err(error.into());
                None
            }
        }
    }

    fn reader(&self, cx: &Context, framing: Framing) -> Result<BodyReader, HttpError> {
        let bytes_max = cx.limits().body_bytes_max;
        match self.asked {
            Ok(Route::Publish { .. }) => BodyReader::gather(framing, bytes_max),
            _ => BodyReader::skip(framing, bytes_max),
        }
    }
}
