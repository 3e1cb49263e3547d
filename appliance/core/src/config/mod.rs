//! What does a configuration document mean, and what is wrong with it?
//!
//! ```text
//!   bytes ─► document ─► arm (lenient) ─► one file per resource ─► validate ─► Configuration
//!               └────────────┴──────────────────┴─────────────────────┴──► every Problem
//! ```
//!
//! A configuration is a set of Azure resources in the shape of the REST API, beside one
//! `appliance` section. Reading never stops at a problem; what has one is left without meaning,
//! but its name still resolves, so that one mistake is reported once.
//!
//! Not here: tables that workers read (`compile`), files and sockets (the shell).

mod address;
mod appliance;
mod arm;
mod document;
mod echo;
pub mod edit;
mod load_balancer;
mod network_interface;
mod outbound_method;
mod pointer;
mod port_mapping;
mod problem;
mod public_address;
mod public_prefix;
mod reference;
mod resource;
mod resources;
mod security_group;
mod shapes;
mod sources;
mod supported;
#[cfg(test)]
pub(crate) mod tests;
mod validate;
mod virtual_network;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

pub use appliance::{
    Appliance, ControlSocket, Hugepages, Idle, InterfaceAddress, Lcores, Limits, Log, LogFormat,
    LogLevel, OwnAddresses, OwnService, Port, SessionLog, SessionLogDestination, SessionLogRecords,
    StaticRoute, changed_appliance_fields,
};
pub use load_balancer::{
    AdminState, Frontend, HaPortsRule, InboundNatPool, InboundNatRule, InboundNatRulePortMapping,
    InboundNatTarget, LoadBalancer, LoadBalancingRule, LoadDistribution, Member, NoHealthyBackends,
    OutboundExtensions, OutboundRule, Pool, Probe, ProbeProtocol, Sku, TransportProtocol,
};
pub use network_interface::{IpConfiguration, NetworkInterface};
pub use outbound_method::{OutboundMethod, burned_granules, outbound_methods};
pub use pointer::escape;
pub use port_mapping::{PortMappingError, PortMappingQuery, port_mappings};
pub use problem::Problem;
pub use resources::Kind;
pub use security_group::{
    AddressMatch, Direction, NetworkSecurityGroup, SecurityProtocol, SecurityRule,
};
pub use sources::{Examined, FileProblem, Origins, Source, examine, merge};
pub use virtual_network::{Subnet, VirtualNetwork};

use arm::{Field, Object};
use problem::{Findings, Report};

use crate::limits::CONFIGURATION_BYTES_MAX;

/// A configuration in which nothing is wrong: every reference resolved, every default applied,
/// every number in its range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// What only a box has.
    pub appliance: Appliance,
    /// In document order.
    pub load_balancers: Vec<LoadBalancer>,
    /// In document order.
    pub virtual_networks: Vec<VirtualNetwork>,
    /// In document order.
    pub network_security_groups: Vec<NetworkSecurityGroup>,
    /// In document order.
    pub network_interfaces: Vec<NetworkInterface>,
}

impl Configuration {
    /// The addresses of everything that the appliance leads packets to: of members, and of hosts
    /// with a public address of their own. Some are named more than once.
    pub fn host_addresses(&self) -> impl Iterator<Item = IpAddr> {
        let pools = self.load_balancers.iter().flat_map(|load_balancer| &load_balancer.pools);
        let members = pools.flat_map(|pool| &pool.members).map(|member| member.address);
        members.chain(self.instances().map(|(instance, _)| instance.address))
    }

    /// The addresses of network interfaces that have a public one, each with that.
    pub fn instances(&self) -> impl Iterator<Item = (&IpConfiguration, IpAddr)> {
        let interfaces = self.network_interfaces.iter();
        interfaces
            .flat_map(|interface| &interface.ip_configurations)
            .filter_map(|configuration| Some((configuration, configuration.public_address?)))
    }
}

/// What [`check`] found in a document that can be applied.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What the document means.
    pub configuration: Configuration,
    /// What the author should know all the same, in document order.
    pub warnings: Vec<FileProblem>,
    /// The document as it was written.
    pub document: Arc<Value>,
    /// The document in Azure's spelling, with everything that is not understood as it was written.
    pub echo: Arc<Value>,
    /// Of the echo, once somebody has asked for it.
    etag: OnceLock<String>,
}

