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
    /// Its outbound mappings for TCP and for UDP, by position in `Snapshot::mappings`.
    pub outbound: [Option<u32>; 2],
    /// The public address that is its alone.
    pub instance: Option<InstanceAddressId>,
    /// Its IPv4 address as it stands on the wire.
    pub on_wire: U32,
    /// Its share in what translations change in checksums.
    pub share: Share,
}

const _: () = assert!(size_of::<Member>() == 64);

impl Member {
    /// A member at this address that is not live yet, and not known to be reached.
    #[must_use]
    pub fn at(address: Address) -> Self {
        Self {
            live: false,
            address,
            adjacency: AdjacencyId(0),
            port: None,
            outbound: [None; 2],
            instance: None,
            on_wire: address.v4_bits().into(),
            share: Share::of_member(address),
        }
    }

    /// The position in `Snapshot::mappings` for one protocol.
    #[must_use]
    pub const fn mapping(&self, protocol: Transport) -> Option<u32> {
        self.outbound[match protocol {
            Transport::Tcp => 0,
            Transport::Udp | Transport::Icmp => 1,
        }]
    }
}
