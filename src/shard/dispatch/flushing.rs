//! One publication, or a turn's worth of them, from the groups to their members' connections.
//!
//! A flush of very many subscribers goes on over several turns.

use super::Core;
use crate::io::Driver;
use crate::session::Manner;
use crate::shard::readers::{Flush, UnderWay};

impl<S> Core<S> {
    /// Writes what was collected to every group; of very many subscribers, to as many as a turn
    /// may, and to the others in the next turns, so that nobody else waits for all of them.
    pub(crate) fn flush_groups<D: Driver<Socket = S>>(&mut self, driver: &mut D) {
        if !self.readers.is_flush_due(self.around.now) {
            return;
        }
        while let Some((group, manner)) = self.readers.pop_dirty() {
            let flush = self.begin_flush(group, manner);
            self.go_on(driver, flush);
        }
        while let Some(flush) = self.readers.pop_under_way() {
            self.go_on(driver, flush);
        }
        self.close_slow(driver);
    }

    /// What a group has to do about all that is pending.
    fn begin_flush(&mut self, group: u32, manner: Manner) -> Flush {
        let Self {
            around,
            conns,
            readers,
            ..
        } = self;
        match manner {
            Manner::Each(form) => readers.begin_fan_out(around, group, form),
            Manner::Newest(form, _) => readers.begin_newest(around, group, form, |conn, chunk| {
                conns.send_missed(around, conn, chunk);
            }),
            Manner::Once => self.begin_answers(group),
        }
    }

    /// Goes on with a flush until it is over or as many sends as are left are done.
    fn go_on<D: Driver<Socket = S>>(&mut self, driver: &mut D, mut flush: Flush) {
        match flush.under_way {
            UnderWay::FanOut { .. } => self.fan_out(driver, &mut flush),
            UnderWay::Answers { .. } => self.answer_some(driver, &mut flush),
        }
        self.readers.end_flush(self.around.now, flush);
    }

    fn fan_out<D: Driver<Socket = S>>(&mut self, driver: &mut D, flush: &mut Flush) {
        let bytes_max = self.around.limits().outbox_bytes_max;
        while let Some(wave) = self.readers.next_wave(flush) {
            let members = self.readers.members_of(&wave);
            let tally = self.conns.offer(driver, bytes_max, &wave.part, members);
            self.readers.was_offered(&self.around, flush, &wave, &tally);
        }
    }
}
