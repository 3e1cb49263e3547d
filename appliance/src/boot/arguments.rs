//! What may be said on the command line?

use std::path::PathBuf;

/// Runs the Weir appliance in the foreground, until SIGTERM or SIGINT; SIGHUP reads the
/// configuration again.
#[derive(Debug, clap::Parser)]
#[command(
    name = "weir",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  weir --config /etc/weir/weir.json\n  \
                  weir --config /etc/weir --ignore-stored\n  \
                  weir --config demo.json -- --no-pci --file-prefix demo\n  \
                  weir check weir.json\n\n\
                  What was applied last is stored in appliance.stateDirectory and used again, \
                  unless PATH has changed since.\n\n\
                  Exit codes: 0 after a signal, 2 for a configuration that is refused, \
                  1 for anything else.\n\
                  Look at a running appliance with: weirctl status"
)]
pub struct Arguments {
    /// The configuration: Azure's resources and the appliance section, as JSON; or a directory of
    /// such files.
    #[arg(long, value_name = "PATH", required = true)]
    pub config: Option<PathBuf>,
    /// Start with PATH, also when a configuration was applied after it was read.
    #[arg(long, conflicts_with = "stored")]
    pub ignore_stored: bool,
    /// Start with the stored configuration of this number (`weirctl history`).
    #[arg(long, value_name = "NUMBER")]
    pub stored: Option<u64>,
    /// Arguments for DPDK's EAL; what is named here is not added by Weir.
    #[arg(last = true, value_name = "EAL arguments")]
    pub eal: Vec<String>,
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done without devices and privileges.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Says everything that is wrong with a configuration.
    ///
    /// All paths together are one configuration. Without an `appliance` in any of them, the
    /// resources are checked by themselves.
    #[command(after_help = "Examples:\n  weir check weir.json\n  \
                            weir check appliance.json resources/\n  \
                            weir check --json lb.json | jq .\n\n\
                            Exit codes: 0 if the configuration can be applied, \
                            2 with the list of what keeps it from that.")]
    Check {
        /// A file with a resource, a list of them, or an object with `resources` and `appliance`;
        /// or a directory of such files.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Prints the list as JSON: objects with file, pointer, code and message.
        #[arg(long)]
        json: bool,
    },
}
