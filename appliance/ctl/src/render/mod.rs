//! How does a reply look on a terminal of 80 columns?
//!
//! Everything here is a function from a reply to text.
//!
//! Not here: fetching replies (`client`), `status`, which is long enough for its own file.

mod events;
mod explanation;
mod findings;
mod flows;
#[cfg(test)]
mod golden;
mod history;
mod members;
mod number;
mod plan;
mod snat;
mod snat_history;
mod status;
mod style;
mod table;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;
use weir_core::api::{
    Applied, Current, Error, Health, Problem, Resources, RuleHealth, Stats, Version,
};
use weir_core::config::FileProblem;

pub(crate) use events::event;
pub(crate) use explanation::explanation;
pub(crate) use findings::findings;
pub(crate) use flows::{end_of_flows, flows, summary};
pub(crate) use history::history;
pub(crate) use members::{drained, mappings, members, without_probe};
pub(crate) use plan::plan;
pub(crate) use snat::snat;
pub(crate) use status::status;
use style::{BAD, GOOD, HEADING, ODD, of_state, paint};
use table::{Cell, Table, wrap};

/// Any reply as indented JSON.
pub(crate) fn json(reply: &impl Serialize) -> String {
    let Ok(text) = serde_json::to_string_pretty(reply) else {
        unreachable!("replies have string keys only, so they are always JSON");
    };
    text + "\n"
}

/// What these lists of a reply hold, an object a line.
pub(crate) fn json_lines(reply: &Value, lists: &[&str]) -> String {
    let lists = lists.iter().filter_map(|list| reply.get(list)?.as_array());
    lists.flatten().map(|item| format!("{item}\n")).collect()
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
    let done = |text: &str| paint(GOOD, text);
    let mut text = match (dry_run, applied.changed) {
        (true, true) => {
            format!("{}, not applied: generation {generation} stays in force.\n", done("Accepted"))
        }
        (true, false) => {
            format!("{}: the same as generation {generation}.\n", done("Accepted"))
        }
        (false, true) => {
            format!("{} as generation {generation} in {milliseconds} ms.\n", done("Applied"))
        }
        (false, false) => format!("Nothing to change: generation {generation} stays in force.\n"),
    };
    if let Some(number) = applied.number {
        text += &format!("Stored as number {number} (weirctl history).\n");
    }
    text + &warned(applied.warnings.len(), &problems(&applied.warnings))
}

/// Warnings of a configuration that came from files.
pub(crate) fn warnings(warnings: &[FileProblem]) -> String {
    warned(warnings.len(), &problems_of_files(warnings))
}

fn warned(count: usize, list: &str) -> String {
    if count == 0 {
        return String::new();
    }
    format!("\n{}:\n{list}", paint(ODD, &counted(count, "warning")))
}

/// An error of the appliance; a refused configuration with every problem.
pub(crate) fn error(error: &Error) -> String {
    let Some(found) = error.problems() else {
        return format!("weirctl: the appliance says: {}\n", error.message);
    };
    told(found.len(), &problems(&found))
}

/// The problems of a configuration that came from several files.
pub(crate) fn refused(problems: &[FileProblem]) -> String {
    told(problems.len(), &problems_of_files(problems))
}

fn told(count: usize, list: &str) -> String {
    let refused = paint(BAD, "Refused; the configuration in force stays.");
    format!("{refused} {}:\n{list}", counted(count, "problem"))
}

fn problems(problems: &[Problem]) -> String {
    let told = problems.iter().map(|it| problem("", &it.pointer, &it.code, &it.message));
    told.collect()
}

fn problems_of_files(problems: &[FileProblem]) -> String {
    let told = problems
        .iter()
        .map(|FileProblem { file, problem: it }| problem(file, &it.pointer, &it.code, &it.message));
    told.collect()
}

fn problem(file: &str, pointer: &str, code: &str, message: &str) -> String {
    let place = match (file, pointer) {
        ("", "") => "the document".to_owned(),
        (file, "") => file.to_owned(),
        ("", pointer) => pointer.to_owned(),
        (file, pointer) => format!("{file} {pointer}"),
    };
    let place = paint(HEADING, &place);
    format!("  {place}\n{}", wrap(&format!("{code}: {message}"), "      ", "      "))
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
        text += &format!("{}\n", paint(HEADING, &balancer.name));
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
        members.row([state(&member.state), member.address.as_str().into(), reason.into()]);
        // A member that is up needs no explanation.
        if let Some(detail) = member.detail.as_deref().filter(|_| member.state != "Up") {
            members.note(detail);
        }
    }
    text += &members.render();
    text
}

/// Down is written so that it is seen.
fn state(state: &str) -> Cell {
    let word = match state {
        "Up" => "up",
        "Down" => "DOWN",
        other => other,
    };
    Cell::styled(word, of_state(state))
}

/// A count with its noun in the right number.
fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
