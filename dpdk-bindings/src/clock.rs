//! What time is it, in the cheapest unit there is?
//!
//! Not here: wall-clock time, and any conversion; a worker reads this once per burst.

use crate::eal::Eal;
use crate::raw;

/// The CPU's time-stamp counter, in cycles since some moment (`rte_rdtsc`).
///
/// On any CPU that runs DPDK well it advances evenly, in sleep too, and agrees between cores. It
/// does not wait for earlier instructions to finish.
#[inline]
#[must_use]
pub fn cycles() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86_64 has RDTSC, and Linux does not forbid it.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: reads a register of the CPU.
        unsafe { raw::weir_cycles() }
    }
}

/// How far [`cycles`] advances in a second (`rte_get_tsc_hz`), as EAL measured it at its start.
#[must_use]
pub fn cycles_per_second(_started: &Eal) -> u64 {
    // SAFETY: EAL runs; reads a number.
    unsafe { raw::rte_get_tsc_hz() }
}
