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
mod load_balancer;
mod problem;
mod public_address;
mod reference;
mod resource;
mod resources;
#[cfg(test)]
mod tests;
mod validate;
mod virtual_network;

use serde_json::Value;

pub use appliance::{
    Appliance, Hugepages, Idle, InterfaceAddress, Lcores, Limits, Log, LogFormat, LogLevel,
    OwnAddresses, OwnService, Port, StaticRoute, changed_appliance_fields,
};
pub use load_balancer::{
    AdminState, Frontend, LoadBalancer, LoadBalancingRule, LoadDistribution, Member,
    NoHealthyBackends, OutboundProtocol, OutboundRule, Pool, Probe, ProbeProtocol, Sku,
};
pub use problem::Problem;
pub use virtual_network::VirtualNetwork;

use arm::{Field, Object};
use problem::Report;

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
}

/// What [`check`] found in a document that can be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What the document means.
    pub configuration: Configuration,
    /// What the author should know all the same, in document order.
    pub warnings: Vec<Problem>,
    /// The document as it was written, to be echoed.
    pub document: Value,
}

/// Reads a configuration document.
///
/// # Errors
///
/// Every problem that keeps the document from being applied, in document order; never none. At
/// most `limits::PROBLEMS_MAX` are listed and the rest counted. For something that is no JSON, one
/// problem says line and column.
pub fn check(text: &[u8]) -> Result<Checked, Vec<Problem>> {
    let report = Report::default();
    let Some(document) = document::parse(text, &report) else {
        return Err(report.finish(&Value::Null).0);
    };
    let configuration = read(&document, &report);
    let (errors, warnings) = report.finish(&document);
    match configuration {
        Some(configuration) if errors.is_empty() => {
            Ok(Checked { configuration, warnings, document })
        }
        Some(_) | None => Err(errors),
    }
}

/// The meaning of a document; only to be used if the report has no errors.
fn read(document: &Value, report: &Report) -> Option<Configuration> {
    let root = Field::document(document, report).object()?;
    let section = root.required("appliance").and_then(|field| field.object());
    let appliance = section.as_ref().map(appliance::read);
    let resources = resources::read(&root);
    finish(&root);
    let ports = appliance.as_ref().map_or(&[][..], |appliance| &appliance.ports);
    validate::validate(&resources.load_balancers, ports);
    Some(Configuration {
        appliance: appliance?.meaning?,
        load_balancers: resources
            .load_balancers
            .into_iter()
            .map(load_balancer::Draft::into_meaning)
            .collect(),
        virtual_networks: resources
            .virtual_networks
            .into_iter()
            .filter_map(|network| network.meaning)
            .collect(),
    })
}

/// The envelope is Weir's own: a misspelt `resources` must not be an empty configuration. What a
/// template has at its top without meaning is accepted.
fn finish(root: &Object<'_>) {
    root.ignore(&["$schema", "contentVersion", "metadata"]);
    root.finish_strictly();
}
