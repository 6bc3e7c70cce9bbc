//! Clients of server-sent events from crates.io: `event-stream-clients NAME URL...`.
//!
//! The contract of all client programs stands in `run.py`. Each client reads every URL as its
//! documentation shows it; where a library only parses, a loop around it comes back with the last
//! id that it was given.

use std::error::Error;
use std::time::Duration;

use eventsource_stream::Eventsource as _;
use futures_util::StreamExt as _;
use serde_json::json;

/// Of the loops that are ours.
const PAUSE: Duration = Duration::from_millis(200);
const NAMES: [&str; 5] = ["message", "base64", "position", "reset", "close"];

/// What becomes of one URL.
#[derive(Clone, Copy)]
struct Teller(usize);

impl Teller {
    fn event(self, name: &str, data: &str, id: &str) {
        println!(
            "{}",
            json!({"n": self.0, "is": "event", "name": name, "data": data, "id": id})
        );
    }

    fn say(self, is: &str, why: &str) {
        println!("{}", json!({"n": self.0, "is": is, "why": why}));
    }
}

/// It reconnects by itself.
async fn launchdarkly(url: String, teller: Teller) -> Result<(), Box<dyn Error>> {
    use eventsource_client::{Client as _, ClientBuilder, ReconnectOptions, SSE};
    let transport = launchdarkly_sdk_transport::HyperTransport::builder().build_http()?;
    let reconnect = ReconnectOptions::reconnect(true)
        .delay(Duration::from_millis(500))
        .build();
    let client = ClientBuilder::for_url(&url)?
        .reconnect(reconnect)
        .build_with_transport(transport);
    let mut stream = client.stream();
    while let Some(item) = stream.next().await {
        match item {
            Ok(SSE::Event(event)) => {
                let id = event.id.unwrap_or_default();
                teller.event(&event.event_type, &event.data, &id);
            }
            Ok(_) => {}
            Err(error) => teller.say("cut", &error.to_string()),
        }
    }
    Ok(())
}

/// It reconnects by itself.
async fn reqwest(url: String, teller: Teller) -> Result<(), Box<dyn Error>> {
    use reqwest_eventsource::{Event, EventSource};
    let mut source = EventSource::get(&url);
    while let Some(item) = source.next().await {
        match item {
            Ok(Event::Open) => {}
            Ok(Event::Message(event)) => teller.event(&event.event, &event.data, &event.id),
            Err(error) => teller.say("cut", &error.to_string()),
        }
    }
    Ok(())
}

/// It reads one answer.
async fn stream(url: String, teller: Teller) -> Result<(), Box<dyn Error>> {
    let client = ::reqwest::Client::new();
    let mut last = String::new();
    loop {
        let mut request = client.get(&url).header("Accept", "text/event-stream");
        if !last.is_empty() {
            request = request.header("Last-Event-ID", &last);
        }
        let answer = request
            .send()
            .await
            .and_then(|answer| answer.error_for_status());
        match answer {
            Err(error) => teller.say("cut", &error.to_string()),
            Ok(answer) => {
                let mut events = answer.bytes_stream().eventsource();
                while let Some(Ok(event)) = events.next().await {
                    teller.event(&event.event, &event.data, &event.id);
                    last.clone_from(&event.id);
                }
                teller.say("cut", "");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// It reconnects by itself, on threads of its own.
async fn threads(url: String, teller: Teller) -> Result<(), Box<dyn Error>> {
    let source = sse_client::EventSource::new(&url)?;
    for name in NAMES {
        source.add_event_listener(name, move |event| {
            teller.event(&event.type_, &event.data, &event.id);
        });
    }
    source.add_event_listener("error", move |event| {
        // A status is its end; its own word on that waits for a lock that it holds for long.
        let is_final = event.data.starts_with(|c: char| c.is_ascii_digit());
        teller.say(if is_final { "over" } else { "cut" }, &event.data);
    });
    std::future::pending().await
}

async fn read(name: String, url: String, teller: Teller) {
    let read = match name.as_str() {
        "eventsource-client" => launchdarkly(url, teller).await,
        "reqwest-eventsource" => reqwest(url, teller).await,
        "eventsource-stream" => stream(url, teller).await,
        "sse-client" => threads(url, teller).await,
        other => panic!("no client {other}"),
    };
    let why = read.err().map(|error| error.to_string());
    teller.say("over", &why.unwrap_or_default());
}

/// The version that the lock file has.
fn version(name: &str) -> &str {
    let lock = include_str!("../Cargo.lock");
    let behind = lock.split_once(&format!("name = \"{name}\"\nversion = \""));
    let (version, _) = behind
        .and_then(|(_, rest)| rest.split_once('"'))
        .expect("it is in the lock file");
    version
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().expect("the name of a client");
    let title = format!("{name} {}", version(&name));
    println!("{}", json!({"is": "client", "title": title}));
    let mut readers = tokio::task::JoinSet::new();
    let local = tokio::task::LocalSet::new();
    for (n, url) in arguments.enumerate() {
        readers.spawn_local_on(read(name.clone(), url, Teller(n)), &local);
    }
    local
        .run_until(async { while readers.join_next().await.is_some() {} })
        .await;
}
