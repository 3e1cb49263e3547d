//! In which order do configurations reach the disk, and who is told when?
//!
//! ```text
//!   published ─► waiting ─► a thread aside, one at a time ─► done ─► the author
//!   rollback ──────┘          (has the store meanwhile)        └──► the rollback goes on
//! ```
//!
//! The control side never waits for a disk. What cannot be stored is tried again until it can be,
//! or until something newer is in force.
//!
//! Not here: what a store does (`super`).

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weir_core::api::{History, Reply, Rollback, StoredConfiguration};
use weir_core::limits::CONFIGURATIONS_WAITING_FOR_DISK_MAX;

use super::{Entry, Listed, Record, Store, StoreError};
use crate::control::socket::Peer;

/// Under which number a configuration is stored, or why it is not.
pub(crate) type Kept = Result<u64, String>;

/// A request for a stored configuration.
pub(crate) struct Sought {
    pub(crate) rollback: Rollback,
    pub(crate) peer: Peer,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What came of a job that the control side has to go on with.
pub(crate) enum Done {
    /// Somebody was told, and nothing is left to do.
    Kept,
    /// A rollback can go on with what was found, or with the reason why not.
    Found(Sought, Box<Result<Record, String>>),
}

enum Job {
    Keep { entry: Box<Entry>, reply: Option<oneshot::Sender<Kept>>, again: bool },
    Seek(Sought),
}

/// What the thread aside gives back.
struct Finished {
    store: Store,
    outcome: Outcome,
}

enum Outcome {
    Keep {
        entry: Box<Entry>,
        reply: Option<oneshot::Sender<Kept>>,
        again: bool,
        result: Result<u64, StoreError>,
    },
    Seek(Sought, Box<Result<Record, String>>),
}

/// The control side's way to the store.
pub(crate) struct Keeper {
    /// Here when nothing is under way.
    store: Option<Store>,
    running: Option<JoinHandle<Finished>>,
    waiting: VecDeque<Job>,
    listed: BTreeMap<u64, Listed>,
    /// The number of the configuration in force, when it is stored.
    in_force: Option<u64>,
    /// The configuration in force while it is not, and why.
    unstored: Option<(Box<Entry>, String)>,
    failures: u64,
}

impl Keeper {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            listed: store.listed().clone(),
            store: Some(store),
            running: None,
            waiting: VecDeque::new(),
            in_force: None,
            unstored: None,
            failures: 0,
        }
    }

    /// Has a configuration stored that is in force; `reply` is told when it is.
    pub(crate) fn keep(&mut self, entry: Entry, reply: Option<oneshot::Sender<Kept>>) {
        self.push(Job::Keep { entry: Box::new(entry), reply, again: false });
        let keeps = |job: &Job| matches!(job, Job::Keep { .. });
        if self.waiting.iter().filter(|job| keeps(job)).count()
            > CONFIGURATIONS_WAITING_FOR_DISK_MAX
            && let Some(oldest) = self.waiting.iter().position(keeps)
            && let Some(Job::Keep { reply: Some(reply), .. }) = self.waiting.remove(oldest)
        {
            self.failures += 1;
            // An author who has gone does not want to know.
            let _gone = reply.send(Err("the disk is slow, and newer ones wait for it".into()));
        }
    }

    /// Has a stored configuration read, in its turn.
    pub(crate) fn seek(&mut self, sought: Sought) {
        self.push(Job::Seek(sought));
    }

    /// Tries to store again what could not be stored.
    pub(crate) fn try_again(&mut self) {
        if self.is_idle()
            && let Some((entry, _)) = self.unstored.clone()
        {
            self.push(Job::Keep { entry, reply: None, again: true });
        }
    }

    /// Waits for what is under way; for ever when nothing is.
    pub(crate) async fn done(&mut self) -> Done {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let finished = running.await;
        self.running = None;
        let done = match finished {
            Ok(finished) => {
                self.listed.clone_from(finished.store.listed());
                self.store = Some(finished.store);
                self.take_in(finished.outcome)
            }
            Err(error) => {
                tracing::error!("nothing more is stored until a restart: {error}");
                Done::Kept
            }
        };
        self.start_next();
        done
    }

    /// Waits until all that is to be stored is.
    pub(crate) async fn drain(&mut self) {
        while self.running.is_some() {
            self.done().await;
        }
    }

    /// Why the configuration in force is not stored; `None` while it is.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.unstored.as_ref().map(|(_, why)| why.as_str())
    }

    /// Configurations that could not be stored when they were put in force.
    pub(crate) fn failures(&self) -> u64 {
        self.failures
    }

    /// What is stored, newest first.
    pub(crate) fn history(&self) -> History {
        let newest_first = self.listed.iter().rev();
        History {
            configurations: newest_first.map(|(number, it)| self.told(*number, it)).collect(),
            not_persisted: self.failure().map(str::to_owned),
        }
    }

    fn told(&self, number: u64, listed: &Listed) -> StoredConfiguration {
        match listed {
            Ok(summary) => StoredConfiguration {
                number,
                applied_at: summary.applied_at.clone(),
                applied_by: summary.applied_by.clone(),
                restores: summary.restores,
                sha256: summary.sha256.to_string(),
                in_force: self.in_force == Some(number),
                damage: None,
            },
            Err(damage) => StoredConfiguration {
                number,
                damage: Some(damage.to_string()),
                ..StoredConfiguration::default()
            },
        }
    }

    fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    fn push(&mut self, job: Job) {
        self.waiting.push_back(job);
        self.start_next();
    }

    fn start_next(&mut self) {
        if self.running.is_some() {
            return;
        }
        let Some(job) = self.waiting.pop_front() else { return };
        let Some(mut store) = self.store.take() else {
            // Gone with a thread that panicked; dropping the jobs tells whoever waits.
            self.waiting.clear();
            return;
        };
        let before = self.before();
        self.running = Some(tokio::task::spawn_blocking(move || {
            let outcome = match job {
                Job::Keep { entry, reply, again } => {
                    let result = store.keep(&entry);
                    Outcome::Keep { entry, reply, again, result }
                }
                Job::Seek(sought) => {
                    let found = find(&store, sought.rollback.to.or(before));
                    Outcome::Seek(sought, Box::new(found))
                }
            };
            Finished { store, outcome }
        }));
    }

    /// The newest number before that of the configuration in force that stands for another one. A
    /// damaged one may, and is not skipped: a rollback goes where its author thinks, or nowhere.
    fn before(&self) -> Option<u64> {
        let newest = self.in_force.unwrap_or(u64::MAX);
        let in_force = self.in_force.and_then(|number| self.listed.get(&number)?.as_ref().ok());
        let differs = |listed: &Listed| match (listed, in_force) {
            (Ok(other), Some(in_force)) => other.sha256 != in_force.sha256,
            (Ok(_), None) | (Err(_), _) => true,
        };
        let mut before = self.listed.range(..newest).rev();
        before.find(|(_, listed)| differs(listed)).map(|(number, _)| *number)
    }

    fn take_in(&mut self, outcome: Outcome) -> Done {
        match outcome {
            Outcome::Seek(sought, found) => Done::Found(sought, found),
            Outcome::Keep { entry, reply, again, result } => {
                let kept = match result {
                    Ok(number) => Ok(self.stored(number, again)),
                    Err(error) => Err(self.failed(entry, &error, again)),
                };
                if let Some(reply) = reply {
                    let _gone = reply.send(kept);
                }
                Done::Kept
            }
        }
    }

    fn stored(&mut self, number: u64, again: bool) -> u64 {
        self.in_force = Some(number);
        self.unstored = None;
        if again {
            tracing::info!("the configuration in force is stored after all, as number {number}");
        } else {
            tracing::debug!("the configuration in force is stored as number {number}");
        }
        number
    }

    fn failed(&mut self, entry: Box<Entry>, error: &StoreError, again: bool) -> String {
        let why = error.to_string();
        if !again {
            tracing::error!("the configuration in force is not stored: {why}");
            self.failures += 1;
        }
        self.in_force = None;
        self.unstored = Some((entry, why.clone()));
        why
    }
}

