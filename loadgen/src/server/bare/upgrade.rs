//! The answer to a WebSocket's request, which is all that a bare loop says of HTTP.

use altavoz::base::clock;
use altavoz::wire::handshake;
use altavoz::wire::http::{Date, HeadLimits, HttpError, RequestHead};

pub(super) const HEAD_LIMITS: HeadLimits = HeadLimits {
    bytes_max: 16 * 1024,
    headers_max: 64,
};

/// The answer to a WebSocket's request.
pub(super) fn upgrade(head: &RequestHead) -> Result<Vec<u8>, HttpError> {
    let mut answer = Vec::new();
    let date = Date::at(clock::unix());
    handshake::write_response(&mut answer, &date, &handshake::check(head)?, None);
    Ok(answer)
}
