//! Did every packet end as it should?
//!
//! A figure counts only when each packet that was offered has an outcome, and each outcome is one
//! that the scenario expects: a worker that drops is fast.

use std::collections::BTreeMap;

use anyhow::ensure;
use weir_core::telemetry::{DropReason, Totals};

/// What a stretch of work did to the packets that came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    moved: BTreeMap<String, u64>,
}

impl Account {
    /// What happened from `before` to `after`.
    #[must_use]
    pub fn between(before: &Totals, after: &Totals) -> Self {
        Self { moved: after.since(before) }
    }

    /// How far the counter of this name went.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.moved.get(name).copied().unwrap_or(0)
    }

    /// Packets that were dropped for one reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.get(&format!("drop_{}_packets", reason.name()))
    }

    /// Holds that every packet was transmitted.
    ///
    /// # Errors
    /// Names what became of the others.
    pub fn all_sent(&self) -> anyhow::Result<()> {
        self.all_sent_or(&[])
    }

    /// Holds that every packet was transmitted, or dropped for one of these reasons.
    ///
    /// # Errors
    /// Names what became of the others.
    pub fn all_sent_or(&self, expected: &[DropReason]) -> anyhow::Result<()> {
        let dropped: u64 = expected.iter().map(|reason| self.dropped(*reason)).sum();
        let (received, sent) = (self.get("rx_packets"), self.get("tx_packets"));
        ensure!(
            received == sent + dropped,
            "of {received} packets {sent} were transmitted and {dropped} dropped as expected; \
             counters moved: {:?}",
            self.moved
        );
        Ok(())
    }

    /// Holds that every packet of an open connection found its record.
    ///
    /// # Errors
    /// Says how many did not.
    pub fn none_fell_back(&self) -> anyhow::Result<()> {
        let lost = self.get("fallback_packets");
        ensure!(lost == 0, "{lost} packets of open connections found no record");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use weir_core::telemetry::{Counter, Counters};

    use super::*;

    fn account(received: u64, sent: u64, refused: u64) -> Account {
        let counters = Counters::default();
        let before = Totals::of([&counters]);
        counters.count(Counter::RxPackets, received);
        counters.count(Counter::TxPackets, sent);
        counters.drop_many(DropReason::NoRule, refused);
        Account::between(&before, &Totals::of([&counters]))
    }

    #[test]
    fn packets_that_vanish_are_noticed() {
        assert!(account(10, 10, 0).all_sent().is_ok());
        assert!(account(10, 9, 0).all_sent().is_err());
    }

    #[test]
    fn a_drop_counts_only_for_a_reason_that_is_expected() {
        assert!(account(10, 7, 3).all_sent().is_err());
        assert!(account(10, 7, 3).all_sent_or(&[DropReason::NoRoute]).is_err());
        assert!(account(10, 7, 3).all_sent_or(&[DropReason::NoRule]).is_ok());
    }
}
