//! How are live flows and outbound ports listed?
//!
//! A listing is served by the workers that own what it shows, a slice at a time. It is no snapshot:
//! flows begin and end while it goes on.

use serde::{Deserialize, Serialize};

/// `flows`: list live flows. Every filter that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Flows {
    /// `Tcp` or `Udp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// An address or a prefix: where the flow was opened from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The port that it was opened from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// An address or a prefix: where the flow was opened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The port that it was opened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// The id of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The address of a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Only this worker's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<u8>,
    /// At most so many; 100 when absent, 1,000 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Go on where an earlier reply ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The reply to `flows`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FlowList {
    /// The flows, in no order that means anything.
    pub flows: Vec<Flow>,
    /// What `cursor` must be to go on; `null` at the end.
    pub cursor: Option<String>,
    /// Slots of the owners' tables that were looked at for this reply.
    pub scanned: u64,
}

/// One live flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Flow {
    /// The worker that owns it.
    pub worker: u8,
    /// `Inbound` or `Outbound`.
    pub kind: String,
    /// `Tcp` or `Udp`.
    pub protocol: String,
    /// Where it was opened from.
    pub source: String,
    /// The port that it was opened from.
    pub source_port: u16,
    /// Where it was opened to: a frontend, or the remote end.
    pub destination: String,
    /// The port that it was opened to.
    pub destination_port: u16,
    /// What Weir put in: the member's address, or the public one.
    pub translated_address: String,
    /// The port that goes with it.
    pub translated_port: u16,
    /// The load balancer's name; `null` when it has none by now.
    pub load_balancer: Option<String>,
    /// The rule's name.
    pub rule: Option<String>,
    /// The member's address.
    pub member: Option<String>,
    /// The state of a TCP connection; `null` for UDP.
    pub state: Option<String>,
    /// Since its last packet, in seconds.
    pub idle_seconds: u32,
    /// Until it ends if nothing comes, in seconds.
    pub expires_in_seconds: u32,
    /// The generation that it began or was last checked in.
    pub generation: u32,
}

/// `snat`: list outbound ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Snat {
    /// The id of the rule that gives the ports: an outbound rule, or a load-balancing rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The address of a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Also by destination.
    pub destinations: bool,
    /// Also how it was within the last hour and day.
    pub history: bool,
    /// At most so many of each; 100 when absent, 1,000 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Go on where an earlier reply ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// The reply to `snat`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnatList {
    /// Which member may use which ports.
    pub allocations: Vec<SnatAllocation>,
    /// Where ports are used towards, the most used first; only if asked for.
    pub destinations: Vec<SnatDestination>,
    /// Flows that are in no sum, since there are too many destinations: such of few flows.
    pub omitted: u64,
    /// What `cursor` must be to go on; `null` at the end.
    pub cursor: Option<String>,
}

/// The ports of one outbound address that a member may use for one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnatAllocation {
    /// The id of the rule that gives them.
    pub rule: String,
    /// The member's address.
    pub member: String,
    /// The outbound address.
    pub address: String,
    /// `Tcp`, `Udp` or `Icmp`.
    pub protocol: String,
    /// Which they are, in the order in which they are used.
    pub blocks: Vec<SnatBlock>,
    /// How many there are.
    pub ports_allocated: u32,
    /// How many of them are in use: towards however many destinations, each counts once.
    pub ports_used: u32,
    /// Ports that are the member's no more and still carry its flows, in eights.
    pub ports_awaiting_removal: u32,
    /// Packets that would have begun a flow and found no port, since the member has ports. They
    /// belong to no address: the member's first one has them all, the others 0.
    pub flows_refused: u64,
    /// How it was, of the member at all of its addresses; with its first one only, if asked for,
    /// and if there is anything to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<SnatHistory>,
}

/// Ports in an unbroken row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnatBlock {
    /// The first one.
    pub first_port: u16,
    /// The last one.
    pub last_port: u16,
    /// The worker that owns them.
    pub worker: u8,
}

/// How a member's outbound ports were used, for one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnatHistory {
    /// The last hour, by the minute.
    pub last_hour: SnatSeries,
    /// The last day, by the quarter of an hour.
    pub last_day: SnatSeries,
}

/// Spans of time one after the other, the one that is still going on last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnatSeries {
    /// When the first span begins (RFC 3339, UTC).
    pub starts_at: String,
    /// How long each is.
    pub seconds_each: u32,
    /// The most ports in use at a time, for each span.
    pub ports_used: Vec<u32>,
    /// Ports that the member had, at the end of each.
    pub ports_allocated: Vec<u32>,
    /// Flows that found no port, in each.
    pub flows_refused: Vec<u64>,
}

/// The ports in use towards one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnatDestination {
    /// The member's address.
    pub member: String,
    /// The outbound address.
    pub address: String,
    /// `Tcp`, `Udp` or `Icmp`.
    pub protocol: String,
    /// The destination's address.
    pub destination: String,
    /// The destination's port.
    pub destination_port: u16,
    /// How many are in use.
    pub ports_used: u32,
    /// The worker that owns them.
    pub worker: u8,
}
