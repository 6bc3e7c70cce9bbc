//! The answer 101: from here on a connection is a WebSocket.
//!
//! What follows the 101 is the WebSocket's; how long it waits behind a proxy is the shard's.

use super::{Action, Context, Outputs, Reader};
use crate::http::Handshake;
use crate::wire::handshake;
use crate::wire::http::RequestHead;

/// What an answer 101 needs to know of its request.
#[derive(Debug)]
pub(super) struct Switch {
    handshake: Handshake,
    behind_proxy: bool,
}

impl Switch {
    pub(super) fn new(cx: &Context, head: &RequestHead, handshake: Handshake) -> Self {
        Self {
            handshake,
            behind_proxy: cx.is_behind_proxy(head),
        }
    }

    /// Answers. Proxies read to the end of a 101 and hand that on; Apache, with HTTP/2 in front,
    /// holds what it has read with it back until more comes. So there it leaves by itself.
    pub(super) fn answer(&self, cx: &Context, out: &mut Outputs) {
        let Handshake { key, protocol } = &self.handshake;
        handshake::write_response(&mut out.bytes, &cx.date, key, protocol.as_deref());
        if self.behind_proxy {
            out.apart = out.bytes.len();
        }
        out.act(Action::Upgraded);
        out.act(Action::Reads(Some(Reader::WebSocket)));
    }
}
