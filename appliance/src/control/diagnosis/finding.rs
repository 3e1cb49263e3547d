//! How is a finding written down?

use std::fmt::Display;

use weir_core::api::{Finding, FindingState};

/// All is as it should be.
pub(super) fn fine(check: &str, detail: impl Into<String>) -> Finding {
    finding(check, FindingState::Ok, detail.into(), "")
}

/// It works, but perhaps not for long or not as was meant.
pub(super) fn warning(check: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    finding(check, FindingState::Warning, detail.into(), remedy)
}

/// Something does not work.
pub(super) fn problem(check: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    finding(check, FindingState::Problem, detail.into(), remedy)
}

/// It cannot be seen from here.
pub(super) fn unknown(check: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    finding(check, FindingState::Unknown, detail.into(), remedy)
}

fn finding(check: &str, state: FindingState, detail: String, remedy: &str) -> Finding {
    Finding { check: check.to_owned(), state, detail, remedy: remedy.to_owned() }
}

/// The first few of a list, and how many there are beside them.
pub(super) fn some_of<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    let mut all = all.into_iter();
    let named: Vec<String> = all.by_ref().take(NAMED_MAX).map(|it| it.to_string()).collect();
    let named = named.join(", ");
    match all.count() {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Things that a sentence names before it only counts them.
const NAMED_MAX: usize = 5;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// States, each with a part of its detail.
    pub(in crate::control::diagnosis) type Expected = [(FindingState, &'static str)];

    /// Asserts state by state what was found, and that everything but the good has a remedy.
    pub(in crate::control::diagnosis) fn assert_found(
        name: &str,
        found: &[Finding],
        expected: &[(FindingState, &str)],
    ) {
        assert_eq!(found.len(), expected.len(), "{name}: {found:#?}");
        for (finding, (state, part)) in found.iter().zip(expected) {
            assert_eq!(finding.state, *state, "{name}: {finding:?}");
            assert!(finding.detail.contains(part), "{name}: {finding:?}");
            assert_eq!(
                finding.remedy.is_empty(),
                *state == FindingState::Ok,
                "{name}: {finding:?}"
            );
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(finding.check.bytes().all(kebab), "{name}: {finding:?}");
        }
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        for (length, expected) in [
            (0, ""),
            (1, "0"),
            (5, "0, 1, 2, 3, 4"),
            (6, "0, 1, 2, 3, 4 and 1 more"),
            (50, "0, 1, 2, 3, 4 and 45 more"),
        ] {
            assert_eq!(some_of(0..length), expected);
        }
    }
}
