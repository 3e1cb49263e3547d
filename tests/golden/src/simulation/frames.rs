//! How do frames in ordinary memory look to the path?

use weir_core::path::{Frames, Tag};
use weir_core::units::PortId;
use weir_core::wire::{Head, plain};

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its bytes, all of them or those of its first buffer.
    pub bytes: Vec<u8>,
    /// The port it arrived on.
    pub ingress: PortId,
    /// Whether more of it lies in further buffers.
    pub segmented: bool,
    /// What workers have noted about it.
    pub tag: Tag,
}

impl Frame {
    /// A frame fresh from the wire.
    #[must_use]
    pub fn new(ingress: PortId, bytes: Vec<u8>) -> Self {
        Self { bytes, ingress, segmented: false, tag: Tag::default() }
    }
}

/// Frames that are processed together, in buffers that are never shorter than a head.
#[derive(Debug)]
pub struct Burst {
    frames: Vec<Frame>,
    lengths: Vec<usize>,
}

impl Burst {
    /// These frames in buffers.
    #[must_use]
    pub fn new(mut frames: Vec<Frame>) -> Self {
        let lengths = frames.iter().map(|frame| frame.bytes.len()).collect();
        for frame in &mut frames {
            // What stands behind a frame's end is what was there before.
            let length = frame.bytes.len().max(plain::HEAD);
            frame.bytes.resize(length, 0xa5);
        }
        Self { frames, lengths }
    }

    /// The frames again.
    #[must_use]
    pub fn into_frames(mut self) -> Vec<Frame> {
        for (frame, length) in self.frames.iter_mut().zip(&self.lengths) {
            frame.bytes.truncate(*length);
        }
        self.frames
    }
}

impl Frames for Burst {
    fn len(&self) -> usize {
        self.frames.len()
    }

    fn head(&self, place: usize) -> &Head {
        self.frames[place].bytes.first_chunk().expect("buffers hold a head")
    }

    fn head_mut(&mut self, place: usize) -> &mut Head {
        self.frames[place].bytes.first_chunk_mut().expect("buffers hold a head")
    }

    fn length(&self, place: usize) -> usize {
        self.lengths[place]
    }

    fn frame(&self, place: usize) -> &[u8] {
        &self.frames[place].bytes[..self.lengths[place]]
    }

    fn frame_mut(&mut self, place: usize) -> &mut [u8] {
        &mut self.frames[place].bytes[..self.lengths[place]]
    }

    fn is_segmented(&self, place: usize) -> bool {
        self.frames[place].segmented
    }

    fn ingress(&self, place: usize) -> PortId {
        self.frames[place].ingress
    }

    fn tag(&self, place: usize) -> Tag {
        self.frames[place].tag
    }

    fn set_tag(&mut self, place: usize, tag: Tag) {
        self.frames[place].tag = tag;
    }
}
