//! What identifies a flow?
//!
//! ```text
//!   word 0, 1   the address of the far side: client or remote host (IPv4-mapped or IPv6)
//!   word 2      IPv6:1 │ kind:7 │ near port:16 │ far port:16 │ id:24
//! ```
//!
//! The last two words of an IPv4 flow's key are no other key's. No key is all zeroes: the word of
//! an IPv4 address is not, nor is that of an IPv6 flow's kind.
//!
//! | kind | id | near port | looked up by |
//! |---|---|---|---|
//! | inbound | rule | 0 | both directions, since a reply names its rule |
//! | outbound | member | the member's source port | packets of the member |
//! | outbound reply | outbound address | the port taken | packets from outside |
//! | reservation | member | the member's source port | new flows of the member; nobody's far side |
//!
//! Outbound mappings of UDP and of ICMP queries are by the remote host alone (behaviour.md §4.4):
//! their far port is 0. For an ICMP query the identifier is the near port.

use crate::tables::{Key, ShortKey, is_zero};
use crate::units::{Address, MemberId, OutboundAddressId, RuleId, Transport};

/// Bits of a rule's, a member's or an outbound address's id.
const ID_BITS: u32 = 24;

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client's flow to a frontend endpoint.
    Inbound,
    /// A member's flow to the outside, as the member sees it.
    Outbound(Transport),
    /// The same flow as the outside sees it.
    OutboundReply(Transport),
    /// A port that one port of a member has towards everybody.
    Reservation(Transport),
}

impl Kind {
    /// As it stands in a key.
    const fn bits(self) -> u64 {
        match self {
            Self::Inbound => 0,
            Self::Outbound(protocol) => 4 | protocol.index() as u64,
            Self::OutboundReply(protocol) => 8 | protocol.index() as u64,
            Self::Reservation(protocol) => 12 | protocol.index() as u64,
        }
    }

    const fn from_bits(bits: u64) -> Option<Self> {
        let protocol = match bits % 4 {
            0 => Transport::Tcp,
            1 => Transport::Udp,
            2 => Transport::Icmp,
            _ => return None,
        };
        match bits / 4 {
            0 if bits == 0 => Some(Self::Inbound),
            1 => Some(Self::Outbound(protocol)),
            2 => Some(Self::OutboundReply(protocol)),
            3 => Some(Self::Reservation(protocol)),
            _ => None,
        }
    }
}

/// A flow key taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowKey {
    /// What the key stands for.
    pub kind: Kind,
    /// A rule, member or outbound address, by kind; 24 bits.
    pub id: u32,
    /// The client or remote host.
    pub far: Address,
    /// Its port.
    pub far_port: u16,
    /// The member's source port, or the port taken on the outbound address; 0 for inbound.
    pub near_port: u16,
}

/// The key of a client's flow to the frontend endpoint of `rule`.
#[must_use]
#[inline]
pub const fn inbound(client: Address, client_port: u16, rule: RuleId) -> Key {
    pack(Kind::Inbound, rule.0, client, client_port, 0)
}

/// What an IPv4 client adds to the words of its flows' keys.
#[must_use]
#[inline]
pub const fn client_v4(client: u32, client_port: u16) -> ShortKey {
    [Address::from_v4_bits(client).low, (client_port as u64) << ID_BITS]
}

/// What an IPv6 client adds to the words of its flows' keys; not for addresses of IPv4 inside IPv6,
/// which no flow has.
#[must_use]
#[inline]
pub const fn client_v6(client: Address, client_port: u16) -> Key {
    [client.high, client.low, 1 << 63 | (client_port as u64) << ID_BITS]
}

/// The address, of IPv4, and the port in what a client adds to keys.
#[must_use]
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "fields are cut out of the words")]
pub const fn client_of_v4([client, port]: ShortKey) -> (u32, u16) {
    (client as u32, (port >> ID_BITS) as u16)
}

/// The last two words of the key of a client's flow to the frontend endpoint of `rule`.
#[must_use]
#[inline]
pub const fn behind([client, port]: ShortKey, rule: RuleId) -> ShortKey {
    // There is nothing but id and port: the kind is 0, and so is IPv6's bit.
    const _: () = assert!(Kind::Inbound.bits() == 0);
    [client, port | rule.0 as u64]
}

