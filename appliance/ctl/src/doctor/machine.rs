//! What do files below `/proc` and `/sys` say?
//!
//! Every answer may be missing: kernels differ, and not everybody may read everything.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A machine, by its files.
pub(super) struct Machine<'r> {
    root: &'r Path,
}

impl<'r> Machine<'r> {
    /// The machine whose `proc` and `sys` are below this directory.
    pub(super) const fn new(root: &'r Path) -> Self {
        Self { root }
    }

    /// The text of a file without blanks at its ends. As much of it as is worth reading.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let mut text = Vec::new();
        File::open(self.path(path)).ok()?.take(BYTES_MAX).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// A number that fills a file.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        self.text(path)?.parse().ok()
    }

    /// The names in a directory, in order.
    pub(super) fn names(&self, path: &str) -> Option<Vec<String>> {
        let entries = fs::read_dir(self.path(path)).ok()?;
        let mut names: Vec<_> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        Some(names)
    }

    /// The last name of what a symbolic link leads to.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// Whether something is there.
    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// `/proc/cpuinfo` of the largest machines has some hundred kilobytes.
const BYTES_MAX: u64 = 4 << 20;
