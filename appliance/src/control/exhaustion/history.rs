//! How were a member's outbound ports used within the last hour and the last day?
//!
//! ```text
//!   every second ─► the minute that goes on ────────────► 60 of them, the oldest is let go
//!             └───► the quarter of an hour that goes on ► 96 of them, likewise
//! ```
//!
//! Azure's UsedSnatPorts, AllocatedSnatPorts and the failed ones of SnatConnectionCount
//! (behaviour.md §8.1), by member and protocol. Not here: who has a history (`super`), how it is
//! shown (`control::listings`).

use std::collections::VecDeque;

use weir_core::limits::{SNAT_HISTORY_MINUTES, SNAT_HISTORY_QUARTERS};

/// What is known of one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Sample {
    /// The most ports in use at a time.
    pub(in crate::control) used: u32,
    /// Ports that there were, at its end.
    pub(in crate::control) allocated: u32,
    /// Flows that found none.
    pub(in crate::control) refused: u32,
}

/// Spans of one length, the latest ones.
#[derive(Clone, Debug)]
pub(in crate::control) struct Series {
    span_ms: u64,
    spans_max: usize,
    /// The number of the latest span that is known: spans are counted from the clock's beginning.
    latest: u64,
    samples: VecDeque<Sample>,
}

/// What is known of one member, for one protocol.
#[derive(Clone, Debug)]
pub(in crate::control) struct History {
    /// By the minute.
    pub(in crate::control) hour: Series,
    /// By the quarter of an hour.
    pub(in crate::control) day: Series,
}

impl Default for History {
    fn default() -> Self {
        Self {
            hour: Series::new(MINUTE_MS, SNAT_HISTORY_MINUTES),
            day: Series::new(15 * MINUTE_MS, SNAT_HISTORY_QUARTERS),
        }
    }
}

impl History {
    /// Takes in what is found at `now_ms`, milliseconds on a clock that does not go back;
    /// `refused` since it was last taken in.
    pub(super) fn take_in(&mut self, found: Sample, now_ms: u64) {
        self.hour.take_in(found, now_ms);
        self.day.take_in(found, now_ms);
    }

    /// Whether there is anything to tell, of the day until it was last taken in: otherwise no port
    /// was used, and none was missed.
    pub(super) fn is_eventful(&self) -> bool {
        self.day.samples.iter().rev().any(|it| it.used > 0 || it.refused > 0)
    }
}

impl Series {
    fn new(span_ms: u64, spans_max: usize) -> Self {
        Self { span_ms, spans_max, latest: 0, samples: VecDeque::new() }
    }

    /// The length of each span in milliseconds.
    pub(in crate::control) const fn span_ms(&self) -> u64 {
        self.span_ms
    }

    fn take_in(&mut self, found: Sample, now_ms: u64) {
        self.go_on_to(now_ms / self.span_ms);
        let Some(latest) = self.samples.back_mut() else { return };
        latest.used = latest.used.max(found.used);
        latest.allocated = found.allocated;
        latest.refused = latest.refused.saturating_add(found.refused);
    }

    /// Makes a span the latest one, unless a later one is known.
    fn go_on_to(&mut self, span: u64) {
        if self.samples.is_empty() {
            (self.latest, self.samples) = (span, VecDeque::from([Sample::default()]));
        }
        let gone = usize::try_from(span.saturating_sub(self.latest)).unwrap_or(usize::MAX);
        for _ in 0..gone.min(self.spans_max) {
            self.samples.push_back(Sample::default());
        }
        self.latest = self.latest.max(span);
        self.samples.drain(..self.samples.len().saturating_sub(self.spans_max));
    }

    /// The spans as they are at `now_ms`: when the first one began, and what is known of each. Of
    /// a span in which nobody looked, all is 0.
    pub(in crate::control) fn at(&self, now_ms: u64) -> (u64, Vec<Sample>) {
        let mut shown = self.clone();
        shown.go_on_to(now_ms / self.span_ms);
        let before = (shown.samples.len() as u64).saturating_sub(1);
        (shown.latest.saturating_sub(before) * self.span_ms, shown.samples.into())
    }
}

const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a list of all that was ever found says: slow and plain.
    fn expected(found: &[(u64, Sample)], now_ms: u64, span_ms: u64, most: u64) -> Vec<Sample> {
        let Some((begin, _)) = found.first() else { return vec![Sample::default()] };
        let last = now_ms / span_ms;
        let first = (begin / span_ms).max((last + 1).saturating_sub(most));
        let of_span = |span: u64| {
            let inside = found.iter().filter(|(at, _)| at / span_ms == span).map(|(_, it)| it);
            let mut sample = Sample::default();
            for it in inside {
                sample.used = sample.used.max(it.used);
                sample.allocated = it.allocated;
                sample.refused += it.refused;
            }
            sample
        };
        (first..=last).map(of_span).collect()
    }

    fn steps() -> impl Strategy<Value = Vec<(u64, Sample)>> {
        let pause = prop_oneof![8 => Just(1_000), 4 => 1_000..90_000u64, 1 => 0..200_000_000u64];
        let sample = (0..1_024u32, 0..1_024u32, prop_oneof![Just(0), 0..9_999u32])
            .prop_map(|(used, allocated, refused)| Sample { used, allocated, refused });
        prop::collection::vec((pause, sample), 1..300)
    }

    proptest! {
        #[test]
        fn an_hour_and_a_day_are_what_a_list_of_everything_says(
            steps in steps(), start in 0..10_000_000u64, wait in 0..100_000_000u64,
        ) {
            let mut history = History::default();
            let (mut now, mut found) = (start, Vec::new());
            for (pause, sample) in steps {
                now += pause;
                history.take_in(sample, now);
                found.push((now, sample));
                prop_assert!(history.hour.samples.len() <= SNAT_HISTORY_MINUTES);
                prop_assert!(history.day.samples.len() <= SNAT_HISTORY_QUARTERS);
            }
            for at in [now, now + wait] {
                for (series, most) in
                    [(&history.hour, SNAT_HISTORY_MINUTES), (&history.day, SNAT_HISTORY_QUARTERS)]
                {
                    let (begin, samples) = series.at(at);
                    prop_assert_eq!(&samples, &expected(&found, at, series.span_ms, most as u64));
                    let end = begin + series.span_ms * samples.len() as u64;
                    prop_assert!(end > at && end - at <= series.span_ms, "{} of {}", end, at);
                }
            }
        }
    }

    #[test]
    fn a_day_without_a_port_in_use_is_not_worth_telling() {
        let mut history = History::default();
        let idle = Sample { used: 0, allocated: 64, refused: 0 };
        history.take_in(idle, 0);
        assert!(!history.is_eventful());
        history.take_in(Sample { used: 1, ..idle }, 1_000);
        for (hours, expected) in [(0, true), (23, true), (25, false)] {
            history.take_in(idle, hours * 60 * MINUTE_MS);
            assert_eq!(history.is_eventful(), expected, "after {hours} hours");
        }
    }
}
