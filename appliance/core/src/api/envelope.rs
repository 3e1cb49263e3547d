//! How does one line become a request, and a reply one line? (JSON-RPC 2.0 §4 to §7.)
//!
//! Not here: what the replies hold (`reply`, `status`), how long a line may be (`limits`).

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error as ThisError;

use super::reply::{Problem, Refusal, Reply};

/// The id that a client gave its request; the reply repeats it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// No id, or one that could not be read.
    Null,
    /// A number.
    Number(serde_json::Number),
    /// A string.
    Text(String),
}

/// `apply`: replace the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Apply {
    /// The configuration document, as written.
    pub configuration: Value,
    /// Only check and compile; change nothing.
    pub dry_run: bool,
}

/// `rollback`: put a stored configuration in force again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollback {
    /// Its number; that before the one in force when absent.
    pub to: Option<u64>,
    /// Only check and compile; change nothing.
    pub dry_run: bool,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Replace the configuration; answered by `Applied` or refused with problems.
    Apply(Apply),
    /// Put a stored configuration in force again; answered by `Applied`.
    Rollback(Rollback),
    /// The stored configurations; answered by `History`.
    History,
    /// The configuration in force; answered by `Current`.
    Get,
    /// What an operator looks at first; answered by `Status`.
    Status,
    /// Every counter; answered by `Stats`.
    Stats,
    /// State and reason of every member of every rule; answered by `Health`.
    Health,
    /// Name and versions; answered by `Version`.
    Version,
}

impl Method {
    /// The names of all methods, as errors list them.
    pub const NAMES: [&str; 8] =
        ["apply", "rollback", "history", "get", "status", "stats", "health", "version"];

    /// Whether it may change something, as opposed to reading.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Apply(_) | Self::Rollback(_) => true,
            Self::History
            | Self::Get
            | Self::Status
            | Self::Stats
            | Self::Health
            | Self::Version => false,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Rollback(_) => "rollback",
            Self::History => "history",
            Self::Get => "get",
            Self::Status => "status",
            Self::Stats => "stats",
            Self::Health => "health",
            Self::Version => "version",
        }
    }

    fn parameters(&self) -> Option<Value> {
        match self {
            Self::Apply(apply) => Some(json!({
                "configuration": apply.configuration,
                "dryRun": apply.dry_run,
            })),
            Self::Rollback(Rollback { to: Some(to), dry_run }) => {
                Some(json!({"to": to, "dryRun": dry_run}))
            }
            Self::Rollback(Rollback { to: None, dry_run }) => Some(json!({"dryRun": dry_run})),
            Self::History
            | Self::Get
            | Self::Status
            | Self::Stats
            | Self::Health
            | Self::Version => None,
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The client's id; `None` for a notification, which is carried out and not answered.
    pub id: Option<Id>,
    /// What is asked.
    pub method: Method,
}

/// Why a line was not a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The id to answer to; `None` for a notification, whose errors are not answered either.
    pub id: Option<Id>,
    /// What was wrong with it.
    pub error: Error,
}

impl Request {
    /// Reads one line, with or without its newline.
    ///
    /// # Errors
    /// A line that is not JSON, not a JSON-RPC 2.0 request, names no known method or has
    /// unsuitable parameters is rejected with the code that JSON-RPC 2.0 §5.1 gives it.
    pub fn parse(line: &[u8]) -> Result<Self, Box<Rejection>> {
        let message: Value = serde_json::from_slice(line).map_err(|error| {
            let text = format!("the line is not JSON: {error}; send one JSON object a line");
            reject(Some(Id::Null), ErrorCode::ParseError, text)
        })?;
        let mut message = match message {
            Value::Object(message) => message,
            Value::Array(_) => {
                return Err(invalid(Id::Null, "batches are not served; send one request a line"));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(invalid(Id::Null, "a request is a JSON object"));
            }
        };
        let id = take_id(&mut message)?;
        let visible_id = id.clone().unwrap_or(Id::Null);
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(invalid(visible_id, "a request carries \"jsonrpc\": \"2.0\""));
        }
        let Some(name) = message.get("method").and_then(Value::as_str).map(str::to_owned) else {
            return Err(invalid(visible_id, "a request names its \"method\" as a string"));
        };
        match parse_method(&name, message.remove("params")) {
            Ok(method) => Ok(Self { id, method }),
            Err(error) => Err(Box::new(Rejection { id, error })),
        }
    }
}

fn take_id(message: &mut Map<String, Value>) -> Result<Option<Id>, Box<Rejection>> {
    match message.remove("id") {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(Id::Null)),
        Some(Value::Number(number)) => Ok(Some(Id::Number(number))),
        Some(Value::String(text)) => Ok(Some(Id::Text(text))),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err(invalid(Id::Null, "an \"id\" is a number, a string or null"))
        }
    }
}

