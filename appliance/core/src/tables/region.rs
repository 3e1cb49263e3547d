//! On what memory does a table stand?
//!
//! A table of millions of records is read at random. On ordinary 4 KiB pages nearly every look-up
//! then misses the translation cache as well as the data caches, so a region asks for larger ones:
//!
//! ```text
//!   Reserved ──► 1 GiB pages ──► 2 MiB pages ──► Transparent ──► ordinary pages
//!                of the kernel's pool             advice only
//! ```
//!
//! All of it is written here, once: whoever makes a region pays for its pages, on the memory node
//! of the processor that this runs on, and nobody waits for a page later. Not here: who may take
//! pages from the pool (`boot::memory` of the daemon), since DPDK wants some of them, too.

use std::alloc::{Layout, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

use memmap2::{Advice, MmapMut, MmapOptions};

/// Where a region may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageRequest {
    /// Ordinary memory, with advice to the kernel to use huge pages for it.
    #[default]
    Transparent,
    /// The kernel's pool of reserved huge pages; ordinary memory where that has not enough.
    Reserved,
}

/// What a region got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Reserved pages of 1 GiB.
    Gigabyte,
    /// Reserved pages of 2 MiB.
    TwoMegabytes,
    /// Ordinary memory whose whole 2 MiB the kernel was advised to make one page of. It need not
    /// follow; how much it did is `AnonHugePages` in the process's memory map.
    Transparent,
    /// Ordinary pages: the region is smaller than a huge page, or the kernel knows no advice.
    Ordinary,
}

impl Pages {
    /// As logs and the status name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gigabyte => "1 GiB",
            Self::TwoMegabytes => "2 MiB",
            Self::Transparent => "transparent",
            Self::Ordinary => "ordinary",
        }
    }
}

/// A fixed number of records, at least one.
#[derive(Debug)]
pub struct Region<R> {
    /// The first record, in `mapping`.
    records: NonNull<R>,
    length: usize,
    pages: Pages,
    /// Owns the memory.
    _mapping: MmapMut,
}

// SAFETY: a region owns its records as a boxed slice does; the pointer is shared with nobody.
unsafe impl<R: Send> Send for Region<R> {}
// SAFETY: through a shared region there are only shared references to its records.
unsafe impl<R: Sync> Sync for Region<R> {}

impl<R: Copy> Region<R> {
    /// A region of `length` records, at least one, that all are `record`. Ends the process, as any
    /// allocation does, when there is no memory.
    #[must_use]
    pub fn new(length: usize, record: R, request: PageRequest) -> Self {
        const { assert!(size_of::<R>() > 0 && align_of::<R>() <= 4096) };
        let length = length.max(1);
        let bytes = length.saturating_mul(size_of::<R>());
        let (mut mapping, start, pages) = map(bytes, request).unwrap_or_else(|| {
            handle_alloc_error(Layout::array::<R>(length).unwrap_or(Layout::new::<R>()))
        });
        let room = NonNull::from(&mut mapping[start..start + bytes]).cast::<MaybeUninit<R>>();
        // SAFETY: `bytes` bytes from `start` lie in the mapping, which nobody else refers to, and
        // `start` is a multiple of a page, which is aligned enough for `R`. Any byte will do for
        // `MaybeUninit`.
        unsafe { slice::from_raw_parts_mut(room.as_ptr(), length) }.fill(MaybeUninit::new(record));
        Self { records: room.cast(), length, pages, _mapping: mapping }
    }

    /// How many records there are; never none.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// What it stands on.
    #[must_use]
    pub const fn pages(&self) -> Pages {
        self.pages
    }
}

impl<R> Deref for Region<R> {
    type Target = [R];

    #[inline]
    fn deref(&self) -> &[R] {
        // SAFETY: `length` records were written when the region was made, the mapping lives as long
        // as the region, and a shared region is not written to.
        unsafe { slice::from_raw_parts(self.records.as_ptr(), self.length) }
    }
}

impl<R> DerefMut for Region<R> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [R] {
        // SAFETY: as above, and the region is borrowed by one alone.
        unsafe { slice::from_raw_parts_mut(self.records.as_ptr(), self.length) }
    }
}

