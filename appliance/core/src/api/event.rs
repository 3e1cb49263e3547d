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
    /// `Warning`, `Exhausted` or `Recovered`.
    pub level: String,
    /// What Azure calls it (behaviour.md §8.3): `HighSnatPortUsage` or `SnatPortExhaustion`;
    /// nothing when the ports have recovered.
    pub health_event_type: Option<String>,
    /// The id of the rule that gives the ports: an outbound rule, or a load-balancing rule.
    pub rule: String,
    /// The outbound addresses, in the order in which they are used.
    pub addresses: Vec<String>,
    /// The member's address.
    pub member: String,
    /// `Tcp`, `Udp` or `Icmp`.
    pub protocol: String,
    /// Ports in use.
    pub ports_used: u32,
    /// Ports that the member has.
    pub ports_allocated: u32,
    /// Packets that would have begun a flow and found no port, since the ports became scarce.
    pub flows_refused: u64,
    /// Towards whom the ports are used up, or nearly: those first whose flows were refused most.
    pub destinations: Vec<ScarceTowards>,
    /// What can be done about it, in words; empty when the ports have recovered.
    pub remedy: String,
}

/// A destination that a member's ports do not suffice for, or soon will not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ScarceTowards {
    /// Its address.
    pub destination: String,
    /// Its port.
    pub destination_port: u16,
    /// Packets towards it that would have begun a flow and found no port, as far as they were
    /// noted. 0 where there was one each time, of the last quarter.
    pub flows_refused: u64,
}

/// Events that did not fit into the subscriber's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Missed {
    /// How many.
    pub count: u64,
}
