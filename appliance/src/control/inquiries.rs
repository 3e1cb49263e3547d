//! How does the control side ask workers about their flows, and who gets which answer?
//!
//! ```text
//!   list, find ─► question ─► a worker's mailbox ─► collect, every millisecond ─► who asked
//! ```
//!
//! Any number of tasks may ask at once; each waits for its own answer and for no other. A question
//! that nobody waits for any more keeps its place until the worker has answered it, so that a
//! worker that stands still is asked no more than its mailbox holds.
//!
//! Not here: what a worker does with a question (`worker::inquiries`), what is made of the answers
//! (`listings`).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;
use weir_core::path::{FlowSlice, FlowView};
use weir_core::tables::Key;
use weir_core::units::WorkerId;

use crate::worker::SharedState;
use crate::worker::inquiries::{Inquiry, QUESTIONS_WAITING, Question};

/// How long a worker may take for one question. With all hands full it needs a tenth of a second
/// for the longest.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Why a worker could not be asked, or did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unanswered {
    /// There is no such worker.
    #[error("there is no worker {worker}: this appliance has {workers}, from 0 on")]
    Unknown {
        /// Who was to be asked.
        worker: WorkerId,
        /// How many there are.
        workers: usize,
    },
    /// Its mailbox is full.
    #[error(
        "worker {0} has {QUESTIONS_WAITING} questions that it has not answered yet: try again; \
         `weirctl status` shows whether it is stuck"
    )]
    Busy(WorkerId),
    /// It takes too long.
    #[error(
        "worker {0} has not answered for {seconds} s: `weirctl status` shows whether it is stuck",
        seconds = ANSWER_WITHIN.as_secs()
    )]
    Silent(WorkerId),
}

/// The way to ask all workers; clones are the same way.
#[derive(Clone, Debug)]
pub struct Inquirer(Rc<RefCell<Vec<Asked>>>);

/// What one worker was asked.
#[derive(Debug)]
struct Asked {
    shared: Arc<SharedState>,
    /// The number of the next question.
    next: u64,
    /// Who waits for which answer.
    waiting: BTreeMap<u64, oneshot::Sender<Question>>,
}

impl Inquirer {
    /// Asks these workers, by their numbers.
    #[must_use]
    pub fn new(workers: impl IntoIterator<Item = Arc<SharedState>>) -> Self {
        let asked = |shared| Asked { shared, next: 0, waiting: BTreeMap::new() };
        Self(Rc::new(RefCell::new(workers.into_iter().map(asked).collect())))
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.0.borrow().len()
    }

    /// Has a worker fill a slice.
    ///
    /// # Errors
    /// [`Unanswered`], which names the worker.
    pub async fn list(&self, worker: WorkerId, slice: FlowSlice) -> Result<FlowSlice, Unanswered> {
        match self.ask(worker, Question::List(slice)).await? {
            Question::List(slice) => Ok(slice),
            Question::Find { .. } => unreachable!("a question comes back as it went"),
        }
    }

    /// The flow with this key, of either direction (`flow::key`), if this worker has it: what a
    /// packet with that key would find there.
    ///
    /// # Errors
    /// [`Unanswered`], which names the worker.
    pub async fn find(&self, worker: WorkerId, key: Key) -> Result<Option<FlowView>, Unanswered> {
        match self.ask(worker, Question::Find { key, found: None }).await? {
            Question::Find { found, .. } => Ok(found),
            Question::List(_) => unreachable!("a question comes back as it went"),
        }
    }

    /// Passes on what workers have answered. To be called every millisecond or so.
    pub fn collect(&self) {
        for asked in self.0.borrow_mut().iter_mut() {
            while let Some(answer) = asked.shared.inquiries.answer() {
                let Inquiry { number, question } = *answer;
                if let Some(waiting) = asked.waiting.remove(&number) {
                    // Who asked may have given up.
                    let _gone = waiting.send(question);
                }
            }
        }
    }

    async fn ask(&self, worker: WorkerId, question: Question) -> Result<Question, Unanswered> {
        let answer = self.put(worker, question)?;
        match timeout(ANSWER_WITHIN, answer).await {
            Ok(Ok(question)) => Ok(question),
            Ok(Err(_)) | Err(_) => Err(Unanswered::Silent(worker)),
        }
    }

