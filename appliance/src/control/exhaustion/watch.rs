//! When is the use of a member's outbound ports worth a word?
//!
//! ```text
//!            75 %, or of the ports        all        a flow
//!            towards one destination     in use    is refused
//!   Normal ────────────────────► Scarce ─────► Full ─────► Exhausted ─┐ every 10 s, while
//!      ▲                            │            │             │   ▲───┘ more are refused
//!      └────────────────────────────┴────────────┴─────────────┘
//!           below 60 %, and nothing refused or scarce for 10 s
//! ```
//!
//! A step up is told at once and once, so that a storm is three words and then one every ten
//! seconds; what goes up and down around a bound is no news.
//!
//! Not here: who counts (`uses`), towards whom (`destinations`), who is told (`control::events`).

/// What was found since the reading before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Ports in use now.
    pub(super) used: u32,
    /// Ports that there are.
    pub(super) allocated: u32,
    /// Flows that found none.
    pub(super) refused: u64,
    /// Whether the last quarter was needed towards some destination.
    pub(super) ran_low: bool,
}

/// What there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::control) enum Word {
    /// Three quarters are in use, or all, and no flow was refused.
    Warning,
    /// Flows were refused.
    Exhausted,
    /// There are plenty again.
    Recovered,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    #[default]
    Normal,
    Scarce,
    Full,
    Exhausted,
}

/// Watches the ports of one member, for one protocol.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// The worst since it was last normal.
    level: Level,
    /// The worst that was told.
    told: Level,
    told_ms: u64,
    told_refused: u64,
    /// Flows refused since it was last normal.
    refused: u64,
    /// When a flow was last refused, or ports ran low towards somebody.
    stirred_ms: Option<u64>,
    /// Whether it would be normal, if it were not for what was told.
    is_well: bool,
}

impl Watch {
    /// Flows refused since the ports were last plenty.
    pub(super) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether anything is told that has not recovered yet, or is to be told.
    pub(super) fn is_normal(&self) -> bool {
        self.level == Level::Normal
    }

    /// When it was last told of; 0 when it never was.
    pub(super) const fn told_ms(&self) -> u64 {
        self.told_ms
    }

    /// Takes in what was found at `now_ms`, milliseconds on the caller's clock.
    pub(super) fn take_in(&mut self, reading: Reading, now_ms: u64) {
        let Reading { used, allocated, refused, ran_low } = reading;
        let (used, allocated) = (u64::from(used), u64::from(allocated));
        let at_least = |percent| used * 100 >= allocated * percent && allocated > 0;
        if refused > 0 || ran_low {
            self.stirred_ms = Some(now_ms);
        }
        let is_calm = self.stirred_ms.is_none_or(|then| now_ms.saturating_sub(then) >= CALM_MS);
        self.is_well = is_calm && !at_least(NORMAL_PERCENT);
        self.refused = self.refused.saturating_add(refused);
        self.level = self.level.max(match () {
            () if refused > 0 => Level::Exhausted,
            () if at_least(100) => Level::Full,
            () if ran_low || at_least(WARNING_PERCENT) => Level::Scarce,
            () => Level::Normal,
        });
    }

    /// What is to be told at `now_ms`, if anything.
    pub(super) fn due(&self, now_ms: u64) -> Option<Word> {
        let is_worse = self.level > self.told;
        let goes_on = self.level == Level::Exhausted
            && self.refused > self.told_refused
            && now_ms.saturating_sub(self.told_ms) >= AGAIN_MS;
        match self.level {
            Level::Exhausted if is_worse || goes_on => Some(Word::Exhausted),
            Level::Scarce | Level::Full if is_worse => Some(Word::Warning),
            Level::Scarce | Level::Full | Level::Exhausted if self.is_well => Some(Word::Recovered),
            Level::Normal | Level::Scarce | Level::Full | Level::Exhausted => None,
        }
    }

    /// Notes that it was told.
    pub(super) fn tell(&mut self, word: Word, now_ms: u64) {
        *self = match word {
            Word::Recovered => Self { told_ms: now_ms, ..Self::default() },
            Word::Warning | Word::Exhausted => {
                Self { told: self.level, told_ms: now_ms, told_refused: self.refused, ..*self }
            }
        };
    }
}

