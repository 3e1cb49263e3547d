//! How are the snapshot's maps keyed, and what do their values mean?

use crate::tables::Key;
use crate::units::{Address, MemberId, OutboundAddressId};

/// The value in `Snapshot::reverse` for an endpoint that several rules lead to.
pub const AMBIGUOUS: u32 = u32::MAX;

/// Marks keys of endpoints; never zero, so that no key is all zeroes.
const ENDPOINT: u64 = 1 << 63;
/// Marks keys of hosts.
const HOST: u64 = 1 << 62;

/// The key of (address, port, IP protocol number).
#[must_use]
#[inline]
pub const fn endpoint(address: Address, port: u16, protocol: u8) -> Key {
    [address.high, address.low, ENDPOINT | (protocol as u64) << 16 | port as u64]
}

/// The key of an address.
#[must_use]
#[inline]
pub const fn host(address: Address) -> Key {
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
    const OUTBOUND: u32 = 1 << 30;
    const MEMBER: u32 = 1 << 31;
    const ID: u32 = (1 << 24) - 1;

    /// An address that outbound flows are translated to.
    #[must_use]
    pub const fn outbound(id: OutboundAddressId) -> Self {
        Self(Self::OUTBOUND | id.0 & Self::ID)
    }

    /// A member of a pool.
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

    /// Whether this is an address that Weir answers for on the link: a frontend or outbound
    /// address.
    #[must_use]
    pub const fn is_answered_for(self) -> bool {
        self.is_frontend() || self.0 & Self::OUTBOUND != 0
    }
}
