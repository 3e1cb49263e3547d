//! Who is in a pool, as the document says it?
//!
//! ```text
//!   pool ─ loadBalancerBackendAddresses[] ─ ipAddress                          an address
//!                                         └ networkInterfaceIPConfiguration ─► an interface's
//!   interface ─ ipConfigurations[] ─ loadBalancerBackendAddressPools[] ─► pool
//!   pool ─ backendIPConfigurations[] ─► an interface's, if the pool lists nobody itself
//! ```
//!
//! Not here: what members mean (`load_balancer::pool`), how they are changed (`members`).

use std::net::IpAddr;

use serde_json::Value;

use super::find::{children, find, name_of, of_kind};
use super::{EditError, ResourceId};
use crate::config::arm::Field;
use crate::config::problem::Report;
use crate::config::reference::{Reference, Target};
use crate::config::resources::Kind;

/// The members that a pool lists.
pub(super) const LISTED: &str = "loadBalancerBackendAddresses";
/// The interfaces that Azure says are in a pool, when it answers.
pub(super) const ANSWERED: &str = "backendIPConfigurations";
/// The interface's address that a listed member is.
pub(super) const INTERFACE: &str = "networkInterfaceIPConfiguration";
/// The pools that an interface's address joins.
pub(super) const JOINED: &str = "loadBalancerBackendAddressPools";

/// The pool that a change is about, and who is in it.
pub(super) struct Pool {
    /// Its id as the document spells it.
    pub(super) id: String,
    /// First those that it lists.
    pub(super) members: Vec<Membership>,
    name: PoolName,
}

/// One member of a pool.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Membership {
    /// The position of its entry among the listed, and that entry's name.
    pub(super) entry: Option<(usize, String)>,
    /// The interface's address that it is.
    pub(super) interface: Option<InterfaceAddress>,
    /// Where its traffic goes; nowhere when the document does not say it.
    pub(super) address: Option<IpAddr>,
}

/// An address of an interface.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct InterfaceAddress {
    pub(super) interface: String,
    pub(super) configuration: String,
    address: Option<IpAddr>,
    /// Whether it names the pool itself.
    pub(super) joins: bool,
}

/// What references to a pool end with.
struct PoolName {
    load_balancer: String,
    pool: String,
}

impl Pool {
    /// The pool with this id.
    ///
    /// # Errors
    /// [`EditError`]: there is none, or the id is another resource's.
    pub(super) fn find(document: &Value, id: &ResourceId) -> Result<Self, EditError> {
        let Some(("backendAddressPools", pool)) = id.children().last() else {
            let text = format!("{id} is no backend address pool; give the id of one");
            return Err(EditError::Unsuitable(text));
        };
        let found = find(document, id)?;
        let name = PoolName { load_balancer: id.name().to_owned(), pool: pool.to_owned() };
        let interfaces: Vec<_> = interfaces(document, &name).collect();
        Ok(Self { id: found.id, members: members(found.resource, interfaces), name })
    }

    /// The member with this name or address.
    ///
    /// # Errors
    /// [`EditError`]: there is none, or several are called so.
    pub(super) fn member(&self, member: &str) -> Result<&Membership, EditError> {
        let mut called = self.members.iter().filter(|it| it.is_called(member.trim()));
        let found = called.next();
        let found = found
            .ok_or_else(|| EditError::NotFound(format!("member `{member}` in {}", self.id)))?;
        if called.next().is_none() {
            return Ok(found);
        }
        Err(EditError::Unsuitable(format!(
            "several members of {} are called `{member}`, by name or by address: name the one \
             that is meant by the other of the two",
            self.id
        )))
    }

    /// Whether this reference of an interface's address names the pool.
    pub(super) fn is_named_by(&self, reference: &Value) -> bool {
        self.name.is_in(reference)
    }
}

impl PoolName {
    fn is_in(&self, reference: &Value) -> bool {
        let names = names_in(reference, "loadBalancers", "backendAddressPools");
        names.is_some_and(|(owner, name)| {
            let owner = owner.is_none_or(|owner| owner.eq_ignore_ascii_case(&self.load_balancer));
            owner && name.eq_ignore_ascii_case(&self.pool)
        })
    }
}

