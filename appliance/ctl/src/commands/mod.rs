//! What does each command do with the appliance?
//!
//! Not here: which words a command takes (`arguments`), how replies look (`render`).

mod completion;
mod diagnosis;
pub(crate) mod drain;
mod explain;
pub(crate) mod flows;
pub(crate) mod members;
mod names;
mod resources;
mod snat;
mod swap;
mod watch;
mod whole;

use std::process::ExitCode;

use weir_core::api::{Applied, Health, History, Method, Stats, Status, Version};

use crate::arguments::Command;
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// Does what was asked.
///
/// # Errors
/// It could not be done.
pub(crate) fn run(session: &Session<'_>, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Status => session.show::<Status>(Method::Status, render::status),
        Command::Stats => session.show::<Stats>(Method::Stats, render::stats),
        Command::Health => session.show::<Health>(Method::Health, render::health),
        Command::History => session.show::<History>(Method::History, render::history),
        Command::Version => session.show::<Version>(Method::Version, render::version),
        Command::Flows(wanted) => flows::run(session, wanted),
        Command::Snat(wanted) => snat::run(session, wanted),
        Command::Explain(packet) => explain::run(session, packet),
        Command::Watch { topics } => watch::run(session, &topics),
        Command::Doctor { root } => return diagnosis::run(session, &root),
        Command::Plan { files, if_match, detailed_exit_code } => {
            return whole::plan(session, &files, if_match, detailed_exit_code);
        }
        Command::Apply { files, condition } => whole::apply(session, &files, condition),
        Command::Rollback { number, condition } => whole::rollback(session, number, condition),
        Command::Get { id } => resources::get(session, id),
        Command::List { collection } => resources::list(session, collection),
        Command::Put { id, file, condition } => resources::put(session, id, &file, condition),
        Command::Delete { id, condition } => resources::delete(session, id, condition),
        Command::Members { pool, change } => members::run(session, pool.as_deref(), change),
        Command::Drain { member, wait, undo } => drain::run(session, &member, wait, undo),
        Command::Swap { first, second, dry_run } => swap::run(session, &first, &second, dry_run),
        Command::Mappings { pool, address } => members::mappings(session, &pool, address),
        Command::Completion { shell } => completion::run(session, shell),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// Makes a change of one resource, and says what came of it.
fn change(session: &Session<'_>, method: Method, dry_run: bool) -> Result<(), Failure> {
    session.show::<Applied>(method, |applied| render::applied(applied, dry_run))
}
