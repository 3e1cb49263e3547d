//! What would a configuration change, as a diff?
//!
//! Ids and pointers are never cut: they are made to be copied.

use anstyle::Style;
use serde_json::Value;
use weir_core::api::{Difference, FlowEffect, Plan, ResourceChange};
use weir_core::config::FileProblem;

use super::number::grouped;
use super::style::{BAD, GOOD, ODD, QUIET, paint};
use super::table::{WIDTH, wrap};

/// The changes, then live flows, then warnings, then what to type.
pub(crate) fn plan(plan: &Plan, warnings: &[FileProblem]) -> String {
    let generation = plan.generation;
    let mut text = String::new();
    if plan.changed || !plan.changes.is_empty() {
        text += &format!("Against generation {generation}, etag {}:\n\n", plan.etag);
        text += &plan.changes.iter().map(change).collect::<String>();
        text += &omitted(plan.omitted);
        if plan.changed {
            text += &flows(plan);
        }
        text += &format!("\n{}\n", counts(&plan.changes));
        if !plan.changed {
            text += "None of it changes what becomes of packets.\n";
        }
    } else {
        text += &format!("Nothing would change: generation {generation} stays in force.\n");
    }
    text + &super::warnings(warnings)
}

fn change(change: &ResourceChange) -> String {
    let (mark, style) = match change.change.as_str() {
        "Add" => ('+', GOOD),
        "Remove" => ('-', BAD),
        _ => ('~', ODD),
    };
    let id = if change.id.is_empty() { "the document" } else { &change.id };
    let head = paint(style, &format!("{mark} {id}"));
    let differences = change.differences.iter().map(difference);
    format!("{head}\n{}", differences.collect::<String>())
}

/// On one line, or, where that is too long, on one each. What comes or goes whole, on many.
fn difference(difference: &Difference) -> String {
    let Difference { pointer, before, after } = difference;
    if pointer.is_empty() {
        return whole(before, '-', BAD) + &whole(after, '+', GOOD);
    }
    let (before, after) = (value(before), value(after));
    let line = format!("    {pointer}: {before} → {after}");
    if line.chars().count() <= WIDTH {
        let (before, after) = (paint(BAD, &before), paint(GOOD, &after));
        return format!("    {pointer}: {before} → {after}\n");
    }
    let before = paint(BAD, &format!("- {before}"));
    let after = paint(GOOD, &format!("+ {after}"));
    format!("    {pointer}:\n      {before}\n      {after}\n")
}

fn whole(value: &Value, mark: char, style: Style) -> String {
    if value.is_null() {
        return String::new();
    }
    let text = super::json(value);
    // The braces around it say nothing.
    let inner = text.lines().filter_map(|line| line.strip_prefix("  "));
    let shown = inner.clone().take(LINES_MAX);
    let mut shown: String =
        shown.map(|line| paint(style, &format!("    {mark} {line}")) + "\n").collect();
    if let Some(hidden @ 1..) = inner.count().checked_sub(LINES_MAX) {
        shown += &format!("      … and {hidden} more lines (-o json)\n");
    }
    shown
}

fn value(value: &Value) -> String {
    let text = if value.is_null() { "nothing".to_owned() } else { value.to_string() };
    if text.chars().count() <= VALUE_MAX {
        return text;
    }
    text.chars().take(VALUE_MAX).collect::<String>() + "…"
}

fn omitted(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "… and 1 more difference.\n".to_owned(),
        many => format!("… and {} more differences.\n", grouped(many)),
    }
}

fn flows(plan: &Plan) -> String {
    let total = plan.flows;
    let part = |style, count: u64, word: &str| {
        let text = format!("{} {word}", grouped(count));
        if count > 0 { paint(style, &text) } else { text }
    };
    let mut text = format!(
        "\nLive flows: {}, {}, {}\n",
        part(GOOD, total.keep, "keep"),
        part(ODD, total.drain, "drain"),
        part(BAD, total.end, "end")
    );
    for effect in &plan.effects {
        text += &flow_effect(effect);
    }
    if plan.effects_omitted > 0 {
        text += &format!("  … and {} more rules and members\n", grouped(plan.effects_omitted));
    }
    text
}

