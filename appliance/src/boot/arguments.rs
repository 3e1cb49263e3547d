//! What may be said on the command line?

use std::path::PathBuf;

/// Runs the Weir appliance in the foreground, until SIGTERM or SIGINT; SIGHUP reads the
/// configuration again.
#[derive(Debug, clap::Parser)]
#[command(
    name = "weir",
    version,
    after_help = "Examples:\n  weir --config /etc/weir/weir.json\n  \
                  weir --config demo.json -- --no-pci --file-prefix demo\n  \
                  weir --config /etc/weir/weir.json --ignore-stored\n\n\
                  What was applied last is stored in appliance.stateDirectory and used again, \
                  unless the file has changed since.\n\n\
                  Exit codes: 0 after a signal, 2 for a configuration that is refused, \
                  1 for anything else.\n\
                  Look at a running appliance with: weirctl status"
)]
pub struct Arguments {
    /// The configuration: Azure's resources and the appliance section, as JSON.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Start with the file, also when a configuration was applied after it was read.
    #[arg(long, conflicts_with = "stored")]
    pub ignore_stored: bool,
    /// Start with the stored configuration of this number (`weirctl history`).
    #[arg(long, value_name = "NUMBER")]
    pub stored: Option<u64>,
    /// Arguments for DPDK's EAL; what is named here is not added by Weir.
    #[arg(last = true, value_name = "EAL arguments")]
    pub eal: Vec<String>,
}
