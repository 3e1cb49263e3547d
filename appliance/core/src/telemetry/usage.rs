//! When is the use of something bounded worth a word?
//!
//! ```text
//!            75 %                100 %
//!   Normal ───────► Warning ───────────► Exhausted
//!      ▲               │ below 60 %          │ below 60 %
//!      └───────────────┴─────────────────────┘ Recovered
//! ```
//!
//! What goes up and down around one bound is told once. What is exhausted and was not for a
//! minute is told again when it is.
//!
//! Not here: what is counted (`objects`), who is told (`appliance/src/control/events`).

/// What there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsageChange {
    /// Three quarters are in use.
    Warning,
    /// All is in use.
    Exhausted,
    /// Less than six tenths are in use again.
    Recovered,
}

/// What was said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Level {
    #[default]
    Normal,
    Warning,
    Exhausted {
        last_ms: u64,
    },
}

/// Watches the use of one bounded thing.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageWatch {
    level: Level,
}

impl UsageWatch {
    /// Takes in that `used` of `bound` are in use at `now_ms`, milliseconds on the caller's clock.
    /// Of nothing (`bound` 0), nothing is ever used up.
    pub fn observe(&mut self, used: u64, bound: u64, now_ms: u64) -> Option<UsageChange> {
        use Level::{Exhausted, Normal, Warning};
        let at_least = |percent| used.saturating_mul(100) >= bound.saturating_mul(percent);
        let is_full = bound > 0 && used >= bound;
        let full = Exhausted { last_ms: now_ms };
        let (level, change) = match (self.level, is_full) {
            (Exhausted { .. }, true) => (full, None),
            (Normal | Warning, true) => (full, Some(UsageChange::Exhausted)),
            (Normal, false) if bound > 0 && at_least(WARNING_PERCENT) => {
                (Warning, Some(UsageChange::Warning))
            }
            (Normal, false) => (Normal, None),
            (Warning | Exhausted { .. }, false) if bound == 0 || !at_least(NORMAL_PERCENT) => {
                (Normal, Some(UsageChange::Recovered))
            }
            (Exhausted { last_ms }, false) if now_ms.saturating_sub(last_ms) >= AGAIN_MS => {
                (Warning, None)
            }
            (level @ (Warning | Exhausted { .. }), false) => (level, None),
        };
        self.level = level;
        change
    }
}

/// From here on it is worth a word; what an operator can still do something about.
const WARNING_PERCENT: u64 = 75;
/// Below this it is well again: far enough from the warning that a load which breathes by some
/// percent is no news.
const NORMAL_PERCENT: u64 = 60;
/// After so long a pause exhaustion is another incident.
const AGAIN_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::UsageChange::{Exhausted, Recovered, Warning};
    use super::*;

    /// What is said of (second, used) of 1,000.
    fn said(story: &[(u64, u64)]) -> Vec<(u64, UsageChange)> {
        let mut watch = UsageWatch::default();
        let said = story.iter().filter_map(|(second, used)| {
            Some((*second, watch.observe(*used, 1_000, second * 1_000)?))
        });
        said.collect()
    }

    #[test]
    fn each_bound_is_told_once_on_the_way_up_and_the_way_down_when_it_is_far() {
        for (name, story, expected) in [
            ("quiet", &[(0, 0), (1, 749)][..], &[][..]),
            ("to the warning", &[(0, 749), (1, 750), (2, 999)], &[(1, Warning)]),
            ("all the way", &[(0, 800), (1, 1_000), (2, 1_000)], &[(0, Warning), (1, Exhausted)]),
            ("at once", &[(0, 0), (1, 1_000)], &[(1, Exhausted)]),
            ("more than there is", &[(0, 1_001)], &[(0, Exhausted)]),
            ("around the warning", &[(0, 760), (1, 740), (2, 760), (3, 600)], &[(0, Warning)]),
            ("well again", &[(0, 760), (1, 600), (2, 599)], &[(0, Warning), (2, Recovered)]),
            (
                "twice",
                &[(0, 760), (1, 599), (2, 760)],
                &[(0, Warning), (1, Recovered), (2, Warning)],
            ),
            ("from full", &[(0, 1_000), (1, 10)], &[(0, Exhausted), (1, Recovered)]),
        ] {
            assert_eq!(said(story), expected, "{name}");
        }
    }

    #[test]
    fn what_runs_dry_every_second_is_told_once_and_again_after_a_minute_without() {
        let full = |second| (second, 1_000);
        let less = |second| (second, 900);
        let flapping: Vec<_> = (0..100).flat_map(|it| [full(2 * it), less(2 * it + 1)]).collect();
        assert_eq!(said(&flapping), [(0, Exhausted)]);
        assert_eq!(said(&[full(0), less(59), full(60)]), [(0, Exhausted)]);
        let paused = [full(0), less(1), less(60), full(61), less(62), full(63)];
        assert_eq!(said(&paused), [(0, Exhausted), (61, Exhausted)]);
    }

    #[test]
    fn of_nothing_nothing_is_used_up() {
        let mut watch = UsageWatch::default();
        assert_eq!(watch.observe(0, 0, 0), None);
        assert_eq!(watch.observe(8, 8, 1), Some(Exhausted));
        assert_eq!(watch.observe(8, 0, 2), Some(Recovered), "the rule is gone");
        assert_eq!(watch.observe(u64::MAX, u64::MAX, 3), Some(Exhausted), "no overflow");
    }
}
