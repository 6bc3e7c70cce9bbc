//! From a request's head to what it asks for.
//!
//! A request meets the checks in this order, so that each refusal tells the most it may: target
//! and `Host`, path, method, Origin, handshake, key, parameters.
//!
//! What browsers, proxies and gateways fill in by themselves is never an error: conditions,
//! positions in headers, media types, tokens of other applications.

use super::accept::{self, TopicAnswer};
use super::access::Identity;
use super::authority::Authority;
use super::cors::REQUEST_METHOD;
use super::query::{Parameter, Query};
use super::read::{self, Mode, StartPosition};
use super::routed::{Dress, Page, Reading, Route, RoutedRequest, Upgrade};
use super::target::{self, Target};
use super::{Cors, Door, Policy, bad_request, cors, payload};
use crate::base::TopicName;
use crate::config::Limits;
use crate::wire::handshake::{self, AcceptKey};
use crate::wire::http::{HttpError, Method, RequestHead, Response, Version};
use crate::wire::prepared::WireForm;
use crate::wire::subprotocol;

const TOPIC_METHODS: &str = "GET, HEAD, POST, OPTIONS";
const PAGE_METHODS: &str = "GET, HEAD, OPTIONS";
const METRICS: &str = "/metrics";

/// What the request asks for, by the operator's policy and the door it came in by. `is_here` says
/// whether the client itself, and no proxy for somebody else, is on this host; it is asked only
/// where that matters.
///
/// # Errors
/// The refusal to answer with, complete with CORS headers. If the request announces a body, the
/// caller reads and drops it, or closes the connection.
pub fn route(
    head: &RequestHead,
    policy: &Policy,
    limits: &Limits,
    door: &Door,
    is_here: &dyn Fn() -> bool,
) -> Result<RoutedRequest, Response> {
    check_method(head.method())?;
    let asked = RouteRequest::read(head, policy, limits, (door, is_here))?;
    let dress = Dress {
        cors: Cors::of(head, asked.host.as_ref(), policy, door),
        negotiated: asked.is_negotiated(),
    };
    match asked.route(dress.cors.as_ref()) {
        Ok(route) => Ok(RoutedRequest {
            route,
            dress,
            keep_alive: head.wants_keep_alive(),
            head_only: head.method() == &Method::Head,
        }),
        Err(error) => Err(dress.apply(error.to_response())),
    }
}

/// Whether the node knows what the method means (RFC 9110 §9.3, RFC 5789): then it is a matter of
/// the resource whether it has it. CONNECT is for proxies, and its target names no resource.
///
/// # Errors
/// 501 for another one (RFC 9110 §9.1).
fn check_method(method: &Method) -> Result<(), HttpError> {
    match method {
        Method::Get | Method::Head | Method::Post | Method::Options => return Ok(()),
        Method::Other(token) => match token.as_str() {
            "PUT" | "DELETE" | "PATCH" | "TRACE" => return Ok(()),
            _ => {}
        },
    }
    let message = format!("the methods here are {TOPIC_METHODS}, in capital letters");
    Err(HttpError::new(501, "method_not_implemented", message))
}

/// A request whose target and host are read.
struct RouteRequest<'a> {
    head: &'a RequestHead,
    policy: &'a Policy,
    limits: &'a Limits,
    door: &'a Door,
    is_here: &'a dyn Fn() -> bool,
    path: &'a str,
    query: Query,
    host: Option<Authority>,
}

impl<'a> RouteRequest<'a> {
    fn read(
        head: &'a RequestHead,
        policy: &'a Policy,
        limits: &'a Limits,
        (door, is_here): (&'a Door, &'a dyn Fn() -> bool),
    ) -> Result<Self, HttpError> {
        let target = Target::parse(head.target())?;
        Ok(Self {
            head,
            policy,
            limits,
            door,
            is_here,
            path: target.path,
            query: Query::parse(target.query)?,
            host: target::host(head, &target)?,
        })
    }

