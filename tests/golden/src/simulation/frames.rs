//! How do frames in ordinary memory look to the path?

use weir_core::path::{Frames, Tag};
use weir_core::units::PortId;

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its bytes, all of them or those of its first buffer.
    pub bytes: Vec<u8>,
    /// The port it arrived on.
    pub ingress: PortId,
    /// Whether more of it lies in further buffers.
    pub segmented: bool,
    tag: Tag,
}

impl Frame {
    /// A frame fresh from the wire.
    #[must_use]
    pub fn new(ingress: PortId, bytes: Vec<u8>) -> Self {
        Self { bytes, ingress, segmented: false, tag: Tag::default() }
    }
}

/// Frames that are processed together.
#[derive(Debug)]
pub struct Burst(pub Vec<Frame>);

impl Frames for Burst {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn frame(&self, index: usize) -> &[u8] {
        &self.0[index].bytes
    }

    fn frame_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.0[index].bytes
    }

    fn is_segmented(&self, index: usize) -> bool {
        self.0[index].segmented
    }

    fn ingress(&self, index: usize) -> PortId {
        self.0[index].ingress
    }

    fn tag(&self, index: usize) -> Tag {
        self.0[index].tag
    }

    fn set_tag(&mut self, index: usize, tag: Tag) {
        self.0[index].tag = tag;
    }

    fn prefetch(&self, _index: usize) {}
}
