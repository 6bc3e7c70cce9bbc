//! A client that speaks HTTP/1: one request after the other, until one is an upgrade.

use serde::Serialize;

use super::websocket::WebSocketSession;
use super::{Action, Context, Outputs, Question, Reply};
use crate::base::{Time, TopicName};
use crate::config::Limits;
use crate::http::{self, Cors, Route, Routed};
use crate::hub::{PublishOutcome, Recovery};
use crate::metrics::{self, CloseReason};
use crate::wire::frame::{self, Opcode};
use crate::wire::handshake::{self, AcceptKey};
use crate::wire::http::{
    BodyReader, CONTINUE, Expectation, HeadLimits, HeadParser, HttpError, RequestHead, Response,
    Version,
};
use crate::wire::prepared::WireForm;

/// A client between its connection's first byte and its upgrade or last answer.
#[derive(Debug)]
pub(super) struct HttpSession {
    head: HeadParser,
    stage: Stage,
    deadline: Time,
    /// No request after the one under way.
    last: bool,
    /// The client will send no more.
    ended: bool,
}

#[derive(Debug)]
enum Stage {
    /// Between requests, or inside a head.
    Head,
    /// A publication's body is coming.
    Body(Box<Upload>),
    /// The node is asked; the answer belongs to this request.
    Waiting(Exchange),
    /// The topic's home is asked; the 101 comes with its answer.
    Subscribing(Box<Upgrade>),
    /// The last answer is given.
    Over,
}

/// What of a request is needed for its answer.
#[derive(Debug)]
struct Exchange {
    version: Version,
    keep_alive: bool,
    head_only: bool,
    cors: Option<Cors>,
    topic: Option<TopicName>,
}

#[derive(Debug)]
struct Upload {
    head: RequestHead,
    reader: BodyReader,
    topic: TopicName,
    exchange: Exchange,
}

#[derive(Debug)]
struct Upgrade {
    exchange: Exchange,
    form: WireForm,
    may_publish: bool,
    key: AcceptKey,
}

impl HttpSession {
    pub(super) fn new(cx: &Context) -> Self {
        Self {
            head: HeadParser::new(),
            stage: Stage::Head,
            deadline: cx.now + cx.limits().handshake_timeout,
            last: false,
            ended: false,
        }
    }

    /// Takes bytes, says how many, and what it becomes if that was an upgrade.
    pub(super) fn handle_bytes(
        &mut self,
        cx: &Context,
        bytes: &[u8],
        out: &mut Outputs,
    ) -> (usize, Option<WebSocketSession>) {
        match &mut self.stage {
            Stage::Head => self.read_head(cx, bytes, out),
            Stage::Body(_) => (self.read_body(cx, bytes, out), None),
            Stage::Waiting(_) | Stage::Subscribing(_) | Stage::Over => (bytes.len(), None),
        }
    }

