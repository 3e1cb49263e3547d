//! What does a device without a wire receive?
//!
//! ```text
//!   templates   [ frame │ where the address goes │ where the port goes ] …
//!   steps       [ address, port, template ] [ … ] [ … ] ─► around and around, one per packet
//! ```
//!
//! A copy and two patches per packet, in C and before the queue's owner sees it, whatever the
//! sequence is: a measurement knows the cost by measuring a loop that does nothing else. For
//! other programs the same source can be written to a file (`preload.c`). Checksums are those of
//! the template, so they are wrong once the frame is patched.

use std::io::{self, Write};
use std::mem::size_of;

use crate::raw;

/// Bytes of a frame that a template gives; what lies behind them is whatever was there.
pub const TEMPLATE: usize = raw::WEIR_TEMPLATE_SIZE;
/// The same of a long template, which has room for the headers of TCP over IPv6. Where a source has
/// a long one, so many bytes of each template are copied.
pub const LONG_TEMPLATE: usize = raw::WEIR_LONG_TEMPLATE_SIZE;

/// Bytes of a template and of a long one, as C counts them.
#[expect(clippy::cast_possible_truncation, reason = "at most 80")]
const WRITTEN: [u16; 2] = [TEMPLATE as u16, LONG_TEMPLATE as u16];

/// A frame with two holes.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Template(raw::weir_template);

/// One packet of a sequence.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Step(raw::weir_step);

/// Templates and the endless sequence over them.
pub struct Source {
    templates: Box<[Template]>,
    steps: Box<[Step]>,
}

/// Why there can be no such source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No steps.
    #[error("a sequence needs at least one step")]
    NoSteps,
    /// A step names a template that does not exist.
    #[error("step {0} names a template that does not exist")]
    NoTemplate(usize),
    /// A template would be patched behind its end.
    #[error("template {0} would be patched behind its bytes")]
    PatchOutside(usize),
}

/// A running generator, a callback of one queue.
pub(crate) struct Generator {
    port: u16,
    queue: u16,
    handle: *const std::ffi::c_void,
    /// What C works with. It stays where it is until the callback is gone, and only the queue's
    /// owner, who has `&mut`, can be in a receive call.
    state: *mut raw::weir_generator,
    _source: Source,
}

// SAFETY: the state is owned like a box, and is used only by whoever has the queue.
unsafe impl Send for Generator {}

impl Template {
    /// A template of these bytes for a frame of `length` bytes. The step's address goes to
    /// `address_at`, its port to `port_at`, both counted from the frame's beginning.
    #[must_use]
    pub fn new(bytes: [u8; TEMPLATE], length: u16, address_at: u16, port_at: u16) -> Self {
        let mut all = [0; LONG_TEMPLATE];
        all[..TEMPLATE].copy_from_slice(&bytes);
        let mut template = Self::long(all, length, address_at, port_at);
        template.0.written = WRITTEN[0];
        template
    }

    /// The same of more bytes.
    #[must_use]
    pub fn long(bytes: [u8; LONG_TEMPLATE], length: u16, address_at: u16, port_at: u16) -> Self {
        Self(raw::weir_template { bytes, length, address_at, port_at, written: WRITTEN[1] })
    }
}

impl Step {
    /// A packet by template number `template` with this IPv4 address and this port, in host
    /// order.
    #[must_use]
    pub fn new(template: u16, address: u32, port: u16) -> Self {
        let (address, port) = (address.to_be(), port.to_be());
        Self(raw::weir_step { address, port, template_index: template })
    }
}

impl Source {
    /// The sequence of `steps` over `templates`.
    ///
    /// # Errors
    /// [`SourceError`]: nothing is generated outside of a template's bytes.
    pub fn new(templates: Vec<Template>, steps: Vec<Step>) -> Result<Self, SourceError> {
        if steps.is_empty() {
            return Err(SourceError::NoSteps);
        }
        let outside = |template: &Template| {
            let (address, port) = (template.0.address_at, template.0.port_at);
            let written = usize::from(template.0.written);
            usize::from(address) + 4 > written || usize::from(port) + 2 > written
        };
        if let Some(index) = templates.iter().position(outside) {
            return Err(SourceError::PatchOutside(index));
        }
        let missing = |step: &Step| usize::from(step.0.template_index) >= templates.len();
        if let Some(index) = steps.iter().position(missing) {
            return Err(SourceError::NoTemplate(index));
        }
        Ok(Self { templates: templates.into(), steps: steps.into() })
    }

