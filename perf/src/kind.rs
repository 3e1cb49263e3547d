//! What does a packet look like, in either family?
//!
//! ```text
//!   0          14     26     34    38         64
//!   │ Ethernet │ IPv4 │ ends │ ports, TCP or UDP     an end is 4 bytes
//!   │ Ethernet │ IPv6 │ ends          │ ports, …     an end is 16 bytes, the last 4 of them vary
//!   0          14     22              54         80
//! ```
//!
//! Hosts have the same numbers in both: over IPv6 each goes by the twin of its IPv4 address. Not
//! here: which packets come, and in which order (`traffic`).

use std::net::{IpAddr, Ipv4Addr};

use dpdk::{LONG_TEMPLATE, TEMPLATE, Template};
use golden::dual_stack::twin;
use weir_core::units::Address;

use crate::world;

/// Bytes of the frames of a 64-byte scenario, as DPDK counts them: without the check sequence.
pub const FRAME: u16 = 64;
/// Bytes of a segment's frame over IPv6 without options and payload; Ethernet asks for no padding
/// above 60.
pub const LONG_FRAME: u16 = 74;

/// TCP flags.
pub const FIN: u8 = 1;
/// TCP flags.
pub const SYN: u8 = 2;
/// TCP flags.
pub const PUSH: u8 = 8;
/// TCP flags.
pub const ACK: u8 = 16;

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;
const HOPS: u8 = 64;

/// Where one end of a packet stands: address, in IPv6 its last 32 bits, and port.
pub type End = (u32, u16);

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A kind of packet: everything but what a step patches.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What its addresses are.
    pub family: Family,
    /// TCP flags; `None` for UDP.
    pub flags: Option<u8>,
    /// Source address and port.
    pub from: End,
    /// Destination address and port.
    pub to: End,
    /// Where the step's address goes: to the source or the destination.
    pub address: Side,
    /// Where the step's port goes.
    pub port: Side,
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The sender's.
    Source,
    /// The receiver's.
    Destination,
}

impl Family {
    /// The address of the host with this IPv4 address, or of its twin.
    #[must_use]
    pub fn address(self, host: u32) -> Address {
        match self {
            Self::V4 => Address::from_v4_bits(host),
            Self::V6 => IpAddr::from(twin(Ipv4Addr::from_bits(host))).into(),
        }
    }

    /// Where the step's part of a side's address and the side's port stand.
    #[must_use]
    pub const fn place(self, side: Side) -> (usize, usize) {
        match (self, side) {
            (Self::V4, Side::Source) => (26, 34),
            (Self::V4, Side::Destination) => (30, 36),
            (Self::V6, Side::Source) => (34, 54),
            (Self::V6, Side::Destination) => (50, 56),
        }
    }
}

impl Kind {
    /// From a client to a frontend port; the step names the client.
    #[must_use]
    pub const fn request(flags: Option<u8>, port: u16) -> Self {
        let (family, from, to) = (Family::V4, (0, 0), (world::FRONTEND, port));
        Self { family, flags, from, to, address: Side::Source, port: Side::Source }
    }

    /// From a member's port to a client, whom the step names.
    #[must_use]
    pub const fn reply(flags: Option<u8>, member: u32, port: u16) -> Self {
        let (family, from, to) = (Family::V4, (world::member(member), port), (0, 0));
        Self { family, flags, from, to, address: Side::Destination, port: Side::Destination }
    }

    /// The same between the same hosts over another family.
    #[must_use]
    pub const fn over(self, family: Family) -> Self {
        Self { family, ..self }
    }

    /// Bytes of the shortest frames that are measured.
    #[must_use]
    pub const fn shortest(&self) -> u16 {
        match (self.family, self.flags) {
            (Family::V6, Some(_)) => LONG_FRAME,
            (Family::V4, _) | (_, None) => FRAME,
        }
    }

    /// The head of a shortest frame, patched for `end`; nothing behind the frame.
    #[must_use]
    pub fn frame(&self, end: End) -> [u8; LONG_TEMPLATE] {
        let mut bytes = self.bytes(self.shortest());
        let (address, port) = self.patched();
        bytes[address..address + 4].copy_from_slice(&end.0.to_be_bytes());
        bytes[port..port + 2].copy_from_slice(&end.1.to_be_bytes());
        bytes
    }

    /// The template of frames of `length` bytes.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "places within a header")]
    pub fn template(&self, length: u16) -> Template {
        let (bytes, (address, port)) = (self.bytes(length), self.patched());
        let (address, port) = (address as u16, port as u16);
        match (self.family, bytes.first_chunk::<TEMPLATE>()) {
            (Family::V4, Some(short)) => Template::new(*short, length, address, port),
            _ => Template::long(bytes, length, address, port),
        }
    }