impl Membership {
    /// Whether this is its name or its address.
    pub(super) fn is_called(&self, member: &str) -> bool {
        let by_entry =
            self.entry.as_ref().is_some_and(|(_, name)| name.eq_ignore_ascii_case(member));
        let interface = self.interface.as_ref();
        let by_interface = interface.is_some_and(|it| it.full_name().eq_ignore_ascii_case(member));
        let address = member.parse().ok();
        by_entry || by_interface || address.is_some() && address == self.address
    }

    /// What an operator calls it.
    pub(super) fn name(&self) -> String {
        let entry = self.entry.as_ref().map(|(_, name)| name.clone());
        let interface = || self.interface.as_ref().map(InterfaceAddress::full_name);
        entry.or_else(interface).unwrap_or_default()
    }
}

impl InterfaceAddress {
    /// Its name among members.
    fn full_name(&self) -> String {
        format!("{}/{}", self.interface, self.configuration)
    }

    /// Its id, relative.
    pub(super) fn id(&self) -> String {
        format!("networkInterfaces/{}/ipConfigurations/{}", self.interface, self.configuration)
    }

    /// Whether a reference names it.
    pub(super) fn is_named_by(&self, reference: &Value) -> bool {
        let names = names_in(reference, "networkInterfaces", "ipConfigurations");
        names.is_some_and(|(owner, name)| {
            let owner = owner.is_none_or(|owner| owner.eq_ignore_ascii_case(&self.interface));
            owner && name.eq_ignore_ascii_case(&self.configuration)
        })
    }
}

/// Every address of every interface.
fn interfaces(document: &Value, pool: &PoolName) -> impl Iterator<Item = InterfaceAddress> {
    of_kind(document, Kind::NetworkInterface).flat_map(move |interface| {
        let configurations = children(interface, "ipConfigurations").iter();
        configurations.filter_map(move |configuration| {
            Some(InterfaceAddress {
                interface: name_of(interface)?.to_owned(),
                configuration: name_of(configuration)?.to_owned(),
                address: address_of(configuration, "privateIPAddress"),
                joins: children(configuration, JOINED).iter().any(|it| pool.is_in(it)),
            })
        })
    })
}

/// Everybody in a pool, in the order in which `check` finds them.
fn members(pool: &Value, interfaces: Vec<InterfaceAddress>) -> Vec<Membership> {
    let listed = children(pool, LISTED).iter().enumerate();
    let mut members: Vec<_> =
        listed.map(|(position, entry)| listed_member(position, entry, &interfaces)).collect();
    let answered = if members.is_empty() { children(pool, ANSWERED) } else { &[] };
    let is_answered = |it: &InterfaceAddress| answered.iter().any(|named| it.is_named_by(named));
    for interface in interfaces {
        let is_known = members.iter().any(|it| it.interface.as_ref() == Some(&interface));
        if !is_known && (interface.joins || is_answered(&interface)) {
            let address = interface.address;
            members.push(Membership { entry: None, interface: Some(interface), address });
        }
    }
    members
}

fn listed_member(position: usize, entry: &Value, interfaces: &[InterfaceAddress]) -> Membership {
    let reference = entry.get("properties").and_then(|it| it.get(INTERFACE));
    let interface =
        reference.and_then(|named| interfaces.iter().find(|it| it.is_named_by(named)).cloned());
    let address = address_of(entry, "ipAddress")
        .or_else(|| interface.as_ref().and_then(|interface| interface.address));
    let name = name_of(entry).unwrap_or_default().to_owned();
    Membership { entry: Some((position, name)), interface, address }
}

fn address_of(resource: &Value, property: &str) -> Option<IpAddr> {
    resource.get("properties")?.get(property)?.as_str()?.trim().parse().ok()
}

/// The names of owner, if it is written, and child in a reference: read as `check` reads it.
fn names_in(
    reference: &Value,
    owner_kind: &str,
    kind: &'static str,
) -> Option<(Option<String>, String)> {
    let report = Report::default();
    let reference = Reference::read(&Field::document(reference, &report))?;
    let target = Target { kind, parent: None };
    let (owner, name) = reference.owner_and_name(owner_kind, &target)?;
    Some((owner.map(str::to_owned), name.to_owned()))
}
