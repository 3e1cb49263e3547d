//! How does one value reach every worker, and when is the old one free?
//!
//! ```text
//!   publisher                    readers (one per worker)
//!   publish(new) ── swap ──► current ◄── enter(), once per burst
//!        │                       │
//!     retired[≤ 3] ◄── epoch ────┘ each reader's announced epoch, on a line of its own
//!        └── reclaim(): freed when every online reader has announced a later epoch
//! ```
//!
//! Quiescent-state reclamation: a reader holds its reference from one [`Reader::enter`] to the
//! next, which the borrow checker enforces, so entering again says that the old value is done
//! with. A reader that is going to sleep says so with [`Reader::offline`]. Publishing never waits
//! for a reader. Not here: what is published (`policy::Snapshot`).
//!
//! Modelled with loom (`cargo test --release rcu` under `--cfg loom`): publication while readers
//! enter, go offline, sleep and wake. The model covers this file whole; it has no other parts.

use std::collections::VecDeque;

#[cfg(loom)]
use loom::sync::{
    Arc,
    atomic::{AtomicPtr, AtomicU64, Ordering, fence},
};
#[cfg(not(loom))]
use std::sync::{
    Arc,
    atomic::{AtomicPtr, AtomicU64, Ordering, fence},
};

/// Retired values that may be alive beside the current one. At the bound [`Publisher::publish`]
/// gives the value back, and the control side keeps coalescing changes until a worker moves on.
pub const RETIRED_MAX: usize = 3;

/// What an offline reader announces: it holds nothing.
const OFFLINE: u64 = 0;

/// An announcement on two cache lines of its own, since adjacent lines are fetched in pairs.
#[repr(align(128))]
struct Announced(AtomicU64);

struct Shared<T> {
    current: AtomicPtr<T>,
    epoch: AtomicU64,
    readers: Box<[Announced]>,
}

/// The one side that publishes.
pub struct Publisher<T> {
    shared: Arc<Shared<T>>,
    retired: VecDeque<(u64, *mut T)>,
}

/// One reader; it belongs to one thread at a time.
pub struct Reader<T> {
    shared: Arc<Shared<T>>,
    index: usize,
    announced: u64,
}

// SAFETY: the raw pointers in `retired` are owned like boxes, and nothing else touches them.
unsafe impl<T: Send + Sync> Send for Publisher<T> {}

/// A publisher of `initial` and `readers` offline readers.
#[must_use]
pub fn publication<T: Send + Sync>(
    initial: Box<T>,
    readers: usize,
) -> (Publisher<T>, Vec<Reader<T>>) {
    let shared = Arc::new(Shared {
        current: AtomicPtr::new(Box::into_raw(initial)),
        epoch: AtomicU64::new(1),
        readers: (0..readers).map(|_| Announced(AtomicU64::new(OFFLINE))).collect(),
    });
    let reader = |index| Reader { shared: Arc::clone(&shared), index, announced: OFFLINE };
    let readers = (0..readers).map(reader).collect();
    (Publisher { shared, retired: VecDeque::with_capacity(RETIRED_MAX) }, readers)
}

impl<T> Publisher<T> {
    /// Makes `value` the current one: readers see it when they next enter.
    ///
    /// # Errors
    /// Gives `value` back when [`RETIRED_MAX`] older ones are still being read.
    pub fn publish(&mut self, value: Box<T>) -> Result<(), Box<T>> {
        self.reclaim();
        if self.retired.len() >= RETIRED_MAX {
            return Err(value);
        }
        let old = self.shared.current.swap(Box::into_raw(value), Ordering::AcqRel);
        let epoch = self.shared.epoch.load(Ordering::Relaxed) + 1;
        self.shared.epoch.store(epoch, Ordering::Release);
        self.retired.push_back((epoch, old));
        self.reclaim();
        Ok(())
    }

    /// Frees retired values that no reader can hold any more; returns how many are left.
    pub fn reclaim(&mut self) -> usize {
        // Pairs with the fence in `enter`: either the reader's announcement is seen here, or the
        // reader sees the value that was published before.
        fence(Ordering::SeqCst);
        let oldest = self.oldest_announcement();
        while let Some((epoch, value)) = self.retired.front().copied() {
            if epoch > oldest {
                break;
            }
            self.retired.pop_front();
            // SAFETY: `value` came from `Box::into_raw`, was replaced as current before `epoch`
            // was stored, and every online reader has since announced `epoch` or later.
            drop(unsafe { Box::from_raw(value) });
        }
        self.retired.len()
    }

    /// Whether every online reader has seen the current value.
    #[must_use]
    pub fn everyone_is_current(&self) -> bool {
        fence(Ordering::SeqCst);
        self.oldest_announcement() >= self.shared.epoch.load(Ordering::Relaxed)
    }

    fn oldest_announcement(&self) -> u64 {
        let announced = self.shared.readers.iter().map(|reader| reader.0.load(Ordering::Acquire));
        announced.filter(|epoch| *epoch != OFFLINE).min().unwrap_or(u64::MAX)
    }
}

