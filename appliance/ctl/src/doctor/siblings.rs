//! Does every worker have a core of its own?

use weir_core::api::Finding;

use super::machine::Machine;
use super::processors::Processors;
use super::{Placement, START_WEIR, ok, unknown, warning};

const CHECK: &str = "core-sharing";

/// Which processors are threads of one core.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The workers' lcores.
    lcores: Processors,
    /// For each of them that could be read, all threads of its core.
    cores: Vec<Processors>,
}

/// From the kernel's topology.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let core = |lcore: u32| {
        let path = format!("sys/devices/system/cpu/cpu{lcore}/topology/thread_siblings_list");
        machine.text(&path).map(|text| Processors::read(&text))
    };
    let cores = placement.lcores.iter().filter_map(core).collect();
    Facts { lcores: placement.lcores.clone(), cores }
}

/// Two workers on one core get little more done than one.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Facts { lcores, cores } = facts;
    if lcores.is_empty() {
        return unknown(CHECK, "no appliance says which lcores it uses", START_WEIR);
    }
    if cores.is_empty() {
        return unknown(
            CHECK,
            "the kernel does not show which threads share a core",
            "Is /sys mounted?",
        );
    }
    let shared = cores.iter().map(|core| core.common(lcores)).find(|it| it.iter().count() > 1);
    match shared {
        Some(shared) => warning(
            CHECK,
            format!(
                "lcores {shared} are threads of one core: together they do little more than one"
            ),
            "Name lcores of different cores in appliance.lcores.",
        ),
        None => ok(CHECK, "each worker has a core of its own"),
    }
}

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn two_workers_do_not_share_a_core() {
        for (lcores, cores, state) in [
            ("", vec![], Unknown),
            ("2-3", vec![], Unknown),
            ("2-3", vec!["2,6", "3,7"], Ok),
            ("2,6", vec!["2,6", "2,6"], Warning),
        ] {
            let cores = cores.into_iter().map(Processors::read).collect();
            let facts = Facts { lcores: Processors::read(lcores), cores };
            assert_eq!(judge(&facts).state, state, "{facts:?}");
        }
    }
}
