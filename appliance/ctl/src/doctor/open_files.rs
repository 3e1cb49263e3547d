//! May weir open as many files as probes and clients need?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{ok, unknown, warning};

const CHECK: &str = "open-files";

/// The running daemon's limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether a process called weir is seen.
    is_seen: bool,
    /// The most files it may have open; `None` when it may not be read.
    limit: Option<u64>,
}

/// From the first process called `weir`.
pub(super) fn read(machine: &Machine<'_>) -> Facts {
    let names = machine.names("proc").unwrap_or_default();
    let is_weir = |name: &&String| {
        name.parse::<u32>().is_ok()
            && machine.text(&format!("proc/{name}/comm")).as_deref() == Some("weir")
    };
    let Some(process) = names.iter().find(is_weir) else { return Facts::default() };
    let limits = machine.text(&format!("proc/{process}/limits"));
    Facts { is_seen: true, limit: limits.and_then(|text| soft_limit(&text)) }
}

/// `Max open files            1024                 524288               files` (proc(5)).
fn soft_limit(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// Every probe under way is a socket, and there are as many as members and probes.
pub(super) fn judge(facts: &Facts) -> Finding {
    match facts {
        Facts { is_seen: false, .. } => unknown(
            CHECK,
            "no process called weir is seen",
            "Start weir, or look where its process is visible.",
        ),
        Facts { limit: None, .. } => {
            unknown(CHECK, "the limit of weir cannot be read", "Look as root.")
        }
        Facts { limit: Some(limit), .. } if *limit < ENOUGH => warning(
            CHECK,
            format!("weir may have {limit} open: thousands of probes at once fail"),
            "Set LimitNOFILE=65536 in its unit, or ulimit -n 65536, and restart it.",
        ),
        Facts { limit: Some(u64::MAX), .. } => ok(CHECK, "as many as it likes"),
        Facts { limit: Some(limit), .. } => ok(CHECK, format!("weir may have {limit} open")),
    }
}

/// Some thousand members with a probe each, and what else there is.
const ENOUGH: u64 = 8_192;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn the_limit_suits_thousands_of_probes() {
        for (is_seen, limit, state) in [
            (false, None, Unknown),
            (true, None, Unknown),
            (true, Some(1_024), Warning),
            (true, Some(65_536), Ok),
            (true, Some(u64::MAX), Ok),
        ] {
            assert_eq!(judge(&Facts { is_seen, limit }).state, state, "{limit:?}");
        }
    }

    #[test]
    fn the_soft_limit_is_read() {
        let text = "Limit     Soft Limit  Hard Limit  Units\n\
                    Max processes   7   8   processes\n\
                    Max open files            1024                 524288               files";
        assert_eq!(soft_limit(text), Some(1_024));
        assert_eq!(soft_limit("Max open files unlimited unlimited files"), Some(u64::MAX));
        assert_eq!(soft_limit("Max cpu time 1 1 seconds"), None);
    }
}
