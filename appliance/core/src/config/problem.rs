//! What is wrong with a configuration, and where?
//!
//! Not here: the rules that find problems (the file of each resource, and `validate`).

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::echo::Edits;
use super::shapes::Shapes;
use crate::limits::PROBLEMS_MAX;

/// One thing that is wrong, or worth knowing, in a configuration document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901) into the document as written; for something that is
    /// missing, the pointer at which it belongs. Empty for the document as a whole.
    pub pointer: String,
    /// Which rule: Azure's error code where Azure has one (behaviour.md §1.10).
    pub code: Cow<'static, str>,
    /// What is wrong and what to do about it, in full sentences.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "document" } else { &self.pointer };
        write!(formatter, "{place}: {}: {}", self.code, self.message)
    }
}

/// Collects problems while the document is read. Reading goes on after a problem, so that all of
/// them are found at once; beyond [`PROBLEMS_MAX`] they are only counted.
#[derive(Default)]
pub(super) struct Report {
    errors: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
    unsupported: RefCell<Vec<Problem>>,
    left_out: Cell<usize>,
    /// What differs between the document and its echo.
    pub(super) edits: Edits,
    /// What was asked for.
    pub(super) shapes: Shapes,
}

/// What a report held.
pub(super) struct Findings {
    /// What makes the configuration unusable anywhere.
    pub(super) errors: Vec<Problem>,
    /// What is right in Azure, and not in this version.
    pub(super) unsupported: Vec<Problem>,
    /// What the author should know all the same.
    pub(super) warnings: Vec<Problem>,
}

impl Report {
    /// Records something that makes the configuration unusable.
    pub(super) fn error(
        &self,
        pointer: &(impl fmt::Display + ?Sized),
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.push(&self.errors, pointer.to_string(), code, message.into());
    }

    /// Records something that the configuration works in spite of.
    pub(super) fn warning(
        &self,
        pointer: &(impl fmt::Display + ?Sized),
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.push(&self.warnings, pointer.to_string(), code, message.into());
    }

    /// Records that a part of Azure's model is not in this version.
    pub(super) fn unsupported(&self, pointer: &str, message: impl Into<String>) {
        self.push(&self.unsupported, pointer.to_owned(), NOT_YET_SUPPORTED, message.into());
    }

    fn push(
        &self,
        list: &RefCell<Vec<Problem>>,
        pointer: String,
        code: &'static str,
        message: String,
    ) {
        let mut list = list.borrow_mut();
        if list.len() < PROBLEMS_MAX {
            list.push(Problem { pointer, code: code.into(), message });
        } else {
            self.left_out.set(self.left_out.get() + 1);
        }
    }

    /// What was found, in the order in which it was found.
    pub(super) fn finish(self) -> Findings {
        let mut findings = Findings {
            errors: self.errors.into_inner(),
            unsupported: self.unsupported.into_inner(),
            warnings: self.warnings.into_inner(),
        };
        if self.left_out.get() > 0 {
            findings.list_of_the_rest().push(Problem {
                pointer: String::new(),
                code: TOO_MANY_PROBLEMS.into(),
                message: format!(
                    "{} further problems are left out. Solve those above, then check again.",
                    self.left_out.get()
                ),
            });
        }
        findings
    }
}

impl Findings {
    /// Where it is said that problems were left out: at the end of the gravest list.
    fn list_of_the_rest(&mut self) -> &mut Vec<Problem> {
        if !self.errors.is_empty() {
            &mut self.errors
        } else if !self.unsupported.is_empty() {
            &mut self.unsupported
        } else {
            &mut self.warnings
        }
    }
}

/// The one code of everything that Azure has and this version lacks.
pub(super) const NOT_YET_SUPPORTED: &str = "NotYetSupportedByWeir";
/// Says that problems were left out, and stands behind all others.
pub(super) const TOO_MANY_PROBLEMS: &str = "TooManyProblems";

/// By what problems of a document are sorted: where they stand in it. That some were left out
/// stands behind all others.
pub(super) fn order(problem: &Problem, document: &Value) -> Vec<usize> {
    if problem.code == TOO_MANY_PROBLEMS {
        return vec![usize::MAX; 2];
    }
    position(document, &problem.pointer)
}

/// The path of a pointer as positions: something missing stands behind all that is there.
fn position(document: &Value, pointer: &str) -> Vec<usize> {
    let mut place = Some(document);
    pointer
        .split('/')
        .skip(1)
        .map(|token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            let (position, child) = match place {
                Some(Value::Object(map)) => {
                    (map.keys().position(|key| *key == token), map.get(&token))
                }
                Some(Value::Array(list)) => {
                    let position = token.parse().ok();
                    (position, position.and_then(|position: usize| list.get(position)))
                }
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                    (None, None)
                }
            };
            place = child;
            position.unwrap_or(usize::MAX)
        })
        .collect()
}