fn flow_effect(effect: &FlowEffect) -> String {
    let style = match effect.effect.as_str() {
        "Keep" => GOOD,
        "End" => BAD,
        _ => ODD,
    };
    let word = effect.effect.to_lowercase();
    let word = paint(style, &word) + &" ".repeat(5_usize.saturating_sub(word.len()));
    let count = grouped(effect.flows);
    let mut text = format!("  {word}  {count:>9}  {}\n", effect.id);
    if !effect.why.is_empty() {
        let margin = " ".repeat(20);
        text += &paint(QUIET, &wrap(&effect.why, &margin, &margin));
    }
    text
}

fn counts(changes: &[ResourceChange]) -> String {
    let of = |word: &str| changes.iter().filter(|change| change.change == word).count();
    let (add, remove) = (of("Add"), of("Remove"));
    let rest = changes.len() - add - remove;
    format!("{add} to add, {rest} to change, {remove} to remove.")
}

/// What is longer is shown whole by `-o json`.
const VALUE_MAX: usize = 300;
/// Lines of a resource that comes or goes.
const LINES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::golden::assert_golden;
    use super::super::style::plain;
    use super::*;

    fn example() -> Plan {
        serde_json::from_value(json!({
            "generation": 7, "etag": "0123456789abcdef", "changed": true,
            "changes": [
                {"id": "loadBalancers/web/probes/https", "change": "Add", "differences": [
                    {"pointer": "", "after": {"name": "https", "properties": {"port": 443}}}]},
                {"id": "loadBalancers/web/probes/http", "change": "Remove", "differences": [
                    {"pointer": "", "before": {"name": "http", "list": (0..30).collect::<Vec<_>>()}}]},
                {"id": "loadBalancers/web/loadBalancingRules/http", "change": "Change",
                 "differences": [
                    {"pointer": "/properties/idleTimeoutInMinutes", "before": null, "after": 9},
                    {"pointer": "/properties/probe/id", "before": "loadBalancers/web/probes/http",
                     "after": "loadBalancers/web/probes/https"}
                 ]}
            ],
            "omitted": 2,
            "flows": {"keep": 12_000, "drain": 0, "end": 3},
            "effects": [
                {"id": "loadBalancers/web/loadBalancingRules/http", "effect": "Keep",
                 "flows": 12_000, "why": "its frontend and its pool stay as they are"},
                {"id": "loadBalancers/web/outboundRules/out", "effect": "End", "flows": 3}
            ]
        }))
        .expect("a plan")
    }

    #[test]
    fn a_plan_reads_as_a_diff() {
        let page = plain(&plan(&example(), &[]));
        assert_golden("plan", &page);
    }

    #[test]
    fn what_comes_is_green_and_what_goes_is_red() {
        let page = plan(&example(), &[]);
        assert!(page.contains("\u{1b}[32m+ loadBalancers/web/probes/https\u{1b}[0m"), "{page:?}");
        assert!(page.contains("\u{1b}[31m- loadBalancers/web/probes/http\u{1b}[0m"), "{page:?}");
    }

    #[test]
    fn no_change_is_one_sentence() {
        let page = plan(&Plan { generation: 7, ..Plan::default() }, &[]);
        assert_eq!(page, "Nothing would change: generation 7 stays in force.\n");
    }

    #[test]
    fn a_change_that_packets_do_not_feel_is_shown_and_called_so() {
        let page = plain(&plan(&Plan { changed: false, ..example() }, &[]));
        assert!(page.contains("+ loadBalancers/web/probes/https") && !page.contains("Live flows"));
        assert!(page.ends_with("None of it changes what becomes of packets.\n"), "{page}");
    }

    #[test]
    fn a_long_value_is_cut_where_it_says_so() {
        let pointer = "/properties/x".into();
        let long = Difference { pointer, after: json!("x".repeat(1_000)), ..Difference::default() };
        let text = plain(&difference(&long));
        assert!(text.contains("- nothing\n") && text.ends_with("xx…\n"), "{text}");
    }
}
