//! What does the frame look like that nearly all are?
//!
//! ```text
//!   0          14             34 or 54
//!   │ Ethernet │ IPv4 or IPv6 │ TCP or UDP  │  ···  │     the head
//! ```
//!
//! No tags, no IP options or extension headers, no fragment: every field stands at a fixed place,
//! so that the head is read and written without a check per field. Whatever else there may be is
//! `parse`'s. The straight line asks the same of both families: written once for either, it is
//! compiled for each, and neither asks for the other's family.
//!
//! Not here: what stands where (`plain_v4`, `plain_v6`), the same for any packet (`translate`).

use zerocopy::big_endian::{U16, U32};
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, transmute_mut, transmute_ref,
};

use super::translate::{End, PlainTranslation};
use super::{ProtocolNumber, tcp, udp};
use crate::units::{Address, MacAddress};

/// Bytes of a frame that are always in memory, whether or not the frame is that long: the headers
/// of TCP over IPv6, 74, and a little more for round steps.
pub const HEAD: usize = 80;

/// The first bytes of a frame; those behind its end mean nothing.
pub type Head = [u8; HEAD];

/// What follows the ports in a TCP header; of a UDP datagram, payload too.
pub type BehindPorts = [u8; tcp::HEADER_LENGTH - 4];

/// A station that no frame is for.
pub const NOBODY: u64 = u64::MAX;

/// Whose packets a port takes for its own, as [`PlainFrame::is_for`] compares it: the six bytes of
/// its address above two of nothing.
#[must_use]
pub const fn station(mac: MacAddress) -> u64 {
    let [a, b, c, d, e, f] = mac.0;
    u64::from_le_bytes([0, 0, a, b, c, d, e, f])
}

/// A head that is read and written as one family's.
pub trait PlainFrame: Sized {
    /// An address as it stands on the wire.
    type OnWire: Copy + Into<Address>;

    /// The head of a frame, whatever it is.
    fn of(head: &Head) -> &Self;
    /// The same, to be written.
    fn of_mut(head: &mut Head) -> &mut Self;
    /// Destination and source of the frame.
    fn link(&self) -> &[u8; 12];
    /// Puts destination and source of the frame.
    fn readdress(&mut self, link: [u8; 12]);
    /// Whether this is a datagram of this family and `protocol` with no more than a plain IP
    /// header, of which `length` bytes are in its first buffer.
    fn is_plain(&self, protocol: u8, length: usize) -> bool;
    /// Whether a plain IP datagram has so many bytes behind its IP header.
    fn holds(&self, length: usize) -> bool;
    /// Bytes of the IP datagram, if the frame is plain.
    fn network_length(&self) -> u16;
    /// Hops that remain.
    fn time_to_live(&self) -> u8;
    /// Where it goes (1) or comes from (0). An index, since nobody could foresee which of the two
    /// is asked for.
    fn end(&self, end: u32) -> (Self::OnWire, U16);
    /// What follows the ports.
    fn behind_ports(&self) -> &BehindPorts;
    /// The same, to be written.
    fn behind_ports_mut(&mut self) -> &mut BehindPorts;
    /// Replaces an end of a plain packet and takes one hop away, of which there is one; the
    /// checksum behind the ports is left as it was.
    fn translate_end(&mut self, end: End, to: PlainTranslation<'_, Self::OnWire>);

    /// Whether the frame is to `station` and not from it.
    #[must_use]
    #[inline]
    fn is_for(&self, station: u64) -> bool {
        let (Some(to), Some(from)) = (self.link().first_chunk(), self.link().last_chunk()) else {
            return false;
        };
        // Two bytes of the other address come along, and are shifted out or differ only there.
        let (to, from) = (u64::from_le_bytes(*to), u64::from_le_bytes(*from));
        to << 16 == station && from ^ station > 0xffff
    }

    /// Whether this is a plain TCP segment of which `length` bytes are in its first buffer:
    /// untagged, whole, with lengths that agree.
    #[must_use]
    #[inline]
    fn is_plain_tcp(&self, length: usize) -> bool {
        let header = usize::from(tcp_of(self).data_offset >> 4) * 4;
        self.is_plain(ProtocolNumber::TCP, length)
            && self.holds(header)
            && header >= tcp::HEADER_LENGTH
    }

    /// Whether this is a plain UDP datagram, likewise.
    #[must_use]
    #[inline]
    fn is_plain_udp(&self, length: usize) -> bool {
        let udp: &PlainUdp = transmute_ref!(self.behind_ports());
        let datagram = usize::from(udp.length.get());
        self.is_plain(ProtocolNumber::UDP, length)
            && self.holds(datagram)
            && datagram >= udp::HEADER_LENGTH
    }

    /// Whether the packet may take one hop more (RFC 1812 §5.3.1, RFC 8200 §3).
    #[must_use]
    #[inline]
    fn may_hop(&self) -> bool {
        self.time_to_live() > 1
    }

    /// The TCP flags.
    #[must_use]
    #[inline]
    fn tcp_flags(&self) -> u8 {
        tcp_of(self).flags
    }

    /// What the segment acknowledges.
    #[must_use]
    #[inline]
    fn acknowledgement(&self) -> U32 {
        tcp_of(self).acknowledgement
    }

    /// Replaces the source or the destination of a plain segment and takes one hop away.
    #[inline(always)]
    fn translate_segment(&mut self, end: End, to: PlainTranslation<'_, Self::OnWire>) {
        self.translate_end(end, to);
        let tcp: &mut PlainTcp = transmute_mut!(self.behind_ports_mut());
        for share in to.shares {
            share.transport.apply(&mut tcp.checksum);
        }
    }

    /// The same of a plain UDP datagram.
    #[inline]
    fn translate_datagram(&mut self, end: End, to: PlainTranslation<'_, Self::OnWire>) {
        self.translate_end(end, to);
        let udp: &mut PlainUdp = transmute_mut!(self.behind_ports_mut());
        let [frontend, member] = to.shares;
        frontend.transport.and(member.transport).apply_to_udp(&mut udp.checksum);
    }
}

/// TCP behind the ports.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PlainTcp {
    sequence: U32,
    acknowledgement: U32,
    data_offset: u8,
    flags: u8,
    window: U16,
    checksum: U16,
    urgent: U16,
}

/// UDP behind the ports.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct PlainUdp {
    length: U16,
    checksum: U16,
    rest: [u8; 12],
}

#[inline(always)]
fn tcp_of(frame: &impl PlainFrame) -> &PlainTcp {
    transmute_ref!(frame.behind_ports())
}
