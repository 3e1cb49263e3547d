//! How are the members of a pool shown and changed?
//!
//! What an operator said of a member comes from the configuration, how it does from the status.

use std::net::IpAddr;

use serde::Serialize;
use weir_core::api::{
    AddMember, List, MemberStatus, Method, PortMappings, QueryInboundNatRulePortMapping,
    RemoveMember, Resource, Resources, SetMember, Status,
};

use super::{change, names};
use crate::arguments::{AdminState, Condition, MemberChange, MemberProperties};
use crate::client::Connection;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::render;
use crate::session::Session;

/// A pool and its members.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolMembers {
    /// The pool's id.
    pub(crate) pool: String,
    /// Its members, in the order of the configuration.
    pub(crate) members: Vec<Member>,
}

/// A member as the configuration and the status know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    /// Its name; of an interface without an entry in the pool, `interface/ipConfiguration`.
    pub(crate) name: Option<String>,
    /// The interface's address that its entry names, as `interface/ipConfiguration`.
    #[serde(skip)]
    pub(crate) interface: Option<String>,
    /// Its address; `-` while neither configuration nor status says it.
    pub(crate) address: String,
    /// What an operator said: `None`, `Up` or `Down`.
    pub(crate) admin_state: String,
    /// Its share of new flows.
    pub(crate) weight: u64,
    /// How it does: `Up`, `Down`, or `NA`; nothing when the status does not know it.
    pub(crate) state: Option<String>,
    /// Azure's reason code.
    pub(crate) reason: Option<String>,
    /// Flows alive.
    pub(crate) flows: u64,
}

/// Shows the members, or changes them.
pub(super) fn run(
    session: &Session<'_>,
    pool: Option<&str>,
    wanted: Option<MemberChange>,
) -> Result<(), Failure> {
    match (wanted, pool) {
        (Some(wanted), _) => make(session, wanted),
        (None, Some(pool)) => show(session, pool),
        (None, None) => Err(Failure::Impossible("name a pool".into())),
    }
}

/// Shows which ports lead to a member.
pub(super) fn mappings(session: &Session<'_>, pool: &str, address: String) -> Result<(), Failure> {
    let query = QueryInboundNatRulePortMapping {
        backend_address_pool: names::pool(pool),
        ip_address: Some(address),
        ip_configuration: None,
    };
    let method = Method::QueryInboundNatRulePortMapping(query);
    session.show::<PortMappings>(method, render::mappings)
}

fn make(session: &Session<'_>, wanted: MemberChange) -> Result<(), Failure> {
    let (method, dry_run) = match wanted {
        MemberChange::Add { pool, name, address, properties, virtual_network, condition } => {
            let MemberProperties { weight, admin_state } = properties;
            let Condition { if_match, dry_run } = condition;
            let add = AddMember {
                pool: names::pool(&pool),
                name,
                ip_address: address,
                admin_state: admin_state.map(word),
                weight,
                virtual_network,
                if_match,
                dry_run,
            };
            (Method::AddMember(add), dry_run)
        }
        MemberChange::Remove { member, condition } => {
            let Condition { if_match, dry_run } = condition;
            let pool = names::pool(&member.pool);
            let remove = RemoveMember { pool, member: member.member, if_match, dry_run };
            (Method::RemoveMember(remove), dry_run)
        }
        MemberChange::Set { member, properties, condition } => {
            let MemberProperties { weight, admin_state } = properties;
            let Condition { if_match, dry_run } = condition;
            let (pool, admin_state) = (names::pool(&member.pool), admin_state.map(word));
            let member = member.member;
            let set = SetMember { pool, member, admin_state, weight, if_match, dry_run };
            (Method::SetMember(set), dry_run)
        }
    };
    change(session, method, dry_run)
}

/// Azure's word.
pub(super) fn word(state: AdminState) -> String {
    match state {
        AdminState::None => "None",
        AdminState::Up => "Up",
        AdminState::Down => "Down",
    }
    .to_owned()
}

fn show(session: &Session<'_>, pool: &str) -> Result<(), Failure> {
    let mut connection = session.connect()?;
    let _progress = Progress::of("Waiting for the appliance");
    let members = of_pool(&mut connection, &names::pool(pool))?;
    if session.is_json() {
        return session.print(&render::json(&members));
    }
    session.print(&render::members(&members))
}

