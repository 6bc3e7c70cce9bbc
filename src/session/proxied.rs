//! A client whose proxy says first who it is (PROXY protocol v1 and v2).

use super::{Action, Context, Outputs};
use crate::base::Time;
use crate::metrics::CloseReason;
use crate::wire::proxy::ProxyReader;

/// A connection on a `,proxy` listener, before its PROXY header is whole.
#[derive(Debug)]
pub(super) struct ProxiedSession {
    reader: ProxyReader,
    deadline: Time,
}

impl ProxiedSession {
    pub(super) fn new(cx: &Context) -> Self {
        let deadline = cx.now + cx.limits().handshake_timeout;
        Self {
            reader: ProxyReader::new(),
            deadline,
        }
    }

    /// Takes bytes of the header; says how many, and whether HTTP follows.
    pub(super) fn handle_bytes(
        &mut self,
        cx: &Context,
        bytes: &[u8],
        out: &mut Outputs,
    ) -> (usize, bool) {
        if !cx.is_peer_trusted() {
            out.act(Action::Abort(CloseReason::Policy));
            return (bytes.len(), false);
        }
        match self.reader.handle_bytes(bytes) {
            Ok(step) => {
                if let Some(header) = step.done.filter(|header| !header.is_local) {
                    out.act(Action::Relayed(header.ends.map(|ends| ends.source)));
                }
                (step.consumed, step.done.is_some())
            }
            // There is nobody to answer: the proxy speaks another protocol than was configured.
            Err(_) => {
                out.act(Action::Abort(CloseReason::Protocol));
                (bytes.len(), false)
            }
        }
    }

    pub(super) fn handle_timeout(&self, out: &mut Outputs) {
        out.act(Action::Abort(CloseReason::Timeout));
    }

    pub(super) fn handle_eof(&self, out: &mut Outputs) {
        out.act(Action::Finish(CloseReason::Eof));
    }

    pub(super) fn deadline(&self) -> Time {
        self.deadline
    }
}
