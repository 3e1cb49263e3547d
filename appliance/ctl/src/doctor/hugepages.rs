//! Are there hugepages for packet buffers, where the NICs are?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{Placement, ok, problem, unknown, warning};

const CHECK: &str = "hugepages";

/// Hugepages of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// By size; `None` when they cannot be read.
    sizes: Option<Vec<Pages>>,
    /// Whether a port is a real NIC.
    has_nic: bool,
    /// Whether an appliance runs, which has taken what it needs.
    is_running: bool,
    /// The NUMA nodes of the NICs.
    nic_nodes: Vec<i64>,
}

/// Hugepages of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pages {
    kibibytes: u64,
    reserved: i64,
    free: i64,
    /// NUMA node and its pages.
    by_node: Vec<(i64, i64)>,
}

/// From the kernel's counts, for the machine and for each node.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let sizes = machine.names(POOLS).map(|names| {
        let pages = |name: &String| {
            let kibibytes = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
            let count = |what: &str| machine.number(&format!("{POOLS}/{name}/{what}"));
            let (reserved, free) = (count("nr_hugepages")?, count("free_hugepages")?);
            Some(Pages { kibibytes, reserved, free, by_node: by_node(machine, name) })
        };
        names.iter().filter_map(pages).collect()
    });
    let node = |device| machine.number(&format!("sys/bus/pci/devices/{device}/numa_node"));
    Facts {
        sizes,
        has_nic: placement.pci_devices().next().is_some(),
        is_running: !placement.lcores.is_empty(),
        nic_nodes: placement.pci_devices().filter_map(node).filter(|node| *node >= 0).collect(),
    }
}

fn by_node(machine: &Machine<'_>, size: &str) -> Vec<(i64, i64)> {
    let names = machine.names(NODES).unwrap_or_default();
    let pages = |name: &String| {
        let node = name.strip_prefix("node")?.parse().ok()?;
        let path = format!("{NODES}/{name}/hugepages/{size}/nr_hugepages");
        Some((node, machine.number(&path)?))
    };
    names.iter().filter_map(pages).collect()
}

/// Software devices do without them; a NIC does not, and wants them on its own node.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(sizes) = &facts.sizes else {
        let detail = format!("/{POOLS} cannot be read");
        return unknown(CHECK, detail, "Take a kernel with CONFIG_HUGETLBFS.");
    };
    let reserved: Vec<_> = sizes.iter().filter(|pages| pages.reserved > 0).collect();
    if reserved.is_empty() {
        let remedy = format!(
            "echo 1024 > /{POOLS}/hugepages-2048kB/nr_hugepages, or boot with hugepagesz=1G \
             hugepages=4; then restart weir."
        );
        return if facts.has_nic {
            problem(CHECK, "none is reserved, and real NICs need them", remedy)
        } else {
            warning(CHECK, "none is reserved: real NICs need them, and others are slower", remedy)
        };
    }
    let said: Vec<_> = reserved.iter().map(|pages| said(pages)).collect();
    let said = said.join("; ");
    let has = |node: i64| {
        reserved.iter().any(|pages| {
            let of_node = pages.by_node.iter().find(|(number, _)| *number == node);
            of_node.is_none_or(|(_, count)| *count > 0)
        })
    };
    if let Some(node) = facts.nic_nodes.iter().find(|node| !has(**node)) {
        let detail = format!("{said}; none on NUMA node {node}, where a NIC is");
        let remedy = format!(
            "echo 1024 > /{NODES}/node{node}/hugepages/hugepages-2048kB/nr_hugepages, and restart \
             weir."
        );
        return warning(CHECK, detail, remedy);
    }
    if !facts.is_running && reserved.iter().all(|pages| pages.free == 0) {
        let detail = format!("{said}: nothing is left for weir");
        return warning(CHECK, detail, "End what uses them, or reserve more.");
    }
    ok(CHECK, said)
}

fn said(pages: &Pages) -> String {
    let size = match pages.kibibytes {
        GIBIBYTE => "1 GiB".to_owned(),
        kibibytes if kibibytes >= 1_024 => format!("{} MiB", kibibytes / 1_024),
        kibibytes => format!("{kibibytes} KiB"),
    };
    let mut text = format!("{} of {size}, {} free", pages.reserved, pages.free);
    if pages.by_node.len() > 1 {
        let nodes = pages.by_node.iter().map(|(node, count)| format!("node {node}: {count}"));
        text += &format!(" ({})", nodes.collect::<Vec<_>>().join(", "));
    }
    text
}

const POOLS: &str = "sys/kernel/mm/hugepages";
const NODES: &str = "sys/devices/system/node";
const GIBIBYTE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Unknown, Warning};

    use super::*;

    fn pages(kibibytes: u64, reserved: i64, free: i64, by_node: &[(i64, i64)]) -> Pages {
        Pages { kibibytes, reserved, free, by_node: by_node.to_vec() }
    }

    #[test]
    fn a_nic_needs_pages_on_its_node_and_software_devices_need_none() {
        let two_nodes = pages(2_048, 1_024, 512, &[(0, 1_024), (1, 0)]);
        let nic = Facts { has_nic: true, is_running: true, ..Facts::default() };
        for (facts, state, part) in [
            (Facts::default(), Unknown, "cannot be read"),
            (Facts { sizes: Some(vec![]), ..nic.clone() }, Problem, "real NICs need them"),
            (Facts { sizes: Some(vec![]), ..Facts::default() }, Warning, "none is reserved"),
            (
                Facts { sizes: Some(vec![pages(2_048, 0, 0, &[])]), ..Facts::default() },
                Warning,
                "none is reserved",
            ),
            (
                Facts {
                    sizes: Some(vec![pages(1 << 20, 4, 2, &[]), pages(2_048, 256, 0, &[])]),
                    ..nic.clone()
                },
                Ok,
                "4 of 1 GiB, 2 free; 256 of 2 MiB, 0 free",
            ),
            (
                Facts { sizes: Some(vec![two_nodes.clone()]), nic_nodes: vec![1], ..nic.clone() },
                Warning,
                "none on NUMA node 1",
            ),
            (
                Facts { sizes: Some(vec![two_nodes]), nic_nodes: vec![0], ..nic.clone() },
                Ok,
                "(node 0: 1024, node 1: 0)",
            ),
            (
                Facts { sizes: Some(vec![pages(2_048, 256, 0, &[])]), ..Facts::default() },
                Warning,
                "nothing is left",
            ),
        ] {
            let finding = judge(&facts);
            assert_eq!(finding.state, state, "{facts:?}");
            assert!(finding.detail.contains(part), "{finding:?}");
        }
    }
}
