//! From a request's head to what it asks for.
//!
//! A request meets the checks in this order, so that each refusal tells the most it may: target
//! and `Host`, path, method, Origin, handshake, key, parameters.

use super::access::Identity;
use super::authority::Authority;
use super::query::{Name, Query};
use super::target::{self, Target};
use super::{Cors, Door, Policy, bad_request, origin, payload};
use crate::base::{After, TopicName};
use crate::config::parse_duration;
use crate::wire::handshake::{self, AcceptKey};
use crate::wire::http::{HttpError, Method, RequestHead, Response};
use crate::wire::prepared::WireForm;

/// A request that is understood and allowed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Routed {
    /// What it asks for.
    pub route: Route,
    /// What every answer to it goes through, if a page of another origin may read it.
    pub cors: Option<Cors>,
    /// Whether the connection stays open behind the answer.
    pub keep_alive: bool,
    /// Whether it is a HEAD, whose answer has no body.
    pub head_only: bool,
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Route {
    /// Publish the body, which follows, to this topic.
    Publish {
        /// The topic.
        topic: TopicName,
    },
    /// Become a WebSocket that is subscribed to this topic.
    WebSocket {
        /// The topic.
        topic: TopicName,
        /// How publications are written.
        form: WireForm,
        /// Where to begin; without it, with the next publication.
        after: Option<After>,
        /// Whether the client's messages are published.
        may_publish: bool,
        /// The answer's key.
        key: AcceptKey,
    },
    /// Become a WebSocket that sends back what it gets.
    Echo {
        /// The answer's key.
        key: AcceptKey,
    },
    /// Whether the process answers.
    Health,
    /// Whether the node takes new connections.
    Ready {
        /// Say 404 instead of 503 while draining.
        drain_404: bool,
    },
    /// The metrics as Prometheus text.
    Metrics,
    /// The dashboard, perhaps on one topic.
    Page {
        /// The topic.
        topic: Option<TopicName>,
    },
    /// OPTIONS, with its complete answer: the methods, or a CORS preflight.
    Options(Response),
}

const TOPIC_METHODS: &str = "GET, HEAD, POST, OPTIONS";
const PAGE_METHODS: &str = "GET, HEAD, OPTIONS";

/// What the request asks for, by the operator's policy and the door it came in by.
///
/// # Errors
/// The refusal to answer with, complete with CORS headers. If the request announces a body, the
/// caller reads and drops it, or closes the connection.
pub fn route(head: &RequestHead, policy: &Policy, door: &Door) -> Result<Routed, Response> {
    let asked = Asked::read(head, policy, door)?;
    let cors = Cors::of(head, asked.host.as_ref(), policy, door);
    match asked.route(cors.as_ref()) {
        Ok(route) => Ok(Routed {
            route,
            cors,
            keep_alive: head.wants_keep_alive(),
            head_only: head.method() == &Method::Head,
        }),
        Err(error) => Err(match cors {
            Some(cors) => cors.apply(error.to_response()),
            None => error.to_response(),
        }),
    }
}

/// A request whose target and host are read.
struct Asked<'a> {
    head: &'a RequestHead,
    policy: &'a Policy,
    door: &'a Door,
    path: &'a str,
    query: Query,
    host: Option<Authority>,
}

impl<'a> Asked<'a> {
    fn read(head: &'a RequestHead, policy: &'a Policy, door: &'a Door) -> Result<Self, HttpError> {
        let target = Target::parse(head.target())?;
        Ok(Self {
            head,
            policy,
            door,
            path: target.path,
            query: Query::parse(target.query)?,
            host: target::host(head, &target)?,
        })
    }

    fn route(&self, cors: Option<&Cors>) -> Result<Route, HttpError> {
        if let Some(topic) = self.path.strip_prefix("/topics/") {
            return self.topic(target::topic_name(topic)?, cors);
        }
        let methods = match self.path {
            "*" => TOPIC_METHODS,
            "/" | "/healthz" | "/readyz" | "/metrics" => PAGE_METHODS,
            "/echo" if self.policy.echo => PAGE_METHODS,
            _ => {
                return Err(not_found(
                    "there is nothing here: topics are at /topics/NAME",
                ));
            }
        };
        match self.head.method() {
            Method::Options => self.options(methods, cors),
            Method::Get | Method::Head => self.own_path(),
            _ => Err(not_allowed(methods)),
        }
    }

