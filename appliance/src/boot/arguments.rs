//! What may be said on the command line?

use std::path::PathBuf;

/// Runs the Weir appliance in the foreground, until SIGTERM or SIGINT; SIGHUP reads the
/// configuration again.
#[derive(Debug, clap::Parser)]
#[command(
    name = "weir",
    version,
    after_help = "Examples:\n  weir --config /etc/weir/weir.json\n  \
                  weir --config demo.json -- --no-pci --file-prefix demo\n\n\
                  Exit codes: 0 after a signal, 2 for a configuration that is refused, \
                  1 for anything else.\n\
                  Look at a running appliance with: weirctl status"
)]
pub struct Arguments {
    /// The configuration: Azure's resources and the appliance section, as JSON.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Arguments for DPDK's EAL; what is named here is not added by Weir.
    #[arg(last = true, value_name = "EAL arguments")]
    pub eal: Vec<String>,
}
