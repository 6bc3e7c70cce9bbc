//! A client that speaks HTTP/1: one request after the other, until one becomes a WebSocket or a
//! stream, or is held.

use super::answers;
use super::exchange::Exchange;
use super::incoming::{BodyUse, IncomingRequest};
use super::socket::Switch;
use super::stream;
use super::subscription::{Subscription, SubscriptionGoal};
use super::{Action, Context, Joins, Manner, Outputs, Question, Reply};
use crate::base::{After, Tag, Time, TopicName};
use crate::config::Limits;
use crate::http::{self, Reading, Route, RoutedRequest};
use crate::hub::{PublishOutcome, Recovery};
use crate::metrics::CloseReason;
use crate::wire::http::{
    BodyReader, CONTINUE, Framing, HeadLimits, HeadParser, HttpError, Method, RequestHead, Response,
};
use crate::wire::prepared::Draft;

/// A client between its connection's first byte and its upgrade or last answer.
#[derive(Debug)]
pub(super) struct HttpSession {
    head: HeadParser,
    stage: RequestStage,
    deadline: Time,
    /// Of the last wish.
    tag: Tag,
    /// No request after the one under way.
    last: bool,
    /// The client will send no more.
    ended: bool,
}

#[derive(Debug)]
enum RequestStage {
    /// Between requests, or inside a head.
    Head,
    /// A request's body is coming.
    Body(Box<IncomingRequest>, Box<BodyReader>),
    /// The node is asked; the answer belongs to this request.
    Waiting(Exchange),
    /// The topic's home is asked; the 101, or the head of a stream, comes with its answer.
    Subscribing(Box<Subscription>),
    /// The last answer is given.
    Over,
}

impl HttpSession {
    pub(super) fn new(cx: &Context) -> Self {
        Self {
            head: HeadParser::new(),
            stage: RequestStage::Head,
            deadline: cx.now + cx.limits().handshake_timeout,
            tag: Tag::default(),
            last: false,
            ended: false,
        }
    }

    /// A session whose client was answered and may ask again.
    pub(super) fn between_requests(cx: &Context) -> Self {
        Self {
            deadline: cx.now + cx.limits().keep_alive_timeout,
            ..Self::new(cx)
        }
    }

