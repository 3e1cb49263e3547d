//! Which configurations were in force, and which one is the next start's?
//!
//! ```text
//!   put in force ─► Keeper (in order, off the control thread) ─► Store ─► applied-7.json
//!   start ───────► choose: FILE or the newest stored one ◄────────┘      (and ten before it)
//! ```
//!
//! A configuration is stored after the workers have it and before its author is told so
//! (docs/decisions/0016-what-survives-a-restart.md).
//!
//! Not here: how a configuration gets in force (`super::lane`).

mod choice;
mod directory;
mod keeper;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use weir_core::api::Author;
use weir_core::limits::{CONFIGURATION_BYTES_MAX, CONFIGURATIONS_STORED_MAX};

pub use choice::{ChoiceError, Chosen, ConfigurationFile, Judge, Wanted, choose};
pub use directory::DirectoryError;
use directory::{Directory, Step};
pub(super) use keeper::{Done, Keeper, Kept, Sought};
pub use record::{Damage, Record, Sha256, Summary};

/// A configuration that is in force and is to be stored.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The document, JSON.
    pub configuration: String,
    /// When it was put in force.
    pub applied_at: SystemTime,
    /// By whom.
    pub applied_by: Author,
    /// The stored configuration that it puts in force again.
    pub restores: Option<u64>,
    /// The file or directory of `--config`, as it was when weir last accepted it.
    pub file_sha256: Sha256,
}

/// Why a configuration could not be stored. It is in force all the same.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the disk refuses.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A number in an odd notation may need more room than was read.
    #[error(
        "the configuration takes {0} bytes when it is written out, more than \
         {CONFIGURATION_BYTES_MAX}"
    )]
    TooLong(usize),
}

/// What is known of one stored file.
pub type Listed = Result<Summary, Damage>;

/// The stored configurations.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// None while it cannot be made; every write tries again.
    directory: Option<Directory>,
    listed: BTreeMap<u64, Listed>,
    next: u64,
    /// Temporary files of a killed process that were removed.
    removed: usize,
}

impl Store {
    /// Opens what is stored at `path`, for this process alone. A directory that cannot be made yet
    /// is an empty store.
    ///
    /// # Errors
    /// When another weir has it, when others may write there, or when it exists and cannot be read.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let (directory, listed) = (None, BTreeMap::new());
        let mut store = Self { path: path.into(), directory, listed, next: 1, removed: 0 };
        match store.attach() {
            Err(DirectoryError::Unusable { .. }) if is_absent(path) => Ok(store),
            attached => attached.map(|()| store),
        }
    }

    /// What is stored, by number.
    #[must_use]
    pub fn listed(&self) -> &BTreeMap<u64, Listed> {
        &self.listed
    }

    /// Where the configuration with this number is.
    #[must_use]
    pub fn path_of(&self, number: u64) -> PathBuf {
        self.directory.as_ref().map_or_else(
            || self.path.join(format!("applied-{number}.json")),
            |directory| directory.path_of(number),
        )
    }

    /// How many half-written files of a killed process were removed.
    #[must_use]
    pub fn removed(&self) -> usize {
        self.removed
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a stored configuration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, number: u64) -> Result<Record, Damage> {
        let gone = || Damage::Unreadable("the state directory is not there".into());
        let directory = self.directory.as_ref().ok_or_else(gone)?;
        record::open(number, &directory.read(number)?)
    }

    /// Stores a configuration, and removes what is older than the ten before it. Returns its
    /// number: that of the newest one, when that is the same configuration beside the same file.
    ///
    /// # Errors
    /// When it is not safely on the disk; what was stored before is.
    pub fn keep(&mut self, entry: &Entry) -> Result<u64, StoreError> {
        self.keep_and_tell(entry, &mut |_| Ok(()))
    }

    fn keep_and_tell(
        &mut self,
        entry: &Entry,
        after: &mut dyn FnMut(Step) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        if self.directory.is_none() {
            self.attach()?;
        }
        let sha256 = Sha256::of(entry.configuration.as_bytes());
        if let Some((number, Ok(newest))) = self.listed.last_key_value()
            && (newest.sha256, newest.file_sha256) == (sha256, entry.file_sha256)
        {
            return Ok(*number);
        }
        if entry.configuration.len() > CONFIGURATION_BYTES_MAX {
            return Err(StoreError::TooLong(entry.configuration.len()));
        }
        let summary = Summary {
            number: self.next,
            applied_at: humantime::format_rfc3339_millis(entry.applied_at).to_string(),
            applied_by: entry.applied_by.clone(),
            restores: entry.restores,
            file_sha256: entry.file_sha256,
            sha256,
        };
        // Never given twice: a write that failed at its very end may have left a file.
        self.next += 1;
        let bytes = record::seal(&summary, &entry.configuration);
        if let Some(directory) = &mut self.directory
            && let Err(error) = directory.write(summary.number, &bytes, after)
        {
            if !directory.is_in_place() {
                // Somebody has removed or replaced it; the next write opens what is there then.
                self.directory = None;
            }
            return Err(error.into());
        }
        let number = summary.number;
        self.listed.insert(number, Ok(summary));
        self.prune();
        Ok(number)
    }

    /// Opens the directory and reads what is there.
    fn attach(&mut self) -> Result<(), DirectoryError> {
        let (directory, removed) = Directory::open(&self.path)?;
        self.removed = removed;
        let numbers = directory.numbers()?;
        self.next = numbers.last().map_or(self.next, |newest| self.next.max(newest + 1));
        self.directory = Some(directory);
        self.listed = numbers
            .into_iter()
            .rev()
            .take(CONFIGURATIONS_STORED_MAX)
            .map(|number| (number, self.read(number).map(|record| record.summary)))
            .collect();
        // One more is there when the process was killed before it had removed the oldest.
        self.prune();
        Ok(())
    }

    fn prune(&mut self) {
        let Some(directory) = &self.directory else { return };
        // From the disk, since an earlier removal may have failed.
        let numbers = directory.numbers().unwrap_or_default();
        for number in numbers.into_iter().rev().skip(CONFIGURATIONS_STORED_MAX) {
            if let Err(error) = directory.remove(number) {
                tracing::warn!("cannot remove {}: {error}", directory.path_of(number).display());
            }
        }
        while self.listed.len() > CONFIGURATIONS_STORED_MAX {
            self.listed.pop_first();
        }
    }
}

/// Whether there is surely nothing at `path`, as opposed to something that cannot be looked at.
fn is_absent(path: &Path) -> bool {
    path.try_exists().is_ok_and(|exists| !exists)
}
