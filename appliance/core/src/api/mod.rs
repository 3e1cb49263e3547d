//! What may be asked of the appliance on its control socket, and in which words does it answer?
//!
//! ```text
//!   one line in ──► Request::parse ──► Request ──► (shell answers) ──► Reply ──► one line out
//!                        └─► Rejection: a JSON-RPC error, or silence for a notification
//! ```
//!
//! JSON-RPC 2.0, one message a line, as `docs/control-protocol.md` describes it.
//!
//! Not here: the socket (`appliance/src/control/socket`), what `apply` does (`config`, `compile`).

mod asked;
mod change;
mod diagnosis;
mod envelope;
mod error;
mod event;
mod explanation;
mod listing;
mod mapping;
mod method;
mod plan;
mod reply;
mod status;
#[cfg(test)]
mod tests;

pub use asked::Asked;
pub use change::{
    AddMember, Applied, Apply, Delete, FrontendAddress, FrontendAddressProperties, Problem, Put,
    Refusal, RemoveMember, Rollback, SetMember, SubResource, SwapPublicIpAddresses,
};
pub use diagnosis::{Diagnosis, Finding, FindingState};
pub use envelope::{
    Id, Rejection, Request, ResponseError, read_response, write_event, write_request,
    write_response,
};
pub use error::{Error, ErrorCode};
pub use event::{
    ConfigurationChange, Event, Happening, MemberChange, Missed, ScarceTowards, SnatPorts,
    Subscribe, Subscribed, Topic,
};
pub use explanation::{Explain, Explanation, NextHop, Tuple};
pub use listing::{
    Flow, FlowList, Flows, Snat, SnatAllocation, SnatBlock, SnatDestination, SnatHistory, SnatList,
    SnatSeries,
};
pub use mapping::{PortMapping, PortMappings, QueryInboundNatRulePortMapping};
pub use method::Method;
pub use plan::{Difference, FlowEffect, FlowEffects, Plan, PlanFor, ResourceChange};
pub use reply::{
    Author, Current, Get, Health, History, List, LoadBalancerHealth, MemberHealth, Reply, Resource,
    Resources, RuleHealth, Source, Stats, StoredConfiguration, Success, Version,
};
pub use status::{
    DropCount, FrontendStatus, Link, MbufStatus, MemberStatus, OutboundStatus, PacketStatus,
    PortStatus, RuleStatus, Status, WorkerStatus,
};

/// The version of the methods and replies. Raised when a client that knows the number before could
/// misread a reply; new fields alone do not raise it.
pub const API_VERSION: u32 = 2;
