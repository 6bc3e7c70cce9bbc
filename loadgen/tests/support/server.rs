//! A server of another make: a thread a connection, and a hub that loses, repeats, reorders,
//! closes, refuses and dawdles on purpose, in every transport.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tungstenite::protocol::Role;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::{Message, WebSocket};

use super::http::{self, Request};
use super::peek::is_upgrade;

/// What the hub does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Of every ten messages the first subscriber misses one, the second gets one twice, the
    /// third gets one late.
    LoseRepeatReorder,
    /// The first subscriber is closed with this code instead of getting the fourth message.
    Close(u16),
    /// Everybody gets messages wrapped in JSON, together with the one before.
    WrapPairs,
    /// Nobody on a WebSocket is subscribed before this binary message, and what is published is
    /// binary between two bytes in front and one behind.
    #[allow(dead_code, reason = "one of the two test programs has no use for it")]
    Subscribe(&'static [u8]),
    /// Every third poll is answered 503.
    Refuse,
    /// Every third answer to a poll is cut in the middle.
    Cut,
    /// Every poll is answered late, behind the next one's turn.
    Dawdle,
    /// Every third poll of a connection is never answered.
    Swallow,
    /// Every answer says that something is missing.
    Gap,
    /// Behind every third answer to a poll the connection ends, and the next poll with it.
    Leave,
}

pub(crate) enum Happening {
    /// Somebody subscribed.
    Joined(usize, Sink),
    /// Somebody published.
    Said(usize, String),
    /// Somebody polls.
    Asked(Asked),
}

/// A poll: who asks and behind which of its messages, unless it is new.
pub(crate) struct Asked {
    pub(crate) place: usize,
    pub(crate) known: Option<(usize, usize)>,
    pub(crate) is_held: bool,
    pub(crate) answer: Sender<Found>,
}

/// What a poll gets.
pub(crate) struct Found {
    pub(crate) subscriber: usize,
    /// Its messages so far.
    pub(crate) offset: usize,
    pub(crate) messages: Vec<String>,
}

/// How a subscriber is reached.
pub(crate) enum Sink {
    Socket(Box<WebSocket<TcpStream>>),
    Events(TcpStream),
    Lines(TcpStream),
    /// It polls: its messages, and its held request.
    Queue(Vec<String>, Option<(usize, Sender<Found>)>),
}

/// Serves until the test process ends.
pub(crate) fn server(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let (to_hub, happenings) = channel();
    thread::spawn(move || hub(fault, &happenings));
    thread::spawn(move || {
        for (place, stream) in listener.incoming().flatten().enumerate() {
            let to_hub = to_hub.clone();
            thread::spawn(move || serve(fault, place, stream, &to_hub));
        }
    });
    address
}

fn serve(fault: Fault, place: usize, stream: TcpStream, to_hub: &Sender<Happening>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    if is_upgrade(&stream)? {
        return socket(fault, place, stream, to_hub);
    }
    let mut polls = http::Polls::new(fault, place, stream.try_clone().ok()?);
    let mut requests = http::Requests::new(stream.try_clone().ok()?);
    loop {
        let request = requests.next()?;
        match request {
            Request::Post(body, answers) => {
                to_hub.send(Happening::Said(place, body)).ok()?;
                // Every tenth is refused, and published all the same.
                let status = if answers % 10 == 9 {
                    "503 Full"
                } else {
                    "200 OK"
                };
                let mut stream = &stream;
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}").ok()?;
            }
            Request::Events => {
                let greeting =
                    "event: position\ndata: {\"position\":\"c:0\",\"recovered\":true}\nid: c:0\n\n";
                http::begin_stream(&stream, "text/event-stream", greeting)?;
                let sink = Sink::Events(stream.try_clone().ok()?);
                to_hub.send(Happening::Joined(place, sink)).ok()?;
            }
            Request::Lines => {
                let greeting = "{\"position\":\"c:0\",\"recovered\":true}\n{}\n";
                http::begin_stream(&stream, "application/x-ndjson", greeting)?;
                let sink = Sink::Lines(stream.try_clone().ok()?);
                to_hub.send(Happening::Joined(place, sink)).ok()?;
            }
            Request::Poll(poll) => polls.answer(&poll, to_hub)?,
        }
    }
}

fn socket(fault: Fault, place: usize, stream: TcpStream, to_hub: &Sender<Happening>) -> Option<()> {
    let writer = stream.try_clone().ok()?;
    let mut socket = tungstenite::accept(stream).ok()?;
    if let Fault::Subscribe(wanted) = fault {
        let first = socket.read().ok()?;
        (first == Message::binary(wanted)).then_some(())?;
    }
    let writer = WebSocket::from_raw_socket(writer, Role::Server, None);
    let sink = Sink::Socket(Box::new(writer));
    to_hub.send(Happening::Joined(place, sink)).ok()?;
    loop {
        let said = match socket.read().ok()? {
            Message::Text(text) => text.as_str().to_owned(),
            Message::Binary(bytes) => {
                let inner = bytes.strip_prefix(b"0D")?.strip_suffix(b"\0")?;
                String::from_utf8(inner.to_vec()).ok()?
            }
            _ => continue,
        };
        to_hub.send(Happening::Said(place, said)).ok()?;
    }
}

