//! How is the whole configuration planned, replaced and put back?

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use weir_core::api::{Applied, Apply, Method, Plan, PlanFor, Problem, ResponseError, Rollback};

use super::change;
use crate::arguments::WholeCondition;
use crate::client::ClientError;
use crate::failure::Failure;
use crate::files::Document;
use crate::render;
use crate::session::Session;

/// Says what applying files would change.
pub(super) fn plan(
    session: &Session<'_>,
    files: &[PathBuf],
    if_match: Option<String>,
    detailed_exit_code: bool,
) -> Result<ExitCode, Failure> {
    let document = Document::read(files)?;
    let configuration = document.configuration.clone();
    let method = Method::Plan(PlanFor { configuration, if_match });
    let changed = if session.is_json() {
        let reply = ask(session, method, &document)?;
        session.print(&render::json(&reply))?;
        let differs =
            reply.get("changes").and_then(Value::as_array).is_some_and(|it| !it.is_empty());
        differs || reply.get("changed").and_then(Value::as_bool).unwrap_or_default()
    } else {
        let mut plan: Plan = read(ask(session, method, &document)?)?;
        let warnings = document.locate(std::mem::take(&mut plan.warnings));
        session.print(&render::plan(&plan, &warnings))?;
        plan.changed || !plan.changes.is_empty()
    };
    Ok(if detailed_exit_code && changed { ExitCode::from(WOULD_CHANGE) } else { ExitCode::SUCCESS })
}

/// Replaces the configuration by that of files.
pub(super) fn apply(
    session: &Session<'_>,
    files: &[PathBuf],
    condition: WholeCondition,
) -> Result<(), Failure> {
    let document = Document::read(files)?;
    let configuration = document.configuration.clone();
    let WholeCondition { if_match, dry_run } = condition;
    let reply = ask(session, Method::Apply(Apply { configuration, if_match, dry_run }), &document)?;
    if session.is_json() {
        return session.print(&render::json(&reply));
    }
    let mut applied: Applied = read(reply)?;
    let warnings = document.locate(std::mem::take(&mut applied.warnings));
    session.print(&(render::applied(&applied, dry_run) + &render::warnings(&warnings)))
}

/// Puts a stored configuration in force again.
pub(super) fn rollback(
    session: &Session<'_>,
    number: Option<u64>,
    condition: WholeCondition,
) -> Result<(), Failure> {
    let WholeCondition { if_match, dry_run } = condition;
    change(session, Method::Rollback(Rollback { to: number, if_match, dry_run }), dry_run)
}

/// Asks about a document. Problems and warnings of one that was put together name their files.
fn ask(session: &Session<'_>, method: Method, document: &Document) -> Result<Value, Failure> {
    let mut reply: Value = session.ask(method).map_err(|failure| located(failure, document))?;
    if document.is_merged()
        && let Some(warnings) = reply.get_mut("warnings")
        && let Ok(read) = serde_json::from_value::<Vec<Problem>>(warnings.clone())
        && session.is_json()
    {
        *warnings = json!(document.locate(read));
    }
    Ok(reply)
}

fn located(failure: Failure, document: &Document) -> Failure {
    if document.is_merged()
        && let Failure::Client(ClientError::Response(ResponseError::Appliance(error))) = &failure
        && let Some(problems) = error.problems()
    {
        return Failure::Refused(document.locate(problems));
    }
    failure
}

fn read<T: serde::de::DeserializeOwned>(reply: Value) -> Result<T, Failure> {
    let malformed = |error: serde_json::Error| ResponseError::Malformed(error.to_string());
    let read = serde_json::from_value(reply).map_err(malformed);
    read.map_err(|error| Failure::Client(error.into()))
}

/// The exit code of `plan --detailed-exit-code` when something would change. 2, which others use,
/// says that a configuration is refused.
const WOULD_CHANGE: u8 = 4;
