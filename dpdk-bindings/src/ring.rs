//! How does one thread hand packets to another?
//!
//! ```text
//! RingProducer::send(burst) ──► [packet, meta][packet, meta]… ──► RingConsumer::receive(burst)
//! ```
//!
//! One producer, one consumer, no waiting: what does not fit stays with the sender.

use std::cell::Cell;
use std::ffi::{CString, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::burst::{BURST, Burst};
use crate::eal::Eal;
use crate::errno::Errno;
use crate::raw;
use crate::runtime::Holder;

/// The longest name of a ring, in bytes.
pub const RING_NAME_LENGTH_MAX: usize = raw::WEIR_RING_NAME_SIZE as usize - 1;

/// The sending end of a ring. `Send`, not `Sync`: there is one producer.
#[derive(Debug)]
pub struct RingProducer {
    ring: Arc<Shared>,
    _not_sync: PhantomData<Cell<()>>,
}

/// The receiving end of a ring. `Send`, not `Sync`: there is one consumer.
#[derive(Debug)]
pub struct RingConsumer {
    ring: Arc<Shared>,
    _not_sync: PhantomData<Cell<()>>,
}

/// Why a ring could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Empty, too long, or with a NUL byte.
    #[error("ring name {name:?} must have 1 to {longest} bytes and no NUL; choose another")]
    BadName {
        /// As asked for.
        name: String,
        /// The longest allowed, in bytes.
        longest: usize,
    },
    /// Another ring has this name.
    #[error("a ring named {name:?} exists already; choose another name")]
    NameTaken {
        /// As asked for.
        name: String,
    },
    /// Not a power of two, or out of range.
    #[error("ring {name:?}: size {size} must be a power of two from 2 to 2^30")]
    BadSize {
        /// The ring.
        name: String,
        /// As asked for.
        size: u32,
    },
    /// Not enough memory on the socket.
    #[error(
        "ring {name:?}: no memory for {size} slots of 16 bytes; lower the size, or reserve more \
         hugepages on its NUMA node (without hugepages: raise -m)"
    )]
    NoMemory {
        /// The ring.
        name: String,
        /// As asked for.
        size: u32,
    },
    /// Any other reason.
    #[error("ring {name:?} was refused by DPDK ({errno}); its log may say why")]
    Refused {
        /// The ring.
        name: String,
        /// As DPDK said it.
        errno: Errno,
    },
}

#[derive(Debug)]
struct Shared {
    raw: NonNull<raw::rte_ring>,
    size: u32,
    _holder: Holder,
}

// SAFETY: a ring is made to be used from two threads.
unsafe impl Send for Shared {}
// SAFETY: as above; there is one producer and one consumer, neither of which is Sync, and the
// count may be read by anyone.
unsafe impl Sync for Shared {}

/// Makes a ring (`rte_ring_create_elem`, 16 bytes a slot: the packet and its meta).
///
/// `size` is a power of two; one slot less can be used. `socket` is the NUMA node of the memory,
/// best the consumer's; `None` leaves it to DPDK. When both ends have been dropped, packets still
/// inside go back to their pools and the ring is freed.
///
/// # Errors
/// [`RingError`] names the value that is out of range, or DPDK's reason.
pub fn ring(
    eal: &Eal,
    name: &str,
    size: u32,
    socket: Option<u32>,
) -> Result<(RingProducer, RingConsumer), RingError> {
    let bad_name = || RingError::BadName { name: name.to_owned(), longest: RING_NAME_LENGTH_MAX };
    if name.is_empty() || name.len() > RING_NAME_LENGTH_MAX {
        return Err(bad_name());
    }
    let c_name = CString::new(name).map_err(|_| bad_name())?;
    if !size.is_power_of_two() || !(2..=SIZE_MAX).contains(&size) {
        return Err(RingError::BadSize { name: name.to_owned(), size });
    }
    let socket = socket.map_or(SOCKET_ANY, |s| c_int::try_from(s).unwrap_or(SOCKET_ANY));
    let slot = u32::try_from(size_of::<raw::weir_slot>()).unwrap_or(0);
    // SAFETY: EAL runs; the name lives for the call, which copies it.
    let ring = unsafe {
        raw::rte_ring_create_elem(c_name.as_ptr(), slot, size, socket, raw::WEIR_RING_SINGLE)
    };
    let Some(raw) = NonNull::new(ring) else {
        return Err(refusal(name, size, Errno::last()));
    };
    let ring = Arc::new(Shared { raw, size, _holder: Holder::new(eal.runtime()) });
    let producer = RingProducer { ring: Arc::clone(&ring), _not_sync: PhantomData };
    Ok((producer, RingConsumer { ring, _not_sync: PhantomData }))
}

