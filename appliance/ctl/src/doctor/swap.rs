//! Can memory be taken away from weir while it runs?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{ok, unknown, warning};

const CHECK: &str = "swap";

/// How many places to swap to there are.
pub(super) fn read(machine: &Machine<'_>) -> Option<usize> {
    // The first line names the columns (proc(5)).
    machine.text("proc/swaps").map(|text| text.lines().skip(1).count())
}

/// Flow tables outside of hugepages can be swapped out, and a packet then waits for a disk.
pub(super) fn judge(places: Option<usize>) -> Finding {
    match places {
        None => unknown(CHECK, "/proc/swaps cannot be read", "Is /proc mounted?"),
        Some(0) => ok(CHECK, "there is none"),
        Some(_) => warning(
            CHECK,
            "there is some: a flow table that is swapped out makes packets wait for a disk",
            "swapoff -a, and take it out of /etc/fstab; or put all tables on hugepages \
             (limits.hugepages: Require).",
        ),
    }
}

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn no_swap_is_best() {
        for (places, state) in [(None, Unknown), (Some(0), Ok), (Some(2), Warning)] {
            assert_eq!(judge(places).state, state);
        }
    }
}
