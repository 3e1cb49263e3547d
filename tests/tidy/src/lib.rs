//! What is in the tree? The files of the repository, and Rust source as the rules need to see it.
//!
//! ```text
//!   files() ─► SourceFile ─► code()       comments, strings and characters blanked
//!                            production() ... and test code blanked as well
//!                            functions()  names, first lines, lengths
//! ```
//!
//! Every blanked text keeps its line breaks, so that line numbers stay those of the file.
//!
//! Not here: the rules (`tests/`).

use std::path::{Path, PathBuf};
use std::{fs, iter};

mod blank;

/// One text file of the repository.
#[derive(Debug)]
pub struct SourceFile {
    /// Its path from the root of the repository, with `/`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// One function of a Rust file.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// From its `fn` to its closing brace.
    pub lines: usize,
}

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every text file of the repository, in the order of its paths. Build directories and files that
/// are not UTF-8 are left out.
#[must_use]
pub fn files() -> Vec<SourceFile> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(found.len() > 10, "the tree was not found at {}", root().display());
    found
}

/// Every Rust file of the repository.
#[must_use]
pub fn rust_files() -> Vec<SourceFile> {
    files().into_iter().filter(|file| file.has_extension("rs")).collect()
}

impl SourceFile {
    /// Whether the name ends so.
    #[must_use]
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// Whether this is a file of tests, all of it.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.starts_with("tests/")
    }

    /// A file for a rule's own tests.
    #[must_use]
    pub fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The text without comments and the contents of strings.
    #[must_use]
    pub fn code(&self) -> String {
        blank::comments_and_strings(&self.text)
    }

    /// The code without items under `#[cfg(test)]`; nothing for a file of tests.
    #[must_use]
    pub fn production(&self) -> String {
        if self.is_test() { String::new() } else { blank::test_items(&self.code()) }
    }

    /// The functions outside of tests.
    #[must_use]
    pub fn functions(&self) -> Vec<Function> {
        let code = self.production();
        words(&code)
            .filter(|(_, word)| *word == "fn")
            .filter_map(|at| function(&code, at.0))
            .collect()
    }
}

/// The words (identifiers, keywords, numbers) of `code` with their byte offsets.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = 0;
    iter::from_fn(move || {
        let start = from + code[from..].find(is_word)?;
        let length = code[start..].find(|letter| !is_word(letter)).unwrap_or(code.len() - start);
        from = start + length;
        Some((start, &code[start..from]))
    })
}

/// The line, from 1, of a byte offset.
#[must_use]
pub fn line_of(code: &str, offset: usize) -> usize {
    code[..offset].matches('\n').count() + 1
}

fn function(code: &str, offset: usize) -> Option<Function> {
    let rest = &code[offset..];
    let (_, name) = words(rest).nth(1)?;
    let body = rest.find(['{', ';']).filter(|at| rest[*at..].starts_with('{'))?;
    let end = body + blank::block_length(&rest[body..])?;
    let lines = rest[..end].matches('\n').count() + 1;
    Some(Function { name: name.to_owned(), line: line_of(code, offset), lines })
}

fn collect(directory: &Path, prefix: &str, found: &mut Vec<SourceFile>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    if directory.join("CACHEDIR.TAG").exists() {
        return;
    }
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), found);
        } else if kind.is_file() && !SKIPPED_FILES.contains(&name.as_str()) {
            let Ok(text) = fs::read_to_string(entry.path()) else { continue };
            found.push(SourceFile { path, text });
        }
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

const SKIPPED_DIRECTORIES: [&str; 4] = [".git", "target", "__pycache__", "node_modules"];
/// A worktree's `.git` is a file. Generated text is no one's style.
const SKIPPED_FILES: [&str; 3] = [".git", "Cargo.lock", "LICENSE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_tests_are_not_counted() {
        let text = "fn one() {\n}\n#[cfg(test)]\nmod tests {\n    fn two() {}\n}\nfn three();\n";
        let file = SourceFile::sample("appliance/src/x.rs", text);
        let only = Function { name: "one".to_owned(), line: 1, lines: 2 };
        assert_eq!(file.functions(), [only]);
    }

    #[test]
    fn words_keep_their_offsets() {
        let found: Vec<_> = words("fn a_b(c)").collect();
        assert_eq!(found, [(0, "fn"), (3, "a_b"), (7, "c")]);
    }
}