fn hub(fault: Fault, happenings: &Receiver<Happening>) {
    let mut sinks: Vec<(usize, Sink)> = Vec::new();
    let mut said: Vec<String> = Vec::new();
    for happening in happenings {
        match happening {
            Happening::Joined(place, sink) => sinks.push((place, sink)),
            Happening::Asked(asked) => answer(&mut sinks, asked),
            Happening::Said(publisher, message) => {
                said.push(message);
                let others = sinks.iter_mut().filter(|(place, _)| *place != publisher);
                for (i, (_, sink)) in others.enumerate() {
                    for wrong in wrong(fault, i, &said) {
                        deliver(sink, &wrong);
                    }
                }
                sinks
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, (_, sink))| release(i, sink));
            }
        }
    }
}

/// A poll of somebody new, or of somebody who knows some of its messages.
fn answer(sinks: &mut Vec<(usize, Sink)>, asked: Asked) {
    let (subscriber, known) = asked.known.unwrap_or((sinks.len(), 0));
    if asked.known.is_none() {
        sinks.push((asked.place, Sink::Queue(Vec::new(), None)));
    }
    let Some((_, sink @ Sink::Queue(..))) = sinks.get_mut(subscriber) else {
        return;
    };
    if let Sink::Queue(_, held) = sink {
        *held = Some((known, asked.answer));
    }
    if asked.is_held {
        release(subscriber, sink);
    } else {
        answer_held(subscriber, sink);
    }
}

/// Answers a held request if there is something for it.
fn release(subscriber: usize, sink: &mut Sink) {
    let is_due = match sink {
        Sink::Queue(messages, Some((known, _))) => messages.len() > *known,
        _ => false,
    };
    if is_due {
        answer_held(subscriber, sink);
    }
}

fn answer_held(subscriber: usize, sink: &mut Sink) {
    if let Sink::Queue(messages, held) = sink
        && let Some((known, answer)) = held.take()
    {
        let found = Found {
            subscriber,
            offset: messages.len(),
            messages: messages[known..].to_vec(),
        };
        drop(answer.send(found));
    }
}

/// What a subscriber gets of a message.
enum Wrong {
    Text(String),
    Close(u16),
}

/// Who is gone gets nothing.
fn deliver(sink: &mut Sink, wrong: &Wrong) {
    match (sink, wrong) {
        (Sink::Socket(socket), Wrong::Text(text)) => drop(socket.send(Message::text(text.clone()))),
        (Sink::Socket(socket), Wrong::Close(code)) => {
            let frame = CloseFrame {
                code: (*code).into(),
                reason: "on purpose".into(),
            };
            drop(socket.send(Message::Close(Some(frame))));
        }
        (Sink::Events(stream), Wrong::Text(text)) => {
            let lines: Vec<_> = text.lines().map(|line| format!("data: {line}\n")).collect();
            http::chunk(stream, &format!("id: c:1\n{}\n:\n", lines.concat()));
        }
        (Sink::Events(stream), Wrong::Close(code)) => {
            http::chunk(
                stream,
                &format!("event: close\ndata: {{\"code\":{code}}}\n\n"),
            );
            http::chunk(stream, "");
        }
        (Sink::Lines(stream), Wrong::Text(text)) => {
            http::chunk(stream, &format!("{{\"offset\":1,\"text\":\"{text}\"}}\n"));
        }
        (Sink::Lines(stream), Wrong::Close(code)) => {
            http::chunk(stream, &format!("{{\"code\":{code},\"reason\":\"\"}}\n"));
            http::chunk(stream, "");
        }
        (Sink::Queue(messages, _), Wrong::Text(text)) => messages.push(text.clone()),
        (Sink::Queue(..), Wrong::Close(_)) => {}
    }
}

/// What the subscriber gets when the last of these was said.
fn wrong(fault: Fault, subscriber: usize, said: &[String]) -> Vec<Wrong> {
    let n = said.len() - 1;
    let message = || Wrong::Text(said[n].clone());
    match (fault, subscriber, n % 10) {
        (Fault::LoseRepeatReorder, 0, 3) => vec![],
        (Fault::LoseRepeatReorder, 1, 4) => vec![message(), message()],
        (Fault::LoseRepeatReorder, 2, 5) => vec![],
        (Fault::LoseRepeatReorder, 2, 6) => vec![message(), Wrong::Text(said[n - 1].clone())],
        (Fault::Close(code), 0, 3) => vec![Wrong::Close(code)],
        (Fault::WrapPairs, _, even) if even % 2 == 0 => vec![],
        (Fault::WrapPairs, ..) => {
            let pair = [&said[n - 1], &said[n]].map(|m| format!("{{\"data\":\"{m}\"}}"));
            vec![Wrong::Text(pair.join("\n"))]
        }
        _ => vec![message()],
    }
}
