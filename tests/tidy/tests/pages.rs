//! Do the pages name what the code has, and nothing else? Counters, limits, promises, compliance.
//!
//! Not here: links and text (`text.rs`), the table of `docs/unsafe.md` (`rooms.rs`).

use std::collections::BTreeSet;
use std::fs;

use tidy::{files, root, words};

const CATALOGUE: &str = "appliance/core/src/telemetry/catalogue.rs";
const LIMITS: &str = "appliance/core/src/limits.rs";

/// Every requirement of the RFCs that `docs/compliance.md` answers, as they number them. RFC 7857
/// numbers its sections only; their letters are the page's.
const REQUIREMENTS: [(&str, &str); 4] = [
    (
        "RFC 4787",
        "REQ-1 REQ-2 REQ-3 REQ-3a REQ-4 REQ-5 REQ-5a REQ-5b REQ-5c REQ-6 REQ-6a REQ-7 REQ-8 REQ-8a \
         REQ-9 REQ-9a REQ-10 REQ-10a REQ-11 REQ-12 REQ-12a REQ-12b REQ-13 REQ-13a REQ-14 REQ-14a",
    ),
    (
        "RFC 5382",
        "REQ-1 REQ-2 REQ-2a REQ-3 REQ-3a REQ-3b REQ-4 REQ-4a REQ-5 REQ-5a REQ-6 REQ-7 REQ-8 REQ-8a \
         REQ-9 REQ-10",
    ),
    (
        "RFC 5508",
        "REQ-1 REQ-1a REQ-2 REQ-2a REQ-3 REQ-3a REQ-3b REQ-3c REQ-3d REQ-4 REQ-4a REQ-4b REQ-4c \
         REQ-5 REQ-5a REQ-5b REQ-5c REQ-6 REQ-7 REQ-7a REQ-8 REQ-9 REQ-10a REQ-10b REQ-10c REQ-10d \
         REQ-10e REQ-10f REQ-11",
    ),
    (
        "RFC 7857",
        "§2 §2.1a §2.1b §2.1c §2.2a §2.2b §2.2c §3 §4a §4b §4c §5a §5b §5c §6a §6b §6c §7a §7b \
         §7.1 §8a §8b §9 §10 §11 §12",
    ),
];

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
fn every_requirement_has_one_row_and_every_row_a_verdict_and_a_test_or_a_reason() {
    let page = read("docs/compliance.md");
    let settings = read("docs/configuration.md");
    let known = tests();
    let mut wrong = Vec::new();
    for (rfc, numbers) in REQUIREMENTS {
        let answers: Vec<_> = rows(&page, rfc).collect();
        let answered: Vec<_> = answers.iter().map(|cells| cells[0]).collect();
        assert_eq!(answered, numbers.split_whitespace().collect::<Vec<_>>(), "{rfc}");
        for cells in answers {
            let [number, _, _, _, verdict, holders] = cells[..] else {
                wrong.push(format!("not six cells: {rfc} {}", cells.join(" | ")));
                continue;
            };
            if !is_verdict(verdict) {
                wrong.push(format!("{rfc} {number} has no verdict: {verdict}"));
            }
            let unset = code_spans(verdict).into_iter().filter(|name| !settings.contains(name));
            wrong.extend(unset.map(|name| format!("{rfc} {number}: no setting is called {name}")));
            wrong.extend(complaints(&known, holders).map(|it| format!("{rfc} {number}: {it}")));
        }
    }
    let own: Vec<_> = rows(&page, "Members with a public address").collect();
    assert!(own.len() > 5, "docs/compliance.md says nothing of public addresses of members");
    let holders = own.iter().filter_map(|cells| cells.last());
    wrong.extend(holders.flat_map(|holders| complaints(&known, holders)));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn verdicts_have_their_reasons() {
    for verdict in
        ["complies", "complies with `x`", "does not, because y", "does not apply, because z"]
    {
        assert!(is_verdict(verdict), "{verdict}");
    }
    for other in ["", "complies in part", "complies with ", "does not", "does not, because "] {
        assert!(!is_verdict(other), "{other}");
    }
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

/// The cells of the rows of the table under the heading that begins so, without the table's head.
fn rows<'a>(page: &'a str, heading: &str) -> impl Iterator<Item = Vec<&'a str>> {
    let heading = format!("## {heading}");
    let section = page.lines().skip_while(move |line| !line.starts_with(&heading)).skip(1);
    let rows = section.take_while(|line| !line.starts_with("## "));
    let rows = rows.filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// What is wrong with the cell that names the tests.
fn complaints(known: &BTreeSet<String>, holders: &str) -> impl Iterator<Item = String> {
    let named = code_spans(holders);
    let is_silent = named.is_empty() && !holders.starts_with("no test: ");
    let silent = is_silent.then(|| format!("no test and no `no test: …`: {holders}"));
    let unknown = named.into_iter().filter(|name| !known.contains(*name));
    let unknown: Vec<_> = unknown.map(|name| format!("no test is called {name}")).collect();
    silent.into_iter().chain(unknown)
}

/// Whether a cell is one of the verdicts that the page explains, with what belongs to it.
fn is_verdict(cell: &str) -> bool {
    let reasoned = ["complies with ", "does not, because ", "does not apply, because "];
    let has_reason =
        |start| cell.strip_prefix(start).is_some_and(|reason: &str| !reason.is_empty());
    cell == "complies" || reasoned.into_iter().any(has_reason)
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
