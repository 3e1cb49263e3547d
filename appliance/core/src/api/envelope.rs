//! How does one line become a request, and a reply or event one line? (JSON-RPC 2.0 §4 to §7.)
//!
//! Not here: which methods there are (`method`), how long a line may be (`limits`).

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use thiserror::Error as ThisError;

use super::error::{Error, ErrorCode};
use super::event::Event;
use super::method::Method;
use super::reply::Reply;

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
        match Method::read(&name, message.remove("params")) {
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

fn reject(id: Option<Id>, code: ErrorCode, message: impl Into<String>) -> Box<Rejection> {
    Box::new(Rejection { id, error: Error::new(code, message) })
}

fn invalid(id: Id, message: &str) -> Box<Rejection> {
    reject(Some(id), ErrorCode::InvalidRequest, message)
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

/// An event as one line with its newline: a notification that the appliance sends.
#[must_use]
pub fn write_event(event: &Event) -> String {
    json!({"jsonrpc": "2.0", "method": "event", "params": event}).to_string() + "\n"
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
