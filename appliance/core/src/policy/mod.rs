//! What may workers read? One immutable [`Snapshot`] of everything the control side knows.
//!
//! ```text
//!   address, port, protocol ─► endpoints ─► Rule ─► Pool ─► Member ─► Adjacency ─► bytes
//!   member's address, port  ─► endpoints ─► Rule, Member        (the reply's way)
//!   any address             ─► hosts ────► frontend, own, outbound, instance, member
//!   a member's own address  ─► instance addresses ─► member, and back
//!   outbound address, port  ─► granules ─► member, worker
//!   any address             ─► routes ───► Adjacency
//! ```
//!
//! Ids are dense and keep their meaning from one snapshot to the next; each slot carries the
//! generation it was born in. Parts that a change does not touch are shared with the snapshot
//! before. Not here: how a snapshot is made (`compile`), what a worker remembers (`flow`).

mod endpoints;
mod hosts;
mod instance;
mod maglev;
mod member;
mod outbound;
mod pool;
mod port;
mod route;
mod rule;
mod steer;

use std::sync::Arc;

pub use endpoints::{Endpoint, EndpointMap, NearKey, Standing, StandingWord};
pub use hosts::{Host, HostMap};
pub use instance::InstanceAddress;
pub use maglev::{SELECTION_ENTRIES, Selection};
pub use member::Member;
pub use outbound::{
    Granule, Granules, OutboundAddress, OutboundMapping, OutboundTimers, PortBlock, Share,
};
pub use pool::{Pool, Unavailable};
pub use port::{OwnAddresses, Port};
pub use route::{Adjacency, Hop, NextHop, Routes};
pub use rule::{Backend, LoadDistribution, Rule};
pub use steer::{INDIRECTION_ENTRIES, OwnerFunction, RSS_KEY_BYTES};

use crate::units::{Generation, MemberId, OutboundAddressId, RuleId, Transport};

/// Everything that workers may read, in one generation.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Raised by one with every published snapshot.
    pub generation: Generation,
    /// Flow records older than this are checked against the tables before they are used. Raised
    /// only by changes that can end flows.
    pub flows_valid_since: Generation,
    /// Which worker owns what.
    pub owner: Arc<OwnerFunction>,
    /// What stands at frontends' and members' endpoints.
    pub endpoints: Arc<EndpointMap>,
    /// What an address is to this appliance.
    pub hosts: Arc<HostMap>,
    /// By [`RuleId`].
    pub rules: Arc<[Rule]>,
    /// By `Rule::pool`.
    pub pools: Arc<[Pool]>,
    /// By [`MemberId`].
    pub members: Arc<[Member]>,
    /// By the positions in `Member::outbound`.
    pub mappings: Arc<[OutboundMapping]>,
    /// How many members' ports each worker holds, by its number.
    pub outbound_members: Arc<[u32]>,
    /// By [`OutboundAddressId`].
    pub outbound_addresses: Arc<[OutboundAddress]>,
    /// By [`InstanceAddressId`](crate::units::InstanceAddressId).
    pub instance_addresses: Arc<[InstanceAddress]>,
    /// Where packets go that are addressed to neither members nor this appliance.
    pub routes: Arc<Routes>,
    /// By `AdjacencyId`.
    pub adjacencies: Arc<[Adjacency]>,
    /// By `PortId`.
    pub ports: Arc<[Port]>,
    /// What own addresses take besides probe replies and ARP.
    pub own_addresses: OwnAddresses,
}

impl Snapshot {
    /// The rule in slot `id`, unless it is gone.
    #[must_use]
    #[inline]
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(id.index()).filter(|rule| rule.live)
    }

    /// The member in slot `id`, unless it is gone.
    #[must_use]
    #[inline]
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.get(id.index()).filter(|member| member.live)
    }

    /// How a member's flows of a protocol leave, if they may.
    #[must_use]
    #[inline]
    pub fn mapping(&self, member: MemberId, protocol: Transport) -> Option<&OutboundMapping> {
        let position = self.member(member)?.mapping(protocol)?;
        self.mappings.get(position as usize)
    }

    /// The outbound address in slot `id`, unless it is gone.
    #[must_use]
    #[inline]
    pub fn outbound_address(&self, id: OutboundAddressId) -> Option<&OutboundAddress> {
        self.outbound_addresses.get(id.index()).filter(|address| address.live)
    }

    /// The public address that is this member's alone, if it has one.
    #[must_use]
    #[inline]
    pub fn instance(&self, member: MemberId) -> Option<&InstanceAddress> {
        self.instance_addresses.get(self.member(member)?.instance?.index())
    }
}
