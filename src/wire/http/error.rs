//! A peer's mistake in HTTP, as the answer it will get.

use std::borrow::Cow;
use std::fmt;

use super::Response;

/// What a client did wrong: the status and JSON error to answer with, and whether the connection
/// can go on afterwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpError {
    status: u16,
    code: &'static str,
    message: Cow<'static, str>,
    headers: Vec<(&'static str, &'static str)>,
    closes: bool,
}

impl HttpError {
    /// A mistake that leaves the framing intact: the connection goes on behind it.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        debug_assert!((400..600).contains(&status), "{status} is no error");
        Self {
            status,
            code,
            message: message.into(),
            headers: Vec::new(),
            closes: false,
        }
    }

    /// A mistake behind which nobody knows where the next request begins: the connection closes.
    #[must_use]
    pub fn fatal(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            closes: true,
            ..Self::new(status, code, message)
        }
    }

    /// The same with one more header that its status asks for, such as `Allow`.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status to answer with, 400 to 599.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The machine's word for it, such as `bad_request`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The human's sentence: what is wrong and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the connection must close behind the answer.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// The answer itself.
    #[must_use]
    pub fn to_response(&self) -> Response {
        let response = Response::error(self.status, self.code, &self.message);
        let headers = self.headers.iter();
        headers.fold(response, |response, (name, value)| {
            response.header(name, value)
        })
    }
}

impl From<HttpError> for Response {
    fn from(error: HttpError) -> Self {
        error.to_response()
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

impl std::error::Error for HttpError {}

/// 400 for a head or body whose framing is lost.
pub(super) fn malformed(message: impl Into<Cow<'static, str>>) -> HttpError {
    HttpError::fatal(400, "bad_request", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_json_with_its_header() {
        let error = HttpError::new(426, "upgrade_required", "say 13")
            .with_header("Upgrade", "websocket")
            .with_header("Sec-WebSocket-Version", "13");
        let response = error.to_response();
        assert_eq!(response.status(), 426);
        assert_eq!(response.header_value("upgrade"), Some("websocket"));
        assert_eq!(response.header_value("sec-websocket-version"), Some("13"));
        assert_eq!(
            response.body(),
            br#"{"error":{"code":"upgrade_required","message":"say 13"}}"#
        );
        assert!(!error.closes());
    }
}
