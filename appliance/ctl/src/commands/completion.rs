//! How does a shell learn the commands?

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::session::Session;

/// Prints the script for one shell.
pub(super) fn run(session: &Session<'_>, shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "weirctl", &mut script);
    session.print(&String::from_utf8_lossy(&script))
}
