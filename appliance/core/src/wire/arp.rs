//! How does an ARP packet look (RFC 826), and how is one answered or announced (RFC 5227)?

use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::ethernet::{self, EthernetHeader};
use crate::units::MacAddress;

/// The operation of a question.
pub const REQUEST: u16 = 1;
/// The operation of an answer.
pub const REPLY: u16 = 2;
/// Bytes of an announcement: Ethernet header and ARP packet, without padding.
pub const ANNOUNCEMENT_LENGTH: usize = ethernet::HEADER_LENGTH + size_of::<ArpPacket>();

/// An ARP packet for IPv4 over Ethernet, 28 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ArpPacket {
    /// 1: Ethernet.
    pub hardware_type: U16,
    /// 0x0800: IPv4.
    pub protocol_type: U16,
    /// 6 bytes.
    pub hardware_length: u8,
    /// 4 bytes.
    pub protocol_length: u8,
    /// `REQUEST` or `REPLY`.
    pub operation: U16,
    /// The sender's Ethernet address.
    pub sender_mac: [u8; 6],
    /// The sender's IPv4 address.
    pub sender_ip: U32,
    /// The target's Ethernet address; nothing in a request.
    pub target_mac: [u8; 6],
    /// The IPv4 address that is asked for.
    pub target_ip: U32,
}

impl ArpPacket {
    /// Whether this is ARP for IPv4 over Ethernet, the only kind there is in practice.
    #[must_use]
    pub fn is_ipv4_over_ethernet(&self) -> bool {
        self.hardware_type.get() == 1
            && self.protocol_type.get() == ethernet::ETHERTYPE_IPV4
            && self.hardware_length == 6
            && self.protocol_length == 4
    }

    /// Turns a request into the answer that `mac` holds the address asked for.
    pub fn answer(&mut self, mac: MacAddress) {
        let asked = self.target_ip;
        self.operation = REPLY.into();
        self.target_mac = self.sender_mac;
        self.target_ip = self.sender_ip;
        self.sender_mac = mac.0;
        self.sender_ip = asked;
    }
}

/// The frame that announces `address` at `mac`: an ARP announcement in the form of a request
/// (RFC 5227 §3), broadcast.
#[must_use]
pub fn announcement(mac: MacAddress, address: u32) -> [u8; ANNOUNCEMENT_LENGTH] {
    let header = EthernetHeader {
        destination: MacAddress::BROADCAST.0,
        source: mac.0,
        ether_type: ethernet::ETHERTYPE_ARP.into(),
    };
    let packet = ArpPacket {
        hardware_type: 1.into(),
        protocol_type: ethernet::ETHERTYPE_IPV4.into(),
        hardware_length: 6,
        protocol_length: 4,
        operation: REQUEST.into(),
        sender_mac: mac.0,
        sender_ip: address.into(),
        target_mac: [0; 6],
        target_ip: address.into(),
    };
    let mut frame = [0; ANNOUNCEMENT_LENGTH];
    let (head, rest) = frame.split_at_mut(ethernet::HEADER_LENGTH);
    head.copy_from_slice(header.as_bytes());
    rest.copy_from_slice(packet.as_bytes());
    frame
}
