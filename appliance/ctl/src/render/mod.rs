//! How does a reply look on a terminal of 80 columns?
//!
//! Everything here is a function from a reply to text.
//!
//! Not here: fetching replies (`client`), `status`, which is long enough for its own file.

mod history;
mod number;
mod status;
mod table;
#[cfg(test)]
mod tests;

use serde::Serialize;
use weir_core::api::{
    Applied, Current, Error, Health, Problem, Resources, RuleHealth, Stats, Version,
};

pub(crate) use history::history;
pub(crate) use status::status;
use table::{Table, wrap};

/// Any reply as indented JSON.
pub(crate) fn json(reply: &impl Serialize) -> String {
    let Ok(text) = serde_json::to_string_pretty(reply) else {
        unreachable!("replies have string keys only, so they are always JSON");
    };
    text + "\n"
}

pub(crate) fn version(version: &Version) -> String {
    format!(
        "weir {} {} (control API {}, {})\n",
        version.version, version.name, version.api_version, version.dpdk
    )
}

/// The configuration alone, so that `weirctl get` writes what `weirctl apply` reads.
pub(crate) fn current(current: &Current) -> String {
    json(&current.configuration)
}

/// A collection, a line for each resource.
pub(crate) fn resources(found: &Resources) -> String {
    if found.resources.is_empty() {
        return "There is none.\n".into();
    }
    let mut table = Table::new("  ", [("RESOURCE", table::LEFT), ("ETAG", table::LEFT)]);
    for resource in &found.resources {
        table.row([resource.id.clone(), resource.etag.clone()]);
    }
    table.render()
}

pub(crate) fn applied(applied: &Applied, dry_run: bool) -> String {
    let Applied { generation, milliseconds, .. } = applied;
    let mut text = match (dry_run, applied.changed) {
        (true, true) => format!("Accepted, not applied: generation {generation} stays in force.\n"),
        (true, false) => format!("Accepted: the same as generation {generation}.\n"),
        (false, true) => format!("Applied as generation {generation} in {milliseconds} ms.\n"),
        (false, false) => format!("Nothing to change: generation {generation} stays in force.\n"),
    };
    if let Some(number) = applied.number {
        text += &format!("Stored as number {number} (weirctl history).\n");
    }
    if !applied.warnings.is_empty() {
        text += &format!("\n{}:\n", counted(applied.warnings.len(), "warning"));
        text += &problems(&applied.warnings);
    }
    text
}

/// An error of the appliance; a refused configuration with every problem.
pub(crate) fn error(error: &Error) -> String {
    let Some(found) = error.problems() else {
        return format!("weirctl: the appliance says: {}\n", error.message);
    };
    format!(
        "Refused; the configuration in force stays. {}:\n{}",
        counted(found.len(), "problem"),
        problems(&found)
    )
}

fn problems(problems: &[Problem]) -> String {
    let mut text = String::new();
    for Problem { pointer, code, message } in problems {
        let place = if pointer.is_empty() { "the document" } else { pointer };
        text += &format!("  {place}\n");
        text += &wrap(&format!("{code}: {message}"), "      ", "      ");
    }
    text
}

/// Counters that are not zero, one a line.
pub(crate) fn stats(stats: &Stats) -> String {
    let mut table = Table::headless("  ", &[table::LEFT, table::RIGHT]);
    for (name, value) in stats.counters.iter().filter(|(_, value)| **value > 0) {
        table.row([name.clone(), number::grouped(*value)]);
    }
    let zero = stats.counters.values().filter(|value| **value == 0).count();
    let mut text = table.render();
    if zero > 0 {
        text += &format!("  ({} at zero)\n", counted(zero, "counter"));
    }
    if text.is_empty() { "  (no counters)\n".into() } else { text }
}

/// Every member of every rule.
pub(crate) fn health(health: &Health) -> String {
    if health.load_balancers.is_empty() {
        return "No load balancer is configured.\n".into();
    }
    let mut text = String::new();
    for balancer in &health.load_balancers {
        if !text.is_empty() {
            text.push('\n');
        }
        text += &format!("{}\n", balancer.name);
        for rule in &balancer.rules {
            text += &rule_health(rule);
        }
    }
    text
}

fn rule_health(rule: &RuleHealth) -> String {
    let up = rule.members.iter().filter(|member| member.state == "Up").count();
    let probe = match &rule.probe {
        Some(probe) => format!("probe {probe}"),
        None => "no probe: every member is eligible".into(),
    };
    let mut text = format!("  {}  ({probe})  {up}/{} up\n", rule.name, rule.members.len());
    let mut members = Table::headless("    ", &[table::LEFT; 3]);
    for member in &rule.members {
        let reason = member.reason.as_deref().unwrap_or("-");
        members.row([state(&member.state), member.address.clone(), reason.into()]);
        // A member that is up needs no explanation.
        if let Some(detail) = member.detail.as_deref().filter(|_| member.state != "Up") {
            members.note(detail);
        }
    }
    text += &members.render();
    text
}

/// Down is written so that it is seen.
fn state(state: &str) -> String {
    match state {
        "Up" => "up".into(),
        "Down" => "DOWN".into(),
        other => other.into(),
    }
}

/// A count with its noun in the right number.
fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