    /// Puts a question into a worker's mailbox.
    fn put(
        &self,
        worker: WorkerId,
        question: Question,
    ) -> Result<oneshot::Receiver<Question>, Unanswered> {
        let mut all = self.0.borrow_mut();
        let workers = all.len();
        let unknown = Unanswered::Unknown { worker, workers };
        let asked = all.get_mut(worker.index()).ok_or(unknown)?;
        let number = asked.next;
        let has_place = asked.waiting.len() < QUESTIONS_WAITING;
        let put = has_place.then(|| asked.shared.inquiries.ask(Inquiry::boxed(number, question)));
        if !matches!(put, Some(Ok(()))) {
            return Err(Unanswered::Busy(worker));
        }
        asked.next += 1;
        let (sender, answer) = oneshot::channel();
        asked.waiting.insert(number, sender);
        Ok(answer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::task::LocalSet;
    use weir_core::path::{FlowQuery, Now, Sizes, Worker};
    use weir_core::policy::{OwnerFunction, RSS_KEY_BYTES, Snapshot};

    use super::*;
    use crate::worker::inquiries::Desk;

    const WORKER: WorkerId = WorkerId(0);

    /// A worker that turns when it is told to.
    pub(in crate::control) struct Owner {
        worker: Worker,
        desk: Desk,
        pub(in crate::control) shared: Arc<SharedState>,
        pub(in crate::control) snapshot: Snapshot,
    }

    impl Owner {
        /// One that has these flows.
        pub(in crate::control) fn of(worker: Worker, snapshot: &Snapshot) -> Self {
            let snapshot = snapshot.clone();
            Self { worker, desk: Desk::default(), shared: Arc::default(), snapshot }
        }

        /// One without flows, with 1,024 slots for them.
        pub(in crate::control) fn idle() -> Self {
            let owner = OwnerFunction::new(&[0; RSS_KEY_BYTES], 1);
            let worker = Worker::new(WORKER, Sizes::of_flow_slots(1024), 1, Now::default());
            Self::of(worker, weir_core::compile::Compiler::new(owner, 1).last())
        }

        /// One turn; whether there was a question.
        pub(in crate::control) fn turn(&mut self) -> bool {
            let inquiries = &self.shared.inquiries;
            self.desk.turn(inquiries, &self.worker, &self.snapshot, Now::default(), false)
        }
    }

    fn slice() -> FlowSlice {
        FlowSlice::new(FlowQuery::default(), 0, 10)
    }

    #[tokio::test(start_paused = true)]
    async fn each_who_asks_gets_the_answer_to_the_own_question() {
        let mut owner = Owner::idle();
        let inquirer = Inquirer::new([Arc::clone(&owner.shared)]);
        assert!(!owner.turn(), "nobody asked");
        LocalSet::new()
            .run_until(async {
                let asking = inquirer.clone();
                let ask = async move { asking.list(WORKER, slice()).await };
                let listing = tokio::task::spawn_local(ask);
                let asking = inquirer.clone();
                let search =
                    tokio::task::spawn_local(async move { asking.find(WORKER, [1, 2, 3]).await });
                tokio::task::yield_now().await;
                let turns = (0..100).take_while(|_| owner.turn()).count();
                assert_eq!(turns, 4 + 1, "1,024 slots take four turns, and a search one");
                inquirer.collect();
                let slice = listing.await.expect("no panic").expect("answered");
                assert_eq!((slice.next(), slice.scanned()), (None, 1024));
                assert_eq!(search.await.expect("no panic"), Ok(None));
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_stands_still_is_named_and_asked_no_more_than_its_mailbox_holds() {
        let mut owner = Owner::idle();
        let inquirer = Inquirer::new([Arc::clone(&owner.shared)]);
        for _ in 0..QUESTIONS_WAITING {
            let unanswered = inquirer.list(WORKER, slice()).await.expect_err("it stands still");
            assert_eq!(unanswered, Unanswered::Silent(WORKER));
        }
        let refused = inquirer.find(WORKER, [1, 2, 3]).await;
        assert_eq!(refused, Err(Unanswered::Busy(WORKER)));
        while owner.turn() {}
        inquirer.collect();
        let silent = inquirer.find(WORKER, [1, 2, 3]).await;
        assert_eq!(silent, Err(Unanswered::Silent(WORKER)), "there is room again");
        let unknown = Unanswered::Unknown { worker: WorkerId(1), workers: 1 };
        assert_eq!(inquirer.find(WorkerId(1), [1, 2, 3]).await, Err(unknown));
    }
}
