//! What a connection begins with, before anything of it is read.

use std::net::TcpStream;

/// Whether the connection begins with a WebSocket's request.
pub(crate) fn is_upgrade(stream: &TcpStream) -> Option<bool> {
    let mut start = [0; 2048];
    loop {
        let count = stream.peek(&mut start).ok().filter(|n| *n > 0)?;
        let start = String::from_utf8_lossy(&start[..count]);
        if let Some((head, _)) = start.split_once("\r\n\r\n") {
            return Some(head.to_ascii_lowercase().contains("upgrade: websocket"));
        }
        if count == 2048 {
            return Some(false);
        }
    }
}
