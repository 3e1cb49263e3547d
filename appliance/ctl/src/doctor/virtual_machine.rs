//! Is this a virtual machine, and does its host take processors away from workers?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{Placement, ok, unknown, warning};

const CHECK: &str = "virtual-machine";

/// What is known of a host below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Whether the processor says so; `None` when it cannot be read.
    is_guest: Option<bool>,
    /// What made it.
    product: Option<String>,
    /// Of all time of the workers' processors since the boot, what the host took, in thousandths.
    stolen_permille: u64,
}

/// From the processor's flags, the firmware and the kernel's account of time.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let flags = machine.text("proc/cpuinfo");
    let product = ["sys_vendor", "product_name"]
        .into_iter()
        .filter_map(|name| machine.text(&format!("sys/class/dmi/id/{name}")))
        .filter(|text| !text.is_empty());
    let product = product.collect::<Vec<_>>().join(" ");
    Facts {
        is_guest: flags.map(|text| text.split_whitespace().any(|word| word == "hypervisor")),
        product: Some(product).filter(|product| !product.is_empty()),
        stolen_permille: machine
            .text("proc/stat")
            .map_or(0, |text| stolen_permille(&text, placement)),
    }
}

/// Of the workers' processors, or of all: `cpuN user nice system idle iowait irq softirq steal …`
/// (proc(5)).
fn stolen_permille(text: &str, placement: &Placement) -> u64 {
    let (mut all, mut stolen) = (0_u64, 0_u64);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|name| name.strip_prefix("cpu"));
        let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) else { continue };
        if !placement.lcores.is_empty() && !placement.lcores.has(number) {
            continue;
        }
        let times: Vec<u64> = words.take(8).filter_map(|word| word.parse().ok()).collect();
        all = all.saturating_add(times.iter().sum());
        stolen = stolen.saturating_add(times.get(7).copied().unwrap_or_default());
    }
    stolen.saturating_mul(1000).checked_div(all).unwrap_or_default()
}

/// A guest is fine as long as its processors are its own.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Facts { is_guest, product, stolen_permille } = facts;
    let product = product.as_deref().unwrap_or("of unknown make");
    match is_guest {
        None => unknown(CHECK, "/proc/cpuinfo cannot be read", "Is /proc mounted?"),
        Some(false) => ok(CHECK, format!("no ({product})")),
        Some(true) if *stolen_permille >= STOLEN_PERMILLE => {
            let (whole, tenth) = (stolen_permille / 10, stolen_permille % 10);
            let detail = format!(
                "a guest ({product}) whose host took {whole}.{tenth} % of the processors' time \
                 since the boot: packets waited meanwhile"
            );
            warning(CHECK, detail, "Give the guest processors of its own (pinning) on the host.")
        }
        Some(true) => ok(CHECK, format!("a guest ({product}); its host takes no time away")),
    }
}

/// A millisecond of each second fills the queue of a NIC at ten gigabits.
const STOLEN_PERMILLE: u64 = 1;

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::super::processors::Processors;
    use super::*;

    #[test]
    fn a_guest_is_fine_while_its_processors_are_its_own() {
        for (is_guest, stolen_permille, state, part) in [
            (None, 0, Unknown, "cpuinfo"),
            (Some(false), 500, Ok, "no (KVM)"),
            (Some(true), 0, Ok, "takes no time away"),
            (Some(true), 12, Warning, "took 1.2 %"),
        ] {
            let product = Some("KVM".to_owned());
            let finding = judge(&Facts { is_guest, product, stolen_permille });
            assert_eq!(finding.state, state);
            assert!(finding.detail.contains(part), "{finding:?}");
        }
    }

    #[test]
    fn stolen_time_is_that_of_the_workers_processors() {
        let text =
            "cpu  9 0 0 0 0 0 0 9 0 0\ncpu0 50 0 0 0 0 0 0 50 0 0\ncpu1 9 0 0 990 0 0 0 1 0 0";
        let of = |lcores: &str| {
            let lcores = Processors::read(lcores);
            stolen_permille(text, &Placement { lcores, ..Placement::default() })
        };
        assert_eq!([of("0"), of("1"), of("")], [500, 1, 46]);
        assert_eq!(stolen_permille("", &Placement::default()), 0);
    }
}
