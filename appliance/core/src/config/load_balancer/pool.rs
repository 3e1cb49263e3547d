//! Who is in a backend address pool (behaviour.md §1.4)?
//!
//! Members are listed by address, or are network interfaces that name the pool.
//!
//! Not here: whether members collide with other addresses (`validate::addresses`).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::Neighbourhood;
use crate::config::address::read_host;
use crate::config::arm::{Object, Place};
use crate::config::network_interface::{Attached, refuse_outside};
use crate::config::reference::{self, Reference};
use crate::config::resource::{Resource, Written, children, names};
use crate::config::virtual_network::{TARGET, all_subnets};
use crate::limits::{DRAIN_PERIOD_SECONDS_MAX, WEIGHT_MAX};

/// A group of members that rules send traffic to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// Its members, each address once.
    pub members: Vec<Member>,
    /// Seconds after which flows of a member that was taken out are reset; 0 is never.
    pub drain_period_seconds: u32,
}

/// One member of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, unique in the pool; of an interface, `interface/ipConfiguration`.
    pub name: String,
    /// Where its traffic goes.
    pub address: IpAddr,
    /// Whether its probe is listened to.
    pub admin_state: AdminState,
    /// Its share of new flows in proportion to the other members': 1 to 100.
    pub weight: u16,
    /// Whether it is a network interface's address rather than one by itself.
    pub by_interface: bool,
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

impl AdminState {
    /// Every state with Azure's word for it.
    const WORDS: [(&'static str, Self); 3] =
        [("None", Self::None), ("Up", Self::Up), ("Down", Self::Down)];

    /// The state with this name, without regard to case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let word = Self::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name.trim()));
        word.map(|(_, state)| *state)
    }

    /// Azure's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Up => "Up",
            Self::Down => "Down",
        }
    }
}

/// A pool while it is checked.
pub(in crate::config) struct PoolDraft<'a> {
    pub(in crate::config) members: Vec<MemberDraft<'a>>,
    pub(in crate::config) drain_period_seconds: u32,
    /// Positions of the virtual networks that the pool or a member names.
    pub(in crate::config) networks: Vec<usize>,
}

/// A member while it is checked.
pub(in crate::config) struct MemberDraft<'a> {
    /// Where its address stands.
    pub(in crate::config) place: Place<'a>,
    /// The interface's address that it is: its position in the directory.
    pub(in crate::config) attached: Option<usize>,
    /// The load balancer that it is, of the Global tier.
    pub(in crate::config) load_balancer: Option<Place<'a>>,
    pub(in crate::config) meaning: Option<Member>,
}

/// What a listed member says about itself, whoever it is.
struct Listed {
    name: String,
    admin_state: AdminState,
    weight: u16,
}

/// Reads one pool of the load balancer `owner`.
pub(super) fn read<'a>(
    resource: &Resource<'a>,
    owner: &str,
    around: &Neighbourhood<'_, 'a>,
) -> Option<PoolDraft<'a>> {
    let properties = &resource.properties;
    let mut networks = Vec::from_iter(named_network(properties, around));
    let pool_network = networks.first().copied();
    let mut members: Vec<MemberDraft<'a>> = Vec::new();
    let listed: Vec<Written<'a, ()>> =
        children(properties, "loadBalancerBackendAddresses", |child| {
            let network = read_network(&child.properties, around);
            networks.extend(network);
            members.push(read_member(child, network.or(pool_network), around));
            Some(())
        });
    refuse_members_of_the_global_tier(&listed);
    add_interfaces(resource, owner, around, &mut members);
    let attached = members.iter().filter_map(|member| around.interfaces.all.get(member.attached?));
    networks.extend(attached.filter_map(|one| one.configuration.meaning.as_ref()?.network));
    let drain = properties
        .or("drainPeriodInSeconds", 0, |field| field.integer(0..=DRAIN_PERIOD_SECONDS_MAX));
    properties.maybe("syncMode", |field| field.choice(&[("Automatic", ()), ("Manual", ())]));
    properties.ignore(&["location", "loadBalancingRules", "outboundRule", "outboundRules"]);
    properties.ignore(&["inboundNatRules", "tunnelInterfaces"]);
    Some(PoolDraft { members, drain_period_seconds: drain?, networks })
}

/// Adds the interfaces that name the pool, and those that Azure lists when it answers.
fn add_interfaces<'a>(
    resource: &Resource<'a>,
    owner: &str,
    around: &Neighbourhood<'_, 'a>,
    members: &mut Vec<MemberDraft<'a>>,
) {
    let directory = around.interfaces;
    let mut known: HashSet<usize> = members.iter().filter_map(|member| member.attached).collect();
    let joined = directory.members_of(owner, &resource.name);
    let answered = reference::list(&resource.properties, "backendIPConfigurations");
    // When Azure answers it names members twice, once among those that are listed.
    let answered = if members.is_empty() { answered } else { Vec::new() };
    let answered = answered.iter().filter_map(|reference| directory.index.resolve(reference));
    let mut spoken_of = take_in_order(&joined, members);
    for position in joined.into_iter().chain(answered) {
        if let Some(member) = spoken_of.remove(&position) {
            members.push(member);
        } else if known.insert(position) {
            let Some(attached) = directory.all.get(position) else { continue };
            let name = full_name(attached);
            let listed = Listed { name, admin_state: AdminState::None, weight: 1 };
            let place = attached.configuration.resource.properties.place_of("privateIPAddress");
            members.push(by_interface(listed, place, position, attached));
        }
    }
}

