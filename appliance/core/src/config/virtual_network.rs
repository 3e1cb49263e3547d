//! Which addresses belong to a `Microsoft.Network/virtualNetworks` resource?
//!
//! Traffic between addresses of virtual networks is routed, not translated.
//!
//! Not here: routes between them (the kernel's, mirrored).

use super::address::read_prefix;
use super::arm::{Field, Object};
use super::reference::Target;
use super::resource::Resource;
use crate::limits::PREFIXES_PER_VIRTUAL_NETWORK_MAX;
use crate::units::Prefix;

/// How virtual networks are referred to.
pub(super) const TARGET: Target<'static> = Target { kind: "virtualNetworks", parent: None };

/// One virtual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualNetwork {
    /// Its name.
    pub name: String,
    /// Its address space: at least one prefix.
    pub prefixes: Vec<Prefix>,
}

/// Reads one virtual network.
pub(super) fn read(resource: &Resource<'_>) -> Option<VirtualNetwork> {
    let properties = &resource.properties;
    let space = properties.object("addressSpace");
    let fields = space.required("addressPrefixes").and_then(|field| field.list());
    let prefixes: Option<Vec<Prefix>> = fields.and_then(|fields| {
        let length = fields.len();
        if !(1..=PREFIXES_PER_VIRTUAL_NETWORK_MAX).contains(&length) {
            let message = format!(
                "Give 1 to {PREFIXES_PER_VIRTUAL_NETWORK_MAX} prefixes; here are {length}."
            );
            space.error_at("addressPrefixes", "LimitExceeded", message);
            return None;
        }
        let prefixes: Vec<_> = fields.iter().map(read_prefix).collect();
        prefixes.into_iter().collect()
    });
    space.finish();
    properties.list("subnets").iter().for_each(read_subnet);
    properties.not_yet_supported(
        "virtualNetworkPeerings",
        "Peerings are not in this version. Every virtual network of the document is routed.",
    );
    properties.ignore(&["dhcpOptions", "enableDdosProtection", "enableVmProtection"]);
    properties.ignore(&["ddosProtectionPlan", "encryption", "flowTimeoutInMinutes"]);
    Some(VirtualNetwork { name: resource.name.clone(), prefixes: prefixes? })
}

/// A subnet has no meaning of its own here, but must not carry one that would be missed.
fn read_subnet(field: &Field<'_>) {
    let Some(resource) = Resource::read(field) else { return };
    let properties = &resource.properties;
    properties.maybe("addressPrefix", read_prefix);
    properties.list("addressPrefixes").iter().for_each(|field| {
        read_prefix(field);
    });
    refuse_what_a_subnet_cannot_have(properties);
    properties.ignore(&["serviceEndpoints", "delegations", "ipConfigurations"]);
    properties.ignore(&["privateEndpointNetworkPolicies", "privateLinkServiceNetworkPolicies"]);
    properties.ignore(&["defaultOutboundAccess"]);
    resource.finish();
}

fn refuse_what_a_subnet_cannot_have(properties: &Object<'_>) {
    properties.not_yet_supported(
        "networkSecurityGroup",
        "Network security groups are not in this version. Remove the reference.",
    );
    properties.not_yet_supported("natGateway", "NAT gateways are not in this version. Remove it.");
    properties.not_yet_supported(
        "routeTable",
        "Route tables are not in this version. Write appliance.routes instead.",
    );
}
