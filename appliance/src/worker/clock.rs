//! What time is it, for a worker?

use dpdk::Eal;
use weir_core::path::Now;

/// Milliseconds since the process started, from the cycle counter: no system call.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: u64,
    cycles_per_millisecond: u64,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start(eal: &Eal) -> Self {
        Self {
            started: dpdk::clock::cycles(),
            cycles_per_millisecond: (dpdk::clock::cycles_per_second(eal) / 1000).max(1),
        }
    }

    /// A clock that does not know how fast the processor counts.
    #[cfg(test)]
    pub(crate) fn roughly() -> Self {
        Self { started: dpdk::clock::cycles(), cycles_per_millisecond: 1_000_000 }
    }

    /// The same clock as it will be in so many milliseconds: for whoever cannot wait.
    #[must_use]
    pub const fn ahead(self, milliseconds: u64) -> Self {
        let cycles = milliseconds * self.cycles_per_millisecond;
        Self { started: self.started.saturating_sub(cycles), ..self }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        let passed = dpdk::clock::cycles().saturating_sub(self.started);
        Now { milliseconds: passed / self.cycles_per_millisecond }
    }
}
