//! Which words does `weirctl` understand?
//!
//! Not here: what it does with them (`main`).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Looks at a Weir appliance and changes its configuration.
#[derive(Debug, Parser)]
#[command(name = "weirctl", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The control socket
    #[arg(long, global = true, value_name = "PATH", default_value = SOCKET)]
    pub(crate) socket: PathBuf,
    /// How to show replies: human, the default, or json
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        default_value_t = Output::Human,
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) output: Output,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How replies are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables of at most 80 columns
    Human,
    /// Indented JSON
    Json,
}

/// When a change of one resource is made.
#[derive(Clone, Debug, Args)]
pub(crate) struct Condition {
    /// Only if it has this etag; `*` if it is there at all
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
    /// Only check it; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// How is the appliance? Look here first
    Status,
    /// Every counter that is not zero
    Stats,
    /// State and reason of every member of every rule
    Health,
    /// The configuration in force as `apply` takes it, or one resource
    #[command(after_help = RESOURCES)]
    Get {
        /// The resource, such as loadBalancers/web/probes/http
        id: Option<String>,
    },
    /// The resources of one kind, with their etags
    #[command(after_help = RESOURCES)]
    List {
        /// Such as loadBalancers, or loadBalancers/web/probes
        collection: String,
    },
    /// Replace or add one resource
    #[command(after_help = RESOURCES)]
    Put {
        /// The resource, such as loadBalancers/web/probes/http
        id: String,
        /// What it becomes, JSON with `properties`; `-` for standard input
        file: PathBuf,
        #[command(flatten)]
        condition: Condition,
    },
    /// Take one resource out
    #[command(after_help = RESOURCES)]
    Delete {
        /// The resource, such as loadBalancers/web/probes/http
        id: String,
        #[command(flatten)]
        condition: Condition,
    },
    /// Replace the configuration by that of a file
    Apply {
        /// The configuration, JSON; `-` for standard input
        file: PathBuf,
        /// Only check it; change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// The configurations that are stored, newest first
    #[command(after_help = HISTORY)]
    History,
    /// Put a stored configuration in force again
    #[command(after_help = ROLLBACK)]
    Rollback {
        /// Its number in `weirctl history`; the one before when left out
        number: Option<u64>,
        /// Only check it; change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// The releases of the appliance and of DPDK
    Version,
}

/// Where the appliance listens when its configuration says nothing else.
const SOCKET: &str = "/run/weir/control.sock";

const EXAMPLES: &str = "\
Examples:
  weirctl status                   how is the appliance?
  weirctl apply lb.json --dry-run  would this configuration be accepted?
  weirctl apply lb.json            put it in force
  weirctl get > lb.json            fetch what is in force
  weirctl history                  who put what in force, and when
  weirctl rollback                 take the latest change back
  weirctl health -o json           every member with its reason, for programs
  generate | weirctl apply -       apply what another program writes

Exit codes:
  0  done
  1  the appliance reports an error
  2  the configuration was refused, or the command was misspelt
  3  no appliance answers at the control socket";

const RESOURCES: &str = "\
Examples:
  weirctl list loadBalancers                       every load balancer
  weirctl get loadBalancers/web/probes/http        one probe
  weirctl put loadBalancers/web/probes/http http.json
  weirctl delete loadBalancers/web/probes/http --dry-run
  weirctl put loadBalancers/web lb.json --if-match 0123456789abcdef

Ids are those of Azure: absolute, or from the type on, without regard to case.
A change of one resource is checked and applied as one of everything.";

const HISTORY: &str = "\
Examples:
  weirctl history                  who put what in force, and when
  weirctl history -o json          with whole checksums, for programs

The newest eleven are kept. A configuration that is the same as the newest one
is not stored again. A restart goes on with the newest one, unless the file of
weir's --config has changed since.";

const ROLLBACK: &str = "\
Examples:
  weirctl rollback                 to the one before that in force
  weirctl rollback 7               to number 7 of weirctl history
  weirctl rollback 7 --dry-run     would it be accepted?

A rollback is stored under a number of its own. So a second one without a
number takes the first one back.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_fits_a_terminal() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let help = command.render_help().to_string();
        assert!(help.contains("weirctl apply lb.json --dry-run"));
        assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        for command in command.get_subcommands_mut() {
            let help = command.render_help().to_string();
            assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
        }
    }

    #[test]
    fn options_may_stand_before_and_after_the_command() {
        for words in [
            &["weirctl", "--socket", "/s", "-o", "json", "status"][..],
            &["weirctl", "status", "-o", "json", "--socket", "/s"],
        ] {
            let arguments = Arguments::try_parse_from(words).expect("understood");
            assert_eq!(arguments.output, Output::Json);
            assert_eq!(arguments.socket, PathBuf::from("/s"));
        }
        let arguments = Arguments::try_parse_from(["weirctl", "status"]).expect("understood");
        assert_eq!(arguments.socket, PathBuf::from(SOCKET));
    }
}
