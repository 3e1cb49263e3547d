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
        // Gone with a thread that panicked; dropping the job tells whoever waits.
        let Some(mut store) = self.store.take() else { return };
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

    /// The number before that of the configuration in force.
    fn before(&self) -> Option<u64> {
        let before = self.in_force.unwrap_or(u64::MAX);
        self.listed.range(..before).next_back().map(|(number, _)| *number)
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