    fn route(&self, cors: Option<&Cors>) -> Result<Route, HttpError> {
        if self.path == "*" && self.head.method() != &Method::Options {
            return Err(bad_request("the target '*' is for OPTIONS only"));
        }
        if let Some(topic) = self.path.strip_prefix("/topics/") {
            return self.topic(target::topic_name(topic)?, cors);
        }
        let methods = match self.path {
            "*" => TOPIC_METHODS,
            // Load balancers ask `OPTIONS /` whether a node is there.
            "/" | "/compare" | METRICS
                if self.is_admin_elsewhere() && self.head.method() != &Method::Options =>
            {
                return Err(moved());
            }
            "/" | "/compare" | "/altavoz.js" | "/page.js" | "/healthz" | "/readyz" | METRICS => {
                PAGE_METHODS
            }
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
                drain_404: self.query.get(Parameter::Drain) == Some("404"),
            }),
            METRICS => self.page(Route::Metrics(accept::metrics_format(self.head))),
            "/" => self.page(Route::Page(Page::Dashboard)),
            "/compare" => self.page(Route::Page(Page::Compare)),
            // Pages of anybody may use it, wherever they may subscribe.
            "/altavoz.js" => Ok(Route::Page(Page::Client)),
            // A page asks for it without its own key, and there is no secret in it.
            "/page.js" => Ok(Route::Page(Page::Common)),
            _ => Err(not_found("there is nothing here")),
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
        if self.query.get(Parameter::Mode).is_some() {
            return Err(bad_request(
                "'Upgrade: websocket' and 'mode=' are two transports: use one",
            ));
        }
        let reading = Reading {
            topic,
            form: WireForm::messages(self.is_json()?),
            after: self.start()?.after,
            conflate: read::conflation(&self.query, self.limits)?,
        };
        let may_publish = identity.may_publish(self.policy) && !self.is_admin_elsewhere();
        Ok(Route::WebSocket(reading, self.upgrade(key, may_publish)))
    }

    /// GET of a topic without an upgrade: its page, or what is published to it.
    fn read_topic(&self, topic: TopicName) -> Result<Route, HttpError> {
        self.check_origin()?;
        let wanted = if self.is_negotiated() {
            accept::wanted(self.head)
        } else {
            TopicAnswer::Poll
        };
        if wanted == TopicAnswer::Page {
            return self.page(Route::Page(Page::Dashboard));
        }
        self.identity()?.check_may_subscribe(self.policy)?;
        let mode = read::mode(wanted, &self.query)?;
        let is_json = self.is_json()?;
        let StartPosition { after, known } = self.start()?;
        let timeout = read::hold(&self.query, self.limits)?;
        let conflate = read::conflation(&self.query, self.limits)?;
        let chunked = self.head.version() == Version::Http11;
        let form = match mode {
            Mode::Events => WireForm::events(is_json, chunked),
            Mode::Stream => WireForm::lines(chunked),
            Mode::LongPoll | Mode::Poll => {
                read::no_conflation(&self.query)?;
                // Nobody waits for an answer without a body.
                let is_now = mode == Mode::Poll || self.head.method() == &Method::Head;
                return Ok(if is_now {
                    Route::Poll {
                        topic,
                        after,
                        known,
                    }
                } else {
                    Route::LongPoll {
                        topic,
                        after,
                        known,
                        timeout,
                    }
                });
            }
        };
        Ok(Route::Stream(Reading {
            topic,
            form,
            after,
            conflate,
        }))
    }

    fn echo(&self) -> Result<Route, HttpError> {
        if !handshake::is_upgrade(self.head) {
            let error = handshake::upgrade_required("this path is a WebSocket: use ws://");
            return Err(error);
        }
        self.check_origin()?;
        let key = handshake::check(self.head)?;
        self.identity()?.check_may_subscribe(self.policy)?;
        Ok(Route::Echo(self.upgrade(key, true)))
    }

    /// A page of the node itself: at the admin door for all who reach it, else for whoever is on
    /// this host or has the key. Who calls this host by a strange name may be the page of a name
    /// that was bound anew, and counts as neither.
    fn page(&self, route: Route) -> Result<Route, HttpError> {
        if self.is_admin_elsewhere() {
            return Err(moved());
        }
        cors::check_host(self.host.as_ref(), self.policy, self.door)?;
        let identity = self.identity()?;
        let is_known = cors::is_known(self.host.as_ref(), self.policy);
        let is_let_in = if self.door.admin {
            is_known || !self.door.loopback
        } else {
            is_known && (self.is_here)()
        };
        if !is_let_in {
            identity.check_may_see_pages(self.policy)?;
        }
        Ok(route)
    }

    /// HAProxy's bare health check is an OPTIONS without headers, so it needs nothing.
    fn options(&self, methods: &'static str, cors: Option<&Cors>) -> Result<Route, HttpError> {
        let asks =
            self.head.header(REQUEST_METHOD).is_some() && self.head.header("Origin").is_some();
        let response = match cors {
            Some(cors) if asks => cors.preflight(self.head, methods),
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
        cors::check(self.head, self.host.as_ref(), self.policy, self.door)
    }

    fn identity(&self) -> Result<Identity, HttpError> {
        Identity::of(self.head, self.query.get(Parameter::Token), self.policy)
    }

    /// Whether the answer depends on `Accept`.
    fn is_negotiated(&self) -> bool {
        let is_read = matches!(self.head.method(), Method::Get | Method::Head);
        let is_topic = self.path.starts_with("/topics/")
            && self.query.get(Parameter::Mode).is_none()
            && !handshake::is_upgrade(self.head);
        is_read && (is_topic || self.path == METRICS)
    }

    /// The answer to a handshake. The publish key is not repeated in it, wherever a client puts it.
    fn upgrade(&self, key: AcceptKey, may_speak: bool) -> Upgrade {
        let secret = self.policy.publish_key.as_ref();
        let is_secret = |name: &str| secret.is_some_and(|secret| secret.matches(name.as_bytes()));
        let chosen = subprotocol::chosen(self.head, &self.policy.subprotocols, is_secret);
        Upgrade {
            key,
            protocol: chosen.map(Into::into),
            may_speak,
        }
    }

    fn is_admin_elsewhere(&self) -> bool {
        self.policy.admin_elsewhere && !self.door.admin
    }

    fn has_length(&self) -> bool {
        self.head.header("Content-Length").is_some()
            || self.head.header("Transfer-Encoding").is_some()
    }

    fn is_json(&self) -> Result<bool, HttpError> {
        match self.query.get(Parameter::Format) {
            None => Ok(false),
            Some("json") => Ok(true),
            Some(_) => Err(bad_request(
                "'format=' is json, or left out for plain messages",
            )),
        }
    }

    fn start(&self) -> Result<StartPosition, HttpError> {
        read::start(self.head, &self.query)
    }
}

fn not_found(message: &'static str) -> HttpError {
    HttpError::new(404, "not_found", message)
}

fn moved() -> HttpError {
    not_found("this node's pages are on its admin address (--admin-listen)")
}

fn not_allowed(methods: &'static str) -> HttpError {
    HttpError::new(
        405,
        "method_not_allowed",
        format!("the methods here are {methods}"),
    )
    .with_header("Allow", methods)
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
