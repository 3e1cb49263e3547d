//! Do workers run beside the NICs whose packets they handle?

use weir_core::api::Finding;

use super::machine::Machine;
use super::processors::Processors;
use super::{Placement, START_WEIR, ok, unknown, warning};

const CHECK: &str = "numa";

/// Where workers and NICs are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Each node's processors.
    nodes: Vec<(i64, Processors)>,
    /// The workers' lcores.
    lcores: Processors,
    /// NICs and their nodes; -1 where the kernel does not know.
    nics: Vec<(String, i64)>,
}

/// From the kernel's nodes and PCI devices.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let names = machine.names(NODES).unwrap_or_default();
    let node = |name: &String| {
        let number = name.strip_prefix("node")?.parse().ok()?;
        let processors = machine.text(&format!("{NODES}/{name}/cpulist"))?;
        Some((number, Processors::read(&processors)))
    };
    let nic = |device: &str| {
        let path = format!("sys/bus/pci/devices/{device}/numa_node");
        (device.to_owned(), machine.number(&path).unwrap_or(-1))
    };
    Facts {
        nodes: names.iter().filter_map(node).collect(),
        lcores: placement.lcores.clone(),
        nics: placement.pci_devices().map(nic).collect(),
    }
}

/// Memory of another node costs about half as much again.
pub(super) fn judge(facts: &Facts) -> Finding {
    match (facts.nodes.len(), facts.lcores.is_empty()) {
        (0, _) => return unknown(CHECK, "the kernel shows no NUMA nodes", "Is /sys mounted?"),
        (1, _) => return ok(CHECK, "one node: everything is near"),
        (many, true) => {
            return unknown(
                CHECK,
                format!("{many} nodes, and no appliance that says which it uses"),
                START_WEIR,
            );
        }
        (_, false) => {}
    }
    for (nic, node) in facts.nics.iter().filter(|(_, node)| *node >= 0) {
        let near = facts.nodes.iter().find(|(number, _)| number == node).map(|(_, near)| near);
        let Some(far) = near.map(|near| facts.lcores.without(near)) else { continue };
        if !far.is_empty() {
            let detail = format!("lcores {far} are not on node {node}, where {nic} is");
            let near = near.map(ToString::to_string).unwrap_or_default();
            let remedy =
                format!("Name lcores of node {node} in appliance.lcores (processors {near}).");
            return warning(CHECK, detail, remedy);
        }
    }
    let used = facts.nodes.iter().filter(|(_, near)| !near.common(&facts.lcores).is_empty());
    match used.count() {
        1 => ok(CHECK, format!("workers and NICs share one of {} nodes", facts.nodes.len())),
        many => warning(
            CHECK,
            format!("workers are spread over {many} nodes"),
            "Name lcores of one node in appliance.lcores.",
        ),
    }
}

const NODES: &str = "sys/devices/system/node";

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn workers_belong_beside_their_nics() {
        let one = vec![(0, Processors::read("0-7"))];
        let two = vec![(0, Processors::read("0-3")), (1, Processors::read("4-7"))];
        let nic = |node| vec![("0000:01:00.0".to_owned(), node)];
        for (nodes, lcores, nics, state, part) in [
            (vec![], "2", vec![], Unknown, "no NUMA nodes"),
            (one, "2", nic(0), Ok, "one node"),
            (two.clone(), "", nic(0), Unknown, "2 nodes"),
            (two.clone(), "2-3", nic(0), Ok, "share one of 2 nodes"),
            (two.clone(), "2-3", nic(1), Warning, "lcores 2-3 are not on node 1"),
            (two.clone(), "3-4", nic(-1), Warning, "spread over 2"),
            (two, "4-5", vec![], Ok, "share one"),
        ] {
            let facts = Facts { nodes, lcores: Processors::read(lcores), nics };
            let finding = judge(&facts);
            assert_eq!(finding.state, state, "{facts:?}");
            assert!(finding.detail.contains(part), "{finding:?}");
        }
    }
}
