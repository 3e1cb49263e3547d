//! What would become of a packet, and why?

use serde::{Deserialize, Serialize};

use super::listing::Flow;

/// `explain`: follow the first packet of a flow, or a packet of a known one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Explain {
    /// `Tcp` or `Udp`.
    pub protocol: String,
    /// Where it comes from.
    pub source: String,
    /// The port that it comes from.
    pub source_port: u16,
    /// Where it goes.
    pub destination: String,
    /// The port that it goes to.
    pub destination_port: u16,
    /// The name of the port by which it comes in; that which leads to its source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

/// The reply to `explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Explanation {
    /// `Transmit`, `Answer`, `Kernel` or `Drop`.
    pub verdict: String,
    /// Why it is dropped: a name of `drops` in `status`; else `null`.
    pub reason: Option<String>,
    /// The worker that has the word on it.
    pub worker: u8,
    /// The flow that it belongs to; `null` when it would begin one, or belongs to none.
    pub flow: Option<Flow>,
    /// The load balancer's name.
    pub load_balancer: Option<String>,
    /// The frontend's name.
    pub frontend: Option<String>,
    /// The rule's name.
    pub rule: Option<String>,
    /// The member's address.
    pub member: Option<String>,
    /// Its addresses and ports when it leaves.
    pub translated: Option<Tuple>,
    /// Where it goes next.
    pub next_hop: Option<NextHop>,
    /// What happens to it, a sentence a step, and what to do where it is dropped.
    pub steps: Vec<String>,
}

/// Addresses and ports of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Tuple {
    /// Where it comes from.
    pub source: String,
    /// The port that it comes from; `null` where the owner picks one when the packet comes.
    pub source_port: Option<u16>,
    /// Where it goes.
    pub destination: String,
    /// The port that it goes to.
    pub destination_port: u16,
}

/// Where a packet goes next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NextHop {
    /// The port's name.
    pub port: String,
    /// The IP address of the member or gateway.
    pub address: String,
    /// Its MAC; `null` while it is not resolved.
    pub mac: Option<String>,
}
