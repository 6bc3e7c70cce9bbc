//! A broadcast by tokio-tungstenite: what a client sends goes to all clients of its path.
//!
//! As one would write it with care: a task for each client, one channel for each path, and one
//! flush for all publications that are there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Sender};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Publications that a slow client may lag behind before it loses some.
const LAG_MAX: usize = 1024;

/// A client's receive buffer; the library's own default is 128 KiB, taken when it connects.
const READ_BUFFER_BYTES: usize = 4 * 1024;

type Rooms = Arc<Mutex<HashMap<String, Sender<Message>>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let rooms = Arc::clone(&rooms);
        // How a client ended is nobody's business here.
        tokio::spawn(async move { drop(serve(stream, &rooms).await) });
    }
}

async fn serve(stream: TcpStream, rooms: &Rooms) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let note_path = |request: &Request, response: Response| {
        path = request.uri().to_string();
        Ok(response)
    };
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let socket = accept_hdr_async_with_config(stream, note_path, Some(config)).await?;
    let room = room(rooms, path);
    let mut publications = room.subscribe();
    let (mut sink, mut messages) = socket.split();
    loop {
        tokio::select! {
            publication = publications.recv() => match publication {
                Ok(publication) => {
                    sink.feed(publication).await?;
                    while let Ok(next) = publications.try_recv() {
                        sink.feed(next).await?;
                    }
                    sink.flush().await?;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            message = messages.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    drop(room.send(message));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}

fn room(rooms: &Rooms, path: String) -> Sender<Message> {
    let mut rooms = rooms.lock().unwrap_or_else(PoisonError::into_inner);
    let room = rooms
        .entry(path)
        .or_insert_with(|| broadcast::channel(LAG_MAX).0);
    room.clone()
}
