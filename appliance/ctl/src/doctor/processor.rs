//! Has the processor what DPDK is built for, and a clock that can be trusted?

use weir_core::api::Finding;

use super::machine::Machine;
use super::{ok, problem, unknown, warning};

const CHECK: &str = "processor";

/// The processor, as the kernel sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    model: String,
    /// What x86 calls flags; `None` on other architectures.
    flags: Option<Vec<String>>,
}

/// The first processor: nobody mixes kinds in one machine.
pub(super) fn read(machine: &Machine<'_>) -> Option<Facts> {
    let text = machine.text("proc/cpuinfo")?;
    let value = |name: &str| {
        let line = text.lines().find(|line| line.split(':').next().map(str::trim) == Some(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let flags = value("flags").map(|flags| flags.split(' ').map(str::to_owned).collect());
    Some(Facts { model: value("model name").unwrap_or_else(|| "of unknown model".into()), flags })
}

/// DPDK's x86 builds need SSE 4.2. Timers count the time-stamp counter, which has to go on at one
/// speed (`constant_tsc`) in every state of sleep (`nonstop_tsc`).
pub(super) fn judge(facts: Option<&Facts>) -> Finding {
    let Some(Facts { model, flags }) = facts else {
        return unknown(CHECK, "/proc/cpuinfo cannot be read", "Is /proc mounted?");
    };
    let Some(flags) = flags else { return ok(CHECK, model.as_str()) };
    let has = |flag: &str| flags.iter().any(|it| it == flag);
    if !has("sse4_2") {
        let detail = format!("{model} has no SSE 4.2, without which DPDK does not start");
        return problem(CHECK, detail, "Let the virtual machine have the host's processor model.");
    }
    let lacking: Vec<_> = TRUSTED_CLOCK.into_iter().filter(|flag| !has(flag)).collect();
    if !lacking.is_empty() {
        let detail = format!("{model} lacks {}: timers may be wrong", lacking.join(" and "));
        let remedy = "In a virtual machine, let it have an invariant time-stamp counter.";
        return warning(CHECK, detail, remedy);
    }
    let vectors = ["avx512f", "avx2"].into_iter().find(|flag| has(flag)).unwrap_or("sse4_2");
    ok(CHECK, format!("{model}, {vectors}, invariant time-stamp counter"))
}

const TRUSTED_CLOCK: [&str; 2] = ["constant_tsc", "nonstop_tsc"];

#[cfg(test)]
mod tests {
    use weir_core::api::FindingState::{Ok, Problem, Unknown, Warning};

    use super::*;

    #[test]
    fn flags_decide() {
        let facts = |flags: &str| {
            let flags = Some(flags.split(' ').map(str::to_owned).collect());
            Some(Facts { model: "X".into(), flags })
        };
        let arm = Some(Facts { model: "Neoverse".into(), flags: None });
        for (facts, state, part) in [
            (None, Unknown, "cpuinfo"),
            (arm, Ok, "Neoverse"),
            (facts("sse4_1"), Problem, "SSE 4.2"),
            (facts("sse4_2 constant_tsc"), Warning, "lacks nonstop_tsc:"),
            (facts("sse4_2"), Warning, "constant_tsc and nonstop_tsc"),
            (facts("sse4_2 avx2 constant_tsc nonstop_tsc"), Ok, "avx2"),
        ] {
            let finding = judge(facts.as_ref());
            assert_eq!(finding.state, state, "{facts:?}");
            assert!(finding.detail.contains(part), "{finding:?}");
        }
    }
}