const TWO_MEGABYTES: usize = 1 << 21;
const GIGABYTE: usize = 1 << 30;

/// Memory for `bytes` bytes, where in it they begin, and what it is; `None` when there is none.
fn map(bytes: usize, request: PageRequest) -> Option<(MmapMut, usize, Pages)> {
    let reserved = match request {
        PageRequest::Reserved => map_reserved(bytes),
        PageRequest::Transparent => None,
    };
    reserved.or_else(|| map_ordinary(bytes))
}

fn map_reserved(bytes: usize) -> Option<(MmapMut, usize, Pages)> {
    [(GIGABYTE, Pages::Gigabyte), (TWO_MEGABYTES, Pages::TwoMegabytes)].into_iter().find_map(
        |(page, pages)| {
            let whole = bytes.checked_next_multiple_of(page)?;
            // A page that would mostly lie idle is better left to others.
            if whole - bytes > bytes / 8 {
                return None;
            }
            let bits = u8::try_from(page.trailing_zeros()).ok()?;
            // The kernel sets the pages aside here, or refuses: touching them cannot fail later.
            let mapping = MmapOptions::new().len(whole).huge(Some(bits)).map_anon().ok()?;
            Some((mapping, 0, pages))
        },
    )
}

fn map_ordinary(bytes: usize) -> Option<(MmapMut, usize, Pages)> {
    if bytes < TWO_MEGABYTES {
        return Some((MmapMut::map_anon(bytes).ok()?, 0, Pages::Ordinary));
    }
    // Kernels before 6.7 do not align by themselves. What is asked for beyond is never touched.
    let mapping = MmapMut::map_anon(bytes.checked_add(TWO_MEGABYTES)?).ok()?;
    let start = mapping.as_ptr().align_offset(TWO_MEGABYTES).min(TWO_MEGABYTES);
    let advised = mapping.advise_range(Advice::HugePage, start, bytes);
    Some((mapping, start, if advised.is_ok() { Pages::Transparent } else { Pages::Ordinary }))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[repr(align(64))]
    struct Line(u32);

    #[test]
    fn every_record_is_there_aligned_and_of_its_own() {
        for length in [1, 2, 63, 64, 65, 32_768, 32_769, 100_000] {
            let mut region = Region::new(length, Line(7), PageRequest::Transparent);
            assert_eq!(region.len(), length);
            assert!(region.iter().all(|line| *line == Line(7)));
            assert_eq!(region.as_ptr().align_offset(64), 0);
            for (number, line) in (0u32..).zip(region.iter_mut()) {
                *line = Line(number);
            }
            assert!((0u32..).zip(region.iter()).all(|(number, line)| *line == Line(number)));
        }
    }

    #[test]
    fn a_big_region_begins_at_a_huge_page_and_a_small_one_asks_for_none() {
        let big = Region::new(TWO_MEGABYTES, 1u8, PageRequest::Transparent);
        assert_eq!(big.as_ptr().align_offset(TWO_MEGABYTES), 0);
        assert_ne!(big.pages(), Pages::Gigabyte);
        let small = Region::new(TWO_MEGABYTES - 1, 1u8, PageRequest::Reserved);
        assert!(matches!(small.pages(), Pages::TwoMegabytes | Pages::Ordinary));
        assert_eq!(Region::new(100, 1u8, PageRequest::Reserved).pages(), Pages::Ordinary);
    }

    #[test]
    fn without_reserved_pages_it_is_ordinary_memory_and_never_a_failure() {
        let length = 5 * TWO_MEGABYTES + 3;
        let region = Region::new(length, 9u8, PageRequest::Reserved);
        assert!(region.iter().all(|byte| *byte == 9));
        assert_eq!(region.len(), length);
    }

    #[test]
    fn a_region_made_on_one_thread_is_used_on_another() {
        let region = Region::new(1000, 5u64, PageRequest::Transparent);
        let sum = thread::scope(|scope| scope.spawn(move || region.iter().sum::<u64>()).join());
        assert_eq!(sum.ok(), Some(5000));
    }
}
