//! Which files make a configuration, and what is in them?
//!
//! A directory stands for the `.json` files in it and in its folders, in the order of their names.
//! What begins with a dot is left alone.
//!
//! Not here: what they mean (`weir_core::config`).

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{fs, mem};

use weir_core::config::{Checked, FileProblem, Problem, Source, examine};
use weir_core::limits::{
    CONFIGURATION_BYTES_MAX, CONFIGURATION_FILES_MAX, CONFIGURATION_FOLDERS_DEPTH_MAX,
};

use super::BootError;

/// Reads and checks a configuration: one file, or a directory of them.
///
/// # Errors
/// When something cannot be read, or with every problem it has.
pub fn read_configuration(path: &Path) -> Result<Checked, BootError> {
    let refused = |problems| BootError::Refused { path: path.to_owned(), problems };
    let mut files = Files::read(&[path.to_owned()]);
    if !files.problems.is_empty() {
        return Err(refused(mem::take(&mut files.problems)));
    }
    examine(files.sources).into_checked().map_err(refused)
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

    /// Reads a file as far as a configuration can be long; what is longer is refused for that.
    fn read_file(&mut self, path: &Path) {
        if self.sources.len() == CONFIGURATION_FILES_MAX {
            let message = format!("At most {CONFIGURATION_FILES_MAX} files are read. Merge some.");
            return self.refuse(path, "LimitExceeded", message);
        }
        let left = (CONFIGURATION_BYTES_MAX + 1).saturating_sub(self.bytes);
        let mut text = Vec::new();
        let read =
            fs::File::open(path).and_then(|file| file.take(left as u64).read_to_end(&mut text));
        match read {
            Ok(bytes) => {
                self.bytes += bytes;
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
