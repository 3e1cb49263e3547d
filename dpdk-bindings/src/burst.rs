//! Which packets does a thread hold, and what do they say?
//!
//! ```text
//!            ┌────┬────┬────┬────┬────┬─ ─ ─
//!  packets   │ p0 │hole│ p2 │ p3 │    │        32 places, the first len() used
//!  meta      │ m0 │  – │ m2 │ m3 │    │
//!            └────┴────┴────┴────┴────┴─ ─ ─
//! RxQueue, RingConsumer, Mempool append ►   ◄ TxQueue, RingProducer take from the front
//! ```
//!
//! A packet is in exactly one burst, queue or ring. What is left when a burst is cleared or
//! dropped goes back to its pools in one call.
//!
//! Not here: the meaning of the bytes; that is for whoever reads them.

use std::ptr::NonNull;

use crate::eal::Eal;
use crate::look::{Look, View};
pub use crate::mbuf::FrameError;
use crate::mbuf::Mbuf;
use crate::mempool::Mempool;
use crate::raw;
use crate::runtime::Holder;

/// How many packets a [`Burst`] holds at most. 32 is what DPDK's drivers are tuned for: their
/// vector paths take and give packets 32 at a time, and 32 headers stay in L1.
pub const BURST: usize = 32;

/// Bytes at the front of every frame that a [`Look`] shows, whether or not the frame is that long.
pub const HEAD: usize = 80;

/// Up to [`BURST`] packets, owned. Nothing here allocates but [`Burst::new`].
///
/// A place whose packet has moved elsewhere is a *hole*: it reads as an empty frame, and changes
/// of it do nothing or say [`FrameError::Hole`]. So does a place at or beyond [`Burst::len`].
pub struct Burst {
    /// The first `length` are packets or null. What lies beyond has no meaning: drivers scribble
    /// there.
    packets: [*mut raw::rte_mbuf; BURST],
    meta: [u64; BURST],
    /// Where the packets' bytes are, while somebody looks.
    pub(crate) views: [View; BURST],
    length: usize,
    holes: usize,
    /// What a look shows where there is no packet.
    pub(crate) spare: Box<[u8; HEAD]>,
    /// Last, so that the packets are back before pools are looked at.
    _holder: Holder,
}

/// What there was not enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum Exhausted {
    /// The pool has too few packets left.
    #[error("the pool has too few packets left")]
    Pool,
    /// The burst has too few places left.
    #[error("the burst has too few places left")]
    Burst,
    /// The bytes are more than the pool's data room.
    #[error("the frame is longer than the pool's data room")]
    DataRoom,
}

/// The burst has no place left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the burst has no place left")]
pub struct Full;

/// What the device says of one checksum of a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Checksum {
    /// It did not look.
    Unknown,
    /// It is right.
    Good,
    /// It is wrong.
    Bad,
    /// It is not in the packet, but the data is known to be intact: a partial checksum of a
    /// virtual link, for example.
    Absent,
}

/// What the device says of the checksums of a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChecksumFlags {
    /// Of the IPv4 header.
    pub ip: Checksum,
    /// Of TCP, UDP or SCTP.
    pub transport: Checksum,
}

// SAFETY: packet buffers are not bound to a thread, and the burst is their only owner. It is not
// Sync: buffers are read without synchronisation.
unsafe impl Send for Burst {}

impl Burst {
    /// An empty burst. Make it once per thread and use it again and again.
    #[must_use]
    pub fn new(eal: &Eal) -> Self {
        Self {
            packets: [std::ptr::null_mut(); BURST],
            meta: [0; BURST],
            views: [View::NOTHING; BURST],
            length: 0,
            holes: 0,
            spare: Box::new([0; HEAD]),
            _holder: Holder::new(eal.runtime()),
        }
    }