    /// GET and HEAD of a path of the node itself.
    fn own_path(&self) -> Result<Route, HttpError> {
        if self.path == "/echo" {
            return self.echo();
        }
        if handshake::is_upgrade(self.head) {
            return Err(not_found(
                "there is no WebSocket here: they are at /topics/NAME",
            ));
        }
        match self.path {
            "/healthz" => Ok(Route::Health),
            "/readyz" => Ok(Route::Ready {
                drain_404: self.query.get(Name::Drain) == Some("404"),
            }),
            "/metrics" => self.page(Route::Metrics),
            "/" => self.page(Route::Page { topic: None }),
            _ => Err(bad_request("the target '*' is for OPTIONS only")),
        }
    }

    fn topic(&self, topic: TopicName, cors: Option<&Cors>) -> Result<Route, HttpError> {
        match self.head.method() {
            Method::Options => self.options(TOPIC_METHODS, cors),
            Method::Post => self.publish(topic),
            Method::Get if handshake::is_upgrade(self.head) => self.websocket(topic),
            Method::Get | Method::Head => self.read_topic(topic),
            Method::Other(_) => Err(not_allowed(TOPIC_METHODS)),
        }
    }

    fn publish(&self, topic: TopicName) -> Result<Route, HttpError> {
        self.check_origin()?;
        if self.is_admin_elsewhere() {
            let message = "publishing is on this node's admin address (--admin-listen) only";
            return Err(HttpError::new(403, "forbidden", message));
        }
        self.identity()?.check_may_publish(self.policy)?;
        payload::check_encoding(self.head)?;
        if !self.has_length() {
            let message = "a POST needs Content-Length or Transfer-Encoding: chunked";
            return Err(HttpError::new(411, "length_required", message));
        }
        Ok(Route::Publish { topic })
    }

    fn websocket(&self, topic: TopicName) -> Result<Route, HttpError> {
        self.check_origin()?;
        let key = handshake::check(self.head)?;
        let identity = self.identity()?;
        identity.check_may_subscribe(self.policy)?;
        if self.query.get(Name::Mode).is_some() {
            return Err(bad_request(
                "'Upgrade: websocket' and 'mode=' are two transports: use one",
            ));
        }
        if self.query.get(Name::Conflate).is_some() {
            return Err(not_implemented(
                "'conflate=' is not in this version: leave it out",
            ));
        }
        Ok(Route::WebSocket {
            topic,
            form: self.form()?,
            after: self.after()?,
            may_publish: identity.may_publish(self.policy) && !self.is_admin_elsewhere(),
            key,
        })
    }

    /// GET of a topic without an upgrade: its page, or a transport that is not there.
    fn read_topic(&self, topic: TopicName) -> Result<Route, HttpError> {
        self.check_origin()?;
        self.form()?;
        self.after()?;
        self.check_durations()?;
        let mode = self.query.get(Name::Mode);
        if mode.is_none() && self.accepts_first("text/html") {
            return self.page(Route::Page { topic: Some(topic) });
        }
        self.identity()?.check_may_subscribe(self.policy)?;
        match mode {
            None | Some("sse" | "longpoll" | "poll" | "stream") => Err(not_implemented(
                "this version reads topics by WebSocket only: connect with ws:// to this address",
            )),
            Some(_) => Err(bad_request("'mode=' is sse, longpoll, poll or stream")),
        }
    }

    /// What cannot be right is said before what is not there.
    fn check_durations(&self) -> Result<(), HttpError> {
        for (name, text) in [(Name::Timeout, "timeout"), (Name::Conflate, "conflate")] {
            let Some(value) = self.query.get(name) else {
                continue;
            };
            parse_duration(value)
                .map_err(|error| bad_request(format!("'{text}={value}': {error}")))?;
        }
        Ok(())
    }

