//! Who still needs the environment, and when may memory be given back?
//!
//! ```text
//!  Eal  Mempool  LcoreGuard         Burst  Ring  Port (configured)
//!    └─────┴────────┴───── Arc ────────┴─────┴───────┘
//!                           │          └─ each also a Holder: packets may be in it
//!                        Runtime ── Drop: rte_eal_cleanup
//! ```
//!
//! A packet buffer knows its pool, but a `Burst` does not hold a handle per packet. So a dropped
//! pool *retires*: it is freed at once if nothing lives that could hold one of its packets, and
//! else when the last such thing has been dropped. Counting the packets instead would not do:
//! while another thread returns some, DPDK's count may be wrong for a moment in either direction.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::raw;

/// The running EAL, shared by everything that needs it.
#[derive(Debug)]
pub(crate) struct Runtime {
    control: Mutex<Claims>,
    retired: Mutex<Vec<Retired>>,
    holders: AtomicUsize,
}

/// Which ports have queues handed out.
#[derive(Debug)]
pub(crate) struct Claims([bool; raw::WEIR_PORTS_MAX as usize]);

/// Something that may have packets in it.
#[derive(Debug)]
pub(crate) struct Holder(Arc<Runtime>);

/// A pool without a handle: nobody can take packets from it, some may still be out.
#[derive(Debug)]
struct Retired(NonNull<raw::rte_mempool>);

// SAFETY: a mempool is not bound to a thread; `Retired` is its only owner.
unsafe impl Send for Retired {}

impl Runtime {
    pub(crate) fn new() -> Self {
        Self {
            control: Mutex::new(Claims([false; raw::WEIR_PORTS_MAX as usize])),
            retired: Mutex::new(Vec::new()),
            holders: AtomicUsize::new(0),
        }
    }

    /// Serialises the control side: ethdev's control functions are not thread-safe per port, and
    /// hot-plug is not thread-safe at all.
    pub(crate) fn control(&self) -> MutexGuard<'_, Claims> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a pool whose last handle is being dropped.
    pub(crate) fn retire(&self, pool: NonNull<raw::rte_mempool>) {
        self.retired().push(Retired(pool));
        if self.holders.load(Ordering::Acquire) == 0 {
            self.reclaim();
        }
    }

    fn reclaim(&self) {
        self.retired().retain(|pool| {
            // SAFETY: the pool lives until it is freed below.
            let in_use = unsafe { raw::rte_mempool_in_use_count(pool.0.as_ptr()) };
            if in_use == 0 {
                // SAFETY: it has no handle, no packet is out, and no holder can be giving one
                // back at this moment, so that the count is exact.
                unsafe { raw::rte_mempool_free(pool.0.as_ptr()) };
            }
            in_use != 0
        });
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Retired>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: everything that uses the EAL holds an Arc of this, so nothing is left. A
        // failure leaves nothing to be done: the process is ending.
        unsafe { raw::rte_eal_cleanup() };
    }
}

impl Claims {
    /// Marks `port` as taken; false if it was already, or does not exist.
    pub(crate) fn take(&mut self, port: u16) -> bool {
        match self.0.get_mut(usize::from(port)) {
            Some(taken) if !*taken => {
                *taken = true;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn release(&mut self, port: u16) {
        if let Some(taken) = self.0.get_mut(usize::from(port)) {
            *taken = false;
        }
    }
}

impl Holder {
    pub(crate) fn new(runtime: &Arc<Runtime>) -> Self {
        runtime.holders.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(runtime))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if self.0.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.reclaim();
        }
    }
}
