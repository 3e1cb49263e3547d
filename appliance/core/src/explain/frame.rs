//! Which frame stands for the packet that is asked about?
//!
//! A plain one, as a host on the link would send it: untagged, without options and payload, with
//! right checksums. Not here: what becomes of it (`course`).

use zerocopy::IntoBytes;

use super::{Question, Segment};
use crate::path::{Frames, Tag};
use crate::units::{MacAddress, PortId, Transport};
use crate::wire::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, EthernetHeader};
use crate::wire::{Head, Parsed, ProtocolNumber, compose, parse, plain, tcp, udp};

/// A sender that no network has: locally administered, and all zeroes but for that (IEEE 802 §8.4).
const SENDER: MacAddress = MacAddress([2, 0, 0, 0, 0, 0]);

/// One frame in a buffer that is never shorter than a head.
pub(super) struct OneFrame {
    bytes: [u8; plain::HEAD],
    length: usize,
    ingress: PortId,
    tag: Tag,
}

impl OneFrame {
    /// The packet of a question, addressed to the station `mac` of the port that it comes in by.
    pub(super) fn of(question: &Question, mac: MacAddress) -> Self {
        let Question { source, destination, ingress, .. } = *question;
        let is_v4 = source.0.is_v4();
        let ether_type = if is_v4 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 }.into();
        let mut frame = Self { bytes: [0; plain::HEAD], length: 0, ingress, tag: Tag::default() };
        let link = EthernetHeader { destination: mac.0, source: SENDER.0, ether_type };
        frame.append(link.as_bytes());
        #[allow(clippy::cast_possible_truncation, reason = "20 and 8")]
        let (protocol, length) = match question.protocol {
            Transport::Tcp => (ProtocolNumber::TCP, tcp::HEADER_LENGTH as u16),
            Transport::Udp | Transport::Icmp => (ProtocolNumber::UDP, udp::HEADER_LENGTH as u16),
        };
        if is_v4 {
            frame.append(compose::ipv4(source.0, destination.0, protocol, length).as_bytes());
        } else {
            frame.append(compose::ipv6(source.0, destination.0, protocol, length).as_bytes());
        }
        let flags = match question.segment {
            Segment::Opening => tcp::SYN,
            Segment::Further => tcp::ACK,
        };
        match question.protocol {
            Transport::Tcp => {
                frame.append(compose::segment(source, destination, flags, (1, 0)).as_bytes());
            }
            Transport::Udp | Transport::Icmp => {
                frame.append(compose::datagram(source, destination).as_bytes())
            }
        }
        frame
    }

    /// What the frame says, as it stands.
    pub(super) fn parsed(&self) -> Option<Parsed> {
        let mut parsed = Parsed::default();
        parse(&self.bytes[..self.length], &mut parsed).ok()?;
        Some(parsed)
    }

    /// The station that the frame is for.
    pub(super) fn station(&self) -> MacAddress {
        let [a, b, c, d, e, f, ..] = self.bytes;
        MacAddress([a, b, c, d, e, f])
    }

    /// Adds bytes, which fit: the longest headers are 14, 40 and 20 bytes.
    fn append(&mut self, bytes: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(self.length).zip(bytes) {
            *to = *from;
        }
        self.length += bytes.len();
    }
}

const _: () = assert!(14 + 40 + 20 <= plain::HEAD);

impl Frames for OneFrame {
    fn len(&self) -> usize {
        1
    }

    fn head(&self, _: usize) -> &Head {
        &self.bytes
    }

    fn head_mut(&mut self, _: usize) -> &mut Head {
        &mut self.bytes
    }

    fn length(&self, place: usize) -> usize {
        if place == 0 { self.length } else { 0 }
    }

    fn frame(&self, place: usize) -> &[u8] {
        &self.bytes[..self.length(place)]
    }

    fn frame_mut(&mut self, place: usize) -> &mut [u8] {
        let length = self.length(place);
        &mut self.bytes[..length]
    }

    fn is_segmented(&self, _: usize) -> bool {
        false
    }

    fn ingress(&self, _: usize) -> PortId {
        self.ingress
    }

    fn tag(&self, _: usize) -> Tag {
        self.tag
    }

    fn set_tag(&mut self, _: usize, tag: Tag) {
        self.tag = tag;
    }
}