    fn echo(&self) -> Result<Route, HttpError> {
        if !handshake::is_upgrade(self.head) {
            let error = HttpError::new(
                426,
                "upgrade_required",
                "this path is a WebSocket: use ws://",
            );
            return Err(error.with_header("Upgrade", "websocket"));
        }
        self.check_origin()?;
        let key = handshake::check(self.head)?;
        self.identity()?.check_may_subscribe(self.policy)?;
        Ok(Route::Echo { key })
    }

    /// A page of the node itself: at the admin door for all who reach it, else for whoever is on
    /// this host or has the key.
    fn page(&self, route: Route) -> Result<Route, HttpError> {
        if self.is_admin_elsewhere() {
            let message = "this node's pages are on its admin address (--admin-listen)";
            return Err(not_found(message));
        }
        let identity = self.identity()?;
        if !self.door.admin && !self.door.loopback {
            identity.check_may_see_pages(self.policy)?;
        }
        Ok(route)
    }

    /// HAProxy's bare health check is an OPTIONS without headers, so it needs nothing.
    fn options(&self, methods: &'static str, cors: Option<&Cors>) -> Result<Route, HttpError> {
        let asks = self.head.header("Access-Control-Request-Method").is_some()
            && self.head.header("Origin").is_some();
        let response = match cors {
            Some(cors) if asks => cors.preflight(methods),
            // Says why, in the words of the request that would follow.
            None if asks => {
                return self
                    .check_origin()
                    .and_then(|()| Err(forbidden_preflight()));
            }
            _ => Response::empty(200).header("Allow", methods),
        };
        Ok(Route::Options(response))
    }

    fn check_origin(&self) -> Result<(), HttpError> {
        origin::check(self.head, self.host.as_ref(), self.policy, self.door)
    }

    fn identity(&self) -> Result<Identity, HttpError> {
        Identity::of(self.head, self.query.get(Name::Token), self.policy)
    }

    fn is_admin_elsewhere(&self) -> bool {
        self.policy.admin_elsewhere && !self.door.admin
    }

    fn has_length(&self) -> bool {
        self.head.header("Content-Length").is_some()
            || self.head.header("Transfer-Encoding").is_some()
    }

    /// Whether this media type is the first that the client asks for.
    fn accepts_first(&self, media_type: &str) -> bool {
        let first = self.head.list("Accept").next().unwrap_or_default();
        let first = first.split(';').next().unwrap_or_default();
        first.trim().eq_ignore_ascii_case(media_type)
    }

    fn form(&self) -> Result<WireForm, HttpError> {
        match self.query.get(Name::Format) {
            None => Ok(WireForm::Plain),
            Some("json") => Ok(WireForm::Json),
            Some(_) => Err(bad_request(
                "'format=' is json, or left out for plain messages",
            )),
        }
    }

    /// `Last-Event-ID` comes before `after=`: a browser that reconnects keeps its URL and says in
    /// the header how far it came since.
    fn after(&self) -> Result<Option<After>, HttpError> {
        let mut ids = self.head.headers("Last-Event-ID");
        let (id, second) = (ids.next().filter(|id| !id.is_empty()), ids.next());
        if second.is_some() {
            return Err(bad_request("there are several Last-Event-ID headers"));
        }
        match id.or_else(|| self.query.get(Name::After)) {
            None => Ok(None),
            Some("earliest") => Ok(Some(After::Earliest)),
            Some(text) => match text.parse() {
                Ok(position) => Ok(Some(After::Position(position))),
                Err(e) => Err(bad_request(format!(
                    "'after=' is earliest or a position: {e}"
                ))),
            },
        }
    }
}

fn not_found(message: &'static str) -> HttpError {
    HttpError::new(404, "not_found", message)
}

fn not_allowed(methods: &'static str) -> HttpError {
    HttpError::new(
        405,
        "method_not_allowed",
        format!("the methods here are {methods}"),
    )
    .with_header("Allow", methods)
}

fn not_implemented(message: &'static str) -> HttpError {
    HttpError::new(501, "not_implemented", message)
}

fn forbidden_preflight() -> HttpError {
    HttpError::new(
        403,
        "origin_not_allowed",
        "pages of this Origin may not use this node",
    )
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