    pub(super) fn handle_subscribed(
        &mut self,
        cx: &Context,
        topic: &TopicName,
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Option<WebSocketSession> {
        let Stage::Subscribing(upgrade) = std::mem::replace(&mut self.stage, Stage::Over) else {
            debug_assert!(false, "a subscription that nobody asked for");
            return None;
        };
        handshake::write_response(&mut out.bytes, &upgrade.key, None);
        if upgrade.form == WireForm::Json {
            frame::encode(&mut out.bytes, Opcode::Text, greeting(recovery).as_bytes());
        }
        out.act(Action::Upgraded);
        Some(WebSocketSession::subscriber(
            cx,
            topic.clone(),
            upgrade.may_publish,
        ))
    }

    pub(super) fn handle_topics_full(&mut self, cx: &Context, out: &mut Outputs) {
        let Stage::Subscribing(upgrade) = std::mem::replace(&mut self.stage, Stage::Over) else {
            debug_assert!(false, "a refusal that nobody asked for");
            return;
        };
        self.respond(cx, upgrade.exchange, no_room_for_topic(), out);
    }

    pub(super) fn handle_published(
        &mut self,
        cx: &Context,
        outcome: &PublishOutcome,
        out: &mut Outputs,
    ) {
        let Stage::Waiting(exchange) = std::mem::replace(&mut self.stage, Stage::Over) else {
            debug_assert!(false, "an outcome that nobody waits for");
            return;
        };
        let topic = exchange.topic.as_ref().map_or("", TopicName::as_str);
        let response = publish_response(topic, outcome);
        self.respond(cx, exchange, response, out);
    }

    pub(super) fn handle_reply(&mut self, cx: &Context, reply: &Reply, out: &mut Outputs) {
        let Stage::Waiting(exchange) = std::mem::replace(&mut self.stage, Stage::Over) else {
            debug_assert!(false, "a reply that nobody asked for");
            return;
        };
        self.respond(cx, exchange, reply_response(reply), out);
    }

    pub(super) fn handle_timeout(&mut self, cx: &Context, out: &mut Outputs) {
        if cx.now < self.deadline {
            return;
        }
        match &self.stage {
            Stage::Head if self.head.is_empty() => {
                self.over(CloseReason::Timeout, out);
            }
            Stage::Head => self.fail(&too_slow("the request's head"), out),
            Stage::Body(_) => self.fail(&too_slow("the request's body"), out),
            // The node answers in a bounded time of its own.
            Stage::Waiting(_) | Stage::Subscribing(_) | Stage::Over => self.deadline = Time::NEVER,
        }
    }

    /// A client may end its side behind its last request and still wait for the answer.
    pub(super) fn handle_eof(&mut self, out: &mut Outputs) {
        self.ended = true;
        self.last = true;
        match &self.stage {
            Stage::Head | Stage::Body(_) => self.over(CloseReason::Eof, out),
            Stage::Waiting(_) => {}
            Stage::Subscribing(_) => self.over(CloseReason::Eof, out),
            Stage::Over => {}
        }
    }

    /// Between requests there is nothing to finish; inside one the answer is the last.
    pub(super) fn handle_drain(&mut self, out: &mut Outputs) {
        self.last = true;
        if matches!(self.stage, Stage::Head) && self.head.is_empty() {
            self.over(CloseReason::Draining, out);
        }
    }

    pub(super) fn takes_bytes(&self) -> bool {
        matches!(self.stage, Stage::Head | Stage::Body(_))
    }

    pub(super) fn deadline(&self) -> Time {
        match self.stage {
            Stage::Head | Stage::Body(_) => self.deadline,
            Stage::Waiting(_) | Stage::Subscribing(_) | Stage::Over => Time::NEVER,
        }
    }

    /// In which form the subscription that is under way wants publications.
    pub(super) fn form(&self) -> WireForm {
        match &self.stage {
            Stage::Subscribing(upgrade) => upgrade.form,
            _ => WireForm::Plain,
        }
    }

    fn read_head(
        &mut self,
        cx: &Context,
        bytes: &[u8],
        out: &mut Outputs,
    ) -> (usize, Option<WebSocketSession>) {
        if self.head.is_empty() {
            // From the first byte on the head has its own time, however long the connection idled.
            self.deadline = cx.now + cx.limits().handshake_timeout;
        }
        match self.head.handle_bytes(&head_limits(cx.limits()), bytes) {
            Ok(step) => {
                let upgraded = step.head.and_then(|head| self.request(cx, head, out));
                (step.consumed, upgraded)
            }
            Err(error) => {
                self.fail(&error, out);
                (bytes.len(), None)
            }
        }
    }

    fn request(
        &mut self,
        cx: &Context,
        head: RequestHead,
        out: &mut Outputs,
    ) -> Option<WebSocketSession> {
        self.head = HeadParser::new();
        tell_client(cx, &head, out);
        let routed = match self.admit(cx, &head) {
            Ok(routed) => routed,
            Err(response) => {
                self.refuse(cx, &head, response, out);
                return None;
            }
        };
        let Routed {
            route,
            cors,
            keep_alive,
            head_only,
        } = routed;
        let version = head.version();
        let exchange = Exchange {
            version,
            keep_alive,
            head_only,
            cors,
            topic: None,
        };
        match route {
            Route::Publish { topic } => self.begin_upload(cx, head, topic, exchange, out),
            Route::WebSocket {
                topic,
                form,
                after,
                may_publish,
                key,
            } => {
                let upgrade = Upgrade {
                    exchange,
                    form,
                    may_publish,
                    key,
                };
                self.stage = Stage::Subscribing(Box::new(upgrade));
                out.act(Action::Subscribe { topic, after });
            }
            Route::Echo { key } => {
                handshake::write_response(&mut out.bytes, &key, None);
                out.act(Action::Upgraded);
                return Some(WebSocketSession::echo(cx));
            }
            Route::Health => self.ask(Question::Health, exchange, out),
            Route::Ready { drain_404 } => self.ask(Question::Ready { drain_404 }, exchange, out),
            Route::Metrics => self.ask(Question::Metrics, exchange, out),
            Route::Page { .. } => self.ask(Question::Page, exchange, out),
            Route::Options(response) => self.respond(cx, exchange, response, out),
        }
        None
    }

    /// What the request asks for, if the node has room for that.
    fn admit(&self, cx: &Context, head: &RequestHead) -> Result<Routed, Response> {
        let routed = http::route(head, &cx.rules.policy, cx.door())?;
        let is_check = matches!(
            routed.route,
            Route::Health | Route::Ready { .. } | Route::Options(_)
        );
        if cx.is_full && !is_check {
            return Err(unavailable(
                "full",
                "the node is full: try again later, or another node",
            ));
        }
        let is_upgrade = matches!(routed.route, Route::WebSocket { .. } | Route::Echo { .. });
        if is_upgrade && !cx.takes_upgrades {
            return Err(unavailable(
                "draining",
                "the node is going away: connect again",
            ));
        }
        Ok(routed)
    }

    /// Answers a request that is not carried out. Its body, if there is one, is not read: the
    /// connection ends.
    fn refuse(&mut self, cx: &Context, head: &RequestHead, response: Response, out: &mut Outputs) {
        let keep_alive = head.wants_keep_alive() && !head.announces_body() && !cx.is_full;
        let exchange = Exchange {
            version: head.version(),
            keep_alive,
            head_only: head.method().as_str() == "HEAD",
            cors: None,
            topic: None,
        };
        if matches!(response.status(), 401 | 403) && head.method().as_str() == "POST" {
            out.act(Action::NotAllowed);
        }
        self.respond(cx, exchange, response, out);
    }

    fn begin_upload(
        &mut self,
        cx: &Context,
        head: RequestHead,
        topic: TopicName,
        exchange: Exchange,
        out: &mut Outputs,
    ) {
        let framing = head.expectation().and_then(|expectation| {
            let reader = BodyReader::for_head(&head, cx.limits().body_bytes_max)?;
            Ok((expectation, reader))
        });
        match framing {
            Ok((expectation, Some(reader))) => {
                if expectation == Expectation::Continue && !reader.is_done() {
                    out.bytes.extend_from_slice(CONTINUE);
                }
                self.deadline = cx.now + cx.limits().body_timeout;
                let upload = Box::new(Upload {
                    head,
                    reader,
                    topic,
                    exchange,
                });
                if upload.reader.is_done() {
                    self.uploaded(cx, *upload, out);
                } else {
                    self.stage = Stage::Body(upload);
                }
            }
            // RFC 9112 §6.3: without a length there is no body.
            Ok((_, None)) => self.refuse(cx, &head, length_required(), out),
            Err(error) => self.refuse_fatally(cx, exchange, &error, out),
        }
    }

    fn read_body(&mut self, cx: &Context, bytes: &[u8], out: &mut Outputs) -> usize {
        let Stage::Body(upload) = &mut self.stage else {
            return bytes.len();
        };
        match upload.reader.handle_bytes(bytes) {
            Ok(step) => {
                if step.done
                    && let Stage::Body(upload) = std::mem::replace(&mut self.stage, Stage::Over)
                {
                    self.uploaded(cx, *upload, out);
                }
                step.consumed
            }
            Err(error) => {
                self.fail(&error, out);
                bytes.len()
            }
        }
    }

    fn uploaded(&mut self, cx: &Context, upload: Upload, out: &mut Outputs) {
        let Upload {
            head,
            reader,
            topic,
            mut exchange,
        } = upload;
        let payload = reader.into_body();
        match http::payload_kind(&head, &payload) {
            Ok(kind) => {
                exchange.topic = Some(topic.clone());
                self.stage = Stage::Waiting(exchange);
                out.act(Action::Publish {
                    topic,
                    kind,
                    payload,
                });
            }
            Err(error) => self.respond(cx, exchange, error.to_response(), out),
        }
    }

    fn ask(&mut self, question: Question, exchange: Exchange, out: &mut Outputs) {
        self.stage = Stage::Waiting(exchange);
        out.act(Action::Ask(question));
    }

    fn respond(&mut self, cx: &Context, exchange: Exchange, response: Response, out: &mut Outputs) {
        let Exchange {
            version,
            keep_alive,
            head_only,
            cors,
            ..
        } = exchange;
        let stays = keep_alive && !self.last && !cx.is_draining && !cx.is_full;
        let response = match &cors {
            Some(cors) => cors.apply(response),
            None => response,
        };
        response.write(&mut out.bytes, head_only, stays, version);
        out.act(Action::Answered(response.status()));
        if stays {
            self.stage = Stage::Head;
            self.deadline = cx.now + cx.limits().keep_alive_timeout;
        } else {
            self.over(close_reason(response.status(), cx), out);
        }
    }

    fn refuse_fatally(
        &mut self,
        cx: &Context,
        mut exchange: Exchange,
        error: &HttpError,
        out: &mut Outputs,
    ) {
        exchange.keep_alive &= !error.closes();
        self.respond(cx, exchange, error.to_response(), out);
    }

    /// Answers what is no request, or not a whole one, and ends the connection.
    fn fail(&mut self, error: &HttpError, out: &mut Outputs) {
        error
            .to_response()
            .write(&mut out.bytes, false, false, Version::Http11);
        out.act(Action::Answered(error.status()));
        let reason = match error.status() {
            408 => CloseReason::Timeout,
            413 => CloseReason::TooBig,
            _ => CloseReason::Protocol,
        };
        self.over(reason, out);
    }

    fn over(&mut self, reason: CloseReason, out: &mut Outputs) {
        self.stage = Stage::Over;
        out.act(Action::Finish(reason));
    }
}

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        bytes_max: limits.head_bytes_max,
        headers_max: limits.headers_max,
    }
}

