//! How do events reach a client without anybody waiting for it?
//!
//! ```text
//!   the control side ─► push ─► [ at most 256 lines ] ─► next ─► the client's task ─► socket
//!                        └─ full: counted ─────────────► one line that says how many
//! ```
//!
//! Once an event was lost, so is everything until the client has read what waits: then it is told
//! how many it missed, and what comes after that is whole again.
//!
//! Not here: who gets which event (`control::events`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::sync::Notify;
use weir_core::limits::EVENTS_WAITING_MAX;

/// The events that wait for one client.
#[derive(Debug, Default)]
pub struct Feed {
    waiting: RefCell<Waiting>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Rc<str>>,
    missed: u64,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// An event, as a line with its newline.
    Event(Rc<str>),
    /// So many were lost here.
    Missed(u64),
}

impl Feed {
    /// Whether an event would reach the client.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let waiting = self.waiting.borrow();
        waiting.missed == 0 && waiting.lines.len() < EVENTS_WAITING_MAX
    }

    /// Has the client told, if there is room.
    pub fn push(&self, line: &Rc<str>) {
        if self.has_room() {
            self.waiting.borrow_mut().lines.push_back(Rc::clone(line));
            self.came.notify_one();
        } else {
            self.miss();
        }
    }

    /// Counts an event that does not reach the client.
    pub fn miss(&self) {
        self.waiting.borrow_mut().missed += 1;
        self.came.notify_one();
    }

    /// Waits for what comes next. Nothing is lost when the waiting is given up.
    pub async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            self.came.notified().await;
        }
    }

    fn take(&self) -> Option<Next> {
        let mut waiting = self.waiting.borrow_mut();
        if let Some(line) = waiting.lines.pop_front() {
            return Some(Next::Event(line));
        }
        let missed = std::mem::take(&mut waiting.missed);
        (missed > 0).then_some(Next::Missed(missed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn line(number: usize) -> Rc<str> {
        number.to_string().into()
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_counted_and_told_in_its_place() {
        let feed = Feed::default();
        for number in 0..EVENTS_WAITING_MAX + 3 {
            feed.push(&line(number));
        }
        assert_eq!(feed.next().await, Next::Event(line(0)));
        feed.push(&line(7_000));
        for number in 1..EVENTS_WAITING_MAX {
            assert_eq!(feed.next().await, Next::Event(line(number)), "in order");
        }
        assert_eq!(feed.next().await, Next::Missed(4), "the one after the gap belongs to it");
        feed.push(&line(8_000));
        assert_eq!(feed.next().await, Next::Event(line(8_000)), "whole again");
        let nothing = timeout(Duration::from_secs(1), feed.next()).await;
        assert_eq!(nothing.ok(), None, "told once");
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_comes_while_nobody_waits_is_there_for_who_waits_next() {
        let feed = Feed::default();
        timeout(Duration::from_secs(1), feed.next()).await.expect_err("nothing yet");
        feed.push(&line(1));
        assert_eq!(feed.next().await, Next::Event(line(1)));
    }
}