    /// Where the step's address and port go.
    const fn patched(&self) -> (usize, usize) {
        (self.family.place(self.address).0, self.family.place(self.port).1)
    }

    fn bytes(&self, length: u16) -> [u8; LONG_TEMPLATE] {
        let mut bytes = [0; LONG_TEMPLATE];
        let (link, network) = bytes.split_at_mut(ETHERNET);
        link[..6].copy_from_slice(&world::mac().0);
        link[6..12].copy_from_slice(&[2, 0, 0, 9, 0, 1]);
        let ends = [self.from, self.to];
        let transport = match self.family {
            Family::V4 => {
                link[12..].copy_from_slice(&[8, 0]);
                self.write_ipv4(network, length - 14);
                &mut network[20..]
            }
            Family::V6 => {
                link[12..].copy_from_slice(&[0x86, 0xdd]);
                self.write_ipv6(network, length - 54);
                &mut network[40..]
            }
        };
        for (place, (_, port)) in transport.chunks_exact_mut(2).zip(ends) {
            place.copy_from_slice(&port.to_be_bytes());
        }
        match (self.flags, self.family) {
            (Some(flags), _) => {
                transport[12..14].copy_from_slice(&[0x50, flags]);
                transport[16..18].copy_from_slice(&[0x56, 0x78]);
            }
            (None, family) => {
                let headers = if family == Family::V4 { 34 } else { 54 };
                transport[4..6].copy_from_slice(&(length - headers).to_be_bytes());
                transport[6..8].copy_from_slice(&[0x56, 0x78]);
            }
        }
        bytes
    }

    fn write_ipv4(&self, header: &mut [u8], length: u16) {
        header[0] = 0x45;
        header[2..4].copy_from_slice(&length.to_be_bytes());
        header[8..12].copy_from_slice(&[HOPS, self.protocol(), 0x12, 0x34]);
        header[12..16].copy_from_slice(&self.from.0.to_be_bytes());
        header[16..20].copy_from_slice(&self.to.0.to_be_bytes());
    }

    fn write_ipv6(&self, header: &mut [u8], payload: u16) {
        header[0] = 0x60;
        header[4..6].copy_from_slice(&payload.to_be_bytes());
        header[6..8].copy_from_slice(&[self.protocol(), HOPS]);
        header[8..24].copy_from_slice(&twin(Ipv4Addr::from_bits(self.from.0)).octets());
        header[24..40].copy_from_slice(&twin(Ipv4Addr::from_bits(self.to.0)).octets());
    }

    const fn protocol(&self) -> u8 {
        if self.flags.is_some() { TCP } else { UDP }
    }
}

#[cfg(test)]
mod tests {
    use weir_core::wire::{Parsed, parse};

    use super::*;
    use crate::traffic::client;
    use crate::world::{DNS, FRONTEND, WEB};

    fn parsed(kind: &Kind, end: End) -> Parsed {
        let mut parsed = Parsed::default();
        let frame = kind.frame(end);
        parse(&frame[..kind.shortest().into()], &mut parsed).expect("a packet");
        parsed
    }

    #[test]
    fn a_frame_says_who_sends_it_to_whom() {
        for family in [Family::V4, Family::V6] {
            for (flags, ports) in [(Some(ACK), WEB), (None, DNS)] {
                let (address, port) = client(5);
                let parsed = parsed(&Kind::request(flags, ports.0).over(family), client(5));
                let from = (family.address(address), port);
                assert_eq!((parsed.source, parsed.source_port), from);
                let to = (family.address(FRONTEND), ports.0);
                assert_eq!((parsed.destination, parsed.destination_port), to);
                assert_eq!(parsed.protocol, if flags.is_some() { TCP } else { UDP });
            }
        }
    }

    #[test]
    fn a_reply_comes_from_its_member() {
        for family in [Family::V4, Family::V6] {
            let parsed = parsed(&Kind::reply(Some(SYN), 3, WEB.1).over(family), client(7));
            assert_eq!(parsed.source, family.address(world::member(3)));
            assert_eq!(parsed.destination, family.address(client(7).0));
            assert_eq!((parsed.destination_port, parsed.tcp_flags), (client(7).1, SYN));
        }
    }

    #[test]
    fn frames_are_as_short_as_their_headers_and_a_wire_allow() {
        let tcp = |family| Kind::request(Some(ACK), WEB.0).over(family).shortest();
        assert_eq!((tcp(Family::V4), tcp(Family::V6)), (64, 74));
        assert_eq!(Kind::request(None, DNS.0).over(Family::V6).shortest(), 64);
    }
}
