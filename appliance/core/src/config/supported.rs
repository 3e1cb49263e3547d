//! What is right in Azure's model, and cannot be applied by this version?
//!
//! One row for each such feature: what it is called in `docs/configuration.md`, what to do without
//! it, and where a configuration uses it. All have the code `NotYetSupportedByWeir`. A feature that
//! the data path learns loses its row, and nothing else changes here.
//!
//! Not here: what is wrong in Azure as well (`validate` and the files of the resources).

use super::arm::{Object, Place};
use super::load_balancer::{Draft, RuleProtocol, Sku, Source, Tier};
use super::network_interface::ConfigurationDraft;
use super::problem::Report;
use super::resource::{Resource, Written};
use super::resources::Resources;
use super::virtual_network::all_subnets;

/// A feature that this version lacks.
pub(super) struct Row {
    /// What the documentation calls it.
    pub(super) feature: &'static str,
    /// What to do without it, in full sentences.
    remedy: &'static str,
    /// Where a configuration uses it.
    find: fn(&Resources<'_>) -> Vec<String>,
}

/// Reports every use of a feature that this version lacks.
pub(super) fn report(resources: &Resources<'_>, report: &Report) {
    for row in ROWS {
        for pointer in (row.find)(resources) {
            let message = format!("Not in this version: {}. {}", row.feature, row.remedy);
            report.unsupported(&pointer, message);
        }
    }
}

/// Every feature that this version lacks, in the order of the documentation.
pub(super) const ROWS: &[Row] = &[
    Row {
        feature: "Gateway load balancers",
        remedy: "They send packets through appliances by VXLAN. Use Standard.",
        find: |all| balancers(all, |draft| draft.sku == Sku::Gateway, "sku"),
    },
    Row {
        feature: "Global load balancers",
        remedy: "They stand in front of several regions, and an appliance is in one place. Use \
                 Regional.",
        find: find_global_tier,
    },
    Row {
        feature: "Inbound NAT rules",
        remedy: "Remove them, or write one load-balancing rule and one pool per member.",
        find: |all| balancers(all, |draft| !draft.inbound_nat_rules.is_empty(), "inboundNatRules"),
    },
    Row {
        feature: "Inbound NAT pools",
        remedy: "They serve scale sets, which are not known here. Remove them.",
        find: |all| balancers(all, |draft| !draft.inbound_nat_pools.is_empty(), "inboundNatPools"),
    },
    Row {
        feature: "HA ports",
        remedy: "Write one rule per protocol and port.",
        find: |all| {
            let protocol = |is: RuleProtocol| is == RuleProtocol::All;
            rules_of_protocol(all, protocol)
        },
    },
    Row {
        feature: "The protocol Quic",
        remedy: "Use Udp.",
        find: |all| rules_of_protocol(all, |protocol| protocol == RuleProtocol::Quic),
    },
    Row {
        feature: "Floating IP",
        remedy: "Set it to false.",
        find: |all| rules_with(all, "enableFloatingIP"),
    },
    Row {
        feature: "Tracking of UDP connections",
        remedy: "Set it to false.",
        find: |all| {
            let mut places = rules_with(all, "enableConnectionTracking");
            places.extend(written(frontends(all), "enableConnectionTracking"));
            places
        },
    },
    Row { feature: "IPv6 frontends and members", remedy: "Give IPv4 addresses.", find: find_ipv6 },
    Row {
        feature: "Chains to gateway load balancers",
        remedy: "Remove the reference.",
        find: |all| {
            let mut places = written(frontends(all), "gatewayLoadBalancer");
            places.extend(written(configurations(all), "gatewayLoadBalancer"));
            places
        },
    },
    Row { feature: "HTTPS probes", remedy: "Use Http or Tcp.", find: find_https_probes },
    Row {
        feature: "Draining with a reset",
        remedy: "Set it to 0 and use `adminState`.",
        find: |all| written(pools(all), "drainPeriodInSeconds"),
    },
    Row {
        feature: "Tunnel interfaces",
        remedy: "They belong to gateway load balancers. Remove them.",
        find: |all| written(pools(all), "tunnelInterfaces"),
    },
    Row {
        feature: "The end of flows when all members of a Basic load balancer are down",
        remedy: "Established TCP flows would go on. Use SKU Standard, or remove the rules' probes.",
        find: |all| balancers(all, is_basic_with_a_probe, "sku"),
    },
    Row {
        feature: "A public and an internal rule to one port of a member",
        remedy: "Use another backend port.",
        find: |all| all.shared_member_ports.iter().map(pointer).collect(),
    },
    Row {
        feature: "Addresses that Azure chooses",
        remedy: "Nothing hands out addresses here. Write the address.",
        find: find_missing_addresses,
    },
    Row {
        feature: "Network security groups of subnets and interfaces",
        remedy: "Nothing would be closed by it. Remove the reference, and filter at the members.",
        find: |all| {
            let mut places = written(subnets(all), "networkSecurityGroup");
            let interfaces = all.interfaces.iter().map(|interface| &interface.resource);
            places.extend(written(interfaces, "networkSecurityGroup"));
            places
        },
    },
    Row {
        feature: "NAT gateways",
        remedy: "Remove the reference, and write an outbound rule.",
        find: |all| {
            let mut places = written(subnets(all), "natGateway");
            places.extend(written(
                all.public_addresses.iter().map(|address| &address.resource),
                "natGateway",
            ));
            places.extend(written(
                all.public_prefixes.iter().map(|prefix| &prefix.resource),
                "natGateway",
            ));
            places
        },
    },
    Row {
        feature: "Route tables",
        remedy: "Write appliance.routes instead.",
        find: |all| written(subnets(all), "routeTable"),
    },
    Row {
        feature: "Peerings of virtual networks",
        remedy: "Every virtual network of the configuration is routed. Remove them.",
        find: |all| {
            let networks = all.virtual_networks.iter().map(|network| &network.resource);
            written(networks, "virtualNetworkPeerings")
        },
    },
    Row {
        feature: "Load balancers as members",
        remedy: "They belong to the Global tier. Give an `ipAddress`.",
        find: find_load_balancers_as_members,
    },
    Row {
        feature: "Resources of other types",
        remedy: "Remove it. Known are loadBalancers, publicIPAddresses, publicIPPrefixes, \
                 virtualNetworks, networkSecurityGroups and networkInterfaces of \
                 Microsoft.Network; write children of these inside of them.",
        find: |all| all.others.iter().map(pointer).collect(),
    },
];

fn pointer(place: &Place<'_>) -> String {
    place.pointer()
}

/// A property of every load balancer that is so.
fn balancers(
    all: &Resources<'_>,
    is_so: impl Fn(&Draft<'_>) -> bool,
    property: &'static str,
) -> Vec<String> {
    let found = all.load_balancers.iter().filter(|draft| is_so(draft));
    let place = |draft: &Draft<'_>| {
        let resource = &draft.resource;
        let outside = property == "sku";
        let object = if outside { &resource.object } else { &resource.properties };
        if outside { object.object("sku").pointer_of("name") } else { object.pointer_of(property) }
    };
    found.map(place).collect()
}

/// The places at which one of these resources has a property that is not switched off.
fn written<'r, 'a: 'r>(
    resources: impl Iterator<Item = &'r Resource<'a>>,
    property: &'static str,
) -> Vec<String> {
    let used = |properties: &Object<'_>| {
        let is_used = properties.switched_on(property).is_some();
        is_used.then(|| properties.pointer_of(property))
    };
    resources.filter_map(|resource| used(&resource.properties)).collect()
}

