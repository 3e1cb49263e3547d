//! Do devices interrupt the workers?

use weir_core::api::Finding;

use super::machine::Machine;
use super::processors::Processors;
use super::{Placement, START_WEIR, ok, unknown, warning};

const CHECK: &str = "interrupts";

/// Which interrupts go to workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The workers' lcores.
    lcores: Processors,
    /// Interrupts whose processors could be read.
    seen: usize,
    /// The numbers of those that go to a worker's lcore.
    on_workers: Vec<String>,
}

/// Where the kernel delivers each interrupt: effective affinity, which is one processor mostly.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let mut facts = Facts { lcores: placement.lcores.clone(), ..Facts::default() };
    for number in machine.names("proc/irq").unwrap_or_default() {
        let path = format!("proc/irq/{number}/effective_affinity_list");
        let Some(text) = machine.text(&path) else { continue };
        facts.seen += 1;
        if !Processors::read(&text).common(&facts.lcores).is_empty() {
            facts.on_workers.push(number);
        }
    }
    facts
}

/// An interrupt takes some microseconds, which are some dozen packets.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Facts { lcores, seen, on_workers } = facts;
    if *seen == 0 {
        return unknown(CHECK, "/proc/irq cannot be read", "Is /proc mounted?");
    }
    if lcores.is_empty() {
        return unknown(CHECK, "no appliance says which lcores it uses", START_WEIR);
    }
    if on_workers.is_empty() {
        return ok(CHECK, format!("none of {seen} goes to a worker's lcore"));
    }
    let named = on_workers.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let dots = if on_workers.len() > NAMED { ", …" } else { "" };
    warning(
        CHECK,
        format!("{} of {seen} go to a worker's lcore: {named}{dots}", on_workers.len()),
        format!(
            "Boot with irqaffinity= the other processors, and tell irqbalance \
             IRQBALANCE_BANNED_CPULIST={lcores}."
        ),
    )
}

/// As many as are worth reading.
const NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn interrupts_on_workers_are_counted() {
        for (lcores, seen, on_workers, state, part) in [
            ("2", 0, 0, Unknown, "cannot be read"),
            ("", 40, 0, Unknown, "no appliance"),
            ("2", 40, 0, Ok, "none of 40"),
            ("2", 40, 2, Warning, "2 of 40 go to a worker's lcore: 0, 1"),
            ("2", 40, 9, Warning, "0, 1, 2, 3, 4, …"),
        ] {
            let on_workers = (0..on_workers).map(|number: u32| number.to_string()).collect();
            let facts = Facts { lcores: Processors::read(lcores), seen, on_workers };
            let finding = judge(&facts);
            assert_eq!(finding.state, state, "{facts:?}");
            assert!(finding.detail.contains(part), "{finding:?}");
        }
    }
}
