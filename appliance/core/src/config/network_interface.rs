//! Which addresses does a `Microsoft.Network/networkInterfaces` resource have, and which pools and
//! inbound NAT rules do they join (behaviour.md §1.4)?
//!
//! An interface says by itself what it joins; the load balancer finds it here.
//!
//! Not here: what a member is (`load_balancer::pool`), rules per interface (`validate`).

use std::collections::HashMap;
use std::net::IpAddr;

use super::address::{read_host, read_version, require_version};
use super::arm::{Field, Object};
use super::load_balancer::Sku;
use super::public_address::{self, PublicAddress};
use super::reference::{self, Index, Reference, Target};
use super::resource::{Resource, Written, children, names};
use super::security_group::{self, NetworkSecurityGroup};
use super::virtual_network::{NetworkDraft, all_subnets};

/// One network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub ip_configurations: Vec<IpConfiguration>,
    /// Position in the configuration's network security groups.
    pub network_security_group: Option<usize>,
}

/// One address of a network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpConfiguration {
    /// Its name, unique in the interface.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// Whether it is the interface's first.
    pub primary: bool,
    /// The public address that all its packets to the outside get, of the same family; nobody
    /// else has it.
    pub public_address: Option<IpAddr>,
    /// Whether hosts outside may open connections to it by that address.
    pub enable_inbound: bool,
}

/// A network interface while it is checked.
pub(super) struct InterfaceDraft<'a> {
    pub(super) configurations: Vec<Written<'a, ConfigurationDraft<'a>>>,
    pub(super) network_security_group: Option<usize>,
}

/// One address of an interface while it is checked.
pub(super) struct ConfigurationDraft<'a> {
    /// Absent when it is left to Azure to choose one.
    pub(super) address: Option<IpAddr>,
    pub(super) primary: Option<bool>,
    /// Position among the virtual networks.
    pub(super) network: Option<usize>,
    /// Position among the public IP addresses.
    pub(super) public_address: Option<usize>,
    /// Absent: as the SKU of the public IP address says.
    pub(super) enable_inbound: Option<bool>,
    pub(super) pools: Vec<Membership<'a>>,
    pub(super) nat_rules: Vec<Membership<'a>>,
}

/// A reference to a child of some load balancer.
pub(super) struct Membership<'a> {
    pub(super) reference: Reference<'a>,
    owner: Option<&'a str>,
    name: &'a str,
}

/// What an interface may refer to.
pub(super) struct Surroundings<'s, 'a> {
    pub(super) networks: &'s [Written<'a, NetworkDraft<'a>>],
    pub(super) subnets: &'s Index,
    pub(super) public_addresses: &'s [Written<'a, PublicAddress>],
    pub(super) security_groups: &'s [Written<'a, NetworkSecurityGroup>],
}

/// Reads one network interface.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    around: &Surroundings<'_, 'a>,
) -> Option<InterfaceDraft<'a>> {
    let properties = &resource.properties;
    let configurations =
        children(properties, "ipConfigurations", |child| read_configuration(child, around));
    if configurations.is_empty() {
        properties.error_at(
            "ipConfigurations",
            "MissingProperty",
            "A network interface has at least one entry in `ipConfigurations`. Add it.",
        );
    }
    let network_security_group = properties.maybe("networkSecurityGroup", |field| {
        Reference::read(field)?.resolve(&security_group::TARGET, names(around.security_groups))
    });
    properties.ignore(&["dnsSettings", "macAddress", "primary", "enableAcceleratedNetworking"]);
    properties.ignore(&["enableIPForwarding", "virtualMachine", "hostedWorkloads", "nicType"]);
    properties.ignore(&["vnetEncryptionSupported", "disableTcpStateTracking", "auxiliaryMode"]);
    properties.ignore(&["auxiliarySku", "allowPort25Out", "defaultOutboundConnectivityEnabled"]);
    properties.ignore(&["tapConfigurations", "dscpConfiguration", "privateEndpoint"]);
    properties.ignore(&["privateLinkService", "migrationPhase", "workloadType"]);
    resource.object.ignore(&["kind"]);
    Some(InterfaceDraft { configurations, network_security_group: network_security_group? })
}