/// The members of the pool with this id.
pub(super) fn of_pool(connection: &mut Connection, pool: &str) -> Result<PoolMembers, Failure> {
    let collection = format!("{pool}/loadBalancerBackendAddresses");
    let listed: Resources = connection.ask(Method::List(List { collection }))?;
    let status: Status = connection.ask(Method::Status)?;
    Ok(PoolMembers { pool: pool.to_owned(), members: joined(pool, &listed, &status.members) })
}

/// What stands in the configuration with what the status says of it, and behind that the members
/// that only the status knows: interfaces that join the pool by themselves.
fn joined(pool: &str, listed: &Resources, status: &[MemberStatus]) -> Vec<Member> {
    let mut rows: Vec<_> = status.iter().filter(|row| is_of(row, pool)).collect();
    let found = |resource: &Resource| {
        let mut member = configured(resource);
        if let Some(position) = rows.iter().position(|row| member.is_in(row)) {
            member.take(rows.remove(position));
        }
        member
    };
    let mut members: Vec<_> = listed.resources.iter().map(found).collect();
    members.extend(rows.into_iter().map(by_interface));
    members
}

/// Whether this is the status of a member of the pool with this id.
pub(super) fn is_of(row: &MemberStatus, pool: &str) -> bool {
    names::owner(pool).is_some_and(|owner| row.load_balancer.eq_ignore_ascii_case(owner))
        && row.pool.eq_ignore_ascii_case(names::last(pool))
}

impl Member {
    /// By its name, by that of its interface, or by its address in any spelling.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let own = [&self.name, &self.interface];
        own.into_iter().flatten().any(|own| own.eq_ignore_ascii_case(name))
            || is_same_address(&self.address, name)
    }

    /// Whether this row of its pool's status is about it. An address decides where there is one.
    pub(super) fn is_in(&self, row: &MemberStatus) -> bool {
        if self.address.parse::<IpAddr>().is_ok() {
            return is_same_address(&self.address, &row.address);
        }
        self.is_called(&row.name)
    }

    fn take(&mut self, row: &MemberStatus) {
        self.address.clone_from(&row.address);
        self.state = Some(row.state.clone());
        self.reason.clone_from(&row.reason);
        self.flows = row.flows;
    }
}

fn is_same_address(one: &str, other: &str) -> bool {
    let address = |text: &str| text.trim().parse::<IpAddr>().ok();
    address(one).is_some_and(|one| address(other) == Some(one))
}

fn configured(resource: &Resource) -> Member {
    let text = |pointer: &str| resource.resource.pointer(pointer).and_then(|it| it.as_str());
    let weight = ["/properties/extensions/weight", "/extensions/weight"];
    let weight = weight.into_iter().find_map(|pointer| resource.resource.pointer(pointer));
    Member {
        name: Some(names::last(&resource.id).to_owned()),
        interface: text("/properties/networkInterfaceIPConfiguration/id")
            .and_then(names::ip_configuration),
        address: text("/properties/ipAddress").unwrap_or("-").to_owned(),
        admin_state: text("/properties/adminState").unwrap_or("None").to_owned(),
        weight: weight.and_then(serde_json::Value::as_u64).unwrap_or(1),
        ..Member::default()
    }
}

fn by_interface(row: &MemberStatus) -> Member {
    let mut member = Member {
        name: Some(row.name.clone()).filter(|name| !name.is_empty()),
        admin_state: "None".to_owned(),
        weight: 1,
        ..Member::default()
    };
    member.take(row);
    member
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_meant_by_its_name_its_interface_or_any_spelling_of_its_address() {
        let member = Member {
            name: Some("Server-1".to_owned()),
            interface: Some("nic/ip".to_owned()),
            address: "2001:db8::b".into(),
            ..Member::default()
        };
        for (named, expected) in [
            ("server-1", true),
            ("NIC/ip", true),
            ("2001:DB8:0::B", true),
            ("2001:db8::c", false),
            ("server-2", false),
            ("", false),
        ] {
            assert_eq!(member.is_called(named), expected, "{named}");
        }
    }
}