fn frontends<'s, 'a>(all: &'s Resources<'a>) -> impl Iterator<Item = &'s Resource<'a>> {
    all.load_balancers.iter().flat_map(|draft| &draft.frontends).map(|written| &written.resource)
}

fn pools<'s, 'a>(all: &'s Resources<'a>) -> impl Iterator<Item = &'s Resource<'a>> {
    all.load_balancers.iter().flat_map(|draft| &draft.pools).map(|written| &written.resource)
}

fn subnets<'s, 'a>(all: &'s Resources<'a>) -> impl Iterator<Item = &'s Resource<'a>> {
    all_subnets(&all.virtual_networks).map(|(_, subnet)| &subnet.resource)
}

fn configurations<'s, 'a>(all: &'s Resources<'a>) -> impl Iterator<Item = &'s Resource<'a>> {
    let interfaces = all.interfaces.iter().filter_map(|interface| interface.meaning.as_ref());
    interfaces.flat_map(|interface| &interface.configurations).map(|written| &written.resource)
}

/// IP configurations that could be read, each with its place.
fn read_configurations<'s, 'a>(
    all: &'s Resources<'a>,
) -> impl Iterator<Item = (&'s Written<'a, ConfigurationDraft<'a>>, &'s ConfigurationDraft<'a>)> {
    let interfaces = all.interfaces.iter().filter_map(|interface| interface.meaning.as_ref());
    let written = interfaces.flat_map(|interface| &interface.configurations);
    written.filter_map(|written| Some((written, written.meaning.as_ref()?)))
}

