//! Do the workers' processors run at full speed?

use weir_core::api::Finding;

use super::machine::Machine;
use super::processors::Processors;
use super::{Placement, ok, unknown, warning};

const CHECK: &str = "frequency";

/// How processors choose their speed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether processors can be seen at all.
    is_visible: bool,
    /// Processors and their governors: those of workers, or all without an appliance.
    governors: Vec<(u32, String)>,
}

/// From the kernel's frequency scaling; a machine without any shows none.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let names = machine.names(PROCESSORS).unwrap_or_default();
    let numbers = names.iter().filter_map(|name| name.strip_prefix("cpu")?.parse::<u32>().ok());
    let numbers: Processors = numbers.collect();
    let wanted = if placement.lcores.is_empty() { &numbers } else { &placement.lcores };
    let governor = |number: u32| {
        let path = format!("{PROCESSORS}/cpu{number}/cpufreq/scaling_governor");
        Some((number, machine.text(&path)?))
    };
    Facts {
        is_visible: !numbers.is_empty(),
        governors: wanted.iter().filter_map(governor).collect(),
    }
}

/// A governor that saves power sees a polling worker as busy only after a while.
pub(super) fn judge(facts: &Facts) -> Finding {
    if !facts.is_visible {
        return unknown(CHECK, "processors cannot be seen", "Is /sys mounted?");
    }
    let Some((_, governor)) = facts.governors.first() else {
        return ok(CHECK, "the kernel does not scale it");
    };
    let slow = facts.governors.iter().filter(|(_, governor)| governor != FULL_SPEED);
    let slow: Vec<_> = slow.collect();
    let Some((_, first)) = slow.first() else { return ok(CHECK, governor.as_str()) };
    let processors: Processors = slow.iter().map(|(number, _)| *number).collect();
    warning(
        CHECK,
        format!("the governor is {first} on {processors}: bursts meet a slow worker"),
        "cpupower frequency-set --governor performance.",
    )
}

const PROCESSORS: &str = "sys/devices/system/cpu";
const FULL_SPEED: &str = "performance";

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn every_processor_that_matters_runs_at_full_speed() {
        for (is_visible, governors, state, part) in [
            (false, vec![], Unknown, "cannot be seen"),
            (true, vec![], Ok, "does not scale"),
            (true, vec![(2, "performance")], Ok, "performance"),
            (
                true,
                vec![(2, "performance"), (3, "schedutil"), (4, "schedutil")],
                Warning,
                "is schedutil on 3-4",
            ),
        ] {
            let governors =
                governors.into_iter().map(|(number, name)| (number, name.to_owned())).collect();
            let facts = Facts { is_visible, governors };
            let finding = judge(&facts);
            assert_eq!(finding.state, state, "{facts:?}");
            assert!(finding.detail.contains(part), "{finding:?}");
        }
    }
}
