//! Who may know whom? The import table of the rooms of `weir-core`, the seams around DPDK, and the
//! places where `unsafe` may be.

use std::collections::BTreeSet;
use std::fs;

use tidy::{SourceFile, line_of, root, rust_files, words};

/// Room, and the rooms that it may import. The table of docs/ARCHITECTURE.md.
const ROOMS: [(&str, &[&str]); 17] = [
    ("units", &[]),
    ("limits", &[]),
    ("wire", &["units"]),
    ("tables", &["units", "limits"]),
    ("telemetry", &["units", "limits"]),
    ("policy", &["units", "limits", "wire", "tables", "telemetry"]),
    ("flow", &["units", "limits", "wire", "tables", "telemetry"]),
    ("path", &["units", "limits", "wire", "tables", "telemetry", "policy", "flow"]),
    ("config", &["units", "limits"]),
    ("health", &["units", "config"]),
    ("neighbour", &["units", "limits", "wire"]),
    (
        "compile",
        &["units", "limits", "config", "policy", "tables", "telemetry", "health", "neighbour"],
    ),
    ("api", &["units", "config", "telemetry", "health", "neighbour"]),
    (
        "explain",
        &["units", "wire", "tables", "telemetry", "policy", "flow", "path", "config", "api"],
    ),
    ("plan", &["units", "limits", "config", "policy", "health", "compile", "api"]),
    ("render", &["telemetry", "api"]),
    ("rcu", &[]),
];

/// Files, or folders with a `/`, that may hold `unsafe`. docs/unsafe.md has a row for each.
const UNSAFE: [&str; 5] = [
    "dpdk-bindings/src/",
    "appliance/core/src/rcu.rs",
    "appliance/core/src/tables/prefetch.rs",
    "appliance/core/src/tables/region.rs",
    "perf/capsule/src/bytes.rs",
];

const CORE: &str = "appliance/core/src/";
const BINDINGS: &str = "dpdk-bindings/";
const BINDINGS_TESTS: &str = "dpdk-bindings/tests/";

#[test]
fn a_room_imports_only_what_its_row_names() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let Some(room) = room_of(&file.path) else { continue };
        let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: the room `{room}` has no row in ROOMS", file.path));
            continue;
        };
        for (line, import) in imports(&file) {
            let known = ROOMS.iter().any(|(name, _)| *name == import);
            if known && import != room && !may.contains(&import.as_str()) {
                wrong.push(format!("{}:{line}: `{room}` imports `{import}`", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn only_the_bindings_speak_of_dpdk_by_its_c_names() {
    let prefix = "rte_";
    let found = rust_files().into_iter().filter(|file| !file.path.starts_with(BINDINGS));
    let wrong: Vec<_> = found
        .flat_map(|file| {
            let code = file.code();
            let lines: Vec<_> = words(&code)
                .filter(|(_, word)| word.starts_with(prefix))
                .map(|(at, word)| format!("{}:{}: {word}", file.path, line_of(&code, at)))
                .collect();
            lines
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn unsafe_is_only_in_the_listed_files() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let listed = UNSAFE.iter().any(|allowed| file.path.starts_with(allowed))
            || file.path.starts_with(BINDINGS_TESTS);
        let code = file.code();
        let at = words(&code).find(|(_, word)| *word == "unsafe").map(|(at, _)| at);
        if let (Some(at), false) = (at, listed) {
            wrong.push(format!("{}:{}: not in the list", file.path, line_of(&code, at)));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_file_that_may_be_unsafe_exists_and_has_a_row_in_the_documentation() {
    let page = fs::read_to_string(root().join("docs/unsafe.md")).expect("docs/unsafe.md exists");
    for place in UNSAFE {
        assert!(root().join(place).exists(), "{place} is listed and does not exist");
        assert!(page.contains(&format!("| `{place}`")), "docs/unsafe.md has no row for {place}");
    }
}

#[test]
fn the_core_knows_no_shell_and_the_bindings_know_no_core() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let banned: &[&str] = if file.path.starts_with(CORE) {
            &["dpdk_sys", "tokio", "nix", "weir"]
        } else if file.path.starts_with(BINDINGS) {
            &["weir_core", "weir"]
        } else {
            &[]
        };
        let code = file.production();
        for (at, word) in words(&code) {
            if banned.contains(&word) && code[at + word.len()..].starts_with("::") {
                wrong.push(format!("{}:{}: {word}", file.path, line_of(&code, at)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn groups_and_nested_paths_are_seen() {
    let text = "use crate::{\n  units::X, wire::{Y, Z},\n};\nuse crate::limits;\n\
                fn f() { crate::flow::g() }";
    let found: BTreeSet<_> = imports(&SourceFile::sample("appliance/core/src/path/x.rs", text))
        .into_iter()
        .map(|(_, room)| room)
        .collect();
    let expected = ["flow", "limits", "units", "wire"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
}

/// The room of a file of `weir-core`: its folder, or its name.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix(CORE)?;
    let room = inside.split(['/', '.']).next()?;
    (room != "lib").then_some(room)
}

/// Line and first name of every path that starts with `crate::`, outside of tests.
fn imports(file: &SourceFile) -> Vec<(usize, String)> {
    let code = file.production();
    let mut found = Vec::new();
    for (at, _) in words(&code).filter(|(_, word)| *word == "crate") {
        let Some(rest) = code[at..].strip_prefix("crate::") else { continue };
        let line = line_of(&code, at);
        if rest.starts_with('{') {
            found.extend(heads(rest).into_iter().map(|name| (line, name)));
        } else if let Some((_, name)) = words(rest).next() {
            found.push((line, name.to_owned()));
        }
    }
    found
}

/// The first names in `{a, b::{c, d}, e::f}`: a, b and e.
fn heads(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut part = String::new();
    let mut parts = Vec::new();
    for letter in group.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => parts.push(std::mem::take(&mut part)),
            _ if depth == 1 => part.push(letter),
            _ => {}
        }
    }
    parts.push(part);
    parts.iter().filter_map(|part| words(part).next()).map(|(_, name)| name.to_owned()).collect()
}
