//! What have plain frames of both families in common?
//!
//! The straight line asks the same of [`PlainIpv4`] and [`PlainIpv6`]: written once for either, it
//! is compiled for each, and neither asks for the other's family. Not here: what stands where
//! (`plain`, `plain_v6`), how ends are replaced (`translate`).

use zerocopy::big_endian::{U16, U32};

use super::ipv6::Ipv6Bytes;
use super::translate::{self, End, PlainTranslation};
use super::{Head, PlainIpv4, PlainIpv6};
use crate::units::Address;

/// A head that is read and written as one family's.
pub trait PlainFrame: Sized {
    /// An address as it stands on the wire.
    type OnWire: Copy;

    /// The head of a frame, whatever it is.
    fn of(head: &Head) -> &Self;
    /// The same, to be written.
    fn of_mut(head: &mut Head) -> &mut Self;
    /// Whether the frame is to `station` and not from it.
    fn is_for(&self, station: u64) -> bool;
    /// Whether this is a plain TCP segment of which `length` bytes are in its first buffer.
    fn is_plain_tcp(&self, length: usize) -> bool;
    /// Whether this is a plain UDP datagram, likewise.
    fn is_plain_udp(&self, length: usize) -> bool;
    /// Whether the packet may take one hop more.
    fn may_hop(&self) -> bool;
    /// Bytes of the IP datagram, if the frame is plain.
    fn network_length(&self) -> u16;
    /// Where it goes (1) or comes from (0).
    fn end(&self, end: u32) -> (Self::OnWire, U16);
    /// The TCP flags.
    fn tcp_flags(&self) -> u8;
    /// What the segment acknowledges.
    fn acknowledgement(&self) -> U32;
    /// Puts destination and source of the frame.
    fn readdress(&mut self, link: [u8; 12]);
    /// Replaces an end of a plain segment and takes one hop away.
    fn translate_segment(&mut self, end: End, to: PlainTranslation<'_, Self::OnWire>);
    /// The same of a plain datagram.
    fn translate_datagram(&mut self, end: End, to: PlainTranslation<'_, Self::OnWire>);
    /// An address in host order.
    fn address(on_wire: Self::OnWire) -> Address;
}

/// Passes on what both types say under the same names, so that nothing is written twice.
macro_rules! plain_frame {
    ($frame:ty, $on_wire:ty, $length:expr, $segment:path, $datagram:path, $address:expr) => {
        impl PlainFrame for $frame {
            type OnWire = $on_wire;

            #[inline(always)]
            fn of(head: &Head) -> &Self {
                <$frame>::of(head)
            }

            #[inline(always)]
            fn of_mut(head: &mut Head) -> &mut Self {
                <$frame>::of_mut(head)
            }

            #[inline(always)]
            fn is_for(&self, station: u64) -> bool {
                self.is_for(station)
            }

            #[inline(always)]
            fn is_plain_tcp(&self, length: usize) -> bool {
                self.is_plain_tcp(length)
            }

            #[inline(always)]
            fn is_plain_udp(&self, length: usize) -> bool {
                self.is_plain_udp(length)
            }

            #[inline(always)]
            fn may_hop(&self) -> bool {
                self.may_hop()
            }

            #[inline(always)]
            fn network_length(&self) -> u16 {
                $length(self)
            }

            #[inline(always)]
            fn end(&self, end: u32) -> ($on_wire, U16) {
                self.end(end)
            }

            #[inline(always)]
            fn tcp_flags(&self) -> u8 {
                self.tcp_flags()
            }

            #[inline(always)]
            fn acknowledgement(&self) -> U32 {
                self.acknowledgement()
            }

            #[inline(always)]
            fn readdress(&mut self, link: [u8; 12]) {
                self.link = link;
            }

            #[inline(always)]
            fn translate_segment(&mut self, end: End, to: PlainTranslation<'_, $on_wire>) {
                $segment(self, end, to);
            }

            #[inline(always)]
            fn translate_datagram(&mut self, end: End, to: PlainTranslation<'_, $on_wire>) {
                $datagram(self, end, to);
            }

            #[inline(always)]
            fn address(on_wire: $on_wire) -> Address {
                $address(on_wire)
            }
        }
    };
}

plain_frame!(
    PlainIpv4,
    U32,
    |frame: &PlainIpv4| frame.network_length.get(),
    translate::plain,
    translate::plain_datagram,
    |on_wire: U32| Address::from_v4_bits(on_wire.get())
);

plain_frame!(
    PlainIpv6,
    Ipv6Bytes,
    PlainIpv6::network_length,
    translate::plain_v6,
    translate::plain_datagram_v6,
    Address::from
);
