//! Which addresses belong to a `Microsoft.Network/virtualNetworks` resource and its subnets?
//!
//! Traffic between addresses of virtual networks is routed, not translated.
//!
//! Not here: routes between them (the kernel's, mirrored).

use super::address::read_prefix;
use super::arm::{Field, Object};
use super::reference::{Index, Reference, Target};
use super::resource::{Resource, Written, children, names};
use super::security_group::{self, NetworkSecurityGroup};
use crate::limits::{PREFIXES_PER_VIRTUAL_NETWORK_MAX, SUBNETS_PER_VIRTUAL_NETWORK_MAX};
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
    /// Parts of the address space, which do not overlap.
    pub subnets: Vec<Subnet>,
}

/// One subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its name, unique in the virtual network.
    pub name: String,
    /// Its prefixes, in the address space: at least one.
    pub prefixes: Vec<Prefix>,
    /// Position in the configuration's network security groups.
    pub network_security_group: Option<usize>,
}

/// A virtual network while it is checked.
pub(super) struct NetworkDraft<'a> {
    pub(super) prefixes: Vec<Prefix>,
    pub(super) subnets: Vec<Written<'a, Subnet>>,
}

/// Reads one virtual network.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    groups: &[Written<'a, NetworkSecurityGroup>],
) -> Option<NetworkDraft<'a>> {
    let properties = &resource.properties;
    let space = properties.object("addressSpace");
    let prefixes = read_space(&space);
    space.ignore(&["ipamPoolPrefixAllocations"]);
    space.finish();
    let subnets = children(properties, "subnets", |child| read_subnet(child, groups));
    if subnets.len() > SUBNETS_PER_VIRTUAL_NETWORK_MAX {
        let message = format!("At most {SUBNETS_PER_VIRTUAL_NETWORK_MAX} subnets fit here.");
        properties.error_at("subnets", "LimitExceeded", message);
    }
    properties.ignore(&["dhcpOptions", "enableDdosProtection", "enableVmProtection"]);
    properties.ignore(&["ddosProtectionPlan", "encryption", "flowTimeoutInMinutes", "flowLogs"]);
    properties.ignore(&["bgpCommunities", "ipAllocations", "privateEndpointVNetPolicies"]);
    properties.ignore(&["defaultPublicNatGateway", "virtualNetworkPeerings"]);
    let prefixes = prefixes?;
    check_subnets(&prefixes, &subnets);
    Some(NetworkDraft { prefixes, subnets })
}

/// The subnets of all networks, to be referred to.
pub(super) fn subnet_index(networks: &[Written<'_, NetworkDraft<'_>>]) -> Index {
    let pairs = all_subnets(networks)
        .map(|(network, subnet)| (network.resource.name.as_str(), subnet.resource.name.as_str()));
    Index::new("virtualNetworks", "subnets", pairs)
}

/// The subnets of all networks, each with its network, in the order of the index.
pub(super) fn all_subnets<'s, 'a>(
    networks: &'s [Written<'a, NetworkDraft<'a>>],
) -> impl Iterator<Item = (&'s Written<'a, NetworkDraft<'a>>, &'s Written<'a, Subnet>)> {
    networks.iter().flat_map(|network| {
        let subnets = network.meaning.iter().flat_map(|draft| &draft.subnets);
        subnets.map(move |subnet| (network, subnet))
    })
}

fn read_space(space: &Object<'_>) -> Option<Vec<Prefix>> {
    let fields = space.required("addressPrefixes")?.list()?;
    let length = fields.len();
    if !(1..=PREFIXES_PER_VIRTUAL_NETWORK_MAX).contains(&length) {
        let message =
            format!("Give 1 to {PREFIXES_PER_VIRTUAL_NETWORK_MAX} prefixes; here are {length}.");
        space.error_at("addressPrefixes", "LimitExceeded", message);
        return None;
    }
    let prefixes: Vec<_> = fields.iter().map(read_prefix).collect();
    prefixes.into_iter().collect()
}

fn read_subnet<'a>(
    resource: &Resource<'a>,
    groups: &[Written<'a, NetworkSecurityGroup>],
) -> Option<Subnet> {
    let properties = &resource.properties;
    let single = properties.maybe("addressPrefix", read_prefix);
    let several: Vec<_> = properties.list("addressPrefixes").iter().map(read_prefix).collect();
    let several: Option<Vec<Prefix>> = several.into_iter().collect();
    let network_security_group = properties.maybe("networkSecurityGroup", |field: &Field<'_>| {
        Reference::read(field)?.resolve(&security_group::TARGET, names(groups))
    });
    properties.ignore(&["natGateway", "routeTable", "serviceEndpoints", "delegations"]);
    properties.ignore(&["ipConfigurations", "privateEndpointNetworkPolicies", "purpose"]);
    properties.ignore(&["privateLinkServiceNetworkPolicies", "defaultOutboundAccess"]);
    properties.ignore(&["serviceEndpointPolicies", "privateEndpoints", "ipConfigurationProfiles"]);
    properties.ignore(&["ipAllocations", "resourceNavigationLinks", "serviceAssociationLinks"]);
    properties.ignore(&["applicationGatewayIPConfigurations", "sharingScope"]);
    let (single, several) = (single?, several?);
    let prefixes = if several.is_empty() { Vec::from_iter(single) } else { several };
    if prefixes.is_empty() {
        properties.error_at(
            "addressPrefix",
            "MissingProperty",
            "`addressPrefix` is missing. Add it.",
        );
        return None;
    }
    let network_security_group = network_security_group?;
    Some(Subnet { name: resource.name.clone(), prefixes, network_security_group })
}

/// Subnets lie in the address space and do not overlap.
fn check_subnets(space: &[Prefix], subnets: &[Written<'_, Subnet>]) {
    let mut known: Vec<(Prefix, &str)> = Vec::new();
    for written in subnets {
        let Some(subnet) = &written.meaning else { continue };
        let properties = &written.resource.properties;
        let place = if properties.optional("addressPrefixes").is_some() {
            "addressPrefixes"
        } else {
            "addressPrefix"
        };
        for prefix in &subnet.prefixes {
            if !space.iter().any(|outer| covers(*outer, *prefix)) {
                properties.error_at(
                    place,
                    "NetcfgInvalidSubnet",
                    format!("{prefix} is not in the address space. Widen `addressPrefixes`."),
                );
            }
            let overlap =
                |(other, _): &&(Prefix, &str)| covers(*other, *prefix) || covers(*prefix, *other);
            if let Some((other, name)) = known.iter().find(overlap) {
                properties.error_at(
                    place,
                    "NetcfgSubnetRangesOverlap",
                    format!("{prefix} overlaps {other} of subnet `{name}`. Choose another one."),
                );
            }
        }
        known.extend(subnet.prefixes.iter().map(|prefix| (*prefix, subnet.name.as_str())));
    }
}

fn covers(outer: Prefix, inner: Prefix) -> bool {
    outer.length <= inner.length && outer.contains(inner.address)
}
