//! Is every file written as the house wants it? Sizes, columns, heads, leftovers, paths and links.

use std::path::Path;

use tidy::{SourceFile, files, root, rust_files};

const COLUMNS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 800;

/// What is longer than allowed, and how long it is: `path` for a file, `path::function` for a
/// function. A row may only shrink, and goes when its length is allowed.
const RATCHET: [(&str, usize); 0] = [];

/// Kinds of files whose columns are counted. Prose and data wrap where they like, and so does a
/// sentence in a string, which is read and searched for as a whole.
const NARROW: [&str; 4] = ["rs", "py", "c", "h"];

/// Words that say something was left for later. Written in halves: this file is checked too.
const LEFTOVERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("db", "g!(")];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 4] = ["/home/", "/root/", concat!("/wo", "rk/"), "/Users/"];

/// What a merge leaves behind.
const CONFLICTS: [&str; 2] = [concat!("<<<<", "<<<"), concat!(">>>>", ">>>")];

#[test]
fn functions_and_files_stay_short() {
    let mut wrong = Vec::new();
    let mut long = Vec::new();
    for file in rust_files() {
        let lines = file.production().lines().filter(|line| !line.trim().is_empty()).count();
        if lines > FILE_LINES_MAX {
            long.push((file.path.clone(), lines));
        }
        let functions = file.functions();
        let too_long = functions.iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
        long.extend(too_long.map(|one| (format!("{}::{}", file.path, one.name), one.lines)));
    }
    for (name, lines) in &long {
        match RATCHET.iter().find(|(listed, _)| listed == name) {
            Some((_, most)) if lines <= most => {}
            _ => wrong.push(format!("{name}: {lines} lines")),
        }
    }
    for (name, most) in RATCHET {
        if !long.iter().any(|(found, lines)| found == name && *lines == most) {
            wrong.push(format!("{name}: shorter than its row says; tighten or remove the row"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn lines_fit_and_end_cleanly() {
    let mut wrong = Vec::new();
    for file in files() {
        let narrow = NARROW.iter().any(|extension| file.has_extension(extension));
        for (number, line) in (1..).zip(file.text.lines()) {
            if line != line.trim_end() {
                wrong.push(format!("{}:{number}: ends with a space", file.path));
            }
            if narrow && columns(line) > COLUMNS_MAX {
                wrong.push(format!("{}:{number}: longer than {COLUMNS_MAX}", file.path));
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            wrong.push(format!("{}: no line break at its end", file.path));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn nothing_was_left_for_later() {
    let banned: Vec<_> = LEFTOVERS.into_iter().chain(CONFLICTS).collect();
    let wrong = lines_with(&files(), |line| banned.iter().any(|word| has_word(line, word)));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let found: Vec<_> = files().into_iter().filter(|file| file.path != file!()).collect();
    let own = Path::new(file!()).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let others: Vec<_> = found.into_iter().filter(|file| !file.path.ends_with(own)).collect();
    let wrong = lines_with(&others, |line| MACHINE_PATHS.iter().any(|path| has_path(line, path)));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_rust_file_begins_with_the_question_it_answers() {
    // A module's `tests.rs` answers for the module, whose head is beside it.
    let headless =
        |file: &SourceFile| !file.text.starts_with("//!") && !file.path.ends_with("/tests.rs");
    let wrong: Vec<_> = rust_files().into_iter().filter(headless).map(|file| file.path).collect();
    assert!(wrong.is_empty(), "no `//!` head:\n{}\n", wrong.join("\n"));
}

#[test]
fn every_link_in_the_documentation_leads_somewhere() {
    let mut wrong = Vec::new();
    for file in files().into_iter().filter(|file| file.has_extension("md")) {
        let here = root().join(&file.path);
        let folder = here.parent().unwrap_or(Path::new("."));
        for target in links(&file.text) {
            let path = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:");
            if !outside && !path.is_empty() && !folder.join(path).exists() {
                wrong.push(format!("{}: {target}", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn links_are_found_and_code_is_not() {
    let text = "See [one](a.md#part) and [two](b/c.md).\n```\n[no](link.md)\n```\n";
    assert_eq!(links(text), ["a.md#part", "b/c.md"]);
}

#[test]
fn a_word_is_not_part_of_another() {
    assert!(has_word(concat!("// TO", "DO: later"), LEFTOVERS[0]));
    assert!(!has_word(concat!("MIXX", "XED"), LEFTOVERS[2]));
    assert!(has_word(concat!("<<<<", "<<< HEAD"), CONFLICTS[0]));
    assert!(has_path("see /home/me", MACHINE_PATHS[0]));
    assert!(!has_path("$work/root/etc", MACHINE_PATHS[1]));
}

/// `path:line: text` of every line that `is_wrong`.
fn lines_with(files: &[SourceFile], is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let numbered =
        files.iter().flat_map(|file| (1..).zip(file.text.lines()).map(move |l| (file, l)));
    numbered
        .filter(|(_, (_, line))| is_wrong(line))
        .map(|(file, (number, line))| format!("{}:{number}: {}", file.path, line.trim()))
        .collect()
}

/// The targets of Markdown links outside of code blocks.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|part| part.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

/// The width of a line without the contents of its strings.
fn columns(line: &str) -> usize {
    let indentation = line.len() - line.trim_start().len();
    let outside: usize = line.split('"').step_by(2).map(|part| part.chars().count()).sum();
    if line.trim_start().starts_with("//") {
        line.chars().count()
    } else {
        outside.max(indentation)
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(inside) && !line[at + word.len()..].starts_with(inside)
    })
}

fn has_path(line: &str, path: &str) -> bool {
    let inside = |letter: char| letter.is_alphanumeric() || "_-.}~".contains(letter);
    line.match_indices(path).any(|(at, _)| !line[..at].ends_with(inside))
}
