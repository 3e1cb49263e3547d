//! Does the documentation name every code, and no other?

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Codes of the shell: of files, of changes to a running appliance, of compiling, of storing.
const OF_THE_SHELL: [&str; 4] =
    ["Unreadable", "NoConfigurationFiles", "RestartRequired", "NotPersisted"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether a text is written like a code: several words, each with a capital.
fn is_like_a_code(text: &str) -> bool {
    let capitals = text.chars().filter(char::is_ascii_uppercase).count();
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric())
        && capitals > 1
        && text.chars().any(|letter| letter.is_ascii_lowercase())
}

/// Everything in quotes that is written like a code.
fn literals() -> BTreeSet<String> {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config"), &mut paths);
    let mut found = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(path).expect("a source");
        let inside = text.split('"').filter(|part| is_like_a_code(part));
        found.extend(inside.map(str::to_owned));
    }
    found
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    fs::read_to_string(page).expect("the documentation")
}

fn code_spans(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_documentation_names_every_code_and_word() {
    let page = page();
    let prose: String = page.split("```").step_by(2).collect();
    let named = code_spans(&prose);
    let found = literals();
    assert!(found.len() > 80, "{found:?}");
    let missing: Vec<_> = found.iter().filter(|code| !named.contains(code.as_str())).collect();
    assert!(missing.is_empty(), "docs/configuration.md lacks {missing:?}");
}

#[test]
fn every_code_of_the_documentation_exists() {
    let page = page();
    let section = page.split("## What is wrong, and where").nth(1).expect("a section");
    let section = section.split("\n## ").next().expect("a section");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let heads = rows.map(|row| row.split(" |").next().unwrap_or_default());
    let heads: Vec<String> = heads.map(|head| format!("`{head}")).collect();
    let found = literals();
    for code in heads.iter().flat_map(|head| code_spans(head)) {
        assert!(found.contains(code) || OF_THE_SHELL.contains(&code), "no such code: {code}");
    }
    assert!(heads.len() > 30);
}
