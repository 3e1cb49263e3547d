//! Do the pages name what the code has, and nothing else? Counters, limits and promises.
//!
//! Not here: links and text (`text.rs`), the table of `docs/unsafe.md` (`rooms.rs`).

use std::collections::BTreeSet;
use std::fs;

use tidy::{files, root, words};

const CATALOGUE: &str = "appliance/core/src/telemetry/catalogue.rs";
const LIMITS: &str = "appliance/core/src/limits.rs";

#[test]
fn every_counter_has_its_place_on_the_page_of_counters() {
    let page = read("docs/counters.md");
    let named = code_spans(&page);
    let missing: Vec<_> =
        counters().into_iter().filter(|name| !named.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/counters.md lacks:\n{}\n", missing.join("\n"));
}

#[test]
fn pages_name_no_counter_that_does_not_exist() {
    let known = counters();
    let is_counter =
        |word: &str| ["drop_", "punt_"].iter().any(|it| word.starts_with(it)) && is_packets(word);
    let mut wrong = Vec::new();
    for page in files().into_iter().filter(|file| file.has_extension("md")) {
        let unknown = words(&page.text).filter(|(_, word)| is_counter(word));
        let unknown = unknown.filter(|(_, word)| !known.contains(*word));
        wrong.extend(unknown.map(|(_, word)| format!("{}: {word}", page.path)));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_limit_has_its_row_on_the_page_of_limits() {
    let page = read("docs/limits.md");
    let named = code_spans(&page);
    let code = read(LIMITS);
    let limits: BTreeSet<_> = constants(&code).collect();
    assert!(limits.len() > 20, "the constants of {LIMITS} were not found");
    let missing: Vec<_> = limits.iter().copied().filter(|name| !named.contains(name)).collect();
    assert!(missing.is_empty(), "docs/limits.md lacks:\n{}\n", missing.join("\n"));
    // A name in capitals at the head of a row is a constant of the file, or it has gone.
    let heads: Vec<_> = page.lines().filter_map(row_head).filter(|it| is_constant(it)).collect();
    let gone: Vec<_> = heads.into_iter().filter(|name| !limits.contains(name)).collect();
    assert!(gone.is_empty(), "docs/limits.md has rows for:\n{}\n", gone.join("\n"));
}

#[test]
fn every_promise_names_a_test_that_exists_or_says_that_none_does() {
    let page = read("docs/promises.md");
    let known = tests();
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).collect();
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| !row.starts_with("| promise") && !row.contains("|---")) {
        let holders = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let named: Vec<_> = code_spans(holders).into_iter().collect();
        if named.is_empty() && !holders.contains("test pending") {
            wrong.push(format!("no test and no `test pending`: {row}"));
        }
        let unknown = named.into_iter().filter(|name| !known.contains(*name));
        wrong.extend(unknown.map(|name| format!("no test is called {name}")));
    }
    assert!(rows.len() > 10, "docs/promises.md has no table");
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn names_are_taken_from_a_catalogue_and_from_constants() {
    let text = "    Counter {\n        A \"rx_packets\" \"Help.\",\n    }\n";
    assert_eq!(section(text, "Counter"), ["rx_packets"]);
    let code = "pub const ONE_MAX: u8 = 1;\npub const fn two() {}\nconst _: () = ();\n";
    assert_eq!(constants(code).collect::<Vec<_>>(), ["ONE_MAX"]);
    assert_eq!(row_head("| `ONE_MAX` | 1 |"), Some("ONE_MAX"));
    assert_eq!(code_spans("`a` b `c`"), BTreeSet::from(["a", "c"]));
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path)).unwrap_or_default();
    assert!(!text.is_empty(), "{path} cannot be read");
    text
}

/// Full names of everything in the catalogue.
fn counters() -> BTreeSet<String> {
    let text = read(CATALOGUE);
    let of = |kind: &str, prefix: &str, suffix: &str| -> Vec<String> {
        let names = section(&text, kind);
        assert!(!names.is_empty(), "{kind} was not found in {CATALOGUE}");
        names.into_iter().map(|name| format!("{prefix}{name}{suffix}")).collect()
    };
    let all = [
        of("Counter", "", ""),
        of("DropReason", "drop_", "_packets"),
        of("PuntClass", "punt_", "_packets"),
    ];
    all.into_iter().flatten().collect()
}

/// The names in one list of the catalogue: the first string of each line.
fn section<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| line.trim() != format!("{kind} {{")).skip(1);
    lines.take_while(|line| line.trim() != "}").filter_map(|line| line.split('"').nth(1)).collect()
}

fn constants(code: &str) -> impl Iterator<Item = &str> {
    let names = code.lines().filter_map(|line| line.strip_prefix("pub const "));
    names.filter_map(|rest| rest.split(':').next()).filter(|name| is_constant(name))
}

fn is_constant(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_')
}

fn is_packets(word: &str) -> bool {
    word.ends_with("_packets")
}

/// The code span that a row of a table begins with.
fn row_head(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split('`').next()
}

/// What stands between backticks, outside of code blocks.
fn code_spans(text: &str) -> BTreeSet<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

/// Names of functions in Rust and Python, and of golden cases.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files() {
        if file.has_extension("golden") {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            found.insert(name.trim_end_matches(".golden").to_owned());
        }
        if file.has_extension("rs") || file.has_extension("py") {
            let all: Vec<_> = words(&file.text).map(|(_, word)| word).collect();
            let named = all.windows(2).filter(|two| matches!(two[0], "fn" | "def"));
            found.extend(named.map(|two| two[1].to_owned()));
        }
    }
    found
}
