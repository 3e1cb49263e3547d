//! Is this machine fit for polling NICs, and what is to be done about it?
//!
//! ```text
//!   Machine (/proc, /sys) ──► read: facts ──► judge ──► Finding, one file a question
//!   Placement (which lcores and devices the appliance uses) ─┘
//! ```
//!
//! Needs neither an appliance nor privileges; what may not be read is `Unknown`. Facts are read and
//! judged apart, so that every judgement is tested without a machine.
//!
//! Not here: links, routes, neighbours and workers, which the appliance judges (`diagnose`).

mod frequency;
mod hugepages;
mod interrupts;
mod iommu;
mod isolation;
mod kernel;
mod machine;
mod numa;
mod open_files;
mod processor;
mod processors;
mod siblings;
mod swap;
mod transparent_hugepages;
mod virtual_machine;

use std::path::Path;

use weir_core::api::{Finding, FindingState};

use machine::Machine;
use processors::Processors;

/// What of the machine the appliance uses; nothing of either when none answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Placement {
    /// The lcores of its workers.
    pub(crate) lcores: Processors,
    /// The devices of its ports: PCI addresses and names of virtual devices.
    pub(crate) devices: Vec<String>,
}

impl Placement {
    /// Those devices that are on the PCI bus.
    fn pci_devices(&self) -> impl Iterator<Item = &str> {
        self.devices.iter().map(|device| address(device)).filter(|device| is_pci(device))
    }
}

/// Looks at the machine whose `/proc` and `/sys` are below `root`.
pub(crate) fn examine(root: &Path, placement: &Placement) -> Vec<Finding> {
    let machine = Machine::new(root);
    vec![
        kernel::judge(kernel::read(&machine).as_deref()),
        processor::judge(processor::read(&machine).as_ref()),
        virtual_machine::judge(&virtual_machine::read(&machine, placement)),
        hugepages::judge(&hugepages::read(&machine, placement)),
        transparent_hugepages::judge(transparent_hugepages::read(&machine).as_deref()),
        iommu::judge(&iommu::read(&machine, placement)),
        numa::judge(&numa::read(&machine, placement)),
        isolation::judge(&isolation::read(&machine, placement)),
        siblings::judge(&siblings::read(&machine, placement)),
        interrupts::judge(&interrupts::read(&machine, placement)),
        frequency::judge(&frequency::read(&machine, placement)),
        open_files::judge(&open_files::read(&machine)),
        swap::judge(swap::read(&machine)),
    ]
}

/// A device without the arguments that may follow it.
fn address(device: &str) -> &str {
    device.split(',').next().unwrap_or(device)
}

/// Whether it is written as DDDD:BB:DD.F.
fn is_pci(device: &str) -> bool {
    let parts: Vec<_> = device.split([':', '.']).collect();
    let is_hexadecimal = |part: &&str| part.chars().all(|digit| digit.is_ascii_hexdigit());
    matches!(parts[..], [domain, bus, slot, function]
        if domain.len() == 4 && bus.len() == 2 && slot.len() == 2 && function.len() == 1)
        && parts.iter().all(is_hexadecimal)
}

fn ok(check: &str, detail: impl Into<String>) -> Finding {
    finding(check, FindingState::Ok, detail, "")
}

fn unknown(check: &str, detail: impl Into<String>, remedy: &str) -> Finding {
    finding(check, FindingState::Unknown, detail, remedy)
}

fn warning(check: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
    finding(check, FindingState::Warning, detail, remedy)
}

fn problem(check: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Finding {
    finding(check, FindingState::Problem, detail, remedy)
}

fn finding(
    check: &str,
    state: FindingState,
    detail: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding { check: check.to_owned(), state, detail: detail.into(), remedy: remedy.into() }
}

/// What to do where no appliance says which lcores matter.
const START_WEIR: &str = "Start weir and look again.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_shows_nothing_is_unknown_and_not_fine() {
        let empty = tempfile::TempDir::new().expect("a directory");
        let placement = Placement {
            lcores: Processors::from_iter([2, 3]),
            devices: vec!["0000:01:00.0".into()],
        };
        for finding in examine(empty.path(), &placement) {
            assert_eq!(finding.state, FindingState::Unknown, "{finding:?}");
            assert!(!finding.detail.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
        }
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let findings = examine(Path::new("/"), &Placement::default());
        assert!(findings.iter().all(|finding| !finding.detail.is_empty()), "{findings:?}");
        let is_silent = |it: &Finding| it.remedy.is_empty() && it.state != FindingState::Ok;
        assert!(!findings.iter().any(is_silent), "each says what to do: {findings:?}");
        let is_kebab = |it: &Finding| it.check.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(findings.iter().all(is_kebab), "{findings:?}");
    }

    #[test]
    fn pci_devices_are_told_from_virtual_ones() {
        for (device, expected) in [
            ("0000:01:00.0", true),
            ("0000:01:00.0,representor=0", true),
            ("net_tap0,iface=front", false),
            ("01:00.0", false),
        ] {
            let placement = Placement { devices: vec![device.into()], ..Placement::default() };
            assert_eq!(placement.pci_devices().count() == 1, expected, "{device}");
        }
    }
}
