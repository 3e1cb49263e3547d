//! How are sets of processors read and written? As the kernel does: `0-3,8`.

use std::collections::BTreeSet;
use std::fmt;

/// Processors by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processors(BTreeSet<u32>);

impl Processors {
    /// Reads what the kernel writes; the words that its command line may have before
    /// (`managed_irq,`) are skipped.
    pub(super) fn read(text: &str) -> Self {
        let mut found = BTreeSet::new();
        for part in text.trim().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
                found.extend(first..=last.min(first.saturating_add(NUMBER_MAX)));
            }
        }
        Self(found)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is there.
    pub(super) fn has(&self, number: u32) -> bool {
        self.0.contains(&number)
    }

    /// Those of this set that are not in the other one.
    pub(super) fn without(&self, others: &Self) -> Self {
        Self(self.0.difference(&others.0).copied().collect())
    }

    /// Those that are in both.
    pub(super) fn common(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).copied().collect())
    }

    /// In order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }
}

impl FromIterator<u32> for Processors {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        Self(numbers.into_iter().collect())
    }
}

impl fmt::Display for Processors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for number in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                Some(_) | None => ranges.push((number, number)),
            }
        }
        let written = ranges.into_iter().map(|(first, last)| match last - first {
            0 => first.to_string(),
            _ => format!("{first}-{last}"),
        });
        formatter.write_str(&written.collect::<Vec<_>>().join(","))
    }
}

/// Linux counts at most 8,192 processors.
const NUMBER_MAX: u32 = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        for (text, written) in [
            ("0-3,8", "0-3,8"),
            ("", ""),
            ("\n", ""),
            ("5", "5"),
            ("domain,managed_irq,2-3", "2-3"),
            ("3,2,1", "1-3"),
            ("7-2", ""),
        ] {
            assert_eq!(Processors::read(text).to_string(), written, "{text}");
        }
        assert!(Processors::read("0-4294967295").iter().count() <= 8_193, "bounded");
    }

    #[test]
    fn sets_are_compared() {
        let (some, others) = (Processors::read("1-4"), Processors::read("3-6"));
        assert_eq!(some.without(&others), Processors::read("1-2"));
        assert_eq!(some.common(&others), Processors::read("3-4"));
        assert!(some.has(4) && !some.has(5));
    }
}