impl RingProducer {
    /// Sends packets from the front of `burst` (`rte_ring_sp_enqueue_burst_elem`) and returns how
    /// many. What did not fit stays in the burst, in order and without holes. Never waits.
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) -> usize {
        let ring = self.ring.raw.as_ptr();
        let send = |packets: *mut *mut raw::rte_mbuf, meta: *mut u64, count: u16| {
            // SAFETY: `count` packets and as much meta; this is the ring's only producer.
            (unsafe { raw::weir_ring_send(ring, packets, meta, u32::from(count)) }) as usize
        };
        // SAFETY: the ring owns what it says it took.
        unsafe { burst.take_front(send) }
    }

    /// Packets inside, as of some moment during the call.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing is inside, as of some moment during the call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets that fit: the size less one.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

impl RingConsumer {
    /// Appends packets to `burst` as far as there is room (`rte_ring_sc_dequeue_burst_elem`), in
    /// the order in which they were sent, and returns how many.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) -> usize {
        let ring = self.ring.raw.as_ptr();
        let receive = |packets: *mut *mut raw::rte_mbuf, meta: *mut u64, room: u16| {
            // SAFETY: there is `room` for packets and meta; this is the ring's only consumer.
            (unsafe { raw::weir_ring_receive(ring, packets, meta, u32::from(room)) }) as usize
        };
        // SAFETY: the ring owned what it gives away.
        unsafe { burst.fill(receive) }
    }

    /// Packets inside, as of some moment during the call.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing is inside, as of some moment during the call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets that fit: the size less one.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

impl Shared {
    fn len(&self) -> usize {
        // SAFETY: the ring lives as long as this; reads two counters.
        (unsafe { raw::weir_ring_count(self.raw.as_ptr()) }) as usize
    }

    fn capacity(&self) -> usize {
        self.size as usize - 1
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut packets = [std::ptr::null_mut(); BURST];
        let mut meta = [0; BURST];
        loop {
            let (to, beside) = (packets.as_mut_ptr(), meta.as_mut_ptr());
            // SAFETY: there is room for 32, and both ends are gone, so that this is the only
            // consumer.
            let count = unsafe { raw::weir_ring_receive(self.raw.as_ptr(), to, beside, ROOM) };
            if count == 0 {
                break;
            }
            // SAFETY: the ring owned these packets and has given them away.
            unsafe { raw::rte_pktmbuf_free_bulk(to, count) };
        }
        // SAFETY: the ring is empty and nobody has it.
        unsafe { raw::rte_ring_free(self.raw.as_ptr()) };
    }
}

fn refusal(name: &str, size: u32, errno: Errno) -> RingError {
    let name = name.to_owned();
    if errno == Errno::Exists {
        RingError::NameTaken { name }
    } else if errno == Errno::NoMemory {
        RingError::NoMemory { name, size }
    } else {
        RingError::Refused { name, errno }
    }
}

/// The largest power of two that rte_ring takes: RTE_RING_SZ_MASK is 2^31 - 1, and DPDK refuses
/// larger ones.
const SIZE_MAX: u32 = 1 << 30;

/// BURST, as C counts.
#[expect(clippy::cast_possible_truncation, reason = "32")]
const ROOM: u32 = BURST as u32;

/// SOCKET_ID_ANY, a macro in C.
const SOCKET_ANY: c_int = -1;
