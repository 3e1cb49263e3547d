//! What does an operator type to look at the appliance and to change it?
//!
//! ```text
//!   arguments ──► commands ──► client ──► control socket ──► reply ──► render ──► stdout
//!                    └─► doctor: this machine's /proc and /sys
//! ```
//!
//! Not here: what the appliance answers (`weir_core::api`), how a reply looks (`render`).

mod arguments;
mod client;
mod commands;
mod doctor;
mod failure;
mod files;
mod progress;
mod render;
mod session;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use session::Session;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let session = Session::new(&arguments.general);
    match commands::run(&session, arguments.command) {
        Ok(code) => code,
        Err(failure) => {
            session.complain(&failure);
            failure.exit_code()
        }
    }
}
