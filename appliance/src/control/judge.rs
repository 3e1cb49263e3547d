//! What would a change make of the configuration in force?
//!
//! ```text
//!   one part ──────► document ─┐
//!   a document ────────────────┼─► check ─► does it change what only a restart can? ─► Judged
//!   a stored one, files ► text ┘
//! ```
//!
//! Everything that takes long about a change before it is compiled: it runs on a thread of its own,
//! so that no probe waits for it. Not here: whose turn it is (`changes`), tables (`lane`).

use std::path::PathBuf;

use serde_json::Value;
use weir_core::api::{Author, Error, Source};
use weir_core::config::edit::{self, Edit, IfMatch};
use weir_core::config::{self, Checked, Problem, changed_appliance_fields};

use super::lane::Origin;
use super::outcome::{problem, refusal};
use super::store::{ConfigurationFile, Record};
use crate::boot::read_configuration;

/// What is to become of the configuration.
pub(super) enum Change {
    /// One part of it changes.
    Part(Edit, Author),
    /// This takes its place.
    Document(Value, Author),
    /// This, which was stored, takes its place.
    Stored(Record, Author),
    /// What the file or directory of `--config` holds takes its place.
    Files(PathBuf),
}

/// A configuration that may be put in force.
pub(super) struct Judged {
    pub(super) checked: Checked,
    pub(super) origin: Origin,
    /// Whether it is another than that in force.
    pub(super) changed: bool,
}

/// The configuration that a change makes of the one in force.
///
/// # Errors
/// Every problem of it; or that it is not the version that the change is meant for.
pub(super) fn judge(
    change: Change,
    if_match: &IfMatch,
    current: &Checked,
) -> Result<Judged, Error> {
    if !matches!(change, Change::Part(..)) {
        if_match.holds(edit::WHOLE, || current.etag().to_owned())?;
    }
    let (checked, configuration, applied_by, restores) = match change {
        Change::Part(edit, author) => {
            let (checked, text) = check(edit::apply(&current.echo, edit, if_match)?)?;
            (checked, text, author, None)
        }
        Change::Document(document, author) => {
            let (checked, text) = check(document)?;
            (checked, text, author, None)
        }
        Change::Stored(Record { summary, configuration }, author) => {
            let checked = config::check(configuration.as_bytes()).map_err(refusal)?;
            (checked, configuration, author, Some(summary.number))
        }
        Change::Files(path) => return read(path, current),
    };
    let origin = Origin { configuration, applied_by, restores, file_sha256: None };
    Ok(judged(without_restart(checked, current)?, origin, current))
}

/// Checks a configuration, and that it changes nothing that only a restart can.
///
/// # Errors
/// Every problem of it.
pub(super) fn check_against(document: Value, current: &Checked) -> Result<Checked, Error> {
    let (checked, _text) = check(document)?;
    without_restart(checked, current)
}

fn check(document: Value) -> Result<(Checked, String), Error> {
    let text = document.to_string();
    let checked = config::check_document(document, &text).map_err(refusal)?;
    Ok((checked, text))
}

fn without_restart(checked: Checked, current: &Checked) -> Result<Checked, Error> {
    let problems = unchangeable(current, &checked);
    if problems.is_empty() { Ok(checked) } else { Err(refusal(problems)) }
}

/// Reads files again. Problems are told to the log, by file: nobody else has asked.
fn read(path: PathBuf, current: &Checked) -> Result<Judged, Error> {
    let ConfigurationFile { path, sha256, origins, checked, .. } = read_configuration(&path);
    let read = checked.and_then(|checked| {
        let problems = unchangeable(current, &checked).into_iter();
        let problems: Vec<_> = problems.map(|problem| origins.locate(problem)).collect();
        if problems.is_empty() { Ok(checked) } else { Err(problems) }
    });
    match read {
        Ok(checked) => {
            tracing::info!("reloading {}", path.display());
            let origin = Origin {
                configuration: checked.document.to_string(),
                applied_by: Author { source: Source::Signal, ..Author::default() },
                restores: None,
                file_sha256: Some(sha256),
            };
            Ok(judged(checked, origin, current))
        }
        Err(problems) => {
            tracing::error!("not reloaded: the configuration {} is refused", path.display());
            problems.iter().for_each(|problem| tracing::error!("{problem}"));
            Err(refusal(problems.into_iter().map(|it| it.problem).collect()))
        }
    }
}

fn judged(checked: Checked, origin: Origin, current: &Checked) -> Judged {
    let changed = checked.configuration != current.configuration;
    Judged { checked, origin, changed }
}

fn unchangeable(current: &Checked, wanted: &Checked) -> Vec<Problem> {
    let (old, new) = (&current.configuration.appliance, &wanted.configuration.appliance);
    let fields = changed_appliance_fields(old, new).into_iter();
    fields.map(|pointer| problem(pointer, "RestartRequired", RESTART.to_owned())).collect()
}

const RESTART: &str = "cannot change while weir runs: write the whole configuration, with this \
                       change, into the file or directory of --config and restart weir; what has \
                       changed there counts whole (`weirctl get` shows what is in force)";