fn read_configuration<'a>(
    resource: &Resource<'a>,
    around: &Surroundings<'_, 'a>,
) -> Option<ConfigurationDraft<'a>> {
    let properties = &resource.properties;
    let version = properties.maybe("privateIPAddressVersion", read_version);
    properties.maybe("privateIPAllocationMethod", |field| {
        field.choice(&[("Static", ()), ("Dynamic", ())])
    });
    let subnet = properties.optional("subnet").and_then(|field| {
        let position = around.subnets.resolve(&Reference::read(&field)?)?;
        all_subnets(around.networks).nth(position)
    });
    let address = properties.maybe("privateIPAddress", |field| {
        let address = read_host(field)?;
        require_version(field, address, version.flatten());
        if let Some(subnet) = subnet.and_then(|(_, subnet)| subnet.meaning.as_ref()) {
            refuse_outside(field, address, subnet);
        }
        Some(address)
    });
    let primary = properties.maybe("primary", Field::boolean);
    let public_address = properties.maybe("publicIPAddress", |field| {
        Reference::read(field)?.resolve(&public_address::TARGET, names(around.public_addresses))
    });
    let pools = memberships(properties, "loadBalancerBackendAddressPools", "backendAddressPools");
    let nat_rules = memberships(properties, "loadBalancerInboundNatRules", "inboundNatRules");
    properties.ignore(&["applicationSecurityGroups", "applicationGatewayBackendAddressPools"]);
    properties.ignore(&["gatewayLoadBalancer", "privateIPAddressPrefixLength"]);
    properties.ignore(&["privateLinkConnectionProperties", "virtualNetworkTaps"]);
    let extensions = resource.extensions();
    let enable_inbound = extensions.maybe("enableInbound", Field::boolean);
    extensions.finish_strictly();
    Some(ConfigurationDraft {
        address: address?,
        primary: primary?,
        network: subnet.and_then(|(network, _)| {
            around.networks.iter().position(|known| std::ptr::eq(known, network))
        }),
        public_address: public_address?,
        enable_inbound: enable_inbound?,
        pools,
        nat_rules,
    })
}

/// An address lies in the subnet that is written beside it.
pub(super) fn refuse_outside(
    field: &Field<'_>,
    address: IpAddr,
    subnet: &super::virtual_network::Subnet,
) {
    if !subnet.prefixes.iter().any(|prefix| prefix.contains(address.into())) {
        field.error(
            "PrivateIPAddressNotInSubnet",
            format!(
                "{address} is not in subnet `{}`. Correct the address, or name its subnet.",
                subnet.name
            ),
        );
    }
}

fn memberships<'a>(
    properties: &Object<'a>,
    list: &'static str,
    kind: &'static str,
) -> Vec<Membership<'a>> {
    let read = |reference: Reference<'a>| {
        let target = Target { kind, parent: None };
        let (owner, name) = reference.owner_and_name("loadBalancers", &target)?;
        Some(Membership { reference, owner, name })
    };
    reference::list(properties, list).into_iter().filter_map(read).collect()
}

/// What interfaces mean in which no problem was found.
pub(super) fn meanings(
    interfaces: &[Written<'_, InterfaceDraft<'_>>],
    public_addresses: &[Written<'_, PublicAddress>],
) -> Vec<NetworkInterface> {
    let meaning = |interface: &Written<'_, InterfaceDraft<'_>>| {
        let configurations = attached(0, interface).filter_map(|one| {
            let draft = one.configuration.meaning.as_ref()?;
            let public = draft.public_address_among(public_addresses);
            Some(IpConfiguration {
                name: one.configuration.resource.name.clone(),
                address: draft.address?,
                primary: one.primary,
                public_address: public.and_then(|public| public.address),
                enable_inbound: draft.enable_inbound.unwrap_or(public.is_some_and(is_open)),
            })
        });
        Some(NetworkInterface {
            name: interface.resource.name.clone(),
            ip_configurations: configurations.collect(),
            network_security_group: interface.meaning.as_ref()?.network_security_group,
        })
    };
    interfaces.iter().filter_map(meaning).collect()
}

impl ConfigurationDraft<'_> {
    /// What its public IP address is, if it has one that could be read.
    pub(super) fn public_address_among<'s>(
        &self,
        all: &'s [Written<'_, PublicAddress>],
    ) -> Option<&'s PublicAddress> {
        all.get(self.public_address?)?.meaning.as_ref()
    }
}

