//! With which configuration does the process start: that of the file, or a stored one?
//!
//! Whoever spoke last wins. A file, or a directory of files, that has changed since weir accepted
//! it is the operator's latest word; one that has not was overruled by what was applied after it.
//! The document that is used counts whole, its `appliance` section included: two documents are
//! never mixed.
//!
//! Not here: how things are stored (`super`), what becomes of the choice (`boot`).

use std::path::{Path, PathBuf};

use weir_core::api::{Author, Source};
use weir_core::config::{Checked, FileProblem, Origins, Problem};

use super::{Damage, Record, Sha256, Store, Summary};

/// What `--config` names: a file, or a directory of files as one configuration.
pub struct ConfigurationFile {
    /// Where it is.
    pub path: PathBuf,
    /// Tells it from what it was before: of a file's bytes, or of all files of a directory.
    pub sha256: Sha256,
    /// The state directory that it names, also when something else is wrong with it. None when
    /// that cannot be told.
    pub state_directory: Option<PathBuf>,
    /// In which file each part stands.
    pub origins: Origins,
    /// What it says.
    pub checked: Result<Checked, Vec<FileProblem>>,
}

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: whoever spoke last wins.
    LastWord,
    /// The file, whatever is stored.
    File,
    /// The stored configuration with this number.
    Stored(u64),
}

/// The configuration to start with.
#[derive(Debug)]
pub struct Chosen {
    /// What it says.
    pub checked: Checked,
    /// Its text.
    pub configuration: String,
    /// Whose word it is.
    pub applied_by: Author,
    /// The stored configuration that it is.
    pub restores: Option<u64>,
    /// One sentence: which, why, and how to have the other.
    pub told: String,
}

/// Why there is nothing to start with.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// The file is refused; a stored configuration may be there to go on with.
    #[error("the configuration {} is refused{}", path.display(), instead(path, good.as_deref()))]
    FileRefused {
        /// The file or directory.
        path: PathBuf,
        /// Everything that is wrong with it.
        problems: Vec<FileProblem>,
        /// The newest good one.
        good: Option<Box<Summary>>,
    },
    /// The stored configuration to start with is no good.
    #[error(
        "the stored configuration {} {damage}. {}", stored.display(), cure(path, good.as_deref())
    )]
    Damaged {
        /// The stored file.
        stored: PathBuf,
        /// What is wrong with it.
        damage: Damage,
        /// The newest good one.
        good: Option<Box<Summary>>,
        /// The file or directory of `--config`.
        path: PathBuf,
    },
    /// There is no such number.
    #[error("there is no stored configuration {number} in {}; {}", directory.display(), there(numbers))]
    NoSuchNumber {
        /// What was asked for.
        number: u64,
        /// Where.
        directory: PathBuf,
        /// What is there.
        numbers: Vec<u64>,
    },
}

impl ChoiceError {
    /// The problems of a refused configuration, each with its file.
    #[must_use]
    pub fn problems(&self) -> Vec<FileProblem> {
        match self {
            Self::FileRefused { problems, .. } => problems.clone(),
            Self::Damaged { damage: Damage::Refused(problems), stored, .. } => {
                let file = stored.display().to_string();
                let located = |problem: &Problem| FileProblem {
                    file: file.clone(),
                    problem: Problem {
                        pointer: format!("/configuration{}", problem.pointer),
                        ..problem.clone()
                    },
                };
                problems.iter().map(located).collect()
            }
            Self::Damaged { .. } | Self::NoSuchNumber { .. } => Vec::new(),
        }
    }
}

/// Says what a document means, or everything that is wrong with it.
pub type Judge<'a> = dyn Fn(&[u8]) -> Result<Checked, Vec<Problem>> + 'a;

/// Chooses; `judge` is asked about stored documents.
///
/// # Errors
/// When the one to start with is refused or damaged; nothing else is taken in its place.
pub fn choose(
    file: ConfigurationFile,
    store: &Store,
    wanted: Wanted,
    judge: &Judge<'_>,
) -> Result<Chosen, ChoiceError> {
    let chooser = Chooser { path: file.path.clone(), store, judge };
    match wanted {
        Wanted::Stored(number) => chooser.named(number),
        Wanted::File => chooser.file(file, "as --ignore-stored asks"),
        Wanted::LastWord => match store.listed().last_key_value() {
            None => chooser.file(file, "nothing is stored yet"),
            Some((number, Err(damage))) => Err(chooser.damaged(*number, damage.clone())),
            Some((_, Ok(newest))) if newest.file_sha256 == file.sha256 => chooser.unchanged(newest),
            Some((_, Ok(newest))) => chooser.changed(file, newest),
        },
    }
}

