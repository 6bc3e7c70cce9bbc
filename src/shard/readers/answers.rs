//! What is pending for long polls that are held: each gets one answer, and then is no subscriber.

use super::Readers;
use super::budget::Share;
use super::fanout::{Flush, record};
use super::group::{Pending, UnderWay};
use crate::base::{ConnId, Part, TopicName};
use crate::shard::member::{Member, Membership};
use crate::shard::surroundings::Surroundings;
use crate::shard::tally::Tally;

impl Readers {
    /// Takes the members of whom something is new out of a group of held polls, and tells `place`
    /// where everybody is now. So many have left the topic.
    pub(crate) fn begin_answers(
        &mut self,
        group: u32,
        mut place: impl FnMut(ConnId, Option<Membership>),
    ) -> (Flush, TopicName, usize) {
        let pending = std::mem::take(&mut self.groups.get_mut(group).pending);
        let newest = pending.last().map(|p| p.message.offset());
        let mut waiting = Vec::new();
        for member in self.groups.take_members(group) {
            let knows_all = newest.is_none_or(|newest| newest < member.from);
            let membership = knows_all.then(|| self.groups.put_back(group, member));
            if !knows_all {
                waiting.push(member);
            }
            place(member.conn, membership);
        }
        let topic = self.groups.get(group).topic.clone();
        let left = waiting.len();
        let under_way = UnderWay::Answers { pending, waiting };
        (Flush::fresh(group, under_way), topic, left)
    }

    /// As many of those that wait as the budget still reaches.
    pub(crate) fn next_answers(&mut self, share: Share, waiting: &mut Vec<Member>) -> Vec<Member> {
        let left = self.budget.left(share);
        let now = waiting.len().min(*left);
        *left -= now.max(1);
        waiting.split_off(waiting.len() - now)
    }

    /// What became of the answer that many got alike.
    pub(crate) fn was_answered(
        &mut self,
        around: &Surroundings,
        part: &Part,
        pending: &[Pending],
        tally: &Tally,
    ) {
        record(around, part, pending.len(), tally);
        self.count_answered(pending, tally.whole);
    }

    /// So many were answered with these publications.
    pub(crate) fn count_answered(&mut self, pending: &[Pending], answered: u32) {
        for count in pending.iter().filter_map(|pending| pending.count) {
            self.counts.add(count, answered, 0);
        }
    }
}
