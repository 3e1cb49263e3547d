//! Does a thread that must not allocate allocate?
//!
//! DPDK's own memory is taken at start; this watches the other heap. A program makes
//! [`CountingAllocator`] its global allocator, and threads that have asked to be watched learn
//! how often they used it. Costs one thread-local read per allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting for threads that are watched.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Counts this thread's allocations from now on.
pub fn watch_this_thread() {
    WATCHED.set(true);
    COUNT.set(0);
}

/// How often this thread has allocated or freed since it was watched or this was last called.
#[must_use]
pub fn take_count() -> u64 {
    COUNT.take()
}

fn note() {
    // A thread that is ending has no thread-locals any more, and nobody to tell.
    let watched = WATCHED.try_with(Cell::get).unwrap_or(false);
    if watched {
        COUNT.set(COUNT.get() + 1);
    }
}

// SAFETY: every method passes its arguments on to the system's allocator unchanged and returns
// what that returns.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps `GlobalAlloc::alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note();
        // SAFETY: the caller keeps `GlobalAlloc::dealloc`'s contract, and `pointer` came from
        // the system's allocator through this one.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    #[test]
    fn only_a_watched_thread_counts() {
        drop(std::hint::black_box(vec![1u8; 100]));
        assert_eq!(take_count(), 0);
        watch_this_thread();
        drop(std::hint::black_box(vec![1u8; 100]));
        assert_eq!(take_count(), 2);
        assert_eq!(take_count(), 0);
    }
}
