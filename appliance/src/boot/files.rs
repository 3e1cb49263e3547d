//! Which files make a configuration, and what is in them?
//!
//! A directory stands for the `.json` files in it and in its folders, in the order of their names.
//! What begins with a dot is left alone.
//!
//! Not here: what they mean (`weir_core::config`), whether a start uses them (`starting`).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{fs, mem};

use serde_json::Value;
use weir_core::config::{Examined, FileProblem, Origins, Problem, Source, examine};
use weir_core::limits::{
    CONFIGURATION_BYTES_MAX, CONFIGURATION_FILES_MAX, CONFIGURATION_FOLDERS_DEPTH_MAX,
};

use crate::control::store::{ConfigurationFile, Sha256};

/// Reads and checks what `--config` names: one file, or a directory of them.
///
/// All that is wrong is in the result, be it that something cannot be read.
#[must_use]
pub fn read_configuration(path: &Path) -> ConfigurationFile {
    let mut files = Files::read(&[path.to_owned()]);
    let sha256 = files.sha256(path);
    let unreadable = mem::take(&mut files.problems);
    let path = path.to_owned();
    // What is in a file that cannot be read would be missed everywhere.
    if !unreadable.is_empty() {
        let (origins, checked) = (Origins::default(), Err(unreadable));
        return ConfigurationFile { path, sha256, state_directory: None, origins, checked };
    }
    let examined = examine(files.sources);
    let state_directory = named_state_directory(&examined);
    let origins = examined.origins.clone();
    ConfigurationFile { path, sha256, state_directory, origins, checked: examined.into_checked() }
}

/// The state directory that files name, also when they are refused. None when one of them is no
/// JSON and it may have stood there, since the usual directory may be another appliance's.
fn named_state_directory(examined: &Examined) -> Option<PathBuf> {
    let is_complete = examined.problems.iter().all(|it| !it.problem.pointer.is_empty());
    if !examined.has_appliance && !is_complete {
        return None;
    }
    let section = member(&examined.document, "appliance");
    let path = match section.and_then(|section| member(section, "stateDirectory")) {
        None => PathBuf::from(STATE_DIRECTORY),
        Some(named) => PathBuf::from(named.as_str()?),
    };
    path.is_absolute().then_some(path)
}

/// Names are compared without case, as everywhere in a configuration.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, it)| it)
}

/// The files of a configuration.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// What could be read, in order.
    pub(super) sources: Vec<Source>,
    /// What could not.
    pub(super) problems: Vec<FileProblem>,
    bytes: usize,
}

impl Files {
    /// Reads files, and the files of directories.
    pub(super) fn read(paths: &[PathBuf]) -> Self {
        let mut files = Self::default();
        for path in paths {
            if path.is_dir() {
                let before = files.sources.len() + files.problems.len();
                files.read_directory(path, CONFIGURATION_FOLDERS_DEPTH_MAX);
                if files.sources.len() + files.problems.len() == before {
                    files.refuse(path, "NoConfigurationFiles", NO_FILES.to_owned());
                }
            } else {
                files.read_file(path);
            }
        }
        files
    }

    /// The SHA-256 of what stands at `path`: of a file that of its bytes. Of a directory that of a
    /// list with a line for each file, in the order they are read: the SHA-256 of its bytes, its
    /// length and its name below the directory. So a file that is added, removed, renamed or
    /// edited changes it, and another way to write the directory's path does not.
    fn sha256(&self, path: &Path) -> Sha256 {
        if let [only] = &self.sources[..]
            && only.name == path.display().to_string()
        {
            return Sha256::of(&only.text);
        }
        let line = |source: &Source| {
            let name = Path::new(&source.name);
            let name = name.strip_prefix(path).unwrap_or(name).display();
            // No name has a zero byte in it.
            format!("{} {} {name}\0", Sha256::of(&source.text), source.text.len())
        };
        Sha256::of(self.sources.iter().map(line).collect::<String>().as_bytes())
    }

    fn read_directory(&mut self, directory: &Path, depth: usize) {
        let entries = fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        // Editors keep their own beside a file, and a Kubernetes volume each file twice.
        let is_hidden =
            |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
        let mut paths: Vec<PathBuf> = match entries {
            Ok(entries) => {
                let shown = entries.into_iter().filter(|entry| !is_hidden(entry));
                shown.map(|entry| entry.path()).collect()
            }
            Err(error) => return self.refuse_unreadable(directory, &error),
        };
        paths.sort();
        for path in paths {
            if path.is_dir() {
                if depth > 0 {
                    self.read_directory(&path, depth - 1);
                } else {
                    let message = format!(
                        "Folders are read to a depth of {CONFIGURATION_FOLDERS_DEPTH_MAX}. Move \
                         the files up."
                    );
                    self.refuse(&path, "LimitExceeded", message);
                }
            } else if path.extension().is_some_and(|extension| extension == "json") {
                self.read_file(&path);
            }
        }
    }