/// Behind a trusted proxy the request says who the client is.
fn tell_client(cx: &Context, head: &RequestHead, out: &mut Outputs) {
    if let Some(address) = cx.forwarded_client(head) {
        out.act(Action::Client(address));
    }
}

fn close_reason(status: u16, cx: &Context) -> CloseReason {
    match status {
        200..=399 if cx.is_draining => CloseReason::Draining,
        200..=399 => CloseReason::Client,
        413 => CloseReason::TooBig,
        401 | 403 => CloseReason::Policy,
        503 => CloseReason::TryAgain,
        500..=599 => CloseReason::Internal,
        _ => CloseReason::Protocol,
    }
}

fn too_slow(what: &str) -> HttpError {
    HttpError::fatal(
        408,
        "too_slow",
        format!("{what} did not come in time: send it in one go"),
    )
}

fn length_required() -> Response {
    let message = "say how long the body is: Content-Length, or Transfer-Encoding: chunked";
    Response::error(411, "length_required", message)
}

fn no_room_for_topic() -> Response {
    unavailable(
        "topics_full",
        "the node has no room for another topic: try again later",
    )
}

fn unavailable(code: &str, message: &str) -> Response {
    Response::error(503, code, message).header("Retry-After", "1")
}

/// The first message of a WebSocket with positions.
fn greeting(recovery: &Recovery) -> String {
    #[derive(Serialize)]
    struct Greeting {
        position: String,
        recovered: bool,
    }
    let position = recovery.position.to_string();
    let greeting = Greeting {
        position,
        recovered: recovery.recovered,
    };
    serde_json::to_string(&greeting).unwrap_or_default()
}

