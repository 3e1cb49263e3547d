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

mod envelope;
mod reply;
mod status;
#[cfg(test)]
mod tests;

pub use envelope::{
    Apply, Error, ErrorCode, Id, Method, Rejection, Request, ResponseError, Rollback,
    read_response, write_request, write_response,
};
pub use reply::{
    Applied, Author, Current, Health, History, LoadBalancerHealth, MemberHealth, Problem, Refusal,
    Reply, RuleHealth, Source, Stats, StoredConfiguration, Success, Version,
};
pub use status::{
    DropCount, FrontendStatus, Link, MbufStatus, MemberStatus, OutboundStatus, PacketStatus,
    PortStatus, PortsUsed, RuleStatus, Status, WorkerStatus,
};

/// The version of the methods and replies. Raised when a client that knows the number before could
/// misread a reply; new fields alone do not raise it.
pub const API_VERSION: u32 = 1;
