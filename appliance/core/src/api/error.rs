//! How does the appliance say no? (JSON-RPC 2.0 §5.1.)

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use thiserror::Error as ThisError;

use super::change::{Problem, Refusal};
use super::reply::Reply;

/// The error codes of the control socket: JSON-RPC's own and Weir's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ErrorCode {
    /// The line is not JSON.
    ParseError = -32700,
    /// The JSON is not a request.
    InvalidRequest = -32600,
    /// No such method.
    MethodNotFound = -32601,
    /// The parameters do not fit the method.
    InvalidParameters = -32602,
    /// The appliance could not answer.
    Internal = -32603,
    /// The configuration has problems; `data.problems` names all of them.
    ConfigurationRefused = -32001,
    /// All places for clients are taken; the connection is closed.
    TooManyClients = -32002,
    /// The line is longer than a configuration may be; the connection is closed.
    LineTooLong = -32003,
    /// The stored configuration that was asked for is not there, or is damaged.
    NotStored = -32004,
    /// There is no such resource.
    NotFound = -32005,
    /// The resource has another etag than the caller expects.
    PreconditionFailed = -32006,
    /// The socket only reads, and the method changes something.
    ReadOnly = -32007,
    /// As many requests of this kind are being answered as may be; try again.
    Busy = -32008,
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        self as i32
    }
}

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ThisError)]
#[error("{message} (code {code})")]
pub struct Error {
    /// One of `ErrorCode`; a number, since a newer appliance may know more.
    pub code: i32,
    /// What was wrong and what to do, for people.
    pub message: String,
    /// Details for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl Error {
    /// An error without details.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.number(), message: message.into(), data: None }
    }

    /// The refusal of a configuration, with every problem found.
    #[must_use]
    pub fn configuration_refused(problems: Vec<Problem>) -> Self {
        Self {
            data: Some(json!(Refusal { problems })),
            ..Self::new(ErrorCode::ConfigurationRefused, "configuration refused")
        }
    }

    /// The problems of a refused configuration; `None` for any other error.
    #[must_use]
    pub fn problems(&self) -> Option<Vec<Problem>> {
        if self.code != ErrorCode::ConfigurationRefused.number() {
            return None;
        }
        let refusal: Refusal = serde_json::from_value(self.data.clone()?).ok()?;
        Some(refusal.problems)
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Err(error)
    }
}
