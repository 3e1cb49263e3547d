//! What do the control side and the writer leave for each other?
//!
//! Neither holds the lock while it does anything else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use weir_core::config;
use weir_core::limits::PORT_BLOCK_RECORDS_WAITING_MAX;
use weir_core::units::{MemberId, Transport};

use super::Counts;
use super::blocks::BlockChange;
use super::event::Book;

/// What the writer is to do, in order.
#[derive(Debug)]
pub(super) enum Order {
    /// Keep the log like this from here on, and open its file anew.
    Settings(Option<config::SessionLog>),
    /// Tell of ports; with the milliseconds since the process started.
    Block(u64, BlockChange),
    /// Tell that a member has used up so many ports; with the same.
    Shortage(u64, MemberId, Transport, u32),
}

/// What is under the lock.
#[derive(Debug, Default)]
struct Waiting {
    orders: VecDeque<Order>,
    book: Option<Arc<Book>>,
    finish: bool,
    problem: Option<String>,
}

impl Waiting {
    fn is_urgent(&self) -> bool {
        self.finish || self.orders.iter().any(|it| matches!(it, Order::Settings(_)))
    }
}

/// What the writer takes at a time.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) orders: VecDeque<Order>,
    pub(super) book: Option<Arc<Book>>,
    /// Nothing more will come.
    pub(super) finish: bool,
}

/// What both have.
#[derive(Debug, Default)]
pub(super) struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    written: AtomicU64,
    failed: AtomicU64,
}

impl Shared {
    /// Leaves an order. Of settings only the last count; of blocks no more than so many wait.
    pub(super) fn order(&self, order: Order) {
        let mut waiting = self.lock();
        let is_settings = |order: &Order| matches!(order, Order::Settings(_));
        if is_settings(&order) {
            waiting.orders.retain(|it| !is_settings(it));
        } else if waiting.orders.len() >= PORT_BLOCK_RECORDS_WAITING_MAX {
            return self.failed(1);
        }
        waiting.orders.push_back(order);
        self.wake.notify_one();
    }

    /// Leaves what ids mean, from now on.
    pub(super) fn learn(&self, book: Arc<Book>) {
        self.lock().book = Some(book);
    }

    /// Tells the writer to come to an end.
    pub(super) fn finish(&self) {
        self.lock().finish = true;
        self.wake.notify_one();
    }

    /// Takes what waits.
    pub(super) fn take(&self) -> Taken {
        let mut waiting = self.lock();
        let (orders, book) = (std::mem::take(&mut waiting.orders), waiting.book.take());
        Taken { orders, book, finish: waiting.finish }
    }

    /// Whether settings or the end wait, for a writer who cannot write.
    pub(super) fn is_urgent(&self) -> bool {
        self.lock().is_urgent()
    }

    /// Waits for an order, at most for so long; without bound for `None`. Who cannot write waits
    /// for urgent ones only.
    pub(super) fn wait(&self, at_most: Option<Duration>, for_urgent_only: bool) {
        let idle = |waiting: &mut Waiting| {
            !(waiting.is_urgent() || !for_urgent_only && !waiting.orders.is_empty())
        };
        let waiting = self.lock();
        // What was found is looked at anew by whoever called.
        match at_most {
            Some(at_most) => drop(self.wake.wait_timeout_while(waiting, at_most, idle)),
            None => drop(self.wake.wait_while(waiting, idle)),
        }
    }

    pub(super) fn written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, records: u64) {
        self.failed.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let [written, failed] =
            [&self.written, &self.failed].map(|count| count.load(Ordering::Relaxed));
        Counts { written, failed }
    }

    /// Notes why nothing can be written, or that it can again; returns whether that is news.
    pub(super) fn note_problem(&self, problem: Option<&str>) -> bool {
        let mut waiting = self.lock();
        let news = waiting.problem.is_some() != problem.is_some();
        waiting.problem = problem.map(str::to_owned);
        news
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// Nobody panics with the lock in hand, and if so, what it guards is whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