struct Chooser<'a> {
    path: PathBuf,
    store: &'a Store,
    judge: &'a Judge<'a>,
}

impl Chooser<'_> {
    /// The stored configuration that the command line names.
    fn named(&self, number: u64) -> Result<Chosen, ChoiceError> {
        if !self.store.listed().contains_key(&number) {
            return Err(ChoiceError::NoSuchNumber {
                number,
                directory: self.store.path().into(),
                numbers: self.store.listed().keys().copied().collect(),
            });
        }
        let (record, checked) =
            self.judged(number).map_err(|damage| self.damaged(number, damage))?;
        let told = format!(
            "starting with the stored configuration {}, as --stored asks: {}",
            self.store.path_of(number).display(),
            origin(&record.summary),
        );
        Ok(Chosen {
            checked,
            configuration: record.configuration,
            applied_by: Author { source: Source::Stored, ..Author::default() },
            restores: Some(number),
            told,
        })
    }

    /// The newest stored configuration, since nothing was said in the file after it.
    fn unchanged(&self, newest: &Summary) -> Result<Chosen, ChoiceError> {
        let number = newest.number;
        let (record, checked) =
            self.judged(number).map_err(|damage| self.damaged(number, damage))?;
        let told = format!(
            "starting with the stored configuration {}: {}, and {} has not changed since; \
             --ignore-stored starts with the latter instead",
            self.store.path_of(number).display(),
            origin(newest),
            self.path.display(),
        );
        Ok(Chosen {
            checked,
            configuration: record.configuration,
            applied_by: newest.applied_by.clone(),
            restores: newest.restores,
            told,
        })
    }

    /// The file, since it has changed after what is stored.
    fn changed(&self, file: ConfigurationFile, newest: &Summary) -> Result<Chosen, ChoiceError> {
        let why = format!(
            "it has changed since the stored configuration {} ({}); `weirctl rollback {}` puts \
             that one in force again",
            newest.number,
            origin(newest),
            newest.number,
        );
        self.file(file, &why)
    }

    fn file(&self, file: ConfigurationFile, why: &str) -> Result<Chosen, ChoiceError> {
        let ConfigurationFile { path, checked, .. } = file;
        match checked {
            Ok(checked) => Ok(Chosen {
                configuration: checked.document.to_string(),
                checked,
                applied_by: Author { source: Source::File, ..Author::default() },
                restores: None,
                told: format!("starting with {}: {why}", path.display()),
            }),
            Err(problems) => {
                Err(ChoiceError::FileRefused { path, problems, good: self.newest_good(u64::MAX) })
            }
        }
    }

    fn damaged(&self, number: u64, damage: Damage) -> ChoiceError {
        ChoiceError::Damaged {
            stored: self.store.path_of(number),
            damage,
            good: self.newest_good(number),
            path: self.path.clone(),
        }
    }

    /// The newest one that a start would accept, beside `number`.
    fn newest_good(&self, number: u64) -> Option<Box<Summary>> {
        let others = self.store.listed().keys().rev().copied().filter(|other| *other != number);
        others
            .filter_map(|other| self.judged(other).ok())
            .map(|(record, _)| Box::new(record.summary))
            .next()
    }

    fn judged(&self, number: u64) -> Result<(Record, Checked), Damage> {
        let record = self.store.read(number)?;
        let checked = (self.judge)(record.configuration.as_bytes()).map_err(Damage::Refused)?;
        Ok((record, checked))
    }
}

fn origin(summary: &Summary) -> String {
    format!("put in force {} by {}", summary.applied_at, summary.applied_by)
}

fn cure(path: &Path, good: Option<&Summary>) -> String {
    let path = path.display();
    let file = format!("`weir --config {path} --ignore-stored` starts with {path}");
    match good {
        Some(good) => format!(
            "`weir --config {path} --stored {}` starts with the newest good one ({}); {file}",
            good.number,
            origin(good),
        ),
        None => format!("No other stored one is good; {file}"),
    }
}

fn instead(path: &Path, good: Option<&Summary>) -> String {
    let Some(good) = good else { return String::new() };
    format!(
        "; `weir --config {} --stored {}` starts with the stored configuration {}",
        path.display(),
        good.number,
        origin(good),
    )
}

fn there(numbers: &[u64]) -> String {
    if numbers.is_empty() {
        return "none is stored".into();
    }
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!("there are {}", numbers.join(", "))
}