/// Load-balancing rules with a property that is not switched off.
fn rules_with(all: &Resources<'_>, property: &'static str) -> Vec<String> {
    let rules = all.load_balancers.iter().flat_map(|draft| &draft.rules);
    written(rules.map(|written| &written.resource), property)
}

fn rules_of_protocol(all: &Resources<'_>, is_so: fn(RuleProtocol) -> bool) -> Vec<String> {
    let rules = all.load_balancers.iter().flat_map(|draft| &draft.rules);
    let found = rules.filter(|rule| rule.meaning.as_ref().is_some_and(|rule| is_so(rule.protocol)));
    found.map(|rule| rule.resource.properties.pointer_of("protocol")).collect()
}

fn find_global_tier(all: &Resources<'_>) -> Vec<String> {
    let tier = |resource: &Resource<'_>| resource.object.object("sku").pointer_of("tier");
    let balancers = all.load_balancers.iter().filter(|it| it.tier == Tier::Global);
    let addresses = all.public_addresses.iter().filter(|written| {
        written.meaning.as_ref().is_some_and(|address| address.tier == Tier::Global)
    });
    let prefixes = all.public_prefixes.iter().filter(|written| {
        written.meaning.as_ref().is_some_and(|prefix| prefix.tier == Tier::Global)
    });
    balancers
        .map(|draft| tier(&draft.resource))
        .chain(addresses.map(|written| tier(&written.resource)))
        .chain(prefixes.map(|written| tier(&written.resource)))
        .collect()
}

fn find_ipv6(all: &Resources<'_>) -> Vec<String> {
    let mut places = Vec::new();
    for written in all.load_balancers.iter().flat_map(|draft| &draft.frontends) {
        let Some(frontend) = &written.meaning else { continue };
        if frontend.version == super::address::IpVersion::V6 {
            places.push(written.resource.properties.pointer_of(frontend.property()));
        }
    }
    for (written, draft) in read_configurations(all) {
        let public = draft.public_address_among(&all.public_addresses);
        if public.is_some_and(|public| public.version == super::address::IpVersion::V6) {
            places.push(written.resource.properties.pointer_of("publicIPAddress"));
        }
    }
    let pools = all.load_balancers.iter().flat_map(|draft| &draft.pools);
    for member in pools.filter_map(|pool| pool.meaning.as_ref()).flat_map(|pool| &pool.members) {
        if member.meaning.as_ref().is_some_and(|member| member.address.is_ipv6()) {
            places.push(pointer(&member.place));
        }
    }
    places
}

fn find_https_probes(all: &Resources<'_>) -> Vec<String> {
    let probes = all.load_balancers.iter().flat_map(|draft| &draft.probes);
    let found = probes.filter(|probe| probe.meaning.as_ref().is_some_and(|draft| draft.https));
    found.map(|probe| probe.resource.properties.pointer_of("protocol")).collect()
}

fn is_basic_with_a_probe(draft: &Draft<'_>) -> bool {
    let mut rules = draft.rules.iter().filter_map(|written| written.meaning.as_ref());
    draft.sku == Sku::Basic && rules.any(|rule| rule.probe.is_some())
}

/// Addresses that somebody needs and nobody wrote.
fn find_missing_addresses(all: &Resources<'_>) -> Vec<String> {
    let mut places = Vec::new();
    for written in all.load_balancers.iter().flat_map(|draft| &draft.frontends) {
        let Some(frontend) = &written.meaning else { continue };
        if frontend.source == Source::Private && frontend.address.is_none() {
            places.push(written.resource.properties.pointer_of("privateIPAddress"));
        }
    }
    for written in &all.public_addresses {
        if written.meaning.as_ref().is_some_and(|address| address.address.is_none()) {
            places.push(written.resource.properties.pointer_of("ipAddress"));
        }
    }
    for written in &all.public_prefixes {
        if written.meaning.as_ref().is_some_and(|prefix| prefix.prefix.is_none()) {
            places.push(written.resource.properties.pointer_of("ipPrefix"));
        }
    }
    for (written, draft) in read_configurations(all) {
        if draft.address.is_none() {
            places.push(written.resource.properties.pointer_of("privateIPAddress"));
        }
    }
    places
}

fn find_load_balancers_as_members(all: &Resources<'_>) -> Vec<String> {
    let pools = all.load_balancers.iter().flat_map(|draft| &draft.pools);
    let members = pools.filter_map(|pool| pool.meaning.as_ref()).flat_map(|pool| &pool.members);
    members.filter_map(|member| member.load_balancer.as_ref()).map(pointer).collect()
}
