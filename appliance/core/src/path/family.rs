//! What do the two address families answer differently on the straight line?
//!
//! The line is written once, for a [`Family`], and compiled for each: how a frame is read, how an
//! endpoint and a flow are keyed, where their tables are. Not here: the order of the questions
//! (`sort`, `replay`, `datagrams`).

use zerocopy::big_endian::{U16, U32};

use super::batch::{Batch, Sorted};
use crate::flow::{Entry, FlowTable, key};
use crate::policy::{EndpointMap, HostMap, Member, NearKey, OwnerFunction, Rule, StandingWord};
use crate::tables::{Key, ShortKey, same};
use crate::units::{Address, RuleId, WorkerId};
use crate::wire::ipv6::Ipv6Bytes;
use crate::wire::{PlainFrame, PlainIpv4, PlainIpv6};

/// One address family.
pub(super) trait Family {
    /// Its plain frame.
    type Frame: PlainFrame<OnWire = Self::OnWire>;
    /// An address as it stands on the wire.
    type OnWire: Copy + Into<Address>;
    /// The key of an endpoint.
    type Near: Copy;
    /// The key of a flow.
    type Key: Copy;

    /// What a batch notes of its segments.
    fn sorted(batch: &mut Batch) -> &mut Sorted<Self::Near, Self::Key>;
    /// 1 if an address may be the appliance's in any way, 0 if it is not for certain.
    fn may_be_ours(hosts: &HostMap, address: Self::OnWire) -> u32;
    /// The key of an endpoint: with `side` 1 a frontend's, with 0 a member's.
    fn near(address: Self::OnWire, port: U16, protocol: u8, side: u32) -> Self::Near;
    /// What stands at an endpoint.
    fn standing(endpoints: &EndpointMap, near: Self::Near) -> Option<StandingWord>;
    /// What a client adds to the keys of its flows; none if no flow is such a client's.
    fn client(address: Self::OnWire, port: U16) -> Option<Self::Key>;
    /// The key of a client's flow to the frontend endpoint of `rule`.
    fn behind(client: Self::Key, rule: RuleId) -> Self::Key;
    /// Which worker owns a client's flow to a frontend endpoint with this share.
    fn owner(owner: &OwnerFunction, client: Self::Key, frontend_share: u32) -> WorkerId;
    /// The home slot of a flow.
    fn home(flows: &FlowTable, key: Self::Key) -> u32;
    /// The slot where a flow's record is expected, whose line is asked for.
    fn look_ahead(flows: &FlowTable, key: Self::Key, home: u32) -> u32;
    /// The slot of a flow's record, wherever it stands.
    fn find(flows: &FlowTable, key: Self::Key) -> Option<u32>;
    /// Whether this is a flow's record.
    fn is(entry: &Entry, key: Self::Key) -> bool;
    /// An address in host order; none for one that is not of this family, whatever it looks like.
    fn address(on_wire: Self::OnWire) -> Option<Address>;
    /// The rule's frontend.
    fn frontend(rule: &Rule) -> Self::OnWire;
    /// The member.
    fn member(member: &Member) -> Self::OnWire;
}

/// IPv4: endpoints in one word, flows in two.
pub(super) struct V4;

impl Family for V4 {
    type Frame = PlainIpv4;
    type OnWire = U32;
    type Near = NearKey;
    type Key = ShortKey;

    #[inline(always)]
    fn sorted(batch: &mut Batch) -> &mut Sorted<NearKey, ShortKey> {
        &mut batch.v4
    }

    #[inline(always)]
    fn may_be_ours(hosts: &HostMap, address: U32) -> u32 {
        hosts.may_be_ours_v4(address)
    }

    #[inline(always)]
    fn near(address: U32, port: U16, protocol: u8, side: u32) -> NearKey {
        NearKey::new(address, port, protocol, side)
    }

    #[inline(always)]
    fn standing(endpoints: &EndpointMap, near: NearKey) -> Option<StandingWord> {
        endpoints.get_v4(near)
    }