/// From here on it is worth a word; what an operator can still do something about. Azure's bound
/// (behaviour.md §8.3).
pub(in crate::control) const WARNING_PERCENT: u64 = 75;
/// Below this it is well again: far enough from the warning that a load which breathes by some
/// percent is no news.
const NORMAL_PERCENT: u64 = 60;
/// So long nothing was refused or scarce when ports are plenty again: a client that tries again
/// after its first SYN does so within seven seconds (RFC 6298 §2: 1, 2 and 4 s).
const CALM_MS: u64 = 10_000;
/// How often it is told that flows are still refused.
const AGAIN_MS: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::Word::{Exhausted, Recovered, Warning};
    use super::*;

    /// What is said of (second, ports in use of 1,000, flows refused).
    fn said(story: &[(u64, u32, u64)]) -> Vec<(u64, Word)> {
        let mut watch = Watch::default();
        let mut said = Vec::new();
        for (second, used, refused) in story.iter().copied() {
            let (now, allocated) = (second * 1_000, 1_000);
            watch.take_in(Reading { used, allocated, refused, ran_low: false }, now);
            if let Some(word) = watch.due(now) {
                watch.tell(word, now);
                said.push((second, word));
            }
        }
        said
    }

    #[test]
    fn each_bound_is_told_once_on_the_way_up_and_the_way_down_when_it_is_far() {
        for (name, story, expected) in [
            ("quiet", &[(0, 0, 0), (1, 749, 0)][..], &[][..]),
            ("to the warning", &[(0, 749, 0), (1, 750, 0), (2, 999, 0)], &[(1, Warning)]),
            (
                "to the last port",
                &[(0, 800, 0), (1, 1_000, 0), (2, 1_000, 0)],
                &[(0, Warning), (1, Warning)],
            ),
            (
                "all the way",
                &[(0, 800, 0), (1, 1_000, 0), (2, 1_000, 1)],
                &[(0, Warning), (1, Warning), (2, Exhausted)],
            ),
            ("at once", &[(0, 0, 0), (1, 1_000, 7)], &[(1, Exhausted)]),
            ("by one worker's share", &[(0, 10, 1)], &[(0, Exhausted)]),
            (
                "around the warning",
                &[(0, 760, 0), (1, 740, 0), (2, 760, 0), (3, 600, 0)],
                &[(0, Warning)],
            ),
            (
                "well again",
                &[(0, 760, 0), (1, 600, 0), (2, 599, 0)],
                &[(0, Warning), (2, Recovered)],
            ),
            (
                "twice",
                &[(0, 760, 0), (1, 599, 0), (2, 760, 0)],
                &[(0, Warning), (1, Recovered), (2, Warning)],
            ),
            (
                "calm before it is well",
                &[(0, 1_000, 1), (9, 10, 0), (10, 10, 0), (11, 10, 0)],
                &[(0, Exhausted), (10, Recovered)],
            ),
            (
                "quiet, but full",
                &[(0, 1_000, 1), (100, 1_000, 0), (200, 700, 0)],
                &[(0, Exhausted)],
            ),
        ] {
            assert_eq!(said(story), expected, "{name}");
        }
    }

    #[test]
    fn a_storm_is_one_word_in_ten_seconds_and_its_last_flow_is_told() {
        let storm: Vec<_> = (0..25).map(|second| (second, 1_000, 100_000)).collect();
        assert_eq!(said(&storm), [(0, Exhausted), (10, Exhausted), (20, Exhausted)]);
        let after: Vec<_> = (25..40).map(|second| (second, 0, 0)).collect();
        let whole = [storm, after].concat();
        assert_eq!(said(&whole)[3..], [(30, Exhausted), (34, Recovered)]);
    }

    #[test]
    fn the_last_quarter_towards_one_destination_is_a_warning_that_lasts_ten_seconds() {
        let mut watch = Watch::default();
        let low = Reading { used: 10, allocated: 1_000, refused: 0, ran_low: true };
        watch.take_in(low, 0);
        assert_eq!(watch.due(0), Some(Warning));
        watch.tell(Warning, 0);
        for second in 1..10 {
            watch.take_in(Reading { ran_low: false, ..low }, second * 1_000);
            assert_eq!(watch.due(second * 1_000), None);
        }
        watch.take_in(Reading { ran_low: false, ..low }, 10_000);
        assert_eq!(watch.due(10_000), Some(Recovered));
    }

    #[test]
    fn what_was_not_told_yet_stays_to_be_told() {
        let mut watch = Watch::default();
        watch.take_in(Reading { used: 0, allocated: 8, refused: 3, ran_low: false }, 0);
        watch.take_in(Reading { used: 0, allocated: 8, refused: 4, ran_low: false }, 1_000);
        assert_eq!((watch.due(1_000), watch.refused()), (Some(Exhausted), 7));
    }

    #[test]
    fn of_nothing_nothing_is_used_up_but_flows_are_refused() {
        let mut watch = Watch::default();
        watch.take_in(Reading::default(), 0);
        assert_eq!(watch.due(0), None);
        watch.take_in(Reading { refused: 1, ..Reading::default() }, 0);
        assert_eq!(watch.due(0), Some(Exhausted));
        let most =
            Reading { used: u32::MAX, allocated: u32::MAX, refused: u64::MAX, ran_low: true };
        watch.take_in(most, u64::MAX);
        assert_eq!(watch.refused(), u64::MAX, "no overflow");
    }
}
