//! A server that publishes what is posted, or sent on a WebSocket, to everybody on a WebSocket,
//! and ends the connections of publishers as it pleases.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tungstenite::protocol::Role;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::{Message, WebSocket};

use super::peek::is_upgrade;

/// How it answers POSTs, and ends their connections or those of publishers on WebSockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// Every third answer says `Connection: close` and is the last.
    Announced,
    /// It closes 5 ms behind each answer, without a word.
    Silent,
    /// It resets behind every third answer.
    Reset,
    /// It ends its direction behind every third answer, and reads on.
    Half,
    /// Every third POST is refused with 503, is not published, and is the last.
    Refusing,
    /// Every answer ends with its connection.
    Delimited,
    /// Behind each answer it waits 5 ms for the next request, and says 408.
    Impatient,
    /// Interim answers before the one that counts.
    Interim,
    /// Chunks with extensions and trailers.
    Trailers,
    /// 204.
    NoContent,
    /// HTTP/1.0, kept.
    OldKept,
    /// HTTP/1.0, and so ended.
    Old,
    /// The third POST of a connection is not read.
    Unread,
    /// The third POST of a connection is published and not answered.
    Unanswered,
    /// It answers nothing else than a redirect.
    Redirect,
    /// It answers nothing else than 401.
    Forbidding,
    /// It closes a publisher's WebSocket with this code behind every fifth message.
    Code(u16),
    /// It resets a publisher's WebSocket behind every fifth message.
    SocketReset,
}

type Sockets = Sender<Result<WebSocket<TcpStream>, String>>;

/// Serves until the test process ends.
pub(crate) fn server(ending: Ending) -> SocketAddr {
    serve(ending, TcpListener::bind("127.0.0.1:0").expect("a port"))
}

/// The same on a socket that listens.
pub(crate) fn serve(ending: Ending, listener: TcpListener) -> SocketAddr {
    let address = listener.local_addr().expect("bound");
    let (to_hub, happenings) = channel();
    thread::spawn(move || hub(&happenings));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let to_hub = to_hub.clone();
            thread::spawn(move || connection(ending, stream, &to_hub));
        }
    });
    address
}

/// Whoever is on a WebSocket gets whatever is said from then on, its own words too.
fn hub(happenings: &Receiver<Result<WebSocket<TcpStream>, String>>) {
    let mut sockets = Vec::new();
    for happening in happenings {
        match happening {
            Ok(socket) => sockets.push(socket),
            Err(said) => sockets
                .iter_mut()
                .for_each(|it| drop(it.send(Message::text(said.clone())))),
        }
    }
}

fn connection(ending: Ending, stream: TcpStream, to_hub: &Sockets) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    match is_upgrade(&stream)? {
        true => socket(ending, stream, to_hub),
        false => posts(ending, stream, to_hub),
    }
}

fn socket(ending: Ending, stream: TcpStream, to_hub: &Sockets) -> Option<()> {
    let writer = stream.try_clone().ok()?;
    let mut socket = tungstenite::accept(stream).ok()?;
    let server = WebSocket::from_raw_socket(writer, Role::Server, None);
    to_hub.send(Ok(server)).ok()?;
    for count in 1.. {
        let Message::Text(text) = socket.read().ok()? else {
            continue;
        };
        to_hub.send(Err(text.as_str().to_owned())).ok()?;
        match ending {
            Ending::Code(code) if count % 5 == 0 => {
                let (code, reason) = (code.into(), "retry=20".into());
                drop(socket.close(Some(CloseFrame { code, reason })));
                while socket.read().is_ok() {}
                return None;
            }
            Ending::SocketReset if count % 5 == 0 => return reset(socket.get_ref()),
            _ => {}
        }
    }
    None
}

fn posts(ending: Ending, mut stream: TcpStream, to_hub: &Sockets) -> Option<()> {
    let mut requests = BufReader::new(stream.try_clone().ok()?);
    for count in 1.. {
        let is_third = count % 3 == 0;
        if ending == Ending::Unread && is_third {
            // It has come, and is still there when the socket is closed.
            stream.peek(&mut [0]).ok()?;
            return None;
        }
        let body = body(&mut requests)?;
        let is_taken = match ending {
            Ending::Refusing => !is_third,
            Ending::Redirect | Ending::Forbidding => false,
            _ => true,
        };
        if is_taken {
            to_hub.send(Err(body)).ok()?;
        }
        if ending == Ending::Unanswered && is_third {
            return None;
        }
        stream.write_all(answer(ending, is_third).as_bytes()).ok()?;
        end(ending, is_third, &mut stream, &mut requests)?;
    }
    None
}

/// The body of the next request; `None` at the end. A header that stands there twice ends it.
fn body(requests: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut names, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        requests.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.parse().ok()?;
        }
        (!names.contains(&name)).then_some(())?;
        names.push(name);
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn answer(ending: Ending, is_third: bool) -> &'static str {
    match (ending, is_third) {
        (Ending::Announced, true) => {
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        }
        (Ending::Refusing, true) => {
            "HTTP/1.1 503 Full\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfull"
        }
        (Ending::Delimited, _) => "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nto the end",
        (Ending::Interim, _) => {
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
             HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
        }
        (Ending::Trailers, _) => {
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n"
        }
        (Ending::NoContent, _) => "HTTP/1.1 204 No Content\r\n\r\n",
        (Ending::OldKept, _) => {
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=1, max=3\r\n\
             Content-Length: 2\r\n\r\n{}"
        }
        (Ending::Old, _) => "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        (Ending::Redirect, _) => {
            "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        }
        (Ending::Forbidding, _) => "HTTP/1.1 401 Who\r\nContent-Length: 2\r\n\r\nno",
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    }
}

/// `None` when the connection is over.
fn end(
    ending: Ending,
    is_third: bool,
    stream: &mut TcpStream,
    requests: &mut BufReader<TcpStream>,
) -> Option<()> {
    match ending {
        Ending::Silent => {
            blink();
            return None;
        }
        Ending::Impatient => {
            blink();
            let timeout = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(timeout.as_bytes()));
            return None;
        }
        Ending::Delimited | Ending::Old => return None,
        Ending::Announced | Ending::Refusing if is_third => return None,
        Ending::OldKept if is_third => return None,
        Ending::Reset if is_third => return reset(stream),
        Ending::Half if is_third => {
            stream.shutdown(Shutdown::Write).ok()?;
            drop(requests.read_to_end(&mut Vec::new()));
            return None;
        }
        _ => {}
    }
    Some(())
}

fn reset(stream: &TcpStream) -> Option<()> {
    set_socket_linger(stream, Some(Duration::ZERO)).ok()?;
    // The handles that others have of it keep the socket open.
    stream.shutdown(Shutdown::Both).ok()?;
    None
}

/// Nobody sends: it is a wait with a deadline.
fn blink() {
    let (nobody, never) = channel::<()>();
    let waited = never.recv_timeout(Duration::from_millis(5));
    assert_eq!(waited, Err(RecvTimeoutError::Timeout));
    drop(nobody);
}