fn parse_method(name: &str, parameters: Option<Value>) -> Result<Method, Error> {
    let method = match name {
        "apply" => return parse_apply(parameters).map(Method::Apply),
        "rollback" => return parse_rollback(parameters).map(Method::Rollback),
        "history" => Method::History,
        "get" => Method::Get,
        "status" => Method::Status,
        "stats" => Method::Stats,
        "health" => Method::Health,
        "version" => Method::Version,
        unknown => {
            let known = Method::NAMES.join(", ");
            let text = format!("there is no method {unknown:?}; there are {known}");
            return Err(Error::new(ErrorCode::MethodNotFound, text));
        }
    };
    let empty = match &parameters {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(values)) => values.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    };
    if empty { Ok(method) } else { Err(bad_parameters(format!("{name} takes no params"))) }
}

fn parse_apply(parameters: Option<Value>) -> Result<Apply, Error> {
    const SHAPE: &str = "apply takes {\"configuration\": {…}, \"dryRun\": true or false}";
    let Some(Value::Object(mut fields)) = parameters else {
        return Err(bad_parameters(SHAPE));
    };
    let Some(configuration) = fields.remove("configuration").filter(Value::is_object) else {
        return Err(bad_parameters(format!("{SHAPE}; \"configuration\" is missing or no object")));
    };
    let dry_run = take_dry_run(&mut fields)?;
    expect_no_more(&fields, SHAPE)?;
    Ok(Apply { configuration, dry_run })
}

fn parse_rollback(parameters: Option<Value>) -> Result<Rollback, Error> {
    const SHAPE: &str = "rollback takes {\"to\": a number of `history`, \"dryRun\": true or false}";
    let mut fields = match parameters {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(fields)) => fields,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(bad_parameters(SHAPE));
        }
    };
    let to = match fields.remove("to") {
        None => None,
        Some(number) => Some(number.as_u64().ok_or_else(|| bad_parameters(SHAPE))?),
    };
    let dry_run = take_dry_run(&mut fields)?;
    expect_no_more(&fields, SHAPE)?;
    Ok(Rollback { to, dry_run })
}

fn take_dry_run(fields: &mut Map<String, Value>) -> Result<bool, Error> {
    match fields.remove("dryRun") {
        None => Ok(false),
        Some(Value::Bool(dry_run)) => Ok(dry_run),
        Some(_) => Err(bad_parameters("\"dryRun\" is true or false")),
    }
}

/// A misspelt dryRun must not become a change.
fn expect_no_more(fields: &Map<String, Value>, shape: &str) -> Result<(), Error> {
    match fields.keys().next() {
        Some(unknown) => Err(bad_parameters(format!("{shape}; it does not know {unknown:?}"))),
        None => Ok(()),
    }
}

fn reject(id: Option<Id>, code: ErrorCode, message: impl Into<String>) -> Box<Rejection> {
    Box::new(Rejection { id, error: Error::new(code, message) })
}

fn invalid(id: Id, message: &str) -> Box<Rejection> {
    reject(Some(id), ErrorCode::InvalidRequest, message)
}

fn bad_parameters(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidParameters, message)
}

/// The error codes of the control socket: JSON-RPC's own and four of Weir's.
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

/// A reply as one line with its newline.
#[must_use]
pub fn write_response(id: &Id, reply: &Reply) -> String {
    let written = match reply {
        Ok(success) => {
            serde_json::to_string(&json!({"jsonrpc": "2.0", "id": id, "result": success}))
        }
        Err(error) => serde_json::to_string(&json!({"jsonrpc": "2.0", "id": id, "error": error})),
    };
    let Ok(line) = written else {
        unreachable!("replies have string keys only, so they are always JSON");
    };
    line + "\n"
}

/// A request as one line with its newline.
#[must_use]
pub fn write_request(request: &Request) -> String {
    let mut message = Map::new();
    message.insert("jsonrpc".into(), "2.0".into());
    if let Some(id) = &request.id {
        message.insert("id".into(), json!(id));
    }
    message.insert("method".into(), request.method.name().into());
    if let Some(parameters) = request.method.parameters() {
        message.insert("params".into(), parameters);
    }
    Value::Object(message).to_string() + "\n"
}

/// Why a reply could not be used.
#[derive(Debug, ThisError)]
pub enum ResponseError {
    /// The appliance answered with an error.
    #[error(transparent)]
    Appliance(Error),
    /// The line is not a reply of this API.
    #[error("the reply cannot be read ({0}); are weirctl and the appliance of the same release?")]
    Malformed(String),
}

/// Reads the reply to one request.
///
/// # Errors
/// The appliance's own error, or that the line is not a reply of the wanted kind.
pub fn read_response<T: DeserializeOwned>(line: &[u8]) -> Result<T, ResponseError> {
    /// Both members are optional so that the error can say which was expected.
    #[derive(Deserialize)]
    struct Response {
        result: Option<Value>,
        error: Option<Error>,
    }
    let malformed = |error: &dyn fmt::Display| ResponseError::Malformed(error.to_string());
    let response: Response = serde_json::from_slice(line).map_err(|error| malformed(&error))?;
    match (response.result, response.error) {
        (_, Some(error)) => Err(ResponseError::Appliance(error)),
        (Some(result), None) => serde_json::from_value(result).map_err(|error| malformed(&error)),
        (None, None) => Err(malformed(&"it has neither result nor error")),
    }
}
