//! Does the end of flows keep pace with their beginning, and does each come at its time?
//!
//! A worker opens flows as fast as it can, and each ends by silence. So that a steady state can be
//! reached within seconds, the worker's clock is put forward: it is never behind the time at
//! which so many flows would have come at a stated rate. That rate says how many silent records
//! linger, and nothing about how fast the worker is.
//!
//! ```text
//!   flows that fell silent  ├──────────────────┬─────────────┤ now
//!   flows that expired      ├──────────────────┤  linger      silence of the last that expired,
//!                                                            and of the first that did not
//! ```

use std::collections::VecDeque;

use dpdk::Source;
use weir_core::telemetry::Counter;

use super::Bench;
use crate::accounts::Account;
use crate::lane::Rig;
use crate::meter::Sample;

/// Turns between two looks at the clock: so few that it goes forward in small steps.
const TURNS: u32 = 8;
/// Notes of a [`Ledger`] that fit without allocating.
const NOTES: usize = 1 << 17;

/// A worker whose flows begin and end.
pub(super) struct Churn {
    /// The worker.
    pub(super) rig: Rig,
    ledger: Ledger,
    rate: u64,
    began_milliseconds: u64,
    silent: u64,
    expired_before: u64,
}

/// One stretch of churn.
pub(super) struct Stretch {
    /// What it cost.
    pub(super) sample: Sample,
    /// Allocations of the worker's turns.
    pub(super) allocations: u64,
    /// What became of the packets and of flows.
    pub(super) account: Account,
}

impl Churn {
    /// The churn of a worker without flows. Flows expire after so many milliseconds of silence,
    /// and the clock runs as if no more than `rate` of them came in a second.
    pub(super) fn new(rig: Rig, linger_milliseconds: u64, rate: u64) -> Self {
        Self {
            ledger: Ledger::new(linger_milliseconds),
            rate,
            began_milliseconds: rig.lane.clock.now().milliseconds,
            silent: 0,
            expired_before: rig.count(Counter::FlowsExpired),
            rig,
        }
    }

    /// Receives `packets` packets; `silent_after` says how many flows have had their last one
    /// after so many of them.
    ///
    /// # Errors
    /// When a packet was not sent.
    pub(super) fn run(
        &mut self,
        bench: &mut Bench<'_>,
        source: Source,
        packets: u64,
        silent_after: fn(u64) -> u64,
    ) -> anyhow::Result<Stretch> {
        let before = self.rig.totals();
        self.rig.receive(source, packets)?;
        dpdk::heap::watch_this_thread();
        let mut allocations = 0;
        let silent = self.silent;
        let sample = bench.meter.measure(|| {
            let _measuring = dpdk::heap::take_count();
            while self.rig.packets() < packets {
                self.silent = silent + silent_after(self.rig.packets());
                self.put_clock_forward();
                for _ in 0..TURNS {
                    self.rig.turn();
                }
                self.note(silent + silent_after(self.rig.packets()));
            }
            allocations = dpdk::heap::take_count();
            Ok(packets)
        })?;
        self.silent = silent + silent_after(packets);
        let account = Account::between(&before, &self.rig.totals());
        account.all_sent()?;
        account.none_fell_back()?;
        Ok(Stretch { sample, allocations, account })
    }

    /// How long silence lasted beyond what was promised, in milliseconds.
    pub(super) const fn punctuality(&self) -> Punctuality {
        self.ledger.punctuality
    }

    fn put_clock_forward(&mut self) {
        self.rig.not_before(self.began_milliseconds + self.silent * 1000 / self.rate);
    }

    fn note(&mut self, silent: u64) {
        let now = self.rig.lane.clock.now().milliseconds;
        let expired = self.rig.count(Counter::FlowsExpired) - self.expired_before;
        self.ledger.note(now, silent, expired);
    }
}

/// How early and how late flows ended, in milliseconds beyond their silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Punctuality {
    /// The least of all flows that ended.
    pub(super) earliest: i64,
    /// The most that any flow was seen to wait.
    pub(super) latest: i64,
}

/// How many flows had fallen silent, and how many had expired, over time. Flows expire in the
/// order in which they fell silent, but for those of one tick.
struct Ledger {
    linger: u64,
    notes: VecDeque<(u64, u64)>,
    expired: u64,
    punctuality: Punctuality,
}

impl Ledger {
    fn new(linger: u64) -> Self {
        let punctuality = Punctuality { earliest: i64::MAX, latest: i64::MIN };
        Self { linger, notes: VecDeque::with_capacity(NOTES), expired: 0, punctuality }
    }

    /// By `now`, in milliseconds, `silent` flows have fallen silent and `expired` have expired.
    fn note(&mut self, now: u64, silent: u64, expired: u64) {
        if self.notes.back().is_none_or(|(_, before)| *before < silent) {
            if self.notes.len() == self.notes.capacity() {
                // Coarser, but never more memory: the flows of the last note fell silent by now.
                self.notes.pop_back();
            }
            self.notes.push_back((now, silent));
        }
        // The last that has expired.
        self.forget_until(expired);
        if expired > self.expired {
            let beyond = self.silence_of_first(now).unwrap_or(i64::MAX);
            self.punctuality.earliest = self.punctuality.earliest.min(beyond);
        }
        // The first that has not.
        self.forget_until(expired + 1);
        if let Some(beyond) = self.silence_of_first(now) {
            self.punctuality.latest = self.punctuality.latest.max(beyond);
        }
        self.expired = expired;
    }

    /// Drops notes from before the flow number `flow`, counted from 1, fell silent.
    fn forget_until(&mut self, flow: u64) {
        while self.notes.front().is_some_and(|(_, silent)| *silent < flow) {
            self.notes.pop_front();
        }
    }

    /// How much longer than promised the flows of the first note have been silent.
    fn silence_of_first(&self, now: u64) -> Option<i64> {
        let (since, _) = self.notes.front()?;
        i64::try_from(now - since).ok()?.checked_sub_unsigned(self.linger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One flow falls silent every millisecond, and expires when `ends` says so.
    fn punctuality_when(ends: impl Fn(u64) -> u64) -> Punctuality {
        let mut ledger = Ledger::new(100);
        for now in 1..1_000 {
            let expired = (1..=now).filter(|silent_since| ends(*silent_since) <= now).count();
            ledger.note(now, now, expired as u64);
        }
        ledger.punctuality
    }

    #[test]
    fn flows_that_end_in_time_are_neither_early_nor_late() {
        let punctuality = punctuality_when(|since| since + 100);
        assert_eq!(punctuality, Punctuality { earliest: 0, latest: -1 });
    }

    #[test]
    fn a_flow_that_ends_early_or_late_is_noticed() {
        let early = punctuality_when(|since| if since == 500 { 590 } else { since + 100 });
        assert!(early.earliest < 0, "{early:?}");
        let late = punctuality_when(|since| if since > 500 { since + 107 } else { since + 100 });
        assert_eq!(late, Punctuality { earliest: 0, latest: 6 });
    }

    #[test]
    fn the_ends_of_a_tick_come_up_to_a_tick_late() {
        let punctuality = punctuality_when(|since| (since + 100).next_multiple_of(10));
        assert_eq!(punctuality, Punctuality { earliest: 0, latest: 8 });
    }
}
