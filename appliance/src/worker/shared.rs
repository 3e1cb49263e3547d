//! What does a worker tell the control side about itself?

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use weir_core::path::{Exhaustion, ResolveRequest};

use super::inquiries::Mailbox;
use super::sessions::SessionRing;

/// Requests to resolve a next hop that may wait for the control side. Beyond, the next packet
/// asks again.
const REQUESTS_WAITING: usize = 256;
/// Notes of outbound ports that have run out which may wait for the control side. Beyond, the next
/// flow that finds none tells again; each is counted.
const EXHAUSTIONS_WAITING: usize = 256;

/// What one worker writes and the control side reads, on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub struct SharedState {
    heartbeat_milliseconds: AtomicU64,
    flows: AtomicU64,
    turns: AtomicU64,
    busy_turns: AtomicU64,
    sleeping: AtomicBool,
    lcore: AtomicU32,
    /// Next hops that packets wait for.
    pub requests: ArrayQueue<ResolveRequest>,
    /// Outbound sessions that began or ended.
    pub sessions: SessionRing,
    /// Whose outbound ports have run out, or nearly so.
    pub exhaustions: ArrayQueue<Exhaustion>,
    /// What the control side asks, and the worker's answers.
    pub inquiries: Mailbox,
}

/// What a worker's shared state says at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerState {
    /// When the worker last began a turn, in milliseconds since the process started.
    pub heartbeat_milliseconds: u64,
    /// Flow records in use.
    pub flows: u64,
    /// Turns since start.
    pub turns: u64,
    /// Turns that found something to do.
    pub busy_turns: u64,
    /// Whether the worker sleeps.
    pub sleeping: bool,
    /// The DPDK lcore that the worker is.
    pub lcore: u32,
}

impl Default for SharedState {
    fn default() -> Self {
        Self {
            heartbeat_milliseconds: AtomicU64::new(0),
            flows: AtomicU64::new(0),
            turns: AtomicU64::new(0),
            busy_turns: AtomicU64::new(0),
            sleeping: AtomicBool::new(false),
            lcore: AtomicU32::new(0),
            requests: ArrayQueue::new(REQUESTS_WAITING),
            sessions: SessionRing::default(),
            exhaustions: ArrayQueue::new(EXHAUSTIONS_WAITING),
            inquiries: Mailbox::default(),
        }
    }
}

/// Whether a queue has room, as the only thread knows that puts something in. One place stays free:
/// what the other side is just taking out still fills it, and whoever wants to put something there
/// would wait until that side has gone on.
#[inline]
pub(super) fn has_room<T>(queue: &ArrayQueue<T>) -> bool {
    queue.len() + 1 < queue.capacity()
}

impl SharedState {
    /// The state at this moment.
    #[must_use]
    pub fn read(&self) -> WorkerState {
        WorkerState {
            heartbeat_milliseconds: self.heartbeat_milliseconds.load(Ordering::Relaxed),
            flows: self.flows.load(Ordering::Relaxed),
            turns: self.turns.load(Ordering::Relaxed),
            busy_turns: self.busy_turns.load(Ordering::Relaxed),
            sleeping: self.sleeping.load(Ordering::Relaxed),
            lcore: self.lcore.load(Ordering::Relaxed),
        }
    }

    #[inline]
    pub(super) fn heartbeat(&self, now_milliseconds: u64, flows: usize) {
        self.heartbeat_milliseconds.store(now_milliseconds, Ordering::Relaxed);
        self.flows.store(flows as u64, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn count_turn(&self, busy: bool) {
        let next =
            |slot: &AtomicU64| slot.store(slot.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        next(&self.turns);
        if busy {
            next(&self.busy_turns);
        }
    }

    pub(super) fn is_lcore(&self, lcore: u32) {
        self.lcore.store(lcore, Ordering::Relaxed);
    }

    pub(super) fn sleeping(&self, sleeping: bool) {
        self.sleeping.store(sleeping, Ordering::Relaxed);
    }
}
