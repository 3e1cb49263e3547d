//! How does a text case run, and what does it say when it is wrong?
//!
//! ```text
//!   header   config, set, workers, handoff          what the simulation is
//!   actions  at, >, apply, health, neighbour, …     what happens
//!   <        what must have left since              exact bytes
//!   counters what must have moved since             exact numbers, nothing else
//! ```
//!
//! A case runs with each number of workers, its consecutive packets one by one and in bursts. All
//! runs must do what the text says, and exactly the same even where the text only counts. With
//! `BLESS=1` the first run rewrites what the text expects; a person then reads the difference.
//! Not here: the packets' own words (`packet`).

mod actions;
mod expect;
mod run;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use run::Run;
use weir_core::limits::BATCH;

use crate::simulation::Options;

/// The numbers of workers that every case runs with.
pub const WORKERS: [u8; 3] = [1, 2, 4];

/// What one case came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What moved over the whole case, with the first number of workers.
    pub moved: BTreeMap<String, u64>,
    /// Packets handed over, by number of workers.
    pub handed_over: BTreeMap<u8, u64>,
}

/// Every case under `cases/`, in order of names.
#[must_use]
pub fn all() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder of cases").flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "golden") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&crate::document::cases(), &mut found);
    found.sort();
    found
}

/// Runs one case with every number of workers; `bless` rewrites its expectations first.
///
/// # Errors
/// Line number and sentence of the first thing that is wrong.
pub fn check(path: &Path, bless: bool) -> Result<Outcome, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let text = if bless {
        let blessed = Run::of(&text, Options::with_workers(1), true)?.blessed();
        std::fs::write(path, &blessed).map_err(|error| error.to_string())?;
        blessed
    } else {
        text
    };
    if !text.starts_with("# ") {
        return Err("line 1: begin with '# ' and what the case shows, in a sentence".into());
    }
    let first = Run::of(&text, Options::with_workers(1), false)?;
    let mut outcome = Outcome { moved: first.moved(), ..Outcome::default() };
    for workers in if first.is_for_one_worker() { &WORKERS[..1] } else { &WORKERS } {
        for burst in [1, BATCH] {
            let options = Options { burst, ..Options::with_workers(*workers) };
            let place = |sentence| format!("{workers} workers, bursts of {burst}, {sentence}");
            let run = Run::of(&text, options, false).map_err(place)?;
            first.same_as(&run).map_err(place)?;
            outcome.handed_over.insert(*workers, run.handed_over());
        }
    }
    if first.must_hand_over() && outcome.handed_over[&4] == 0 {
        return Err("'handoff': with 4 workers nothing was handed over".into());
    }
    Ok(outcome)
}