    #[inline(always)]
    fn client(address: U32, port: U16) -> Option<ShortKey> {
        Some(key::client_v4(address.get(), port.get()))
    }

    #[inline(always)]
    fn behind(client: ShortKey, rule: RuleId) -> ShortKey {
        key::behind(client, rule)
    }

    #[inline(always)]
    fn owner(owner: &OwnerFunction, client: ShortKey, frontend_share: u32) -> WorkerId {
        let (address, port) = key::client_of_v4(client);
        owner.of_client_v4(address, port, frontend_share)
    }

    #[inline(always)]
    fn home(flows: &FlowTable, key: ShortKey) -> u32 {
        flows.home_v4(key)
    }

    #[inline(always)]
    fn look_ahead(flows: &FlowTable, key: ShortKey, home: u32) -> u32 {
        flows.look_ahead_v4(key, home)
    }

    #[inline(always)]
    fn find(flows: &FlowTable, key: ShortKey) -> Option<u32> {
        flows.find_v4(key)
    }

    #[inline(always)]
    fn is(entry: &Entry, key: ShortKey) -> bool {
        entry.is(key)
    }

    #[inline(always)]
    fn address(on_wire: U32) -> Option<Address> {
        Some(on_wire.into())
    }

    #[inline(always)]
    fn frontend(rule: &Rule) -> U32 {
        rule.on_wire.0
    }

    #[inline(always)]
    fn member(member: &Member) -> U32 {
        member.on_wire
    }
}

/// IPv6: three words each.
pub(super) struct V6;

impl Family for V6 {
    type Frame = PlainIpv6;
    type OnWire = Ipv6Bytes;
    type Near = Key;
    type Key = Key;

    #[inline(always)]
    fn sorted(batch: &mut Batch) -> &mut Sorted<Key, Key> {
        &mut batch.v6
    }

    #[inline(always)]
    fn may_be_ours(hosts: &HostMap, address: Ipv6Bytes) -> u32 {
        hosts.may_be_ours_v6(address.into())
    }

    #[inline(always)]
    fn near(address: Ipv6Bytes, port: U16, protocol: u8, side: u32) -> Key {
        EndpointMap::key_v6(address.into(), port.get(), protocol, side)
    }

    #[inline(always)]
    fn standing(endpoints: &EndpointMap, near: Key) -> Option<StandingWord> {
        endpoints.get_v6(near)
    }

    #[inline(always)]
    fn client(address: Ipv6Bytes, port: U16) -> Option<Key> {
        Self::address(address).map(|address| key::client_v6(address, port.get()))
    }

    #[inline(always)]
    fn behind([high, low, port]: Key, rule: RuleId) -> Key {
        let [low, word] = key::behind([low, port], rule);
        [high, low, word]
    }

    #[inline(always)]
    fn owner(owner: &OwnerFunction, [high, low, port]: Key, frontend_share: u32) -> WorkerId {
        let (_, port) = key::client_of_v4([low, port]);
        owner.of_client_v6(Address { high, low }, port, frontend_share)
    }

    #[inline(always)]
    fn home(flows: &FlowTable, key: Key) -> u32 {
        flows.home(&key)
    }

    #[inline(always)]
    fn look_ahead(flows: &FlowTable, key: Key, home: u32) -> u32 {
        flows.look_ahead(&key, home)
    }

    #[inline(always)]
    fn find(flows: &FlowTable, key: Key) -> Option<u32> {
        flows.find(&key, flows.home(&key))
    }

    #[inline(always)]
    fn is(entry: &Entry, key: Key) -> bool {
        same(&entry.key, &key)
    }

    #[inline(always)]
    fn address(on_wire: Ipv6Bytes) -> Option<Address> {
        Some(on_wire.into()).filter(|address: &Address| !address.is_v4())
    }

    #[inline(always)]
    fn frontend(rule: &Rule) -> Ipv6Bytes {
        rule.frontend.into()
    }

    #[inline(always)]
    fn member(member: &Member) -> Ipv6Bytes {
        member.address.into()
    }
}
