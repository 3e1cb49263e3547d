//! Which words does `weirctl` understand?
//!
//! Not here: what it does with them (`commands`), the examples below each help (`examples`).

mod examples;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, ColorChoice, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use examples::{
    APPLY, COMPLETION, DOCTOR, DRAIN, EXAMPLES, EXPLAIN, FLOWS, HISTORY, MAPPINGS, MEMBERS, PLAN,
    RESOURCES, ROLLBACK, SNAT, SWAP, WATCH,
};

/// Looks at a Weir appliance and changes its configuration.
#[derive(Debug, Parser)]
#[command(name = "weirctl", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) general: General,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "With every command")]
pub(crate) struct General {
    /// The control socket
    #[arg(long, global = true, value_name = "PATH", default_value = SOCKET, display_order = 100)]
    pub(crate) socket: PathBuf,
    /// How to show replies: human, the default, or json
    #[arg(
        short,
        long,
        global = true,
        display_order = 101,
        value_enum,
        value_name = "FORM",
        default_value_t = Output::Human,
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) output: Output,
    /// Colours: auto, the default, always, or never
    #[arg(
        long,
        global = true,
        display_order = 102,
        value_name = "WHEN",
        default_value_t = ColorChoice::Auto,
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) color: ColorChoice,
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
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Condition {
    /// Only with this etag; `*` if it is there at all
    #[arg(long, value_name = "ETAG")]
    pub(crate) if_match: Option<String>,
    /// Only check it; change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// When a change of everything is made.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WholeCondition {
    /// Only if the configuration in force has this etag
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
    /// Live flows
    #[command(after_help = FLOWS)]
    Flows(FlowsArguments),
    /// Outbound ports: who may use which, and how many are in use
    #[command(after_help = SNAT)]
    Snat(SnatArguments),
    /// What would become of a packet, and why
    #[command(after_help = EXPLAIN)]
    Explain(ExplainArguments),
    /// Tell what happens, a line an event, until interrupted
    #[command(after_help = WATCH)]
    Watch {
        /// health, configuration or snat; all when left out
        #[arg(value_name = "TOPIC", hide_possible_values = true)]
        topics: Vec<TopicWord>,
    },
    /// What is wrong with this machine and the appliance, and what to do
    #[command(after_help = DOCTOR)]
    Doctor {
        /// Where the machine's /proc and /sys are
        #[arg(long, hide = true, value_name = "DIRECTORY", default_value = "/")]
        root: PathBuf,
    },
    /// What applying files would change, and what becomes of live flows
    #[command(after_help = PLAN)]
    Plan {
        /// Files or directories, JSON; `-` for standard input
        #[arg(required = true, value_name = "PATH")]
        files: Vec<PathBuf>,
        /// Only if the configuration in force has this etag
        #[arg(long, value_name = "ETAG")]
        if_match: Option<String>,
        /// Exit with code 4 if anything would change
        #[arg(long)]
        detailed_exit_code: bool,
    },
    /// Replace the configuration by that of files
    #[command(after_help = APPLY)]
    Apply {
        /// Files or directories, JSON; `-` for standard input
        #[arg(required = true, value_name = "PATH")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        condition: WholeCondition,
    },
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
    /// The members of a pool: show, add, remove or set
    #[command(
        after_help = MEMBERS,
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true
    )]
    Members {
        /// The pool: its id, or LOAD-BALANCER/POOL
        #[arg(required = true)]
        pool: Option<String>,
        #[command(subcommand)]
        change: Option<MemberChange>,
    },
    /// Let a member finish: no new flows, and wait for the others to end
    #[command(after_help = DRAIN)]
    Drain {
        #[command(flatten)]
        member: MemberName,
        /// Wait until its flows are gone, at most so long
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
        /// Give it new flows again
        #[arg(long, conflicts_with = "wait")]
        undo: bool,
    },
    /// Exchange the public addresses of two frontends, both at once
    #[command(after_help = SWAP)]
    Swap {
        /// A frontend: its id, or LOAD-BALANCER/FRONTEND
        first: String,
        /// The other one
        second: String,
        /// Only check it; change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// The frontend ports of inbound NAT rules that lead to a member
    #[command(after_help = MAPPINGS)]
    Mappings {
        /// The pool: its id, or LOAD-BALANCER/POOL
        pool: String,
        /// The member's address
        address: String,
    },
    /// The configurations that are stored, newest first
    #[command(after_help = HISTORY)]
    History,
    /// Put a stored configuration in force again
    #[command(after_help = ROLLBACK)]
    Rollback {
        /// Its number in `weirctl history`; the one before when left out
        number: Option<u64>,
        #[command(flatten)]
        condition: WholeCondition,
    },
    /// The releases of the appliance and of DPDK
    Version,
    /// A script that teaches a shell these commands
    #[command(after_help = COMPLETION)]
    Completion {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
}

/// A member of a pool.
#[derive(Clone, Debug, Args)]
pub(crate) struct MemberName {
    /// The pool: its id, or LOAD-BALANCER/POOL
    pub(crate) pool: String,
    /// The member: its name or its address
    pub(crate) member: String,
}

/// What to change about the members of a pool.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberChange {
    /// Give a pool one more member
    Add {
        /// The pool: its id, or LOAD-BALANCER/POOL
        pool: String,
        /// The member's name
        name: String,
        /// Its IP address
        address: String,
        #[command(flatten)]
        properties: MemberProperties,
        /// The id of the virtual network of the address
        #[arg(long, value_name = "ID")]
        virtual_network: Option<String>,
        #[command(flatten)]
        condition: Condition,
    },
    /// Take a member out of a pool; its flows end
    Remove {
        #[command(flatten)]
        member: MemberName,
        #[command(flatten)]
        condition: Condition,
    },
    /// Change the weight or the administrative state of a member
    #[command(
        override_usage = "weirctl members set [OPTIONS] <POOL> <MEMBER>",
        group = clap::ArgGroup::new("what").required(true).multiple(true)
            .args(["weight", "admin_state"])
    )]
    Set {
        #[command(flatten)]
        member: MemberName,
        #[command(flatten)]
        properties: MemberProperties,
        #[command(flatten)]
        condition: Condition,
    },
}

