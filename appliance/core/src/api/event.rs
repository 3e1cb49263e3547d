//! What does the appliance tell those who subscribed?

use serde::{Deserialize, Serialize};

use super::reply::Author;

/// `subscribe`: be told of events on this connection from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscribe {
    /// Which; all when empty.
    pub events: Vec<Topic>,
}

/// What one may subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Topic {
    /// Members that become eligible or stop to be.
    Health,
    /// Configurations that come in force.
    Configuration,
    /// Outbound ports that become scarce.
    Snat,
}

/// The reply to `subscribe`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Subscribed {
    /// What will be told.
    pub events: Vec<Topic>,
}

/// One event: the `params` of the notification `event`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Event {
    /// When it happened (RFC 3339, UTC).
    pub at: String,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Happening {
    /// A member of a rule became eligible for new flows, or stopped to be.
    MemberHealth(MemberChange),
    /// A configuration came in force.
    Configuration(ConfigurationChange),
    /// A member's outbound ports became scarce, ran out, or are plenty again.
    SnatPorts(SnatPorts),
    /// Events that did not fit into the subscriber's queue.
    Missed(Missed),
    /// What another release tells.
    #[default]
    #[serde(other)]
    Unknown,
}

/// A member of a rule became eligible for new flows, or stopped to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct MemberChange {
    /// The load balancer's name.
    pub load_balancer: String,
    /// The rule's name.
    pub rule: String,
    /// The member's address.
    pub member: String,
    /// `Up` or `Down`.
    pub state: String,
    /// Azure's reason code (behaviour.md §3.6).
    pub reason: Option<String>,
    /// What the latest attempt found, for people.
    pub detail: Option<String>,
}

/// A configuration came in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigurationChange {
    /// Its generation.
    pub generation: u32,
    /// Who put it in force.
    pub applied_by: Author,
}

/// How a member's outbound ports stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnatPorts {
    /// The outbound rule's id.
    pub rule: String,
    /// The public address.
    pub address: String,
    /// The member's address.
    pub member: String,
    /// `Tcp` or `Udp`.
    pub protocol: String,
    /// Ports in use.
    pub used: u32,
    /// Ports that there are.
    pub allocated: u32,
    /// `Warning`, `Exhausted` or `Recovered`.
    pub level: String,
}

/// Events that did not fit into the subscriber's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Missed {
    /// How many.
    pub count: u64,
}