/// Takes out those listed members that join by themselves. They stand where they join, so that a
/// word on one of them moves nobody's port of an inbound NAT rule.
fn take_in_order<'a>(
    joined: &[usize],
    members: &mut Vec<MemberDraft<'a>>,
) -> HashMap<usize, MemberDraft<'a>> {
    let mut joined: HashSet<usize> = joined.iter().copied().collect();
    // Only the first of two: whoever is listed twice is to be found out.
    let taken = members.extract_if(.., |it| it.attached.is_some_and(|it| joined.remove(&it)));
    taken.filter_map(|member| Some((member.attached?, member))).collect()
}

fn full_name(attached: &Attached<'_, '_>) -> String {
    let (interface, own) = (&attached.interface.resource, &attached.configuration.resource);
    format!("{}/{}", interface.name, own.name)
}

/// A member that is an interface's address. Without one it has no meaning, of which the interface
/// has said so.
fn by_interface<'a>(
    listed: Listed,
    place: Place<'a>,
    position: usize,
    attached: &Attached<'_, 'a>,
) -> MemberDraft<'a> {
    let draft = attached.configuration.meaning.as_ref();
    let meaning = draft.and_then(|draft| draft.address).map(|address| Member {
        name: listed.name,
        address,
        admin_state: listed.admin_state,
        weight: listed.weight,
        by_interface: true,
    });
    MemberDraft { place, attached: Some(position), load_balancer: None, meaning }
}

fn read_member<'a>(
    resource: &Resource<'a>,
    network: Option<usize>,
    around: &Neighbourhood<'_, 'a>,
) -> MemberDraft<'a> {
    let properties = &resource.properties;
    let listed = read_listed(resource);
    let place = properties.place_of("ipAddress");
    let interface = properties.optional("networkInterfaceIPConfiguration");
    let written = properties.optional("ipAddress");
    if let (Some(interface), None) = (&interface, &written) {
        let position = Reference::read(interface)
            .and_then(|reference| around.interfaces.index.resolve(&reference));
        let attached = position.and_then(|position| around.interfaces.all.get(position));
        let (Some(position), Some(attached), Some(listed)) = (position, attached, listed) else {
            return MemberDraft { place, attached: position, load_balancer: None, meaning: None };
        };
        return by_interface(listed, interface.place(), position, attached);
    }
    let load_balancer =
        properties.switched_on("loadBalancerFrontendIPConfiguration").map(|field| {
            Reference::read(&field);
            field.place()
        });
    let written = if load_balancer.is_some() { written } else { properties.required("ipAddress") };
    let address = written.and_then(|field| read_host(&field));
    if let Some(address) = address {
        refuse_outside_network(properties, address, network, around);
    }
    let meaning = address.zip(listed).map(|(address, listed)| Member {
        name: listed.name,
        address,
        admin_state: listed.admin_state,
        weight: listed.weight,
        by_interface: interface.is_some(),
    });
    MemberDraft { place, attached: None, load_balancer, meaning }
}

fn read_listed(resource: &Resource<'_>) -> Option<Listed> {
    let properties = &resource.properties;
    let admin_state =
        properties.or("adminState", AdminState::None, |field| field.choice(&AdminState::WORDS));
    properties.ignore(&["inboundNatRulesPortMapping"]);
    let extensions = resource.extensions();
    let weight = extensions.or("weight", 1, |field| field.integer(1..=WEIGHT_MAX));
    extensions.finish_strictly();
    Some(Listed { name: resource.name.clone(), admin_state: admin_state?, weight: weight? })
}

/// A load balancer as a member has neither address nor interface beside it.
fn refuse_members_of_the_global_tier(listed: &[Written<'_, ()>]) {
    for member in listed {
        let properties = &member.resource.properties;
        let both = properties.optional("loadBalancerFrontendIPConfiguration").is_some()
            && properties.optional("ipAddress").is_some();
        if both {
            properties.error_at(
                "loadBalancerFrontendIPConfiguration",
                "MemberHasTwoAddresses",
                "A member is an address or the frontend of another load balancer. Keep one.",
            );
        }
    }
}

/// The virtual network that a pool or member names.
fn named_network(properties: &Object<'_>, around: &Neighbourhood<'_, '_>) -> Option<usize> {
    let field = properties.optional("virtualNetwork")?;
    Reference::read(&field)?.resolve(&TARGET, names(around.virtual_networks))
}

/// The virtual network that a member names, by itself or through its subnet.
fn read_network(properties: &Object<'_>, around: &Neighbourhood<'_, '_>) -> Option<usize> {
    let network = named_network(properties, around);
    let Some(field) = properties.optional("subnet") else { return network };
    let position = around.subnets.resolve(&Reference::read(&field)?)?;
    let (owner, subnet) = all_subnets(around.virtual_networks).nth(position)?;
    let address = properties.optional("ipAddress").filter(|_| subnet.meaning.is_some());
    if let (Some(address), Some(subnet)) = (address, &subnet.meaning)
        && let Some(Ok(host)) = address.text().map(str::parse)
    {
        refuse_outside(&address, host, subnet);
    }
    network.or_else(|| around.virtual_networks.iter().position(|known| std::ptr::eq(known, owner)))
}

fn refuse_outside_network(
    properties: &Object<'_>,
    address: IpAddr,
    network: Option<usize>,
    around: &Neighbourhood<'_, '_>,
) {
    let network = network.and_then(|position| around.virtual_networks.get(position));
    let Some(network) = network else { return };
    let Some(draft) = &network.meaning else { return };
    if !draft.prefixes.iter().any(|prefix| prefix.contains(address.into())) {
        properties.error_at(
            "ipAddress",
            "MemberOutsideVirtualNetwork",
            format!(
                "{address} is not in the address space of `{}`. Correct the address, or widen \
                 `addressPrefixes`.",
                network.resource.name
            ),
        );
    }
}
