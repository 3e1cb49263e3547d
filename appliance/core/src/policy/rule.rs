//! What does a load-balancing rule say about its packets?

use zerocopy::big_endian::{U16, U32};

use crate::units::{Address, MemberId, RuleId, Transport};
use crate::wire::Share;

/// Which fields choose the member (behaviour.md §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadDistribution {
    /// Source and destination address and port, and protocol.
    #[default]
    Default,
    /// Source and destination address.
    SourceIp,
    /// Source and destination address, and protocol.
    SourceIpProtocol,
}

/// One rule and its frontend endpoint, in one cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Rule {
    /// Whether the configuration has this rule; slots of removed rules stay for a while.
    pub live: bool,
    /// The frontend's address.
    pub frontend: Address,
    /// The frontend's port.
    pub frontend_port: u16,
    /// The member's port.
    pub backend_port: u16,
    /// The protocol.
    pub protocol: Transport,
    /// How the member is chosen.
    pub distribution: LoadDistribution,
    /// Whether an idle flow is reset on both sides.
    pub tcp_reset: bool,
    /// How long a tracked flow may be silent, in ticks.
    pub idle_ticks: u32,
    /// The pool, by its position in `Snapshot::pools`.
    pub pool: u32,
    /// The frontend's IPv4 address and port, and the member's port, as they stand on the wire.
    pub on_wire: (U32, U16, U16),
    /// The frontend's share in the owner function (`OwnerFunction::frontend_share`).
    pub owner_share: u32,
    /// Its share in what translations change in checksums.
    pub share: Share,
}

const _: () = assert!(size_of::<Rule>() == 64);

impl Rule {
    /// A rule between these two ends that is not live yet: no slot's, until the rest is known.
    #[must_use]
    pub fn between(frontend: Address, frontend_port: u16, backend_port: u16) -> Self {
        Self {
            live: false,
            frontend,
            frontend_port,
            backend_port,
            protocol: Transport::Tcp,
            distribution: LoadDistribution::Default,
            tcp_reset: false,
            idle_ticks: 0,
            pool: 0,
            on_wire: (frontend.v4_bits().into(), frontend_port.into(), backend_port.into()),
            owner_share: 0,
            share: Share::of_frontend(frontend, frontend_port, backend_port),
        }
    }
}

/// A member in its role behind one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The rule.
    pub rule: RuleId,
    /// The member.
    pub member: MemberId,
}
