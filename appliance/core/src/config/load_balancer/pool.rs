//! Who is in a backend address pool (behaviour.md §1.4)?
//!
//! Not here: whether members collide with other addresses (`validate::addresses`).

use std::net::IpAddr;

use super::Neighbourhood;
use crate::config::address::read_host_v4;
use crate::config::arm::Object;
use crate::config::reference::Reference;
use crate::config::resource::{Resource, Written, children, names};
use crate::config::virtual_network::TARGET;
use crate::limits::{MEMBERS_PER_POOL_MAX, WEIGHT_MAX};

/// A group of members that rules send traffic to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// Its members, each address once.
    pub members: Vec<Member>,
}

/// One member of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, unique in the pool.
    pub name: String,
    /// Where its traffic goes.
    pub address: IpAddr,
    /// Whether its probe is listened to.
    pub admin_state: AdminState,
    /// Its share of new flows in proportion to the other members': 1 to 100.
    pub weight: u16,
}

/// An operator's word on a member, which applies to rules that have a probe (behaviour.md §3.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminState {
    /// The probe decides.
    #[default]
    None,
    /// Always eligible.
    Up,
    /// Never eligible for new flows.
    Down,
}

/// A pool while it is checked.
pub(in crate::config) struct PoolDraft<'a> {
    pub(in crate::config) members: Vec<Written<'a, Member>>,
}

/// Reads one pool.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    around: &Neighbourhood<'_, 'a>,
) -> Option<PoolDraft<'a>> {
    let properties = &resource.properties;
    let network = read_network(properties, around);
    let members = children(properties, "loadBalancerBackendAddresses", |child| {
        read_member(child, network, around)
    });
    if members.len() > MEMBERS_PER_POOL_MAX {
        properties.error_at(
            "loadBalancerBackendAddresses",
            "LimitExceeded",
            format!("A pool has at most {MEMBERS_PER_POOL_MAX} members. Split it."),
        );
    }
    refuse_the_unsupported(properties);
    Some(PoolDraft { members })
}

fn refuse_the_unsupported(properties: &Object<'_>) {
    properties.not_yet_supported(
        "backendIPConfigurations",
        "Members by network interface are not in this version. List their addresses in \
         `loadBalancerBackendAddresses`.",
    );
    properties.not_yet_supported(
        "drainPeriodInSeconds",
        "Draining with a reset is not in this version. Set it to 0 and use `adminState`.",
    );
    properties.not_yet_supported(
        "tunnelInterfaces",
        "Tunnel interfaces belong to gateway load balancers, which are not in this version.",
    );
    properties.maybe("syncMode", |field| field.choice(&[("Automatic", ()), ("Manual", ())]));
    properties.ignore(&["location", "loadBalancingRules", "outboundRule", "outboundRules"]);
    properties.ignore(&["inboundNatRules"]);
}

fn read_member(
    resource: &Resource<'_>,
    pool_network: Option<usize>,
    around: &Neighbourhood<'_, '_>,
) -> Option<Member> {
    let properties = &resource.properties;
    let network = read_network(properties, around).or(pool_network);
    let elsewhere = refuse_members_by_other_means(properties);
    let admin_state = properties.or("adminState", AdminState::None, |field| {
        field.choice(&[
            ("None", AdminState::None),
            ("Up", AdminState::Up),
            ("Down", AdminState::Down),
        ])
    });
    properties.ignore(&["subnet", "inboundNatRulesPortMapping"]);
    let extensions = resource.extensions();
    let weight = extensions.or("weight", 1, |field| field.integer(1..=WEIGHT_MAX));
    extensions.finish_strictly();
    let address =
        if elsewhere { properties.optional("ipAddress") } else { properties.required("ipAddress") };
    let address = read_host_v4(&address?)?;
    refuse_outside_network(properties, address, network, around);
    let name = resource.name.clone();
    Some(Member { name, address, admin_state: admin_state?, weight: weight? })
}

/// Whether the member is named by something other than its address; that is reported.
fn refuse_members_by_other_means(properties: &Object<'_>) -> bool {
    properties.not_yet_supported(
        "networkInterfaceIPConfiguration",
        "Members by network interface are not in this version. Give the `ipAddress` alone.",
    );
    properties.not_yet_supported(
        "loadBalancerFrontendIPConfiguration",
        "Load balancers as members belong to the Global tier, which is not in this version.",
    );
    properties.optional("networkInterfaceIPConfiguration").is_some()
        || properties.optional("loadBalancerFrontendIPConfiguration").is_some()
}

/// The virtual network that a pool or member refers to.
fn read_network(properties: &Object<'_>, around: &Neighbourhood<'_, '_>) -> Option<usize> {
    let field = properties.optional("virtualNetwork")?;
    Reference::read(&field)?.resolve(&TARGET, names(around.virtual_networks))
}

fn refuse_outside_network(
    properties: &Object<'_>,
    address: IpAddr,
    network: Option<usize>,
    around: &Neighbourhood<'_, '_>,
) {
    let network = network.and_then(|position| around.virtual_networks.get(position));
    let Some(network) = network.and_then(|network| network.meaning.as_ref()) else { return };
    if !network.prefixes.iter().any(|prefix| prefix.contains(address.into())) {
        properties.error_at(
            "ipAddress",
            "MemberOutsideVirtualNetwork",
            format!(
                "{address} is not in the address space of `{}`. Correct the address, or widen \
                 `addressPrefixes`.",
                network.name
            ),
        );
    }
}
