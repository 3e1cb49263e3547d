//! What is there to know about a member's address?

use zerocopy::big_endian::U32;

use crate::units::{Address, AdjacencyId, InstanceAddressId, PortId, Transport};
use crate::wire::Share;

/// A member, whatever pools it is in, in one cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Member {
    /// Whether any pool has this member, or it has a public address; slots of removed members
    /// stay for a while.
    pub live: bool,
    /// The member's address.
    pub address: Address,
    /// The next hop towards it.
    pub adjacency: AdjacencyId,
    /// The port that leads to it, and so the only one its packets may arrive on; `None` while
    /// no route leads to it.
    pub port: Option<PortId>,
    /// Its outbound mappings for each protocol, by position in `Snapshot::mappings`;
    /// [`Self::NO_MAPPING`] for none.
    pub outbound: [u32; Transport::COUNT],
    /// The public address that is its alone.
    pub instance: Option<InstanceAddressId>,
    /// Its IPv4 address as it stands on the wire.
    pub on_wire: U32,
    /// Its share in what translations change in checksums.
    pub share: Share,
}

const _: () = assert!(size_of::<Member>() == 64);

impl Member {
    /// Stands for a protocol whose flows do not leave.
    pub const NO_MAPPING: u32 = u32::MAX;

    /// A member at this address that is not live yet, and not known to be reached.
    #[must_use]
    pub fn at(address: Address) -> Self {
        Self {
            live: false,
            address,
            adjacency: AdjacencyId(0),
            port: None,
            outbound: [Self::NO_MAPPING; Transport::COUNT],
            instance: None,
            on_wire: address.v4_bits().into(),
            share: Share::of_member(address),
        }
    }

    /// The position in `Snapshot::mappings` for one protocol.
    #[must_use]
    #[inline]
    pub const fn mapping(&self, protocol: Transport) -> Option<u32> {
        let position = self.outbound[protocol.index()];
        if position == Self::NO_MAPPING { None } else { Some(position) }
    }
}
