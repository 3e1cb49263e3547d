//! Does every text case hold, with 1, 2 and 4 workers?

use std::collections::BTreeMap;

use golden::case;
use weir_core::telemetry::{DropReason, PuntClass};

/// What no packet can bring about here, and why.
const UNREACHED: &[(&str, &str)] = &[
    ("handoff_full", "rings belong to the shell; here queues have no bound"),
    ("relay_full", "rings belong to the shell"),
    ("transmit_queue_full", "transmit queues belong to the shell"),
    ("punt_full", "rings belong to the shell"),
    ("announcement_failed", "announcements belong to the shell"),
    ("ambiguous_endpoint", "the configuration check refuses two rules to one port of a member"),
    ("handoff_loop", "needs workers that read different snapshots; shown in ownership.rs"),
];

#[test]
fn every_case_holds_with_any_number_of_workers() {
    let bless = std::env::var("BLESS").is_ok_and(|value| value == "1");
    let only = std::env::var("CASE").unwrap_or_default();
    let mut failures = Vec::new();
    let mut moved: BTreeMap<String, u64> = BTreeMap::new();
    let mut handed_over: BTreeMap<u8, u64> = BTreeMap::new();
    for path in case::all() {
        if !path.to_string_lossy().contains(&only) {
            continue;
        }
        let name = path.strip_prefix(golden::document::cases()).unwrap_or(&path).to_owned();
        let result = std::panic::catch_unwind(|| case::check(&path, bless));
        match result {
            Ok(Ok(outcome)) => {
                for (name, amount) in outcome.moved {
                    *moved.entry(name).or_default() += amount;
                }
                for (workers, amount) in outcome.handed_over {
                    *handed_over.entry(workers).or_default() += amount;
                }
            }
            Ok(Err(sentence)) => failures.push(format!("{}: {sentence}", name.display())),
            Err(_) => failures.push(format!("{}: panicked, see above", name.display())),
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n\n"));
    if only.is_empty() {
        check_reach(&moved, &handed_over);
    }
}

/// The table of `docs/testing.md` says which case shows which line of Azure's outbound SNAT.
#[test]
fn the_table_of_outbound_cases_names_cases_that_are_there() {
    let page = golden::document::cases().join("../../../docs/testing.md");
    let page = std::fs::read_to_string(page).expect("docs/testing.md");
    let (_, table) = page.split_once("line by line").expect("the table's heading");
    let rows = table
        .lines()
        .skip_while(|row| !row.starts_with("| 4.1"))
        .take_while(|row| row.starts_with('|'));
    let named: Vec<_> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    let names = named.iter().filter(|name| name.contains("_"));
    let missing: Vec<_> = names
        .filter(|name| {
            let path =
                if name.contains('/') { (**name).to_owned() } else { format!("outbound/{name}") };
            !golden::document::cases().join(format!("{path}.golden")).exists()
        })
        .collect();
    assert!(named.len() > 40 && missing.is_empty(), "{} named, missing: {missing:?}", named.len());
}

/// Holds the cases together against what there is to show.
fn check_reach(moved: &BTreeMap<String, u64>, handed_over: &BTreeMap<u8, u64>) {
    assert_eq!(handed_over[&1], 0, "one worker has nobody to hand over to");
    assert!(handed_over[&2] > 0 && handed_over[&4] > 0, "{handed_over:?}");
    let names: Vec<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !moved.contains_key(&format!("drop_{name}_packets")))
        .filter(|name| UNREACHED.iter().all(|(unreached, _)| unreached != *name))
        .collect();
    assert!(missing.is_empty(), "drop reasons without a case: {missing:?}");
    for class in PuntClass::ALL {
        assert!(moved.contains_key(&format!("punt_{}_packets", class.name())), "{class:?}");
    }
}