/// Whether a public IP address lets connections in without a word: those of Basic do, as in Azure
/// (behaviour.md §1.11). One that names no SKU is taken for the closed one.
pub(super) fn is_open(address: &PublicAddress) -> bool {
    address.sku == Some(Sku::Basic)
}

/// One address of some interface, with the interface.
#[derive(Clone, Copy)]
pub(super) struct Attached<'s, 'a> {
    /// The position of the interface among all.
    pub(super) number: usize,
    pub(super) interface: &'s Written<'a, InterfaceDraft<'a>>,
    pub(super) configuration: &'s Written<'a, ConfigurationDraft<'a>>,
    /// Whether it is the interface's first.
    pub(super) primary: bool,
}

/// All addresses of all interfaces, by name and by what they join.
pub(super) struct Directory<'s, 'a> {
    pub(super) all: Vec<Attached<'s, 'a>>,
    pub(super) index: Index,
    pools: HashMap<(String, String), Vec<usize>>,
    nat_rules: HashMap<(String, String), Vec<usize>>,
}

impl<'s, 'a> Directory<'s, 'a> {
    /// A directory of these interfaces.
    pub(super) fn new(interfaces: &'s [Written<'a, InterfaceDraft<'a>>]) -> Self {
        let all: Vec<Attached<'s, 'a>> = interfaces
            .iter()
            .enumerate()
            .flat_map(|(number, interface)| attached(number, interface))
            .collect();
        let index = {
            let pairs = all.iter().map(|one| {
                (one.interface.resource.name.as_str(), one.configuration.resource.name.as_str())
            });
            Index::new("networkInterfaces", "ipConfigurations", pairs)
        };
        let mut directory = Self { all, index, pools: HashMap::new(), nat_rules: HashMap::new() };
        for (position, one) in directory.all.iter().enumerate() {
            let Some(draft) = &one.configuration.meaning else { continue };
            let lists = [
                (&draft.pools, &mut directory.pools),
                (&draft.nat_rules, &mut directory.nat_rules),
            ];
            for (memberships, map) in lists {
                for membership in memberships {
                    let key = key(membership.owner.unwrap_or_default(), membership.name);
                    map.entry(key).or_default().push(position);
                }
            }
        }
        directory
    }

    /// Positions of the addresses that join this pool.
    pub(super) fn members_of(&self, load_balancer: &str, pool: &str) -> Vec<usize> {
        joined(&self.pools, load_balancer, pool)
    }

    /// Positions of the addresses that this inbound NAT rule leads to.
    pub(super) fn targets_of(&self, load_balancer: &str, rule: &str) -> Vec<usize> {
        joined(&self.nat_rules, load_balancer, rule)
    }
}

fn attached<'s, 'a>(
    number: usize,
    interface: &'s Written<'a, InterfaceDraft<'a>>,
) -> impl Iterator<Item = Attached<'s, 'a>> {
    let all = interface.meaning.iter().flat_map(|draft| &draft.configurations);
    all.enumerate().map(move |(position, configuration)| {
        let written = configuration.meaning.as_ref().and_then(|draft| draft.primary);
        let primary = written.unwrap_or(position == 0);
        Attached { number, interface, configuration, primary }
    })
}

fn joined(
    map: &HashMap<(String, String), Vec<usize>>,
    load_balancer: &str,
    name: &str,
) -> Vec<usize> {
    let named = map.get(&key(load_balancer, name));
    let bare = map.get(&key("", name));
    named.into_iter().chain(bare).flatten().copied().collect()
}

fn key(owner: &str, name: &str) -> (String, String) {
    (owner.to_ascii_lowercase(), name.to_ascii_lowercase())
}