impl Checked {
    /// The etag of the configuration as a whole: a digest of its echo, made once.
    #[must_use]
    pub fn etag(&self) -> &str {
        self.etag.get_or_init(|| edit::etag(&self.echo))
    }
}

/// Reads a configuration document.
///
/// # Errors
///
/// Every problem that keeps the document from being applied, in document order; never none. Among
/// them are those of what this version lacks (`NotYetSupportedByWeir`). At most
/// `limits::PROBLEMS_MAX` are listed and the rest counted. For something that is no JSON, one
/// problem says line and column.
pub fn check(text: &[u8]) -> Result<Checked, Vec<Problem>> {
    let source = Source { name: String::new(), text: text.to_owned() };
    examine(vec![source])
        .into_checked()
        .map_err(|problems| problems.into_iter().map(|it| it.problem).collect())
}

/// Reads a configuration document that is there as a value already, as [`check`] reads its text.
///
/// # Errors
///
/// As [`check`].
pub fn check_document(document: Value, text: &str) -> Result<Checked, Vec<Problem>> {
    // An envelope that is not Weir's own, or too much, is spoken of where files are read.
    if !sources::is_plain(&document) || text.len() > CONFIGURATION_BYTES_MAX {
        return check(text.as_bytes());
    }
    let twins = Report::default();
    document::refuse_twins(&document, &twins);
    let document = Arc::new(sources::in_order(document));
    let Reading { configuration, findings, echo } = read(&document, Report::default());
    let Findings { errors, unsupported, mut warnings } = findings;
    let mut problems: Vec<Problem> = errors.into_iter().chain(unsupported).collect();
    problems.extend(twins.finish().errors);
    for list in [&mut problems, &mut warnings] {
        list.sort_by_cached_key(|problem| problem::order(problem, &document));
    }
    let in_document = |problem| FileProblem { file: String::new(), problem };
    let warnings = warnings.into_iter().map(in_document).collect();
    match configuration {
        Some(configuration) if problems.is_empty() => {
            Ok(Checked { configuration, warnings, document, echo, etag: OnceLock::new() })
        }
        Some(_) | None => Err(problems),
    }
}

/// What a document means, and everything that was found in it.
struct Reading {
    configuration: Option<Configuration>,
    findings: Findings,
    echo: Arc<Value>,
}

/// Reads a document. It has a meaning if nothing keeps it from being applied.
fn read(document: &Arc<Value>, report: Report) -> Reading {
    document::refuse_depth(document, &report);
    let configuration = read_all(document, &report);
    let echo = report.edits.apply(document);
    let findings = report.finish();
    let applies = findings.errors.is_empty() && findings.unsupported.is_empty();
    let configuration = configuration.filter(|_| applies);
    Reading { configuration, findings, echo }
}

/// The meaning of a document; only to be used if the report has neither errors nor anything that
/// is not supported.
fn read_all(document: &Value, report: &Report) -> Option<Configuration> {
    let root = Field::document(document, report).object()?;
    let section = root.optional("appliance").and_then(|field| field.object());
    let appliance = section.as_ref().map(appliance::read);
    let mut resources = resources::read(&root);
    finish(&root);
    let ports = appliance.as_ref().map_or(&[][..], |appliance| &appliance.ports);
    resources.shared_member_ports = validate::validate(&resources, ports);
    supported::report(&resources, report);
    let virtual_networks = resources.virtual_networks.into_iter().filter_map(|network| {
        let draft = network.meaning?;
        let subnets = draft.subnets.into_iter().filter_map(|subnet| subnet.meaning).collect();
        Some(VirtualNetwork { name: network.resource.name, prefixes: draft.prefixes, subnets })
    });
    let groups = resources.security_groups.into_iter();
    Some(Configuration {
        appliance: appliance?.meaning?,
        load_balancers: resources
            .load_balancers
            .into_iter()
            .map(load_balancer::Draft::into_meaning)
            .collect(),
        virtual_networks: virtual_networks.collect(),
        network_security_groups: groups.filter_map(|group| group.meaning).collect(),
        network_interfaces: network_interface::meanings(
            &resources.interfaces,
            &resources.public_addresses,
        ),
    })
}

/// The envelope is Weir's own: a misspelt `resources` must not be an empty configuration. What a
/// template has at its top without meaning is accepted.
fn finish(root: &Object<'_>) {
    root.ignore(&["$schema", "contentVersion", "metadata"]);
    root.finish_strictly();
}
