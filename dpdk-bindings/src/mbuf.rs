//! Where in a packet buffer is what?
//!
//! ```text
//! buf_addr                                        buf_addr + buf_len
//!    │◄── data_off ──►│◄──── data_len ────►│          │
//!    │    headroom    │  the first segment │ tailroom │
//! ```
//!
//! The fields are reached by offsets that the C compiler computed for the DPDK at hand, because
//! their nesting in `struct rte_mbuf` differs between releases. Every access is one load or store.

use std::ptr::NonNull;

use crate::raw;

/// Why a frame keeps its extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum FrameError {
    /// There is no packet at this place.
    #[error("no packet at this place of the burst")]
    Hole,
    /// The packet has more than one segment.
    #[error("the packet has several segments")]
    Segmented,
    /// Not enough room before the frame.
    #[error("not enough headroom")]
    NoHeadroom,
    /// Not enough room behind the frame.
    #[error("not enough tailroom")]
    NoTailroom,
    /// The frame has fewer bytes than shall be taken off.
    #[error("the frame is too short")]
    TooShort,
}

/// A packet buffer that somebody owns, seen by its fields.
///
/// Whoever makes one vouches that it stays valid, and is not used elsewhere, while the view lives.
#[derive(Clone, Copy)]
pub(crate) struct Mbuf(NonNull<raw::rte_mbuf>);

impl Mbuf {
    /// # Safety
    /// `packet` is a live packet buffer that the caller owns for as long as it uses the view.
    #[inline]
    pub(crate) unsafe fn new(packet: NonNull<raw::rte_mbuf>) -> Self {
        Self(packet)
    }

    #[inline]
    pub(crate) fn data(self) -> *mut u8 {
        self.buffer().wrapping_add(usize::from(self.headroom()))
    }

    #[inline]
    pub(crate) fn length(self) -> u16 {
        self.read(raw::WEIR_MBUF_DATA_LEN)
    }

    #[inline]
    pub(crate) fn headroom(self) -> u16 {
        self.read(raw::WEIR_MBUF_DATA_OFF)
    }

    /// Bytes from the front of the frame to the end of the buffer.
    #[inline]
    pub(crate) fn room(self) -> usize {
        let size: u16 = self.read(raw::WEIR_MBUF_BUF_LEN);
        usize::from(size).saturating_sub(self.headroom().into())
    }

    #[inline]
    pub(crate) fn tailroom(self) -> u16 {
        let size: u16 = self.read(raw::WEIR_MBUF_BUF_LEN);
        size.saturating_sub(self.headroom()).saturating_sub(self.length())
    }

    #[inline]
    pub(crate) fn is_segmented(self) -> bool {
        self.read::<u16>(raw::WEIR_MBUF_NB_SEGS) != 1
    }

    #[inline]
    pub(crate) fn flags(self) -> u64 {
        self.read(raw::WEIR_MBUF_OL_FLAGS)
    }

    #[inline]
    pub(crate) fn port(self) -> u16 {
        self.read(raw::WEIR_MBUF_PORT)
    }

    #[inline]
    pub(crate) fn set_port(self, port: u16) {
        self.write(raw::WEIR_MBUF_PORT, port);
    }

    /// Makes the only segment `length` bytes long. What is appended is zero.
    #[inline]
    pub(crate) fn resize(self, length: usize) -> Result<(), FrameError> {
        if self.is_segmented() {
            return Err(FrameError::Segmented);
        }
        let before = usize::from(self.length());
        let appended = length.saturating_sub(before);
        if appended > usize::from(self.tailroom()) {
            return Err(FrameError::NoTailroom);
        }
        let end = self.data().wrapping_add(before);
        // SAFETY: the `appended` bytes behind the frame are within the buffer: tailroom.
        unsafe { end.write_bytes(0, appended) };
        self.set_extent(self.headroom(), length);
        Ok(())
    }

    /// Puts `bytes` before the first byte of the first segment.
    #[inline]
    pub(crate) fn prepend(self, bytes: &[u8]) -> Result<(), FrameError> {
        let (headroom, length) = (usize::from(self.headroom()), usize::from(self.length()));
        let (Some(left), Some(longer)) =
            (headroom.checked_sub(bytes.len()), short(length + bytes.len()))
        else {
            return Err(FrameError::NoHeadroom);
        };
        let start = self.data().wrapping_sub(bytes.len());
        // SAFETY: the bytes before the frame are within the buffer: headroom. `bytes` is no part
        // of them: nobody else has a reference into this buffer.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.move_start(left, longer);
        Ok(())
    }

    /// Takes `count` bytes off the front of the first segment.
    #[inline]
    pub(crate) fn trim_front(self, count: usize) -> Result<(), FrameError> {
        let Some(shorter) = usize::from(self.length()).checked_sub(count) else {
            return Err(FrameError::TooShort);
        };
        self.move_start(usize::from(self.headroom()) + count, short(shorter).unwrap_or(0));
        Ok(())
    }

    /// `headroom + length` is within the buffer, and there is only one segment.
    #[inline]
    fn set_extent(self, headroom: u16, length: usize) {
        let length = short(length).unwrap_or(0);
        self.write(raw::WEIR_MBUF_DATA_OFF, headroom);
        self.write(raw::WEIR_MBUF_DATA_LEN, length);
        self.write(raw::WEIR_MBUF_PKT_LEN, u32::from(length));
    }

    /// The first segment starts elsewhere and ends where it did.
    #[inline]
    fn move_start(self, headroom: usize, length: u16) {
        let packet: u32 = self.read(raw::WEIR_MBUF_PKT_LEN);
        let others = packet.saturating_sub(u32::from(self.length()));
        self.write(raw::WEIR_MBUF_DATA_OFF, short(headroom).unwrap_or(0));
        self.write(raw::WEIR_MBUF_DATA_LEN, length);
        self.write(raw::WEIR_MBUF_PKT_LEN, others.saturating_add(u32::from(length)));
    }

    #[inline]
    fn buffer(self) -> *mut u8 {
        self.read(raw::WEIR_MBUF_BUF_ADDR)
    }

    #[inline]
    fn read<T: Copy>(self, offset: usize) -> T {
        let field = self.0.as_ptr().cast::<u8>().wrapping_add(offset).cast::<T>();
        // SAFETY: the view is of a live buffer (see `new`), and the offset is that of a field of
        // this type, aligned as C aligns it.
        unsafe { field.read() }
    }

    #[inline]
    fn write<T: Copy>(self, offset: usize, value: T) {
        let field = self.0.as_ptr().cast::<u8>().wrapping_add(offset).cast::<T>();
        // SAFETY: as in `read`, and nobody else uses the buffer.
        unsafe { field.write(value) };
    }
}

/// Extents within a buffer fit 16 bits, because its length does.
#[inline]
fn short(value: usize) -> Option<u16> {
    u16::try_from(value).ok()
}
