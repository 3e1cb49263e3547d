//! How does a worker rest when there is nothing to do?
//!
//! Polling costs a processor. On a real NIC that is the price of latency; on a small machine,
//! where workers share processors with each other and with the peers they talk to, it starves
//! those peers. Adaptive: pause for a while, give the processor away for a while, then sleep in
//! short steps, offline so that publication does not wait.

use std::thread;
use std::time::Duration;

use weir_core::policy::Snapshot;
use weir_core::rcu::Reader;

use super::SharedState;

/// Empty turns that only pause: some 20 µs, about what the next packet of a busy flow takes.
const PAUSES: u32 = 64;
/// Further empty turns that offer the processor to others: some 100 µs more.
const YIELDS: u32 = 64;
/// The shortest and the longest sleep. The longest bounds the latency that idling adds.
const SLEEP_MICROSECONDS: (u64, u64) = (20, 200);

/// A worker's way to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idle {
    adaptive: bool,
    empty_turns: u32,
}

impl Idle {
    /// Always polling, or adaptive.
    #[must_use]
    pub const fn new(adaptive: bool) -> Self {
        Self { adaptive, empty_turns: 0 }
    }

    /// Rests after a turn as long as its emptiness deserves.
    pub(super) fn rest(
        &mut self,
        worked: bool,
        reader: &mut Reader<Snapshot>,
        shared: &SharedState,
    ) {
        shared.count_turn(worked);
        if worked {
            self.empty_turns = 0;
            return;
        }
        self.empty_turns = self.empty_turns.saturating_add(1);
        if !self.adaptive || self.empty_turns <= PAUSES {
            std::hint::spin_loop();
        } else if self.empty_turns <= PAUSES + YIELDS {
            thread::yield_now();
        } else {
            let (shortest, longest) = SLEEP_MICROSECONDS;
            let steps = u64::from(self.empty_turns - PAUSES - YIELDS);
            reader.offline();
            shared.sleeping(true);
            thread::sleep(Duration::from_micros((shortest * steps).min(longest)));
            shared.sleeping(false);
        }
    }
}