fn find(store: &Store, number: Option<u64>) -> Result<Record, String> {
    let numbers: Vec<_> = store.listed().keys().map(ToString::to_string).collect();
    let there = if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") };
    let Some(number) = number else {
        return Err(format!("there is no stored configuration before the one in force: {there}"));
    };
    if !store.listed().contains_key(&number) {
        return Err(format!("there is no stored configuration {number}; stored: {there}"));
    }
    store.read(number).map_err(|damage| {
        format!(
            "the stored configuration {} {damage}; name another one of {there}",
            store.path_of(number).display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::SystemTime;

    use tempfile::TempDir;
    use weir_core::api::Author;

    use super::super::Sha256;
    use super::*;

    fn entry(configuration: &str) -> Entry {
        Entry {
            configuration: configuration.to_owned(),
            applied_at: SystemTime::UNIX_EPOCH,
            applied_by: Author::default(),
            restores: None,
            file_sha256: Sha256::of(b"file"),
        }
    }

    fn keep(keeper: &mut Keeper, configuration: &str) -> oneshot::Receiver<Kept> {
        let (reply, kept) = oneshot::channel();
        keeper.keep(entry(configuration), Some(reply));
        kept
    }

    fn seek(keeper: &mut Keeper, to: Option<u64>) {
        let peer = Peer { process: None, user: 0, group: 0 };
        let (reply, _) = oneshot::channel();
        keeper.seek(Sought { rollback: Rollback { to, ..Rollback::default() }, peer, reply });
    }

    /// What the next rollback finds, once what waits before it is stored.
    async fn found(keeper: &mut Keeper) -> Result<Record, String> {
        loop {
            if let Done::Found(_, found) = keeper.done().await {
                return *found;
            }
        }
    }

    fn in_force(keeper: &Keeper) -> Option<u64> {
        let history = keeper.history().configurations;
        history.iter().find(|stored| stored.in_force).map(|stored| stored.number)
    }

    #[tokio::test]
    async fn configurations_are_stored_one_by_one_in_the_order_of_their_publication() {
        let directory = TempDir::new().expect("a directory");
        let mut keeper = Keeper::new(Store::open(directory.path()).expect("opened"));
        let waiting: Vec<_> = (0..20).map(|it| keep(&mut keeper, &format!("[{it}]"))).collect();
        keeper.drain().await;
        for (number, kept) in (1..).zip(waiting) {
            assert_eq!(kept.await.expect("told"), Ok(number));
        }
        assert_eq!(in_force(&keeper), Some(20));
        assert_eq!(keeper.history().configurations.len(), 11);
    }

    #[tokio::test]
    async fn a_rollback_finds_the_one_before_that_in_force_in_its_turn() {
        let directory = TempDir::new().expect("a directory");
        let mut keeper = Keeper::new(Store::open(directory.path()).expect("opened"));
        seek(&mut keeper, None);
        assert!(found(&mut keeper).await.expect_err("nothing yet").contains("none"));
        for text in ["[1]", "[2]", "[3]"] {
            drop(keep(&mut keeper, text));
        }
        seek(&mut keeper, None);
        assert_eq!(found(&mut keeper).await.expect("there").configuration, "[2]");
        seek(&mut keeper, Some(1));
        assert_eq!(found(&mut keeper).await.expect("there").configuration, "[1]");
        seek(&mut keeper, Some(9));
        assert!(found(&mut keeper).await.expect_err("not there").ends_with("stored: 1, 2, 3"));
        // The same beside an edited file is no other configuration to go back to.
        keeper.keep(Entry { file_sha256: Sha256::of(b"edited"), ..entry("[3]") }, None);
        seek(&mut keeper, None);
        assert_eq!(found(&mut keeper).await.expect("there").configuration, "[2]");
        assert_eq!(in_force(&keeper), Some(4));
        fs::write(directory.path().join("applied-2.json"), "{").expect("ours");
        seek(&mut keeper, None);
        assert!(found(&mut keeper).await.expect_err("damaged").contains("is cut off"));
    }

    #[tokio::test]
    async fn what_could_not_be_stored_is_told_counted_and_stored_when_it_can_be() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("state");
        let mut keeper = Keeper::new(Store::open(&path).expect("made"));
        assert_eq!(kept(&mut keeper, "[1]").await, Ok(1));
        fs::remove_dir_all(&path).expect("ours");
        fs::write(&path, "in the way").expect("ours");
        for round in 1..3 {
            let why = kept(&mut keeper, "[2]").await.expect_err("in the way");
            assert!(why.contains(path.to_str().expect("text")), "{why}");
            assert_eq!((keeper.failures(), in_force(&keeper)), (round, None));
            assert_eq!(keeper.history().not_persisted.as_deref(), Some(&*why));
        }
        keeper.try_again();
        keeper.drain().await;
        assert_eq!(keeper.failures(), 2, "trying again is no new failure");
        fs::remove_file(&path).expect("ours");
        keeper.try_again();
        keeper.drain().await;
        assert_eq!(keeper.failure(), None);
        assert!(in_force(&keeper).is_some());
        keeper.try_again();
        assert!(keeper.is_idle(), "what is stored is not stored again");
    }

    #[tokio::test]
    async fn behind_a_slow_disk_the_oldest_that_waits_is_left_out_and_told() {
        let mut keeper = Keeper::new(Store::open(Path::new("/proc/self/weir")).expect("empty"));
        // The first is under way at once; nothing is taken in before somebody waits for it.
        let mut waiting: Vec<_> = (0..CONFIGURATIONS_WAITING_FOR_DISK_MAX + 2)
            .map(|it| keep(&mut keeper, &format!("[{it}]")))
            .collect();
        let left_out = waiting.remove(1).try_recv().expect("told at once");
        assert!(left_out.expect_err("not stored").contains("newer ones wait"));
        assert!(waiting.iter_mut().all(|kept| kept.try_recv().is_err()), "the others wait");
    }

    async fn kept(keeper: &mut Keeper, configuration: &str) -> Kept {
        let kept = keep(keeper, configuration);
        keeper.drain().await;
        kept.await.expect("told")
    }
}
