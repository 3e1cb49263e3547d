//! What does an operator type to look at the appliance and to change it?
//!
//! ```text
//!   arguments ──► one request ──► control socket ──► one reply ──► render ──► stdout
//! ```
//!
//! Not here: what the appliance answers (`weir_core::api`), how a reply looks (`render`).

mod arguments;
mod client;
mod render;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use thiserror::Error;
use weir_core::api::{
    Applied, Apply, Current, Delete, Get, Health, History, List, Method, Put, Resource, Resources,
    ResponseError, Rollback, Stats, Status, Version,
};
use weir_core::limits::CONFIGURATION_BYTES_MAX;

use arguments::{Arguments, Command, Condition, Output};
use client::ClientError;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(text) => print(&text),
        Err(failure) => {
            complain(&failure, arguments.output);
            failure.exit_code()
        }
    }
}

/// Why the command did not do what was asked.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{0} is longer than the {CONFIGURATION_BYTES_MAX} bytes that a configuration may have")]
    TooLong(PathBuf),
    #[error("{path} is not JSON: {source}")]
    NotJson { path: PathBuf, source: serde_json::Error },
    #[error(
        "{0} holds no JSON object: a configuration has \"resources\", a resource \"properties\""
    )]
    NotAnObject(PathBuf),
}

impl Failure {
    /// 1: the appliance's error. 2: a refused configuration or wrong usage. 3: no appliance.
    fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Client(ClientError::Response(ResponseError::Appliance(error)))
                if error.problems().is_some() =>
            {
                2
            }
            Self::Client(ClientError::Unreachable { .. }) => 3,
            Self::Client(_) => 1,
            Self::Unreadable { .. }
            | Self::TooLong(_)
            | Self::NotJson { .. }
            | Self::NotAnObject(_) => 2,
        })
    }
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    match &arguments.command {
        Command::Status => show::<Status>(arguments, Method::Status, render::status),
        Command::Stats => show::<Stats>(arguments, Method::Stats, render::stats),
        Command::Health => show::<Health>(arguments, Method::Health, render::health),
        Command::Version => show::<Version>(arguments, Method::Version, render::version),
        Command::Get { id: None } => {
            show::<Current>(arguments, Method::Get(Get::default()), render::current)
        }
        Command::Get { id } => {
            show::<Resource>(arguments, Method::Get(Get { id: id.clone() }), |found| {
                render::json(&found.resource)
            })
        }
        Command::List { collection } => {
            let list = List { collection: collection.clone() };
            show::<Resources>(arguments, Method::List(list), render::resources)
        }
        Command::Put { id, file, condition } => {
            let Condition { if_match, dry_run } = condition.clone();
            let put = Put { id: id.clone(), resource: read_object(file)?, if_match, dry_run };
            show_applied(arguments, Method::Put(put), dry_run)
        }
        Command::Delete { id, condition } => {
            let Condition { if_match, dry_run } = condition.clone();
            let delete = Delete { id: id.clone(), if_match, dry_run };
            show_applied(arguments, Method::Delete(delete), dry_run)
        }
        Command::History => show::<History>(arguments, Method::History, render::history),
        Command::Rollback { number, dry_run } => {
            let rollback = Rollback { to: *number, if_match: None, dry_run: *dry_run };
            show_applied(arguments, Method::Rollback(rollback), *dry_run)
        }
        Command::Apply { file, dry_run } => {
            let configuration = read_object(file)?;
            let apply = Apply { configuration, if_match: None, dry_run: *dry_run };
            show_applied(arguments, Method::Apply(apply), *dry_run)
        }
    }
}

fn show_applied(arguments: &Arguments, method: Method, dry_run: bool) -> Result<String, Failure> {
    show::<Applied>(arguments, method, |applied| render::applied(applied, dry_run))
}

fn show<T: DeserializeOwned + Serialize>(
    arguments: &Arguments,
    method: Method,
    render: impl FnOnce(&T) -> String,
) -> Result<String, Failure> {
    match arguments.output {
        Output::Human => Ok(render(&client::ask(&arguments.socket, method)?)),
        // The whole reply, fields of a newer appliance included.
        Output::Json => Ok(render::json(&client::ask::<Value>(&arguments.socket, method)?)),
    }
}

fn read_object(path: &Path) -> Result<Map<String, Value>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.into(), source };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(unreadable)?)
    };
    let mut text = Vec::new();
    let bytes_max = CONFIGURATION_BYTES_MAX as u64;
    input.take(bytes_max + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > bytes_max {
        return Err(Failure::TooLong(path.into()));
    }
    match serde_json::from_slice(&text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Failure::NotAnObject(path.into())),
        Err(source) => Err(Failure::NotJson { path: path.into(), source }),
    }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // A pager or `head` that has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(failure: &Failure, output: Output) {
    let text = match (failure, output) {
        (
            Failure::Client(ClientError::Response(ResponseError::Appliance(error))),
            Output::Human,
        ) => render::error(error),
        (Failure::Client(ClientError::Response(ResponseError::Appliance(error))), Output::Json) => {
            render::json(error)
        }
        (local, Output::Human | Output::Json) => format!("weirctl: {local}\n"),
    };
    // Without stderr there is nobody left to tell; the exit code still says it.
    io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default();
}