fn publish_response(topic: &str, outcome: &PublishOutcome) -> Response {
    #[derive(Serialize)]
    struct Published<'a> {
        topic: &'a str,
        position: String,
        epoch: String,
        offset: u64,
        subscribers: u32,
        queued: u32,
        dropped: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        complete: Option<bool>,
    }
    match *outcome {
        PublishOutcome::Published {
            position,
            subscribers,
            queued,
            dropped,
            complete,
        } => {
            let published = Published {
                topic,
                position: position.to_string(),
                epoch: position.epoch.to_string(),
                offset: position.offset.0,
                subscribers,
                queued,
                dropped,
                complete: (!complete).then_some(false),
            };
            Response::json(200, &published)
        }
        PublishOutcome::Busy => unavailable(
            "busy",
            "the node cannot take more publications now: try again",
        ),
        PublishOutcome::TopicsFull => no_room_for_topic(),
    }
}

fn reply_response(reply: &Reply) -> Response {
    match reply {
        Reply::Text(503, text) => Response::text(503, text.clone())
            .header("Retry-After", "1")
            .uncached(),
        Reply::Text(status, text) => Response::text(*status, text.clone()).uncached(),
        Reply::Metrics(text) => {
            Response::new(200, metrics::CONTENT_TYPE, text.as_bytes()).uncached()
        }
        Reply::Page(html) => page(html),
    }
}

/// The dashboard loads nothing from elsewhere, and nobody may frame it.
fn page(html: &str) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
        connect-src 'self' ws: wss:; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
        frame-ancestors 'none'";
    Response::new(200, "text/html; charset=utf-8", html.as_bytes())
        .header("Content-Security-Policy", POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .uncached()
}
