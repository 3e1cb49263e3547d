//! Why did a command not do what was asked, and which exit code says so?
//!
//! Not here: how the errors of an appliance look (`render`).

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use thiserror::Error;
use weir_core::api::{self, ResponseError};
use weir_core::config::FileProblem;
use weir_core::limits::CONFIGURATION_BYTES_MAX;

use crate::arguments::Output;
use crate::client::ClientError;
use crate::render;

/// Why the command did not do what was asked.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// No appliance, no answer, or its error.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The appliance refuses what several files make together.
    #[error("configuration refused")]
    Refused(Vec<FileProblem>),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is longer than any configuration.
    #[error("{0} is longer than the {CONFIGURATION_BYTES_MAX} bytes that a configuration may have")]
    TooLong(PathBuf),
    /// A file is no JSON.
    #[error("{path} is not JSON: {source}")]
    NotJson {
        /// Which.
        path: PathBuf,
        /// Where, and what.
        source: serde_json::Error,
    },
    /// A resource is no object.
    #[error("{0} holds no JSON object: a resource has \"properties\"")]
    NotAnObject(PathBuf),
    /// What was asked for cannot be done; the sentence says why.
    #[error("{0}")]
    Impossible(String),
    /// Time ran out; the sentence says what is left.
    #[error("{0}")]
    Unfinished(String),
    /// The appliance ended while it was watched.
    #[error("the appliance has gone; its log says why")]
    Gone,
    /// Nobody reads what is written: a pager or `head` that has seen enough.
    #[error("nobody reads the output")]
    Unread,
    /// Writing failed.
    #[error("cannot write: {0}")]
    Unwritable(io::Error),
}

impl Failure {
    /// 1: the appliance's error. 2: a refused configuration or wrong usage. 3: no appliance.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Unread => 0,
            Self::Client(ClientError::Response(ResponseError::Appliance(error)))
                if error.problems().is_some() =>
            {
                2
            }
            Self::Client(ClientError::Unreachable { .. }) => 3,
            Self::Client(_) | Self::Unfinished(_) | Self::Gone | Self::Unwritable(_) => 1,
            Self::Refused(_)
            | Self::Unreadable { .. }
            | Self::TooLong(_)
            | Self::NotJson { .. }
            | Self::NotAnObject(_)
            | Self::Impossible(_) => 2,
        })
    }

    /// What standard error gets.
    pub(crate) fn text(&self, output: Output) -> String {
        match (self, output) {
            (Self::Unread, _) => String::new(),
            (Self::Client(ClientError::Response(ResponseError::Appliance(error))), output) => {
                match output {
                    Output::Human => render::error(error),
                    Output::Json => render::json(error),
                }
            }
            (Self::Refused(problems), Output::Human) => render::refused(problems),
            (Self::Refused(problems), Output::Json) => render::json(&json!({
                "code": api::ErrorCode::ConfigurationRefused.number(),
                "message": self.to_string(),
                "data": {"problems": problems},
            })),
            (local, Output::Human) => format!("weirctl: {local}\n"),
            // The appliance's errors have a number; these are not the appliance's.
            (local, Output::Json) => {
                render::json(&json!({"code": null, "message": local.to_string()}))
            }
        }
    }
}
