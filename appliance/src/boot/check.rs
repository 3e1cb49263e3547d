//! What does `weir check` say, without devices and privileges?
//!
//! Not here: what is wrong (`weir_core::config`), what only a running appliance can tell: devices,
//! processors, memory.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use weir_core::config::{Examined, FileProblem, examine};

use super::REFUSED;
use super::files::Files;

/// Everything that keeps files from being applied, and what their author should know.
#[derive(Debug)]
pub struct Verdict {
    /// What keeps them from being applied.
    pub problems: Vec<FileProblem>,
    /// What is worth knowing all the same.
    pub warnings: Vec<FileProblem>,
    /// Whether one of the files describes the appliance.
    pub has_appliance: bool,
    files: usize,
}

/// Checks files and prints the verdict: as JSON on standard output, or for a person, with problems
/// on standard error.
pub(super) fn run(paths: &[PathBuf], json: bool) -> ExitCode {
    let verdict = Verdict::of(paths);
    // With its output closed there is nobody to tell; the exit code remains.
    let _told = if json {
        writeln!(io::stdout(), "{}", verdict.to_json())
    } else {
        let (list, summary) = verdict.for_people();
        write!(io::stderr(), "{list}").and_then(|()| write!(io::stdout(), "{summary}"))
    };
    if verdict.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) }
}

impl Verdict {
    /// The verdict on these files and directories, as one configuration.
    #[must_use]
    pub fn of(paths: &[PathBuf]) -> Self {
        let files = Files::read(paths);
        let number = files.sources.len();
        let mut problems = files.problems;
        // What is in a file that cannot be read would be missed everywhere.
        if !problems.is_empty() {
            return Self { problems, warnings: Vec::new(), has_appliance: false, files: number };
        }
        let Examined { has_appliance, problems: found, warnings, .. } = examine(files.sources);
        problems.extend(found);
        Self { problems, warnings, has_appliance, files: number }
    }

    /// The problems as a JSON list of objects with file, pointer, code and message.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(&self.problems).unwrap_or_default()
    }

    /// The list of problems and warnings, and one line that says what came of them.
    fn for_people(&self) -> (String, String) {
        let line = |kind: &str, it: &FileProblem| format!("{kind}{it}\n");
        let problems = self.problems.iter().map(|it| line("", it));
        let warnings = self.warnings.iter().map(|it| line("warning: ", it));
        let list = problems.chain(warnings).collect();
        let files = if self.files == 1 { "1 file" } else { &format!("{} files", self.files) };
        let summary = match self.problems.len() {
            0 if self.has_appliance => format!("{files}: nothing keeps it from being applied\n"),
            0 => format!(
                "{files}: the resources can be applied; none describes the appliance, so nothing \
                 that collides with it was looked for\n"
            ),
            1 => format!("{files}: 1 problem\n"),
            number => format!("{files}: {number} problems\n"),
        };
        (list, summary)
    }
}
