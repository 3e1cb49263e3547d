//! Which counts have grown of late?
//!
//! A drop of last week explains nothing; one of the last minute does.

use std::collections::BTreeMap;

/// What each of some counts was when it was looked at last, and when it grew.
#[derive(Debug, Default)]
pub(in crate::control) struct Growth {
    counts: BTreeMap<String, Count>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    value: u64,
    grew_at_ms: Option<u64>,
}

impl Growth {
    /// Takes in what a count is at `now_ms`. Counts begin at 0 with the process. What is named is
    /// bounded by the caller: counters and ports.
    pub(in crate::control) fn observe(&mut self, name: &str, value: u64, now_ms: u64) {
        if let Some(count) = self.counts.get_mut(name) {
            count.take(value, now_ms);
        } else if value > 0 {
            let count = Count { value, grew_at_ms: Some(now_ms) };
            self.counts.insert(name.to_owned(), count);
        }
    }

    /// What a count is now, if it has grown within the last minute.
    pub(super) fn of_late(&self, name: &str, now_ms: u64) -> Option<u64> {
        let count = self.counts.get(name)?;
        let ago = now_ms.saturating_sub(count.grew_at_ms?);
        (ago <= LATE_MS).then_some(count.value)
    }
}

impl Count {
    fn take(&mut self, value: u64, now_ms: u64) {
        if value > self.value {
            self.grew_at_ms = Some(now_ms);
        }
        self.value = value;
    }
}

/// What is of late: long enough for someone who was called to look.
const LATE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_of_interest_for_a_minute_after_it_grew() {
        let mut growth = Growth::default();
        for (second, value, expected) in [
            (0, 0, None),
            (1, 3, Some(3)),
            (61, 3, Some(3)),
            (62, 3, None),
            (63, 4, Some(4)),
            (64, 1, Some(1)),
            (130, 1, None),
        ] {
            growth.observe("missed", value, second * 1_000);
            assert_eq!(growth.of_late("missed", second * 1_000), expected, "second {second}");
        }
        assert_eq!(growth.of_late("other", 0), None);
    }
}
