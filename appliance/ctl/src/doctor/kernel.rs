//! Is the kernel new enough?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{ok, problem, unknown, warning};

const CHECK: &str = "kernel";

/// The kernel's release.
pub(super) fn read(machine: &Machine<'_>) -> Option<String> {
    machine.text("proc/sys/kernel/osrelease")
}

/// DPDK 22.11 asks for 4.14 (its Getting Started Guide, 2.2); Weir is tested on Debian 12's 6.1.
pub(super) fn judge(release: Option<&str>) -> Finding {
    let Some(release) = release else {
        return unknown(CHECK, "its release cannot be read", "Is /proc mounted?");
    };
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if version < (4, 14) {
        let detail = format!("Linux {release} is older than 4.14, which DPDK needs");
        return problem(CHECK, detail, "Boot Debian 12's kernel or a later one.");
    }
    if version < (6, 1) {
        let detail = format!("Linux {release} is older than 6.1, which Weir is tested on");
        return warning(CHECK, detail, "Boot Debian 12's kernel or a later one.");
    }
    ok(CHECK, format!("Linux {release}"))
}

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{self, Ok, Problem, Unknown, Warning};

    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        let table: [(Option<&str>, FindingState); 7] = [
            (None, Unknown),
            (Some("3.10.0-1160.el7.x86_64"), Problem),
            (Some("4.9.0"), Problem),
            (Some("4.14.0"), Warning),
            (Some("5.15.0-91-generic"), Warning),
            (Some("6.1.0-28-amd64"), Ok),
            (Some("10.0"), Ok),
        ];
        for (release, state) in table {
            assert_eq!(judge(release).state, state, "{release:?}");
        }
    }
}
