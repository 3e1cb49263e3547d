//! Where does the memory of packets come from, and how much of it is out?
//!
//! Not here: what a packet holds (`burst`); why a dropped pool may live on (`runtime`).

use std::ffi::{CString, c_int};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::burst::{Burst, Exhausted};
use crate::eal::Eal;
use crate::errno::Errno;
use crate::raw;
use crate::runtime::Runtime;

/// What a pool shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Unique in the process; 1 to [`Mempool::NAME_LENGTH_MAX`] bytes.
    pub name: String,
    /// How many packets it holds. 2ⁿ − 1 uses the memory best.
    pub count: u32,
    /// How many of them each lcore may keep for itself: 0 to 512, and at most `count` / 1.5.
    pub cache: u32,
    /// Bytes of one packet, without the headroom of 128 bytes that is added. At least the MTU
    /// plus 18 for a port that shall not split frames; 2,048 is customary.
    pub data_room: u16,
    /// The NUMA node of the memory; `None` leaves it to DPDK.
    pub socket: Option<u32>,
}

/// A pool of packet buffers (`rte_pktmbuf_pool_create`).
///
/// A clone is another handle of the same pool. The memory is freed when the last handle is
/// dropped, ports that receive into it are closed, and its packets are back; see `runtime.rs`.
#[derive(Clone, Debug)]
pub struct Mempool {
    pool: Arc<Pool>,
}

/// Why a pool could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Empty, too long, or with a NUL byte.
    #[error("pool name {name:?} must have 1 to {longest} bytes and no NUL; choose another")]
    BadName {
        /// As asked for.
        name: String,
        /// The longest allowed, in bytes.
        longest: usize,
    },
    /// Another pool or ring has this name.
    #[error("a pool or ring named {name:?} exists already; choose another name")]
    NameTaken {
        /// As asked for.
        name: String,
    },
    /// Zero packets, or a cache beyond its bounds.
    #[error(
        "pool {name:?}: {count} packets with a cache of {cache} per lcore; the count must be at \
         least 1 and the cache at most 512 and at most the count divided by 1.5"
    )]
    BadSize {
        /// The pool.
        name: String,
        /// As asked for.
        count: u32,
        /// As asked for.
        cache: u32,
    },
    /// More than a packet buffer can be.
    #[error("pool {name:?}: a data room of {data_room} bytes is too large; use {largest} at most")]
    BadDataRoom {
        /// The pool.
        name: String,
        /// As asked for, in bytes.
        data_room: u16,
        /// The largest allowed, in bytes.
        largest: u16,
    },
    /// Not enough memory on the socket.
    #[error(
        "pool {name:?}: no memory for {count} packets of {data_room} bytes; lower the count, or \
         reserve more hugepages on its NUMA node (without hugepages: raise -m)"
    )]
    NoMemory {
        /// The pool.
        name: String,
        /// As asked for.
        count: u32,
        /// As asked for, in bytes.
        data_room: u16,
    },
    /// Any other reason.
    #[error("pool {name:?} was refused by DPDK ({errno}); its log may say why")]
    Refused {
        /// The pool.
        name: String,
        /// As DPDK said it.
        errno: Errno,
    },
}

#[derive(Debug)]
struct Pool {
    raw: NonNull<raw::rte_mempool>,
    capacity: u32,
    data_room: u16,
    runtime: Arc<Runtime>,
}

// SAFETY: a mempool is not bound to a thread; its default ring takes many producers and consumers.
unsafe impl Send for Pool {}
// SAFETY: as above; the per-lcore caches are chosen by thread.
unsafe impl Sync for Pool {}

impl Mempool {
    /// The longest name of a pool, in bytes.
    pub const NAME_LENGTH_MAX: usize = raw::WEIR_POOL_NAME_SIZE as usize - 1;

    /// Makes a pool.
    ///
    /// # Errors
    /// [`PoolError`] names the value that is out of range, or DPDK's reason.
    pub fn new(eal: &Eal, config: &PoolConfig) -> Result<Self, PoolError> {
        let name = checked_name(config)?;
        let room = config.data_room + raw::WEIR_HEADROOM;
        let socket = config.socket.map_or(SOCKET_ANY, |s| c_int::try_from(s).unwrap_or(SOCKET_ANY));
        let (count, cache) = (config.count, config.cache);
        // SAFETY: EAL runs; the name lives for the call, which copies it.
        let pool =
            unsafe { raw::rte_pktmbuf_pool_create(name.as_ptr(), count, cache, 0, room, socket) };
        let Some(raw) = NonNull::new(pool) else {
            return Err(refusal(config, Errno::last()));
        };
        Ok(Self {
            pool: Arc::new(Pool {
                raw,
                capacity: config.count,
                data_room: config.data_room,
                runtime: Arc::clone(eal.runtime()),
            }),
        })
    }

    /// How many packets the pool holds in all.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.pool.capacity
    }

    /// Bytes of one packet, without headroom.
    #[must_use]
    pub fn data_room(&self) -> u16 {
        self.pool.data_room
    }

    /// How many packets can still be taken, those in the caches of lcores included
    /// (`rte_mempool_avail_count`). Exact only while no other thread takes or returns any. Walks
    /// all lcores: not for the packet path.
    #[must_use]
    pub fn available(&self) -> u32 {
        // SAFETY: the pool lives as long as its handle.
        unsafe { raw::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// How many packets are out (`rte_mempool_in_use_count`). As exact as [`Self::available`].
    #[must_use]
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool lives as long as its handle.
        unsafe { raw::rte_mempool_in_use_count(self.as_ptr()) }
    }

    /// Appends `count` new packets of length 0 to `burst`, or none (`rte_pktmbuf_alloc_bulk`).
    ///
    /// # Errors
    /// [`Exhausted::Burst`] if there is no room for `count`, [`Exhausted::Pool`] if the pool has
    /// not that many.
    pub fn allocate(&self, burst: &mut Burst, count: usize) -> Result<(), Exhausted> {
        burst.allocate(self, count)
    }

    pub(crate) fn as_ptr(&self) -> *mut raw::rte_mempool {
        self.pool.raw.as_ptr()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.runtime.retire(self.raw);
    }
}

fn checked_name(config: &PoolConfig) -> Result<CString, PoolError> {
    let name = config.name.clone();
    let (count, cache) = (config.count, config.cache);
    // DPDK refuses a cache whose flush threshold, 1.5 times its size, exceeds the pool.
    let flush = u64::from(cache) * 3 / 2;
    if count == 0 || cache > raw::WEIR_POOL_CACHE_MAX || flush > u64::from(count) {
        return Err(PoolError::BadSize { name, count, cache });
    }
    let largest = u16::MAX - raw::WEIR_HEADROOM;
    if config.data_room > largest {
        return Err(PoolError::BadDataRoom { name, data_room: config.data_room, largest });
    }
    let longest = Mempool::NAME_LENGTH_MAX;
    if name.is_empty() || name.len() > longest {
        return Err(PoolError::BadName { name, longest });
    }
    CString::new(config.name.as_str()).map_err(|_| PoolError::BadName { name, longest })
}

fn refusal(config: &PoolConfig, errno: Errno) -> PoolError {
    let name = config.name.clone();
    if errno == Errno::Exists {
        PoolError::NameTaken { name }
    } else if errno == Errno::NoMemory {
        PoolError::NoMemory { name, count: config.count, data_room: config.data_room }
    } else {
        PoolError::Refused { name, errno }
    }
}

/// SOCKET_ID_ANY, a macro in C.
const SOCKET_ANY: c_int = -1;