    /// How many bytes of each template are copied.
    fn bytes(&self) -> u64 {
        self.templates.iter().map(|it| u64::from(it.0.written)).max().unwrap_or(0)
    }

    /// Writes the source as `preload.c` reads it: at most as many templates as fit a page.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_to(&self, file: &mut impl Write) -> io::Result<()> {
        let page = |bytes: &[u8]| {
            let mut page = bytes.to_vec();
            page.resize(PAGE, 0);
            page
        };
        let mut head = MAGIC.to_ne_bytes().to_vec();
        head.extend((self.templates.len() as u64).to_ne_bytes());
        head.extend((self.steps.len() as u64).to_ne_bytes());
        debug_assert_eq!(head.len() as u64, MADE_AT);
        head.extend(0u64.to_ne_bytes());
        head.extend(self.bytes().to_ne_bytes());
        file.write_all(&page(&head))?;
        let mut templates = Vec::new();
        for Template(template) in &self.templates {
            templates.extend(template.bytes);
            templates.extend(template.length.to_ne_bytes());
            templates.extend(template.address_at.to_ne_bytes());
            templates.extend(template.port_at.to_ne_bytes());
            templates.extend(template.written.to_ne_bytes());
        }
        debug_assert_eq!(size_of::<raw::weir_template>(), LONG_TEMPLATE + 8);
        file.write_all(&page(&templates))?;
        for Step(step) in &self.steps {
            file.write_all(&step.address.to_ne_bytes())?;
            file.write_all(&step.port.to_ne_bytes())?;
            file.write_all(&step.template_index.to_ne_bytes())?;
        }
        Ok(())
    }
}

/// Where the count of generated packets stands in a file of [`Source::write_to`], in bytes; a
/// native 64-bit number.
pub const MADE_AT: u64 = 24;

const PAGE: usize = 4096;
const MAGIC: u64 = 0x5765_6972_2067_656e;

impl Generator {
    pub(crate) fn new(port: u16, queue: u16, source: Source, packets: u64) -> Result<Self, Source> {
        let state = Box::into_raw(Box::new(raw::weir_generator {
            templates: source.templates.as_ptr().cast(),
            steps: source.steps.as_ptr().cast(),
            count: source.steps.len() as u64,
            next: 0,
            left: packets,
            made: 0,
            bytes: source.bytes(),
        }));
        // SAFETY: the state lives until the callback has been removed, in `drop`.
        let handle = unsafe { raw::weir_generate_into(port, queue, state) };
        if handle.is_null() {
            // SAFETY: made above by `Box::into_raw`, and C did not keep it.
            drop(unsafe { Box::from_raw(state) });
            return Err(source);
        }
        Ok(Self { port, queue, handle: handle.cast(), state, _source: source })
    }

    pub(crate) fn allow(&mut self, packets: u64) {
        // SAFETY: the state lives, and nobody is in a receive call: `self` is exclusive.
        unsafe { (*self.state).left = packets };
    }

    pub(crate) fn made(&self) -> u64 {
        // SAFETY: as above: the queue that is borrowed is not receiving.
        unsafe { (*self.state).made }
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        let handle = self.handle.cast();
        // SAFETY: the handle is that of this port and queue, whose only owner is dropping this.
        let result = unsafe { raw::weir_generate_no_more(self.port, self.queue, handle) };
        if result == 0 {
            // SAFETY: made by `Box::into_raw`, and no callback refers to it any more.
            drop(unsafe { Box::from_raw(self.state) });
        }
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Generator").field("made", &self.made()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps = self.steps.len();
        formatter.debug_struct("Source").field("steps", &steps).finish_non_exhaustive()
    }
}
