//! Is the public address of an interface its own, and does its author know who can reach it?
//!
//! Not here: that such an interface is behind no outbound rule (`outbound`).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::addresses::Owned;
use crate::config::address::IpVersion;
use crate::config::appliance::{Port, own_addresses};
use crate::config::arm::Object;
use crate::config::network_interface::{Attached, Directory, is_open};
use crate::config::public_address::PublicAddress;
use crate::config::resources::Resources;
use crate::limits::MEMBERS_MAX;

/// An address of an interface that has a public one.
struct Instance<'s, 'a> {
    one: Attached<'s, 'a>,
    /// The name of the interface.
    name: &'s str,
    private: Option<IpAddr>,
    public: &'s PublicAddress,
    /// What the interface itself says.
    enable_inbound: Option<bool>,
}

impl<'s, 'a> Instance<'s, 'a> {
    fn place(&self) -> &'s Object<'a> {
        &self.one.configuration.resource.properties
    }
}

/// Checks all public addresses of interfaces.
pub(super) fn validate(resources: &Resources<'_>, frontends: &Owned<'_>, ports: &[Port]) {
    let directory = Directory::new(&resources.interfaces);
    let instances: Vec<Instance<'_, '_>> = directory
        .all
        .iter()
        .filter_map(|one| {
            let draft = one.configuration.meaning.as_ref()?;
            Some(Instance {
                one: *one,
                name: &one.interface.resource.name,
                private: draft.address,
                public: draft.public_address_among(&resources.public_addresses)?,
                enable_inbound: draft.enable_inbound,
            })
        })
        .collect();
    let own: HashSet<IpAddr> = own_addresses(ports).collect();
    refuse_public_addresses_in_use(&instances, frontends, &own);
    refuse_private_addresses_in_use(&instances, &directory, frontends, &own);
    refuse_too_many_members(resources, &instances);
    for instance in &instances {
        refuse_translation_between_families(instance);
        warn_of_what_is_open(instance);
    }
}

/// A public IP address belongs to one frontend or interface, and is no host's own.
fn refuse_public_addresses_in_use(
    instances: &[Instance<'_, '_>],
    frontends: &Owned<'_>,
    own: &HashSet<IpAddr>,
) {
    let private: HashMap<IpAddr, &str> =
        instances.iter().filter_map(|it| Some((it.private?, it.name))).collect();
    let mut users: HashMap<IpAddr, &str> = HashMap::new();
    for instance in instances {
        let Some(address) = instance.public.address else { continue };
        let other = users.insert(address, instance.name).or_else(|| frontends.by(address));
        let user = match other.or_else(|| private.get(&address).copied()) {
            Some(name) => format!("`{name}`"),
            None if own.contains(&address) => "the appliance itself".to_owned(),
            None => continue,
        };
        instance.place().error_at(
            "publicIPAddress",
            "PublicIPAddressInUse",
            format!("This public IP address is used by {user} already. Name another one."),
        );
    }
}

/// Packets of an address leave by one public address, and no frontend is at it.
fn refuse_private_addresses_in_use(
    instances: &[Instance<'_, '_>],
    directory: &Directory<'_, '_>,
    frontends: &Owned<'_>,
    own: &HashSet<IpAddr>,
) {
    let mut times: HashMap<IpAddr, usize> = HashMap::new();
    for one in directory.all.iter().filter_map(|one| one.configuration.meaning.as_ref()) {
        if let Some(address) = one.address {
            *times.entry(address).or_default() += 1;
        }
    }
    for instance in instances {
        let Some(address) = instance.private else { continue };
        let user = match frontends.by(address) {
            Some(frontend) => format!("frontend `{frontend}`"),
            None if own.contains(&address) => "the appliance itself".to_owned(),
            None if times.get(&address).is_some_and(|times| *times > 1) => {
                "another network interface".to_owned()
            }
            None => continue,
        };
        instance.place().error_at(
            "privateIPAddress",
            "PrivateIPAddressInUse",
            format!("{address} is an address of {user}. Give this interface one of its own."),
        );
    }
}

/// Hosts with a public address take a place among the members.
fn refuse_too_many_members(resources: &Resources<'_>, instances: &[Instance<'_, '_>]) {
    let pools = resources.load_balancers.iter().flat_map(|draft| &draft.pools);
    let members = pools.filter_map(|pool| pool.meaning.as_ref()).flat_map(|pool| &pool.members);
    let mut all: HashSet<IpAddr> =
        members.filter_map(|member| Some(member.meaning.as_ref()?.address)).collect();
    if all.len() > MEMBERS_MAX {
        return;
    }
    for instance in instances {
        all.extend(instance.private);
        if all.len() > MEMBERS_MAX {
            return instance.place().error_at(
                "publicIPAddress",
                "LimitExceeded",
                format!(
                    "At most {MEMBERS_MAX} different members and hosts with a public address fit. \
                     Remove some."
                ),
            );
        }
    }
}

/// Nothing translates between IPv4 and IPv6 (behaviour.md §10).
fn refuse_translation_between_families(instance: &Instance<'_, '_>) {
    let version = instance.public.version;
    let Some(address) = instance.private.filter(|it| IpVersion::of(*it) != version) else { return };
    instance.place().error_at(
        "publicIPAddress",
        "DifferentAddressFamilies",
        format!(
            "The public IP address is {version} and the interface has {address}. Name one of the \
             same version."
        ),
    );
}

/// Translation keeps no state, so what is closed is what opens a TCP connection. Azure closes all
/// of it until a security group allows more, and nothing here can do that in its place.
fn warn_of_what_is_open(instance: &Instance<'_, '_>) {
    if instance.enable_inbound.is_none() && !is_open(instance.public) {
        instance.place().warning_at(
            "publicIPAddress",
            "PublicIPAddressPartlyOpen",
            "TCP connections from outside are refused; datagrams and other protocols reach the \
             host, where Azure would want a security group to allow them. Filter them at the host, \
             and say `extensions.enableInbound`: true to take connections too, false to leave it \
             at that.",
        );
    }
}
