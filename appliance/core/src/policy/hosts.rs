//! What is this address to the appliance?

use zerocopy::big_endian::U32;

use crate::tables::{Filter, FlatMap, Key};
use crate::units::{Address, InstanceAddressId, MemberId, OutboundAddressId};

/// Marks keys of hosts; never zero, so that no key is all zeroes.
const HOST: u64 = 1 << 62;

/// A map from addresses to what they are, with one table per address family.
#[derive(Clone, Debug, Default)]
pub struct HostMap {
    v4: FlatMap<u64>,
    v6: FlatMap<Key>,
    ours: Filter,
}

impl HostMap {
    /// A map of `entries`; of two entries with the same address the later one counts.
    #[must_use]
    pub fn build(entries: impl IntoIterator<Item = (Address, Host)>) -> Self {
        let (mut v4, mut v6, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for (address, host) in entries {
            if address.is_v4() {
                v4.push((narrow(address), host.0.into()));
                if host.is_ours() {
                    ours.push(raw(address.v4_bits().into()));
                }
            } else {
                v6.push((wide(address), host.0.into()));
                if host.is_ours() {
                    ours.push(folded(address));
                }
            }
        }
        Self { v4: FlatMap::build(v4), v6: FlatMap::build(v6), ours: Filter::build(ours) }
    }

    /// What `address` is; nothing in particular for one that the map does not name.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "32 bits were put in")]
    pub fn get(&self, address: Address) -> Host {
        let found = if address.is_v4() {
            self.v4.get(&narrow(address))
        } else {
            self.v6.get(&wide(address))
        };
        Host(found.unwrap_or(0) as u32)
    }

    /// 1 if an IPv4 address, in the bytes of the wire, may be the appliance's in any way
    /// ([`Host::is_ours`]), and 0 if it is not for certain.
    #[must_use]
    #[inline]
    pub fn may_be_ours_v4(&self, address: U32) -> u32 {
        self.ours.may_contain(raw(address))
    }

    /// The same of an IPv6 address.
    #[must_use]
    #[inline]
    pub fn may_be_ours_v6(&self, address: Address) -> u32 {
        self.ours.may_contain(folded(address))
    }
}

/// An IPv6 address in one word, as others are.
#[inline]
const fn folded(address: Address) -> u64 {
    address.high.rotate_left(32) ^ address.low
}

/// An address as it lies in memory, so that none is turned around per packet.
#[inline]
const fn raw(address: U32) -> u64 {
    u32::from_ne_bytes(address.to_bytes()) as u64
}

#[inline]
const fn narrow(address: Address) -> u64 {
    HOST | address.v4_bits() as u64
}

#[inline]
const fn wide(address: Address) -> Key {
    [address.high, address.low, HOST]
}

/// What an address is to this appliance. An address can be a frontend and an outbound address at
/// once; the other kinds exclude each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host(pub u32);

impl Host {
    /// A frontend of load-balancing rules.
    pub const FRONTEND: Self = Self(1 << 28);
    /// An own address of a port.
    pub const OWN: Self = Self(1 << 29);
    const INSTANCE: u32 = 1 << 27;
    const OUTBOUND: u32 = 1 << 30;
    const MEMBER: u32 = 1 << 31;
    const ID: u32 = (1 << 24) - 1;

    /// An address that outbound flows are translated to.
    #[must_use]
    pub const fn outbound(id: OutboundAddressId) -> Self {
        Self(Self::OUTBOUND | id.0 & Self::ID)
    }

    /// A public address that is one member's alone.
    #[must_use]
    pub const fn instance(id: InstanceAddressId) -> Self {
        Self(Self::INSTANCE | id.0 & Self::ID)
    }

    /// A member of a pool, or a host with a public address.
    #[must_use]
    pub const fn member(id: MemberId) -> Self {
        Self(Self::MEMBER | id.0 & Self::ID)
    }

    /// Both roles of one address.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether this is a frontend.
    #[must_use]
    pub const fn is_frontend(self) -> bool {
        self.0 & Self::FRONTEND.0 != 0
    }

    /// Whether this is an own address.
    #[must_use]
    pub const fn is_own(self) -> bool {
        self.0 & Self::OWN.0 != 0
    }

    /// The outbound address, if it is one.
    #[must_use]
    pub const fn as_outbound(self) -> Option<OutboundAddressId> {
        if self.0 & Self::OUTBOUND == 0 {
            return None;
        }
        Some(OutboundAddressId(self.0 & Self::ID))
    }

    /// The public address of one member, if it is one.
    #[must_use]
    pub const fn as_instance(self) -> Option<InstanceAddressId> {
        if self.0 & Self::INSTANCE == 0 {
            return None;
        }
        Some(InstanceAddressId(self.0 & Self::ID))
    }

    /// The member, if it is one.
    #[must_use]
    pub const fn as_member(self) -> Option<MemberId> {
        if self.0 & Self::MEMBER == 0 {
            return None;
        }
        Some(MemberId(self.0 & Self::ID))
    }

    /// Whether this address is the appliance's in any way.
    #[must_use]
    pub const fn is_ours(self) -> bool {
        self.is_own() || self.is_answered_for()
    }

    /// Whether this is an address that Weir answers for on the link: a frontend, an outbound
    /// address or one member's public address.
    #[must_use]
    pub const fn is_answered_for(self) -> bool {
        self.is_frontend() || self.0 & (Self::OUTBOUND | Self::INSTANCE) != 0
    }
}
