//! Can DPDK have the NICs, and does an IOMMU keep them to their own memory?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{Placement, ok, problem, unknown, warning};

const CHECK: &str = "iommu";

/// The IOMMU and the NICs behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Groups that there are; `None` when they cannot be read.
    groups: Option<usize>,
    /// The NICs that the appliance uses.
    nics: Vec<Nic>,
    /// Whether there is an appliance.
    is_running: bool,
}

/// A NIC of the appliance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Nic {
    address: String,
    /// The kernel's driver.
    driver: Option<String>,
    /// Whether it is in a group: behind an IOMMU.
    has_group: bool,
}

/// From the kernel's groups and PCI devices.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let nic = |address: &str| Nic {
        address: address.to_owned(),
        driver: machine.link(&format!("sys/bus/pci/devices/{address}/driver")),
        has_group: machine.link(&format!("sys/bus/pci/devices/{address}/iommu_group")).is_some(),
    };
    let is_visible = machine.has("sys/bus/pci") || machine.has("sys/kernel/iommu_groups");
    let groups = machine.names("sys/kernel/iommu_groups").map(|groups| groups.len());
    Facts {
        groups: groups.or_else(|| is_visible.then_some(0)),
        nics: placement.pci_devices().map(nic).collect(),
        is_running: !placement.lcores.is_empty(),
    }
}

/// A NIC without an IOMMU works, and may write anywhere.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(groups) = facts.groups else {
        return unknown(CHECK, "/sys cannot be read", "Is /sys mounted?");
    };
    if let Some(nic) = facts.nics.iter().find(|nic| !nic.is_for_dpdk()) {
        let driver = nic.driver.as_deref().unwrap_or("no driver");
        let detail = format!("{} is with {driver}, where DPDK cannot use it", nic.address);
        let remedy = format!("dpdk-devbind.py --bind=vfio-pci {}, and restart weir.", nic.address);
        return problem(CHECK, detail, remedy);
    }
    let exposed = facts.nics.iter().find(|nic| !nic.has_group && !nic.keeps_its_driver());
    if let Some(nic) = exposed {
        let detail = format!("no IOMMU guards {}: it can write to all memory", nic.address);
        return warning(CHECK, detail, TURN_ON);
    }
    if facts.nics.is_empty() && groups == 0 && !facts.is_running {
        let detail = "none is in use: vfio-pci takes a NIC only without its protection";
        return warning(CHECK, detail, TURN_ON);
    }
    if facts.nics.is_empty() {
        return ok(CHECK, "no port needs one");
    }
    let drivers = facts.nics.iter().filter_map(|nic| Some((&nic.address, nic.driver.as_ref()?)));
    let said: Vec<_> = drivers.map(|(nic, driver)| format!("{nic} is with {driver}")).collect();
    ok(CHECK, said.join(", "))
}

impl Nic {
    fn is_for_dpdk(&self) -> bool {
        let known = ["vfio-pci", "uio_pci_generic", "igb_uio"];
        self.keeps_its_driver() || self.driver.as_deref().is_some_and(|it| known.contains(&it))
    }

    /// Mellanox cards are used through their kernel driver, and protected by it.
    fn keeps_its_driver(&self) -> bool {
        self.driver.as_deref().is_some_and(|driver| driver.starts_with("mlx"))
    }
}

const TURN_ON: &str = "Turn it on in the firmware and boot with intel_iommu=on or amd_iommu=on; a \
                       guest gets one from its host.";

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Unknown, Warning};

    use super::*;

    #[test]
    fn a_nic_is_with_vfio_and_behind_an_iommu() {
        let nic = |driver: Option<&str>, has_group| {
            let driver = driver.map(str::to_owned);
            vec![Nic { address: "0000:01:00.0".into(), driver, has_group }]
        };
        for (groups, nics, state, part) in [
            (None, vec![], Unknown, "/sys"),
            (Some(0), vec![], Warning, "none is in use"),
            (Some(12), vec![], Ok, "no port needs one"),
            (Some(12), nic(Some("vfio-pci"), true), Ok, "0000:01:00.0 is with vfio-pci"),
            (Some(0), nic(Some("vfio-pci"), false), Warning, "all memory"),
            (Some(12), nic(Some("mlx5_core"), false), Ok, "is with mlx5_core"),
            (Some(12), nic(Some("ice"), true), Problem, "is with ice"),
            (Some(12), nic(None, true), Problem, "no driver"),
        ] {
            let facts = Facts { groups, nics, is_running: false };
            let finding = judge(&facts);
            assert_eq!(finding.state, state, "{facts:?}");
            assert!(finding.detail.contains(part), "{finding:?}");
        }
        let software = Facts { groups: Some(0), is_running: true, ..Facts::default() };
        assert_eq!(judge(&software).state, Ok, "software devices need no IOMMU");
    }
}
