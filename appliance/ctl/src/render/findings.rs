//! What was looked at, how does it stand, and what is to be done?

use weir_core::api::{Finding, FindingState};

use super::style::{BAD, GOOD, HEADING, ODD, QUIET, paint};
use super::table::wrap;

/// Findings with their remedies below them, under a heading.
pub(crate) fn findings(heading: &str, findings: &[Finding]) -> String {
    let longest = findings.iter().map(|finding| finding.check.chars().count()).max();
    let width = longest.unwrap_or_default().min(CHECK_MAX);
    let rows = findings.iter().map(|finding| row(finding, width));
    let mut text = format!("{}\n{}", paint(HEADING, heading), rows.collect::<String>());
    if findings.is_empty() {
        text += "  nothing was looked at\n";
    }
    text
}

fn row(finding: &Finding, width: usize) -> String {
    let (word, style) = match finding.state {
        FindingState::Ok => ("ok", GOOD),
        FindingState::Warning => ("warning", ODD),
        FindingState::Problem => ("PROBLEM", BAD),
        FindingState::Unknown => ("unknown", QUIET),
    };
    let check = &finding.check;
    let first = format!("  {word:<7}  {check:<width$}  ");
    let margin = " ".repeat(first.chars().count());
    let text = wrap(&finding.detail, &first, &margin);
    let mut text = text.replacen(word, &paint(style, word), 1);
    if !finding.remedy.is_empty() {
        text += &wrap(&finding.remedy, &format!("{margin}> "), &format!("{margin}  "));
    }
    text
}

/// A longer name of a check moves its own line only.
const CHECK_MAX: usize = 22;

#[cfg(test)]
mod tests {
    use super::super::golden::assert_golden;
    use super::super::style::plain;
    use super::*;

    #[test]
    fn what_is_wrong_has_what_to_do_below_it() {
        let finding = |check: &str, state, detail: &str, remedy: &str| Finding {
            check: check.into(),
            state,
            detail: detail.into(),
            remedy: remedy.into(),
        };
        let page = plain(&findings(
            "This machine",
            &[
                finding("hugepages", FindingState::Ok, "512 of 2 MiB, 256 free", ""),
                finding(
                    "lcore-isolation",
                    FindingState::Warning,
                    "the kernel schedules other work on lcores 2 and 3, which workers run on",
                    "Boot with isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2-3.",
                ),
                finding("link", FindingState::Problem, "front has no link", "Plug it in."),
                finding("iommu", FindingState::Unknown, "/sys cannot be read", ""),
            ],
        ));
        assert_golden("findings", &page);
        assert!(page.lines().all(|line| line.chars().count() <= 80));
    }
}
