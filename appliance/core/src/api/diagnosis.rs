//! What does the appliance find wrong with itself and its surroundings?

use serde::{Deserialize, Serialize};

/// The reply to `diagnose`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Diagnosis {
    /// What was looked at, and what was found.
    pub findings: Vec<Finding>,
}

/// What one check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Finding {
    /// The check, a word in kebab case.
    pub check: String,
    /// How it stands.
    pub state: FindingState,
    /// What was found, in words.
    pub detail: String,
    /// What to do; empty if nothing.
    pub remedy: String,
}

/// How a check stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FindingState {
    /// As it should be.
    Ok,
    /// It works, but perhaps not as was meant.
    Warning,
    /// Something does not work.
    Problem,
    /// It could not be looked at, or another release knows the word.
    #[default]
    #[serde(other)]
    Unknown,
}
