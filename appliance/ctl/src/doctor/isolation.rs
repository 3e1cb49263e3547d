//! Does the kernel leave the workers' processors alone?

use weir_core::api::Finding;

use super::machine::Machine;
use super::processors::Processors;
use super::{Placement, START_WEIR, ok, unknown, warning};

const CHECK: &str = "lcore-isolation";

/// What the kernel keeps away from which processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The workers' lcores.
    lcores: Processors,
    /// Those without other tasks; `None` when it cannot be read.
    isolated: Option<Processors>,
    /// Those without a timer tick.
    tickless: Processors,
    /// Those without the callbacks of RCU.
    without_callbacks: Processors,
}

/// From the kernel's settings and its command line.
pub(super) fn read(machine: &Machine<'_>, placement: &Placement) -> Facts {
    let set = |name: &str| machine.text(&format!("{PROCESSORS}/{name}"));
    let command_line = machine.text("proc/cmdline").unwrap_or_default();
    let option = |name: &str| {
        let mut words = command_line.split_whitespace();
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let isolated = set("isolated").map(|text| Processors::read(&text));
    let tickless = set("nohz_full").map(|text| Processors::read(&text));
    let tickless = tickless.unwrap_or_default();
    // A processor without a tick hands its callbacks to others too (kernel-parameters.txt).
    let named = option("rcu_nocbs").map(Processors::read).unwrap_or_default();
    let without_callbacks = named.iter().chain(tickless.iter()).collect();
    Facts { lcores: placement.lcores.clone(), isolated, tickless, without_callbacks }
}

/// Whatever else runs on a worker's processor makes packets wait.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Facts { lcores, isolated, tickless, without_callbacks } = facts;
    let Some(isolated) = isolated else {
        let detail = format!("/{PROCESSORS}/isolated cannot be read");
        return unknown(CHECK, detail, "Is /sys mounted?");
    };
    if lcores.is_empty() {
        let some = if isolated.is_empty() { "none".to_owned() } else { isolated.to_string() };
        let detail = format!("no appliance says which lcores it uses; isolated: {some}");
        return unknown(CHECK, detail, START_WEIR);
    }
    let remedy = format!(
        "Boot with isolcpus={lcores} nohz_full={lcores} rcu_nocbs={lcores}, and name these in \
         appliance.lcores."
    );
    for (set, what) in [
        (isolated, "the kernel runs other tasks on"),
        (tickless, "the kernel's timer interrupts"),
        (without_callbacks, "RCU's callbacks run on"),
    ] {
        let missing = lcores.without(set);
        if !missing.is_empty() {
            let detail = format!("{what} lcores {missing}: packets wait meanwhile");
            return warning(CHECK, detail, remedy);
        }
    }
    ok(CHECK, format!("lcores {lcores} are the workers' own"))
}

const PROCESSORS: &str = "sys/devices/system/cpu";

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Unknown, Warning};

    use super::*;

    #[test]
    fn the_first_thing_that_disturbs_a_worker_is_named() {
        for (lcores, sets, state, part) in [
            ("2-3", None, Unknown, "cannot be read"),
            ("", Some(["", "", ""]), Unknown, "isolated: none"),
            ("", Some(["4", "", ""]), Unknown, "isolated: 4"),
            ("2-3", Some(["", "", ""]), Warning, "other tasks on lcores 2-3"),
            ("2-3", Some(["2", "2-3", "2-3"]), Warning, "other tasks on lcores 3"),
            ("2-3", Some(["2-3", "", ""]), Warning, "timer interrupts lcores 2-3"),
            ("2-3", Some(["2-3", "2-3", "2"]), Warning, "callbacks run on lcores 3"),
            ("2-3", Some(["1-3", "1-3", "1-3"]), Ok, "lcores 2-3"),
        ] {
            let [isolated, tickless, without_callbacks] =
                sets.unwrap_or_default().map(Processors::read);
            let facts = Facts {
                lcores: Processors::read(lcores),
                isolated: sets.map(|_| isolated),
                tickless,
                without_callbacks,
            };
            let finding = judge(&facts);
            assert_eq!(finding.state, state, "{facts:?}");
            assert!(finding.detail.contains(part), "{finding:?}");
        }
    }
}