/// The key of a member's flow to the outside, as the member sees it.
#[must_use]
#[inline]
pub const fn outbound(
    protocol: Transport,
    member: MemberId,
    member_port: u16,
    remote: Address,
    remote_port: u16,
) -> Key {
    let far_port = far_port(protocol, remote_port);
    pack(Kind::Outbound(protocol), member.0, remote, far_port, member_port)
}

/// The key of a member's flow to the outside, as the outside sees it.
#[must_use]
#[inline]
pub const fn outbound_reply(
    protocol: Transport,
    address: OutboundAddressId,
    port: u16,
    remote: Address,
    remote_port: u16,
) -> Key {
    let far_port = far_port(protocol, remote_port);
    pack(Kind::OutboundReply(protocol), address.0, remote, far_port, port)
}

/// The key of the port that a member's port has towards everybody.
#[must_use]
pub const fn reservation(protocol: Transport, member: MemberId, member_port: u16) -> Key {
    pack(Kind::Reservation(protocol), member.0, Address { high: 0, low: 0 }, 0, member_port)
}

/// The remote port as it tells flows of a protocol apart.
#[must_use]
#[inline]
pub const fn far_port(protocol: Transport, remote_port: u16) -> u16 {
    match protocol {
        Transport::Tcp => remote_port,
        Transport::Udp | Transport::Icmp => 0,
    }
}

#[inline]
const fn pack(kind: Kind, id: u32, far: Address, far_port: u16, near_port: u16) -> Key {
    let word = (!far.is_v4() as u64) << 63
        | kind.bits() << 56
        | (near_port as u64) << (ID_BITS + 16)
        | (far_port as u64) << ID_BITS
        | id as u64 & ((1 << ID_BITS) - 1);
    [far.high, far.low, word]
}

impl FlowKey {
    /// Takes a key apart; `None` for one that no function here made.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "fields are cut out of the word")]
    pub const fn unpack(key: &Key) -> Option<Self> {
        let word = key[2];
        if is_zero(key) {
            return None;
        }
        let Some(kind) = Kind::from_bits(word >> 56 & 0x7f) else { return None };
        Some(Self {
            kind,
            id: word as u32 & ((1 << ID_BITS) - 1),
            far: Address { high: key[0], low: key[1] },
            far_port: (word >> ID_BITS) as u16,
            near_port: (word >> (ID_BITS + 16)) as u16,
        })
    }

    /// The protocol, where the kind alone tells it; an inbound flow's rule knows it.
    #[must_use]
    pub const fn outbound_protocol(&self) -> Option<Transport> {
        match self.kind {
            Kind::Inbound => None,
            Kind::Outbound(protocol)
            | Kind::OutboundReply(protocol)
            | Kind::Reservation(protocol) => Some(protocol),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_key_of_an_ipv4_flow_is_no_ipv6_flows() {
        let (v4, rule) = (Address::from_v4_bits(0xc000_0201), RuleId(3));
        let v6 = Address { high: 0x2001_0db8 << 32, ..v4 };
        let short = behind(client_v4(0xc000_0201, 9), rule);
        assert_eq!(inbound(v4, 9, rule)[1..], short);
        assert_ne!(inbound(v6, 9, rule)[1..], short);
    }

    #[test]
    fn keys_come_apart_as_they_were_put_together() {
        for remote in
            [Address::from_v4_bits(0xc000_0201), Address { high: 7, low: 0xffff_0000_0001 }]
        {
            for protocol in Transport::ALL {
                let (member, far_port) = (MemberId(0x00ab_cdef), far_port(protocol, 53));
                let key = outbound(protocol, member, 5353, remote, 53);
                let kind = Kind::Outbound(protocol);
                let expected =
                    FlowKey { kind, id: member.0, far: remote, far_port, near_port: 5353 };
                assert_eq!(FlowKey::unpack(&key), Some(expected));
                let back = outbound_reply(protocol, OutboundAddressId(9), 1024, remote, 53);
                let kind = FlowKey::unpack(&back).map(|key| key.kind);
                assert_eq!(kind, Some(Kind::OutboundReply(protocol)));
                let kept = FlowKey::unpack(&reservation(protocol, member, 7)).map(|key| key.kind);
                assert_eq!(kept, Some(Kind::Reservation(protocol)));
            }
        }
        assert_eq!(FlowKey::unpack(&[0, 0, 0]), None);
    }
}
