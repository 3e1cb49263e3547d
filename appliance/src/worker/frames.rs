//! How does the path see a burst of packet buffers?

use dpdk::Burst;
use weir_core::path::{Frames, Tag};
use weir_core::units::PortId;

/// A burst as the path's frames. Tags travel in the packets' meta word.
pub(super) struct PacketFrames<'a> {
    burst: &'a mut Burst,
    ports: &'a [PortId],
}

/// In the meta word: bits 0 to 7 count hand-offs, bit 8 says that the inbound owner missed.
const INBOUND_MISSED: u64 = 1 << 8;

impl<'a> PacketFrames<'a> {
    pub(super) const fn new(burst: &'a mut Burst, ports: &'a [PortId]) -> Self {
        Self { burst, ports }
    }
}

impl Frames for PacketFrames<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.burst.len()
    }

    #[inline]
    fn frame(&self, index: usize) -> &[u8] {
        self.burst.frame(index)
    }

    #[inline]
    fn frame_mut(&mut self, index: usize) -> &mut [u8] {
        self.burst.frame_mut(index)
    }

    #[inline]
    fn is_segmented(&self, index: usize) -> bool {
        self.burst.is_segmented(index)
    }

    #[inline]
    fn ingress(&self, index: usize) -> PortId {
        // A port that is none of ours gets a number that the snapshot does not know.
        let port = self.ports.get(usize::from(self.burst.ingress_port(index)));
        port.copied().unwrap_or(PortId(u8::MAX))
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the lowest eight bits")]
    fn tag(&self, index: usize) -> Tag {
        let meta = self.burst.meta(index);
        Tag { handoffs: meta as u8, inbound_missed: meta & INBOUND_MISSED != 0 }
    }

    #[inline]
    fn set_tag(&mut self, index: usize, tag: Tag) {
        let missed = if tag.inbound_missed { INBOUND_MISSED } else { 0 };
        self.burst.set_meta(index, u64::from(tag.handoffs) | missed);
    }

    #[inline]
    fn prefetch(&self, index: usize) {
        self.burst.prefetch(index);
    }
}
