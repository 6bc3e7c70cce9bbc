//! The date of a shard's answers, which is made at most once a second.

use std::time::Duration;

use crate::base::Time;
use crate::wire::http::Date;

/// The wall clock, and what it last said.
///
/// It is asked anew in each second, since it may be set while the node runs.
pub(super) struct Calendar {
    /// Time since the beginning of 1970.
    wall: Box<dyn Fn() -> Duration>,
    date: Date,
    /// From then on `date` is old.
    until: Time,
}

impl Calendar {
    pub(super) fn new(wall: Box<dyn Fn() -> Duration>) -> Self {
        Self {
            wall,
            date: Date::at(Duration::ZERO),
            until: Time::ZERO,
        }
    }

    /// The date of the present moment.
    pub(super) fn date(&mut self, now: Time) -> Date {
        if self.until <= now {
            let unix = (self.wall)();
            self.date = Date::at(unix);
            let passed = Duration::from_nanos(u64::from(unix.subsec_nanos()));
            self.until = now + (Duration::from_secs(1) - passed);
        }
        self.date
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_date_is_made_once_a_second_and_never_old() {
        let asked = Rc::new(Cell::new(0));
        let wall_now = Rc::new(Cell::new(Duration::from_millis(7_400)));
        let (count, wall) = (Rc::clone(&asked), Rc::clone(&wall_now));
        let mut calendar = Calendar::new(Box::new(move || {
            count.set(count.get() + 1);
            wall.get()
        }));
        let begun = Time::ZERO + Duration::from_millis(50);
        for step in 0..40 {
            let passed = Duration::from_millis(100) * step;
            wall_now.set(Duration::from_millis(7_400) + passed);
            assert_eq!(calendar.date(begun + passed), Date::at(wall_now.get()));
        }
        assert_eq!(asked.get(), 5, "the seconds 7 to 11");
    }

    #[test]
    fn a_clock_that_is_set_is_believed_within_a_second() {
        let wall_now = Rc::new(Cell::new(Duration::from_secs(900)));
        let wall = Rc::clone(&wall_now);
        let mut calendar = Calendar::new(Box::new(move || wall.get()));
        calendar.date(Time::ZERO);
        wall_now.set(Duration::from_secs(100));
        let date = calendar.date(Time::ZERO + Duration::from_secs(1));
        assert_eq!(date, Date::at(Duration::from_secs(100)));
    }
}