    /// A session whose client gets the answer to a poll that was held.
    pub(super) fn answering(
        cx: &Context,
        exchange: Exchange,
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Self {
        let mut http = Self::new(cx);
        http.answer_poll(cx, exchange, recovery, out);
        http
    }

    /// Takes bytes, says how many, and whether it becomes an echo with them.
    pub(super) fn handle_bytes(
        &mut self,
        cx: &Context,
        bytes: &[u8],
        out: &mut Outputs,
    ) -> (usize, Option<Switch>) {
        match &mut self.stage {
            RequestStage::Head => self.read_head(cx, bytes, out),
            RequestStage::Body(..) => self.read_body(cx, bytes, out),
            RequestStage::Waiting(_) | RequestStage::Subscribing(_) | RequestStage::Over => {
                (bytes.len(), None)
            }
        }
    }

    /// The subscription is there: whose it is, or what became of it.
    pub(super) fn handle_subscribed(
        &mut self,
        cx: &Context,
        tag: Tag,
        recovery: &Recovery,
        out: &mut Outputs,
    ) -> Result<Subscription, Joins> {
        let Some(subscription) = self.take_subscription(tag) else {
            return Err(Joins::Gone);
        };
        if subscription.is_answered_by(recovery) {
            self.answer_poll(cx, subscription.exchange, recovery, out);
            return Err(Joins::Answered);
        }
        Ok(subscription)
    }

    /// The subscription that is under way, if it is still waited for.
    fn take_subscription(&mut self, tag: Tag) -> Option<Subscription> {
        match std::mem::replace(&mut self.stage, RequestStage::Over) {
            RequestStage::Subscribing(subscription) => {
                debug_assert_eq!(tag, self.tag, "the only wish");
                Some(*subscription)
            }
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// What a poll asked for.
    pub(super) fn handle_read(
        &mut self,
        cx: &Context,
        tag: Tag,
        recovery: &Recovery,
        out: &mut Outputs,
    ) {
        debug_assert_eq!(tag, self.tag, "the only wish");
        if let Some(exchange) = self.take_waiting() {
            self.answer_poll(cx, exchange, recovery, out);
        }
    }

    /// Answers a poll, or a long poll that was held.
    fn answer_poll(
        &mut self,
        cx: &Context,
        exchange: Exchange,
        recovery: &Recovery,
        out: &mut Outputs,
    ) {
        let response = answers::read(recovery, &exchange.known);
        out.act(Action::Polled(answers::poll_answer(&response, recovery)));
        self.respond(cx, exchange, response, out);
    }

    pub(super) fn handle_topics_full(&mut self, cx: &Context, tag: Tag, out: &mut Outputs) {
        if let Some(subscription) = self.take_subscription(tag) {
            self.respond(cx, subscription.exchange, answers::no_room_for_topic(), out);
        }
    }

    pub(super) fn handle_published(
        &mut self,
        cx: &Context,
        tag: Tag,
        outcome: &PublishOutcome,
        out: &mut Outputs,
    ) {
        debug_assert_eq!(tag, self.tag, "the only wish");
        if let Some(exchange) = self.take_waiting() {
            let topic = exchange.topic.as_ref().map_or("", TopicName::as_str);
            let response = answers::published(topic, outcome);
            self.respond(cx, exchange, response, out);
        }
    }

    pub(super) fn handle_reply(&mut self, cx: &Context, reply: &Reply, out: &mut Outputs) {
        if let Some(exchange) = self.take_waiting() {
            self.respond(cx, exchange, answers::reply(reply), out);
        }
    }

    /// The request whose answer is on its way.
    fn take_waiting(&mut self) -> Option<Exchange> {
        match std::mem::replace(&mut self.stage, RequestStage::Over) {
            RequestStage::Waiting(exchange) => Some(exchange),
            other => {
                debug_assert!(false, "an answer that nobody waits for");
                self.stage = other;
                None
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, cx: &Context, out: &mut Outputs) {
        if cx.now < self.deadline {
            return;
        }
        match &self.stage {
            RequestStage::Head if self.head.is_empty() => {
                self.over(CloseReason::Timeout, out);
            }
            RequestStage::Head => self.fail(cx, &too_slow("the request's head"), out),
            RequestStage::Body(..) => self.fail(cx, &too_slow("the request's body"), out),
            // The node answers in a bounded time of its own.
            RequestStage::Waiting(_) | RequestStage::Subscribing(_) | RequestStage::Over => {
                self.deadline = Time::NEVER
            }
        }
    }

    /// A client may end its side behind its last request and still wait for the answer.
    pub(super) fn handle_eof(&mut self, out: &mut Outputs) {
        self.ended = true;
        self.last = true;
        match &self.stage {
            RequestStage::Head | RequestStage::Body(..) => self.over(CloseReason::Eof, out),
            RequestStage::Waiting(_) => {}
            RequestStage::Subscribing(_) => self.over(CloseReason::Eof, out),
            RequestStage::Over => {}
        }
    }

    /// Between requests there is nothing to finish; inside one the answer is the last.
    pub(super) fn handle_drain(&mut self, out: &mut Outputs) {
        self.last = true;
        if matches!(self.stage, RequestStage::Head) && self.head.is_empty() {
            self.over(CloseReason::Draining, out);
        }
    }

    pub(super) fn takes_bytes(&self) -> bool {
        matches!(self.stage, RequestStage::Head | RequestStage::Body(..))
    }

    pub(super) fn deadline(&self) -> Time {
        match self.stage {
            RequestStage::Head | RequestStage::Body(..) => self.deadline,
            RequestStage::Waiting(_) | RequestStage::Subscribing(_) | RequestStage::Over => {
                Time::NEVER
            }
        }
    }

    fn read_head(
        &mut self,
        cx: &Context,
        bytes: &[u8],
        out: &mut Outputs,
    ) -> (usize, Option<Switch>) {
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
                self.fail(cx, &error, out);
                (bytes.len(), None)
            }
        }
    }

    fn request(&mut self, cx: &Context, head: RequestHead, out: &mut Outputs) -> Option<Switch> {
        self.head = HeadParser::new();
        tell_client(cx, &head, out);
        let mut exchange = Exchange::of(&head);
        let framing = match Framing::of(&head) {
            Ok(framing) => framing,
            Err(error) => {
                self.refuse_fatally(cx, exchange, &error, out);
                return None;
            }
        };
        let asked = self.admit(cx, &head).map(|routed| {
            exchange.dress = routed.dress;
            routed.route
        });
        let mut incoming = IncomingRequest {
            head,
            exchange,
            asked,
        };
        match incoming.body(cx, framing) {
            BodyUse::Absent => return self.carry_out(cx, incoming, Vec::new(), out),
            BodyUse::Unread => return self.carry_out_last(cx, incoming, out),
            BodyUse::Coming(reader) => self.await_body(cx, incoming, reader),
            BodyUse::Awaited(reader) => {
                out.bytes.extend_from_slice(CONTINUE);
                self.await_body(cx, incoming, reader);
            }
        }
        None
    }

    fn await_body(&mut self, cx: &Context, incoming: IncomingRequest, reader: BodyReader) {
        self.deadline = cx.now + cx.limits().body_timeout;
        self.stage = RequestStage::Body(Box::new(incoming), Box::new(reader));
    }

    /// Carries out a request that is whole, or says why not.
    fn carry_out(
        &mut self,
        cx: &Context,
        incoming: IncomingRequest,
        body: Vec<u8>,
        out: &mut Outputs,
    ) -> Option<Switch> {
        let IncomingRequest {
            head,
            exchange,
            asked,
        } = incoming;
        match asked {
            Ok(route) => self.begin(cx, &head, route, exchange, body, out),
            Err(response) => {
                self.refuse(cx, &head, exchange, response, out);
                None
            }
        }
    }

    /// The same where nobody knows, or wants to know, what follows: the connection ends with it.
    fn carry_out_last(
        &mut self,
        cx: &Context,
        mut incoming: IncomingRequest,
        out: &mut Outputs,
    ) -> Option<Switch> {
        incoming.exchange.keep_alive = false;
        self.carry_out(cx, incoming, Vec::new(), out)
    }

    /// Begins with what a request asks for.
    fn begin(
        &mut self,
        cx: &Context,
        head: &RequestHead,
        route: Route,
        mut exchange: Exchange,
        body: Vec<u8>,
        out: &mut Outputs,
    ) -> Option<Switch> {
        match route {
            Route::Publish { topic } => self.publish(cx, head, topic, exchange, body, out),
            Route::WebSocket(reading, upgrade) => {
                let switch = Switch::new(cx, head, upgrade);
                let becomes = SubscriptionGoal::WebSocket(switch, reading.form);
                self.read_on(reading, exchange, becomes, out);
            }
            Route::Stream(reading) if exchange.head_only => {
                let response = stream::head(reading.form);
                self.respond(cx, exchange, response, out);
            }
            Route::Stream(reading) => {
                let becomes = SubscriptionGoal::Stream(reading.form);
                self.read_on(reading, exchange, becomes, out);
            }
            Route::LongPoll {
                topic,
                after,
                known,
                timeout,
            } => {
                exchange.known = known;
                let becomes = SubscriptionGoal::Held(timeout);
                self.subscribe(topic, after, exchange, Manner::Once, becomes, out);
            }
            Route::Poll {
                topic,
                after,
                known,
            } => {
                exchange.known = known;
                self.stage = RequestStage::Waiting(exchange);
                let tag = self.next_tag();
                out.act(Action::Read { tag, topic, after });
            }
            Route::Echo(upgrade) => {
                return Some(Switch::new(cx, head, upgrade));
            }
            Route::Health => self.ask(Question::Health, exchange, out),
            Route::Ready { drain_404 } => self.ask(Question::Ready { drain_404 }, exchange, out),
            Route::Metrics(format) => self.ask(Question::Metrics(format), exchange, out),
            Route::Page(page) => self.ask(Question::Page(page), exchange, out),
            Route::Options(response) => self.respond(cx, exchange, response, out),
        }
        None
    }

    /// What the request asks for, if the node has room for that.
    fn admit(&self, cx: &Context, head: &RequestHead) -> Result<RoutedRequest, Response> {
        let is_here = || cx.is_client_here(head);
        let routed = http::route(head, &cx.rules.policy, cx.limits(), cx.door(), &is_here)?;
        let is_check = matches!(
            routed.route,
            Route::Health | Route::Ready { .. } | Route::Options(_)
        );
        if cx.is_full && !is_check {
            return Err(answers::unavailable(
                "full",
                "the node is full: try again later, or another node",
            ));
        }
        let stays = matches!(
            routed.route,
            Route::WebSocket(..) | Route::Echo(_) | Route::Stream(_) | Route::LongPoll { .. }
        );
        if stays && !cx.takes_upgrades {
            return Err(answers::unavailable(
                "draining",
                "the node is going away: connect again",
            ));
        }
        Ok(routed)
    }

    /// Answers a request that is not carried out.
    fn refuse(
        &mut self,
        cx: &Context,
        head: &RequestHead,
        exchange: Exchange,
        response: Response,
        out: &mut Outputs,
    ) {
        if matches!(response.status(), 401 | 403) && head.method() == &Method::Post {
            out.act(Action::NotAllowed);
        }
        self.respond(cx, exchange, response, out);
    }

    fn read_body(
        &mut self,
        cx: &Context,
        bytes: &[u8],
        out: &mut Outputs,
    ) -> (usize, Option<Switch>) {
        let RequestStage::Body(_, reader) = &mut self.stage else {
            return (bytes.len(), None);
        };
        let step = reader.handle_bytes(bytes);
        if step.as_ref().is_ok_and(|step| !step.done) {
            return (bytes.len(), None);
        }
        let RequestStage::Body(mut incoming, reader) =
            std::mem::replace(&mut self.stage, RequestStage::Over)
        else {
            return (bytes.len(), None);
        };
        match step {
            Ok(step) => {
                let next = self.carry_out(cx, *incoming, reader.into_body(), out);
                (step.consumed, next)
            }
            Err(error) if error.status() == 413 => {
                incoming.refuse(&error);
                (bytes.len(), self.carry_out_last(cx, *incoming, out))
            }
            Err(error) => {
                self.refuse_fatally(cx, incoming.exchange, &error, out);
                (bytes.len(), None)
            }
        }
    }

    fn publish(
        &mut self,
        cx: &Context,
        head: &RequestHead,
        topic: TopicName,
        mut exchange: Exchange,
        payload: Vec<u8>,
        out: &mut Outputs,
    ) {
        match http::payload_kind(head, &payload) {
            Ok(kind) => {
                exchange.topic = Some(topic.clone());
                self.stage = RequestStage::Waiting(exchange);
                let draft = Draft {
                    topic,
                    kind,
                    payload,
                    received: cx.now,
                };
                out.act(Action::Publish(self.next_tag(), draft));
            }
            Err(error) => self.respond(cx, exchange, error.to_response(), out),
        }
    }

    /// Subscribes a reader that is to be.
    fn read_on(
        &mut self,
        reading: Reading,
        exchange: Exchange,
        becomes: SubscriptionGoal,
        out: &mut Outputs,
    ) {
        let manner = Manner::new(reading.form, reading.conflate);
        let Reading { topic, after, .. } = reading;
        self.subscribe(topic, after, exchange, manner, becomes, out);
    }

    fn subscribe(
        &mut self,
        topic: TopicName,
        after: Option<After>,
        exchange: Exchange,
        manner: Manner,
        becomes: SubscriptionGoal,
        out: &mut Outputs,
    ) {
        self.stage = RequestStage::Subscribing(Box::new(Subscription {
            exchange,
            manner,
            becomes,
        }));
        let tag = self.next_tag();
        out.act(Action::Subscribe { tag, topic, after });
    }

    fn next_tag(&mut self) -> Tag {
        self.tag = self.tag.next();
        self.tag
    }

    fn ask(&mut self, question: Question, exchange: Exchange, out: &mut Outputs) {
        self.stage = RequestStage::Waiting(exchange);
        out.act(Action::Ask(question));
    }

    fn respond(&mut self, cx: &Context, exchange: Exchange, response: Response, out: &mut Outputs) {
        let Exchange {
            version,
            keep_alive,
            head_only,
            dress,
            ..
        } = exchange;
        let stays = keep_alive && !self.last && !cx.is_draining && !cx.is_full;
        let response = dress.apply(response);
        response.write(&mut out.bytes, &cx.date, head_only, stays, version);
        out.act(Action::Answered(response.status()));
        if stays {
            self.stage = RequestStage::Head;
            self.deadline = cx.now + cx.limits().keep_alive_timeout;
        } else {
            self.over(close_reason(response.status(), cx), out);
        }
    }

    /// Answers where nobody knows where the next request would begin.
    fn refuse_fatally(
        &mut self,
        cx: &Context,
        mut exchange: Exchange,
        error: &HttpError,
        out: &mut Outputs,
    ) {
        exchange.keep_alive = false;
        self.respond(cx, exchange, error.to_response(), out);
    }

    /// Answers what is no request, or not a whole one, and ends the connection.
    fn fail(&mut self, cx: &Context, error: &HttpError, out: &mut Outputs) {
        let exchange = match std::mem::replace(&mut self.stage, RequestStage::Over) {
            RequestStage::Body(incoming, _) => incoming.exchange,
            _ => Exchange::UNKNOWN,
        };
        self.refuse_fatally(cx, exchange, error, out);
    }

    fn over(&mut self, reason: CloseReason, out: &mut Outputs) {
        self.stage = RequestStage::Over;
        out.act(Action::Finish(reason));
    }
}

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        bytes_max: limits.head_bytes_max,
        headers_max: limits.headers_max,
    }
}

/// Behind a trusted proxy each request says who its client is.
fn tell_client(cx: &Context, head: &RequestHead, out: &mut Outputs) {
    if cx.proxy.is_some() {
        out.act(Action::Client(cx.forwarded_client(head)));
    }
}

fn close_reason(status: u16, cx: &Context) -> CloseReason {
    match status {
        200..=399 if cx.is_draining => CloseReason::Draining,
        200..=399 => CloseReason::Client,
        413 => CloseReason::TooBig,
        401 | 403 => CloseReason::Policy,
        408 => CloseReason::Timeout,
        501 | 505 => CloseReason::Protocol,
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
