//! What would a configuration change, and what would become of live flows?

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::change::Problem;

/// `plan`: say what applying this configuration would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanFor {
    /// The configuration document, as written.
    pub configuration: Map<String, Value>,
    /// The etag that the configuration in force must have; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
}

/// The reply to `plan`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Plan {
    /// The generation in force.
    pub generation: u32,
    /// The etag of the configuration in force: with it, `ifMatch` of `apply` does what was planned.
    pub etag: String,
    /// Whether anything would change.
    pub changed: bool,
    /// Every resource and child resource that would be added, removed or changed.
    pub changes: Vec<ResourceChange>,
    /// Differences that did not fit into `changes`.
    pub omitted: u64,
    /// What would become of live flows, in all.
    pub flows: FlowEffects,
    /// What would become of the live flows of each rule and member that is touched. Where rules
    /// share members, numbers are estimates: workers count per rule and per member.
    pub effects: Vec<FlowEffect>,
    /// Effects that did not fit into `effects`.
    pub effects_omitted: u64,
    /// What is acceptable, but perhaps not meant.
    pub warnings: Vec<Problem>,
}

/// What would happen to one resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceChange {
    /// Its id, relative.
    pub id: String,
    /// `Add`, `Remove` or `Change`.
    pub change: String,
    /// The values that differ.
    pub differences: Vec<Difference>,
}

/// One value that differs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Difference {
    /// Where in the resource: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The value in force; `null` when there is none.
    pub before: Value,
    /// The value that it would get; `null` when it would have none.
    pub after: Value,
}

/// What would become of live flows, in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FlowEffects {
    /// Flows that go on, and whose like may begin.
    pub keep: u64,
    /// Flows that go on while no new ones begin.
    pub drain: u64,
    /// Flows whose next packet would find them gone.
    pub end: u64,
}

/// What would become of the live flows of one rule or member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FlowEffect {
    /// The rule's or member's id, relative.
    pub id: String,
    /// `Keep`, `Drain` or `End`.
    pub effect: String,
    /// How many there are.
    pub flows: u64,
    /// Why, in words.
    pub why: String,
}
