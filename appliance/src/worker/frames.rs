//! How does the path see a burst of packet buffers?

use dpdk::Look;
use weir_core::path::{Frames, Tag};
use weir_core::units::PortId;
use weir_core::wire::{Head, plain};

const _: () = assert!(plain::HEAD == dpdk::HEAD, "the path and the buffers agree on a head");

/// A burst as the path's frames. Tags travel in the packets' meta word.
pub(super) struct PacketFrames<'a> {
    look: Look<'a>,
    ports: &'a [PortId],
    /// Where they all came in, if they all came in by one port.
    ingress: Option<PortId>,
}

/// In the meta word: bits 0 to 7 count hand-offs, bit 8 says that the inbound owner missed, bits 9
/// to 11 count workers without a port.
const INBOUND_MISSED: u64 = 1 << 8;
const DRY_BIT: u32 = 9;
const DRY: u64 = 7;

impl<'a> PacketFrames<'a> {
    #[inline]
    pub(super) const fn new(look: Look<'a>, ports: &'a [PortId], ingress: Option<PortId>) -> Self {
        Self { look, ports, ingress }
    }
}

/// Our number of a port of DPDK's; for one that is none of ours, one that the snapshot does not
/// know.
#[inline]
pub(super) fn port_number(ports: &[PortId], device: u16) -> PortId {
    ports.get(usize::from(device)).copied().unwrap_or(PortId(u8::MAX))
}

impl Frames for PacketFrames<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.look.len()
    }

    #[inline]
    fn head(&self, place: usize) -> &Head {
        self.look.head(place)
    }

    #[inline]
    fn head_mut(&mut self, place: usize) -> &mut Head {
        self.look.head_mut(place)
    }

    #[inline]
    fn length(&self, place: usize) -> usize {
        self.look.length(place)
    }

    fn frame(&self, place: usize) -> &[u8] {
        self.look.burst().frame(place)
    }

    fn frame_mut(&mut self, place: usize) -> &mut [u8] {
        self.look.frame_mut(place)
    }

    fn is_segmented(&self, place: usize) -> bool {
        self.look.burst().is_segmented(place)
    }

    #[inline]
    fn ingress(&self, place: usize) -> PortId {
        match self.ingress {
            Some(port) => port,
            None => port_number(self.ports, self.look.ingress_port(place)),
        }
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the lowest eight bits")]
    fn tag(&self, place: usize) -> Tag {
        let meta = self.look.burst().meta(place);
        Tag {
            handoffs: meta as u8,
            inbound_missed: meta & INBOUND_MISSED != 0,
            dry: (meta >> DRY_BIT & DRY) as u8,
        }
    }

    fn set_tag(&mut self, place: usize, tag: Tag) {
        let missed = if tag.inbound_missed { INBOUND_MISSED } else { 0 };
        let dry = (u64::from(tag.dry) & DRY) << DRY_BIT;
        self.look.set_meta(place, u64::from(tag.handoffs) | missed | dry);
    }
}