impl<T> Reader<T> {
    /// The current value. Costs two loads of lines that only a publication changes.
    #[inline]
    pub fn enter(&mut self) -> &T {
        let epoch = self.shared.epoch.load(Ordering::Acquire);
        if epoch != self.announced {
            // Release: what was read of the old value has been read before this is seen.
            self.shared.readers[self.index].0.store(epoch, Ordering::Release);
            if self.announced == OFFLINE {
                fence(Ordering::SeqCst);
            }
            self.announced = epoch;
        }
        let current = self.shared.current.load(Ordering::Acquire);
        // SAFETY: `current` is a live box: it can be freed only after this reader has announced
        // a later epoch or gone offline, and both take `&mut self`, which ends this borrow.
        unsafe { &*current }
    }

    /// Says that nothing is held until the next [`Self::enter`]: call it before sleeping.
    pub fn offline(&mut self) {
        self.shared.readers[self.index].0.store(OFFLINE, Ordering::Release);
        self.announced = OFFLINE;
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.offline();
    }
}

impl<T> Drop for Publisher<T> {
    /// What a reader still holds is left to the end of the process.
    fn drop(&mut self) {
        self.reclaim();
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: publisher and readers are gone, so this is the last holder of a pointer that
        // came from `Box::into_raw`.
        drop(unsafe { Box::from_raw(current) });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reader_keeps_its_value_until_it_enters_again() {
        let (mut publisher, mut readers) = publication(Box::new(1), 2);
        assert_eq!(*readers[0].enter(), 1);
        assert!(publisher.publish(Box::new(2)).is_ok());
        assert_eq!(publisher.reclaim(), 1, "reader 0 still holds the first value");
        assert!(!publisher.everyone_is_current());
        assert_eq!(*readers[0].enter(), 2);
        assert_eq!(publisher.reclaim(), 0);
        assert!(publisher.everyone_is_current());
    }

    #[test]
    fn a_sleeping_reader_holds_nothing_up_and_wakes_to_the_newest() {
        let (mut publisher, mut readers) = publication(Box::new(0), 1);
        assert_eq!(*readers[0].enter(), 0);
        readers[0].offline();
        for value in 1..100 {
            assert!(publisher.publish(Box::new(value)).is_ok());
        }
        assert_eq!(publisher.reclaim(), 0);
        assert_eq!(*readers[0].enter(), 99);
    }

    #[test]
    fn behind_a_stuck_reader_three_values_are_kept_and_the_fourth_is_given_back() {
        let (mut publisher, mut readers) = publication(Box::new(0), 1);
        assert_eq!(*readers[0].enter(), 0);
        for value in 1..=3 {
            assert!(publisher.publish(Box::new(value)).is_ok());
        }
        assert_eq!(publisher.publish(Box::new(4)), Err(Box::new(4)));
        assert_eq!(*readers[0].enter(), 3);
        assert!(publisher.publish(Box::new(4)).is_ok());
    }
}

#[cfg(all(test, loom))]
mod model {
    use loom::thread;

    use super::*;

    /// A value whose use after free loom would report, and that knows whether it is alive.
    struct Value {
        number: u64,
        alive: AtomicU64,
    }

    fn value(number: u64) -> Box<Value> {
        Box::new(Value { number, alive: AtomicU64::new(1) })
    }

    impl Drop for Value {
        fn drop(&mut self) {
            self.alive.store(0, Ordering::Relaxed);
        }
    }

    fn read(reader: &mut Reader<Value>) -> u64 {
        let value = reader.enter();
        assert_eq!(value.alive.load(Ordering::Relaxed), 1);
        value.number
    }

    #[test]
    fn an_online_reader_never_sees_a_freed_value_nor_goes_back_in_time() {
        loom::model(|| {
            let (mut publisher, mut readers) = publication(value(0), 1);
            let mut reader = readers.remove(0);
            let worker = thread::spawn(move || {
                let first = read(&mut reader);
                let second = read(&mut reader);
                assert!(second >= first);
            });
            assert!(publisher.publish(value(1)).is_ok());
            assert!(publisher.publish(value(2)).is_ok());
            assert!(worker.join().is_ok());
            assert_eq!(publisher.reclaim(), 0);
        });
    }

    #[test]
    fn a_reader_that_sleeps_and_wakes_during_publication_is_safe() {
        loom::model(|| {
            let (mut publisher, mut readers) = publication(value(0), 1);
            let mut reader = readers.remove(0);
            let worker = thread::spawn(move || {
                let first = read(&mut reader);
                reader.offline();
                let second = read(&mut reader);
                assert!(second >= first);
            });
            assert!(publisher.publish(value(1)).is_ok());
            publisher.reclaim();
            assert!(worker.join().is_ok());
            assert_eq!(publisher.reclaim(), 0);
        });
    }

    #[test]
    fn two_readers_both_hold_reclamation_back() {
        loom::model(|| {
            let (mut publisher, readers) = publication(value(0), 2);
            let workers: Vec<_> = readers
                .into_iter()
                .map(|mut reader| thread::spawn(move || read(&mut reader)))
                .collect();
            assert!(publisher.publish(value(1)).is_ok());
            for worker in workers {
                assert!(worker.join().is_ok());
            }
            assert_eq!(publisher.reclaim(), 0);
        });
    }
}
