//! What other shards and the main thread say to this one.

use super::Core;
use crate::base::ShardId;
use crate::mesh::{Answer, Control, Letter, Message, Request};
use crate::shard::delivery::Delivery;

impl<S> Core<S> {
    /// Handles every message that waits.
    pub(crate) fn read_inbox(&mut self) {
        self.mesh.open_inbox();
        while let Some(Letter { from, message }) = self.mesh.receive() {
            match (message, from) {
                (Message::Request(request), Some(from)) => self.requested(from, request),
                (Message::Answer(answer), _) => self.answered(answer),
                (Message::Control(control), _) => self.commanded(control),
                (Message::Request(_), None) => {
                    debug_assert!(false, "the main thread asks nothing of a shard");
                }
            }
        }
    }

    fn requested(&mut self, from: ShardId, request: Request<S>) {
        match request {
            Request::Publish { origin, draft } => self.publish_here(origin, draft),
            Request::Subscribe {
                origin,
                topic,
                after,
            } => {
                let result = self.home.subscribe(&topic, from, after, self.around.now);
                self.mesh.answer(
                    from,
                    Answer::Subscribed {
                        origin,
                        topic,
                        result,
                    },
                );
            }
            Request::Unsubscribe { topic, subscribers } => {
                self.home.unsubscribe(&topic, from, subscribers);
                self.mesh.answer(from, Answer::Unsubscribed);
            }
            Request::Read {
                origin,
                topic,
                after,
            } => {
                let recovery = self.home.read(&topic, after, self.around.now);
                self.mesh.answer(from, Answer::Read { origin, recovery });
            }
            Request::Deliver {
                delivery,
                topic,
                message,
                received,
            } => self.deliver(Delivery {
                home: from,
                number: delivery,
                topic,
                message,
                received,
            }),
            Request::Adopt { socket, door } => {
                self.arrivals.adopt(door, socket);
                self.mesh.answer(from, Answer::Adopted);
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Published { origin, outcome } => self.published(origin, outcome),
            Answer::Subscribed {
                origin,
                topic,
                result,
            } => self.subscribed(origin, &topic, result),
            Answer::Read { origin, recovery } => self.was_read(origin, &recovery),
            Answer::Delivered(counts) => counts.into_iter().for_each(|counts| self.count(counts)),
            Answer::Unsubscribed | Answer::Adopted => {}
        }
    }

    fn commanded(&mut self, control: Control) {
        match control {
            Control::Drain { grace, window } => self.begin_drain(grace, window),
            Control::Turn => {}
            Control::Stop => {
                self.reset_all();
                self.stopped = true;
            }
        }
    }
}