/// What an operator says of a member.
#[derive(Clone, Debug, Args)]
pub(crate) struct MemberProperties {
    /// Its share of new flows, 1 to 100
    #[arg(long, value_name = "NUMBER")]
    pub(crate) weight: Option<u16>,
    /// None (probes decide), Up, or Down (no new flows)
    #[arg(long, value_name = "STATE", ignore_case = true, hide_possible_values = true)]
    pub(crate) admin_state: Option<AdminState>,
}

/// What an operator says of a member's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum AdminState {
    /// Probes decide
    None,
    /// Up, whatever probes find
    Up,
    /// No new flows
    Down,
}

/// What `weirctl watch` can tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopicWord {
    /// Members that become eligible, or stop to be
    Health,
    /// Configurations that come in force
    Configuration,
    /// Outbound ports that become scarce
    Snat,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

/// Which flows are meant, and how many.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FlowsArguments {
    /// Tcp or Udp
    #[arg(long, ignore_case = true, hide_possible_values = true)]
    pub(crate) protocol: Option<Protocol>,
    /// Opened from this address or prefix
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) source: Option<String>,
    /// Opened from this port
    #[arg(long, value_name = "PORT")]
    pub(crate) source_port: Option<u16>,
    /// Opened to this address or prefix
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) destination: Option<String>,
    /// Opened to this port
    #[arg(long, value_name = "PORT")]
    pub(crate) destination_port: Option<u16>,
    /// Of this rule: its id, or LOAD-BALANCER/RULE
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Of this member: its address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) member: Option<String>,
    /// Of this worker
    #[arg(long, value_name = "NUMBER")]
    pub(crate) worker: Option<u8>,
    #[command(flatten)]
    pub(crate) amount: Amount,
    /// Count them by rule and member instead
    #[arg(long, conflicts_with_all = ["limit", "all"])]
    pub(crate) summary: bool,
}

/// How much of a long list is shown.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct Amount {
    /// At most so many, 1 to 1000; 100 when left out
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: Option<u32>,
    /// All of them, at most a million
    #[arg(long, conflicts_with = "limit", action = ArgAction::SetTrue)]
    pub(crate) all: bool,
}

/// Which outbound ports are meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct SnatArguments {
    /// Of this rule: its id, or LOAD-BALANCER/OUTBOUND-RULE
    #[arg(long, value_name = "ID")]
    pub(crate) rule: Option<String>,
    /// Of this member: its address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) member: Option<String>,
    /// Also by destination, the most used first
    #[arg(long)]
    pub(crate) destinations: bool,
    /// Also how many were in use within the last hour and day
    #[arg(long)]
    pub(crate) history: bool,
    #[command(flatten)]
    pub(crate) amount: Amount,
}

/// The packet to explain.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExplainArguments {
    /// tcp or udp
    #[arg(ignore_case = true, hide_possible_values = true)]
    pub(crate) protocol: Protocol,
    /// Where it comes from: ADDRESS:PORT, or [ADDRESS]:PORT
    #[arg(value_parser = endpoint)]
    pub(crate) source: SocketAddr,
    /// Where it goes: ADDRESS:PORT, or [ADDRESS]:PORT
    #[arg(value_parser = endpoint)]
    pub(crate) destination: SocketAddr,
    /// It comes in by this port; else by that towards its source
    #[arg(long, value_name = "NAME")]
    pub(crate) port: Option<String>,
}

/// An address with a port, or how to write one.
fn endpoint(written: &str) -> Result<SocketAddr, &'static str> {
    let is_long = written.matches(':').count() > 1 || written.contains(['[', ']']);
    let form = if is_long { "write [ADDRESS]:PORT" } else { "write ADDRESS:PORT" };
    written.parse().map_err(|_| form)
}

/// Where the appliance listens when its configuration says nothing else.
const SOCKET: &str = "/run/weir/control.sock";
