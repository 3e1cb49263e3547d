//! Where are the bytes of a burst's packets?
//!
//! A packet's bytes are found through its own record, in several steps. A look takes these steps
//! once per packet; from then on a frame is one load away. Not here: who owns the packets
//! ([`Burst`]).

use crate::burst::{BURST, Burst, HEAD};
use crate::mbuf::Mbuf;

/// Where one packet's bytes are.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// At least [`HEAD`] bytes of memory; of the burst's spare where the packet has not as many.
    data: *mut u8,
    /// Bytes of the frame there.
    length: u16,
    port: u16,
}

impl View {
    /// Of no packet. Never read through: a look replaces every one.
    pub(crate) const NOTHING: Self = Self { data: std::ptr::null_mut(), length: 0, port: u16::MAX };

    #[inline]
    fn of(packet: Mbuf, spare: *mut u8) -> Self {
        let port = packet.port();
        if packet.room() < HEAD {
            // Near the end of its buffer: no head to show; `Burst::frame` shows what there is.
            return Self { data: spare, length: 0, port };
        }
        let data = packet.data();
        #[cfg(target_arch = "x86_64")]
        {
            use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: a prefetch of any address is harmless, and every x86_64 has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(data.cast::<i8>()) };
        }
        Self { data, length: packet.length(), port }
    }
}

/// All packets of a burst, to read and to rewrite in place. While it lives, no packet comes or
/// goes.
pub struct Look<'a> {
    burst: &'a mut Burst,
    bytes: usize,
}

impl<'a> Look<'a> {
    #[inline]
    pub(crate) fn new(burst: &'a mut Burst) -> Self {
        let spare = burst.spare.as_mut_ptr();
        let mut bytes = 0;
        for i in 0..BURST {
            let view = match burst.packet(i) {
                Some(packet) => View::of(packet, spare),
                None => View { data: spare, ..View::NOTHING },
            };
            bytes += usize::from(view.length);
            burst.views[i] = view;
        }
        Self { burst, bytes }
    }

    /// Places in use, holes included.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.burst.len()
    }

    /// Whether no place is in use.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.burst.is_empty()
    }

    /// Bytes of all frames' first buffers together.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first bytes of packet `i`; those at or past [`Self::length`] mean nothing.
    #[inline]
    #[must_use]
    pub fn head(&self, i: usize) -> &[u8; HEAD] {
        // SAFETY: every view points to HEAD bytes, in a packet's buffer or the spare, which the
        // burst owns; no one writes them while `self` is borrowed.
        unsafe { &*self.view(i).data.cast::<[u8; HEAD]>() }
    }

    /// The same, to rewrite in place.
    #[inline]
    #[must_use]
    pub fn head_mut(&mut self, i: usize) -> &mut [u8; HEAD] {
        // SAFETY: as in `head`, and `self` is borrowed exclusively.
        unsafe { &mut *self.view(i).data.cast::<[u8; HEAD]>() }
    }

    /// Bytes of frame `i` that [`Self::head`] is the front of; 0 where there is no packet or no
    /// room for a head.
    #[inline]
    #[must_use]
    pub fn length(&self, i: usize) -> usize {
        self.view(i).length.into()
    }

    /// The port on which packet `i` was received; 65,535 for an originated packet and a hole.
    #[inline]
    #[must_use]
    pub fn ingress_port(&self, i: usize) -> u16 {
        self.view(i).port
    }

    /// What the burst says of packet `i` besides.
    #[inline]
    #[must_use]
    pub fn burst(&self) -> &Burst {
        self.burst
    }

    /// The bytes of packet `i` to change; see [`Burst::frame_mut`].
    #[inline]
    #[must_use]
    pub fn frame_mut(&mut self, i: usize) -> &mut [u8] {
        self.burst.frame_mut(i)
    }

    /// Sets the caller's word about packet `i`.
    #[inline]
    pub fn set_meta(&mut self, i: usize, meta: u64) {
        self.burst.set_meta(i, meta);
    }

    /// Places are below [`BURST`], which is a power of two; others wrap.
    #[inline]
    fn view(&self, i: usize) -> View {
        self.burst.views[i % BURST]
    }
}
