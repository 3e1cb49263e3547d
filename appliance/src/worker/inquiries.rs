//! How does a worker answer the control side's questions about its flows?
//!
//! ```text
//!   control side ──► questions ──► Desk: one question at a time, one slice a turn
//!        ▲                            │
//!        └────────── answers ◄────────┘
//! ```
//!
//! A question is a box that travels there and back, with room for its answer: the worker neither
//! takes memory nor gives any back. While nobody asks, a turn costs one look at a line that only
//! the control side writes. A worker that sleeps sees the question when it wakes, within the
//! longest sleep of `idle`.
//!
//! Not here: what is told of flows (`weir_core::path`), who asks (`control::inquiries`).

use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_queue::ArrayQueue;
use weir_core::path::{FlowSlice, FlowView, Now, Worker};
use weir_core::policy::Snapshot;
use weir_core::tables::Key;

/// Questions that one worker may have at a time. A further one is refused.
pub const QUESTIONS_WAITING: usize = 8;
/// Slots of the flow table that a listing looks at in a turn without packets: 2.5 µs.
const SLOTS_PER_TURN: u32 = 256;
/// The same in a turn that has packets: 0.6 µs, so that a worker with all hands full goes on with
/// nearly all of them.
const SLOTS_PER_BUSY_TURN: u32 = 64;

/// What is asked of a worker.
#[derive(Debug)]
pub enum Question {
    /// Which flows are there, from a slot of the table on?
    List(FlowSlice),
    /// Is there a flow with this key?
    Find {
        /// The key, of either direction.
        key: Key,
        /// The flow, in the answer.
        found: Option<FlowView>,
    },
}

/// A question on its way.
#[derive(Debug)]
pub struct Inquiry {
    /// Tells it from all others of this worker.
    pub number: u64,
    /// What is asked; later, what was answered.
    pub question: Question,
}

impl Inquiry {
    /// A question that is about to leave.
    #[must_use]
    pub fn boxed(number: u64, question: Question) -> Box<Self> {
        Box::new(Self { number, question })
    }
}

/// Where questions and answers of one worker pass, on cache lines of their own.
#[derive(Debug)]
#[repr(align(128))]
pub struct Mailbox {
    /// How many questions were put in so far, modulo 2^32: written by the control side only.
    asked: AtomicU32,
    questions: ArrayQueue<Box<Inquiry>>,
    answers: ArrayQueue<Box<Inquiry>>,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            asked: AtomicU32::new(0),
            questions: ArrayQueue::new(QUESTIONS_WAITING),
            answers: ArrayQueue::new(QUESTIONS_WAITING),
        }
    }
}

impl Mailbox {
    /// Puts a question in. Whoever asks keeps no more than [`QUESTIONS_WAITING`] unanswered.
    ///
    /// # Errors
    /// The question, when there is no place for it.
    pub fn ask(&self, inquiry: Box<Inquiry>) -> Result<(), Box<Inquiry>> {
        self.questions.push(inquiry)?;
        self.asked.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Takes an answer out.
    #[must_use]
    pub fn answer(&self) -> Option<Box<Inquiry>> {
        self.answers.pop()
    }
}

/// The worker's end of its mailbox.
#[derive(Debug, Default)]
pub struct Desk {
    /// How many questions were taken so far, modulo 2^32.
    taken: u32,
    current: Option<Box<Inquiry>>,
}

impl Desk {
    /// Goes on with the current question, or takes the next one, in a turn that `had_packets` or
    /// none. Returns whether there was any question.
    #[inline]
    pub fn turn(
        &mut self,
        mailbox: &Mailbox,
        worker: &Worker,
        snapshot: &Snapshot,
        now: Now,
        had_packets: bool,
    ) -> bool {
        // What is counted was put in before, so it is there to be taken.
        if self.current.is_none() && mailbox.asked.load(Ordering::Acquire) == self.taken {
            return false;
        }
        let budget = if had_packets { SLOTS_PER_BUSY_TURN } else { SLOTS_PER_TURN };
        self.work(mailbox, worker, snapshot, now, budget);
        true
    }

    #[cold]
    fn work(
        &mut self,
        mailbox: &Mailbox,
        worker: &Worker,
        snapshot: &Snapshot,
        now: Now,
        budget: u32,
    ) {
        let mut inquiry = match self.current.take() {
            Some(inquiry) => inquiry,
            None => match mailbox.questions.pop() {
                Some(inquiry) => {
                    self.taken = self.taken.wrapping_add(1);
                    inquiry
                }
                None => return,
            },
        };
        let is_answered = match &mut inquiry.question {
            Question::List(slice) => {
                worker.list(snapshot, now, slice, budget);
                slice.is_answered()
            }
            Question::Find { key, found } => {
                *found = worker.look_up(snapshot, now, key);
                true
            }
        };
        // Without room for the answer it stays here, and is not freed on this thread.
        self.current =
            if is_answered { mailbox.answers.push(inquiry).err() } else { Some(inquiry) };
    }
}
