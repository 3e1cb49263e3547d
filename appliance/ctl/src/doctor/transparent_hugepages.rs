//! May flow tables in ordinary memory have large pages?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{ok, unknown, warning};

const CHECK: &str = "transparent-hugepages";

/// The kernel's setting.
pub(super) fn read(machine: &Machine<'_>) -> Option<String> {
    machine.text(&format!("sys/{PATH}"))
}

/// The choice in force stands in brackets.
pub(super) fn judge(setting: Option<&str>) -> Finding {
    let chosen = setting.and_then(|text| text.split('[').nth(1)?.split(']').next());
    match chosen {
        Some("never") => warning(
            CHECK,
            "never: flow tables stand on 4 KiB pages, which costs a packet an eighth of its time \
             with a million flows",
            format!("echo madvise > /sys/{PATH}, and restart weir."),
        ),
        Some(chosen) => ok(CHECK, chosen),
        None => unknown(
            CHECK,
            format!("/sys/{PATH} cannot be read"),
            "Take a kernel with CONFIG_TRANSPARENT_HUGEPAGE.",
        ),
    }
}

const PATH: &str = "kernel/mm/transparent_hugepage/enabled";

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn the_choice_in_brackets_counts() {
        for (setting, state) in [
            (None, Unknown),
            (Some(""), Unknown),
            (Some("always [madvise] never"), Ok),
            (Some("[always] madvise never"), Ok),
            (Some("always madvise [never]"), Warning),
        ] {
            assert_eq!(judge(setting).state, state, "{setting:?}");
        }
    }
}