    /// Reads a file as far as all of them together can be long; what is longer is refused.
    fn read_file(&mut self, path: &Path) {
        if self.sources.len() == CONFIGURATION_FILES_MAX {
            let message = format!("At most {CONFIGURATION_FILES_MAX} files are read. Merge some.");
            return self.refuse(path, "LimitExceeded", message);
        }
        if self.bytes > CONFIGURATION_BYTES_MAX {
            // That has been told.
            return;
        }
        let left = CONFIGURATION_BYTES_MAX + 1 - self.bytes;
        let mut text = Vec::new();
        let read =
            fs::File::open(path).and_then(|file| file.take(left as u64).read_to_end(&mut text));
        match read {
            Ok(bytes) => {
                self.bytes += bytes;
                if self.bytes > CONFIGURATION_BYTES_MAX {
                    let message = format!(
                        "With this, a configuration has more than the {CONFIGURATION_BYTES_MAX} \
                         bytes that are read. Make it smaller."
                    );
                    return self.refuse(path, "DocumentTooLarge", message);
                }
                self.sources.push(Source { name: path.display().to_string(), text });
            }
            Err(error) => self.refuse_unreadable(path, &error),
        }
    }

    fn refuse_unreadable(&mut self, path: &Path, error: &io::Error) {
        let message = format!("This cannot be read: {error}. Name a readable file or directory.");
        self.refuse(path, "Unreadable", message);
    }

    fn refuse(&mut self, path: &Path, code: &'static str, message: String) {
        let problem = Problem { pointer: String::new(), code: code.into(), message };
        self.problems.push(FileProblem { file: path.display().to_string(), problem });
    }
}

const NO_FILES: &str = "There is no file whose name ends with .json. Add one, or name another \
                        directory.";
/// What `appliance.stateDirectory` is unless it is set.
const STATE_DIRECTORY: &str = "/var/lib/weir";

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), text: text.as_bytes().to_owned() }
    }

    fn named(files: &[&str]) -> Option<PathBuf> {
        let names = ["a.json", "b.json"];
        let sources = names.iter().zip(files).map(|(name, text)| source(name, text));
        named_state_directory(&examine(sources.collect()))
    }

    #[test]
    fn a_refused_file_still_names_its_state_directory_as_long_as_it_is_json() {
        for (text, expected) in [
            (r#"{"appliance":{"stateDirectory":"/state"},"resources":7}"#, Some("/state")),
            (r#"{"Appliance":{"STATEDIRECTORY":"/state"}}"#, Some("/state")),
            (r#"{"appliance":{}}"#, Some("/var/lib/weir")),
            ("{}", Some("/var/lib/weir")),
            (r#"{"appliance":{"stateDirectory":"state"}}"#, None),
            (r#"{"appliance":{"stateDirectory":7}}"#, None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(named(&[text]), expected.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn one_file_of_a_directory_names_the_state_directory_of_all() {
        let appliance = r#"{"appliance":{"stateDirectory":"/state"}}"#;
        for files in [[appliance, "{"], ["{", appliance], [appliance, "[7]"]] {
            assert_eq!(named(&files), Some("/state".into()), "{files:?}");
        }
        assert_eq!(named(&["[]", "{"]), None, "it may stand in the one that is no JSON");
        assert_eq!(named(&["[]", "[7]"]), Some("/var/lib/weir".into()));
    }

    #[test]
    fn a_file_is_known_by_its_bytes_and_of_a_huge_one_no_more_is_read_than_may_be() {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("weir.json");
        fs::write(&path, "{}").expect("ours");
        let one = read_configuration(&path);
        assert!(one.checked.is_err(), "it lacks everything");
        assert_eq!(one.sha256, Sha256::of(b"{}"), "as sha256sum says it");
        fs::write(&path, "{ }").expect("ours");
        assert_ne!(read_configuration(&path).sha256, one.sha256);
        let file = fs::File::options().write(true).open(&path).expect("ours");
        file.set_len(1 << 40).expect("sparse");
        fs::write(directory.path().join("z.json"), "{}").expect("ours");
        for path in [&path, directory.path()] {
            let problems = read_configuration(path).checked.expect_err("too large");
            let codes: Vec<_> = problems.iter().map(|it| &*it.problem.code).collect();
            assert_eq!(codes, ["DocumentTooLarge"], "told once, and nothing that follows from it");
        }
    }

    #[test]
    fn a_directory_is_known_by_names_lengths_and_bytes_of_its_files_wherever_it_is() {
        let parent = TempDir::new().expect("a directory");
        let path = parent.path().join("weir");
        fs::create_dir_all(path.join("loadBalancers")).expect("ours");
        let write = |name: &str, text: &str| fs::write(path.join(name), text).expect("ours");
        let known = || read_configuration(&path).sha256;
        write("a.json", "[]");
        write("loadBalancers/web.json", "{}");
        let first = known();
        write("notes", "no configuration");
        write(".a.json", "of an editor");
        assert_eq!(known(), first, "what is not read does not count");
        assert_eq!(read_configuration(&path.join("")).sha256, first, "as /etc/weir/");
        let mut seen = vec![first];
        let mut differs = |what: &str| {
            let now = known();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        write("a.json", "[ ]");
        differs("edited");
        write("b.json", "[]");
        differs("added");
        fs::rename(path.join("a.json"), path.join("c.json")).expect("ours");
        differs("renamed, and read after the other");
        fs::remove_file(path.join("b.json")).expect("ours");
        differs("removed");
        fs::rename(path.join("loadBalancers"), path.join("probes")).expect("ours");
        differs("moved to another folder");
        fs::rename(path.join("c.json"), path.join("a.json")).expect("ours");
        fs::rename(path.join("probes"), path.join("loadBalancers")).expect("ours");
        write("a.json", "[]");
        let moved = parent.path().join("moved");
        fs::rename(&path, &moved).expect("ours");
        assert_eq!(read_configuration(&moved).sha256, first, "the same again, elsewhere");
    }
}