    /// Places in use, holes included. Valid places are `0..len()`.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no place is in use, not even by a hole.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether no place is free.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.length == BURST
    }

    /// Free places behind the last one in use.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        BURST - self.length
    }

    /// Packets held: places in use less holes.
    #[inline]
    #[must_use]
    pub fn packets(&self) -> usize {
        self.length - self.holes
    }

    /// Whether place `i` has no packet.
    #[inline]
    #[must_use]
    pub fn is_hole(&self, i: usize) -> bool {
        self.packet(i).is_none()
    }

    /// The places that have a packet, from the front.
    pub fn occupied(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.length).filter(|&i| !self.is_hole(i))
    }

    /// The frames from the front, each with its place; holes are left out.
    pub fn frames(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.occupied().map(|i| (i, self.frame(i)))
    }

    /// The bytes of packet `i`, from its Ethernet header; of a segmented packet the first
    /// segment's. Empty for a hole.
    #[inline]
    #[must_use]
    pub fn frame(&self, i: usize) -> &[u8] {
        let Some(packet) = self.packet(i) else {
            return &[];
        };
        // SAFETY: data and length are within the packet's buffer, which this burst owns; no one
        // writes it while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(packet.data(), usize::from(packet.length())) }
    }

    /// The bytes of packet `i` to change; see [`Self::frame`].
    #[inline]
    #[must_use]
    pub fn frame_mut(&mut self, i: usize) -> &mut [u8] {
        let Some(packet) = self.packet(i) else {
            return &mut [];
        };
        // SAFETY: as in `frame`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(packet.data(), usize::from(packet.length())) }
    }

    /// Bytes of all frames together, of segmented packets those of the first segment.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let packets = self.packets.iter().take(self.length).filter_map(|it| NonNull::new(*it));
        // SAFETY: as in `packet`.
        packets.map(|packet| u64::from(unsafe { Mbuf::new(packet) }.length())).sum()
    }

    /// Whether packet `i` has more than the one segment that [`Self::frame`] shows.
    #[inline]
    #[must_use]
    pub fn is_segmented(&self, i: usize) -> bool {
        self.packet(i).is_some_and(Mbuf::is_segmented)
    }

    /// Looks at all packets at once: finds out where their bytes are, and asks the CPU to bring
    /// them near.
    #[inline]
    pub fn look(&mut self) -> Look<'_> {
        Look::new(self)
    }

    /// The port on which packet `i` was received; 65,535 for an originated packet and a hole.
    #[inline]
    #[must_use]
    pub fn ingress_port(&self, i: usize) -> u16 {
        self.packet(i).map_or(u16::MAX, Mbuf::port)
    }

    /// Notes another port as that of packet `i`. It travels with the packet.
    #[inline]
    pub fn set_ingress_port(&mut self, i: usize, port: u16) {
        if let Some(packet) = self.packet(i) {
            packet.set_port(port);
        }
    }

    /// The caller's word about packet `i`: 0 after it was received or made, and for a hole. It
    /// travels to other bursts and through rings, but not through ports.
    #[inline]
    #[must_use]
    pub fn meta(&self, i: usize) -> u64 {
        if self.is_hole(i) { 0 } else { self.meta.get(i).copied().unwrap_or(0) }
    }

    /// Sets the caller's word about packet `i`.
    #[inline]
    pub fn set_meta(&mut self, i: usize, meta: u64) {
        if let Some(word) = self.meta.get_mut(i) {
            *word = meta;
        }
    }

    /// What the device says of the checksums of packet `i`; unknown for a hole, and unless the
    /// port took the offload.
    #[inline]
    #[must_use]
    pub fn checksum_flags(&self, i: usize) -> ChecksumFlags {
        let flags = self.packet(i).map_or(0, Mbuf::flags);
        let ip = match flags & raw::WEIR_RX_IP_CHECKSUM_MASK {
            raw::WEIR_RX_IP_CHECKSUM_GOOD => Checksum::Good,
            raw::WEIR_RX_IP_CHECKSUM_BAD => Checksum::Bad,
            raw::WEIR_RX_IP_CHECKSUM_NONE => Checksum::Absent,
            _ => Checksum::Unknown,
        };
        let transport = match flags & raw::WEIR_RX_L4_CHECKSUM_MASK {
            raw::WEIR_RX_L4_CHECKSUM_GOOD => Checksum::Good,
            raw::WEIR_RX_L4_CHECKSUM_BAD => Checksum::Bad,
            raw::WEIR_RX_L4_CHECKSUM_NONE => Checksum::Absent,
            _ => Checksum::Unknown,
        };
        ChecksumFlags { ip, transport }
    }

    /// Makes frame `i` `length` bytes long: cuts its end off, or appends zeros.
    ///
    /// # Errors
    /// [`FrameError`]: a hole, several segments, or too little room behind. Nothing has changed
    /// then.
    #[inline]
    pub fn resize_frame(&mut self, i: usize, length: usize) -> Result<(), FrameError> {
        self.packet(i).ok_or(FrameError::Hole)?.resize(length)
    }

    /// Puts `bytes` before frame `i`. A received packet has 128 bytes of headroom as a rule.
    ///
    /// # Errors
    /// [`FrameError`]: a hole, or too little headroom. Nothing has changed then.
    #[inline]
    pub fn prepend(&mut self, i: usize, bytes: &[u8]) -> Result<(), FrameError> {
        self.packet(i).ok_or(FrameError::Hole)?.prepend(bytes)
    }

    /// Takes `count` bytes off the front of frame `i`.
    ///
    /// # Errors
    /// [`FrameError`]: a hole, or a shorter frame. Nothing has changed then.
    #[inline]
    pub fn trim_front(&mut self, i: usize, count: usize) -> Result<(), FrameError> {
        self.packet(i).ok_or(FrameError::Hole)?.trim_front(count)
    }

    /// Appends a packet from `pool` with these bytes.
    ///
    /// # Errors
    /// [`Exhausted`] says what there was not enough of. Nothing has changed then.
    pub fn push_copy(&mut self, pool: &Mempool, bytes: &[u8]) -> Result<(), Exhausted> {
        if bytes.len() > usize::from(pool.data_room()) {
            return Err(Exhausted::DataRoom);
        }
        self.allocate(pool, 1)?;
        let last = self.length - 1;
        if self.resize_frame(last, bytes.len()).is_err() {
            self.drop_last();
            return Err(Exhausted::DataRoom);
        }
        self.frame_mut(last).copy_from_slice(bytes);
        Ok(())
    }

    /// Moves packet `i` with its meta to the end of `other`, and leaves a hole. A hole moves
    /// nothing.
    ///
    /// # Errors
    /// [`Full`] if `other` has no place left. Nothing has changed then.
    #[inline(always)]
    pub fn move_to(&mut self, i: usize, other: &mut Self) -> Result<(), Full> {
        let (Some(packet), Some(place), Some(meta)) = (
            self.packets.get_mut(i),
            other.packets.get_mut(other.length),
            other.meta.get_mut(other.length),
        ) else {
            return if self.is_hole(i) { Ok(()) } else { Err(Full) };
        };
        if i >= self.length || packet.is_null() {
            return Ok(());
        }
        *place = std::mem::replace(packet, std::ptr::null_mut());
        *meta = self.meta.get(i).copied().unwrap_or(0);
        self.holes += 1;
        other.length += 1;
        Ok(())
    }

    /// Closes the holes: the packets keep their order and get new places.
    pub fn compact(&mut self) {
        if self.holes == 0 {
            return;
        }
        let mut kept = 0;
        for i in 0..self.length {
            if !self.is_hole(i) {
                self.packets.swap(kept, i);
                self.meta.swap(kept, i);
                kept += 1;
            }
        }
        self.length = kept;
        self.holes = 0;
    }

    /// Gives every packet that is left back to its pool (`rte_pktmbuf_free_bulk`). The burst is
    /// empty then.
    #[inline]
    pub fn clear(&mut self) {
        if self.packets() > 0 {
            // BURST fits: at most that many are in use.
            #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
            let count = self.length as u32;
            // SAFETY: the first `length` are null, which is skipped, or packets of this burst,
            // which forgets them below.
            unsafe { raw::rte_pktmbuf_free_bulk(self.packets.as_mut_ptr(), count) };
        }
        self.length = 0;
        self.holes = 0;
    }

    pub(crate) fn allocate(&mut self, pool: &Mempool, count: usize) -> Result<(), Exhausted> {
        let wanted = u32::try_from(count).map_err(|_| Exhausted::Burst)?;
        let first = self.length;
        let Some(places) = self.packets.get_mut(first..first.saturating_add(count)) else {
            return Err(Exhausted::Burst);
        };
        // SAFETY: there are `wanted` places, and the pool lives as long as its handle.
        let result = unsafe { raw::weir_alloc_bulk(pool.as_ptr(), places.as_mut_ptr(), wanted) };
        if result != 0 {
            return Err(Exhausted::Pool);
        }
        self.length += count;
        for i in first..self.length {
            self.set_meta(i, 0);
        }
        Ok(())
    }

    /// Lets `fill` append packets: it gets the first free place, the meta beside it and the
    /// number of free places, and returns how many it filled.
    ///
    /// # Safety
    /// `fill` puts as many live packets as it says, without another owner, and no more than it
    /// may, each with its meta.
    #[inline]
    pub(crate) unsafe fn fill<F>(&mut self, fill: F) -> usize
    where
        F: FnOnce(*mut *mut raw::rte_mbuf, *mut u64, u16) -> usize,
    {
        let room = self.room();
        let packet = self.packets.as_mut_ptr().wrapping_add(self.length);
        let meta = self.meta.as_mut_ptr().wrapping_add(self.length);
        #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
        let filled = fill(packet, meta, room as u16).min(room);
        self.length += filled;
        filled
    }

    /// Lets `take` take packets from the front: it gets the first packet, its meta and the
    /// number of packets, all without holes, and returns how many it took. The rest moves up.
    ///
    /// # Safety
    /// `take` becomes the owner of the first so many packets as it says, and of no other.
    #[inline]
    pub(crate) unsafe fn take_front<F>(&mut self, take: F) -> usize
    where
        F: FnOnce(*mut *mut raw::rte_mbuf, *mut u64, u16) -> usize,
    {
        self.compact();
        let length = self.length;
        #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
        let count = length as u16;
        let taken = take(self.packets.as_mut_ptr(), self.meta.as_mut_ptr(), count).min(length);
        if taken < length {
            self.packets.copy_within(taken..length, 0);
            self.meta.copy_within(taken..length, 0);
        }
        self.length = length - taken;
        taken
    }

    #[inline]
    pub(crate) fn packet(&self, i: usize) -> Option<Mbuf> {
        if i >= self.length {
            return None;
        }
        let packet = NonNull::new(*self.packets.get(i)?)?;
        // SAFETY: a place in use that is not null is a packet that this burst owns; the views
        // made here do not outlive the borrow of `self` under which they are used.
        Some(unsafe { Mbuf::new(packet) })
    }

    fn drop_last(&mut self) {
        self.length -= 1;
        let last = self.packets.as_mut_ptr().wrapping_add(self.length);
        // SAFETY: the last place held a packet of this burst, which has just forgotten it.
        unsafe { raw::rte_pktmbuf_free_bulk(last, 1) };
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.clear();
    }
}

impl std::fmt::Debug for Burst {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Burst")
            .field("length", &self.length)
            .field("holes", &self.holes)
            .finish_non_exhaustive()
    }
}
