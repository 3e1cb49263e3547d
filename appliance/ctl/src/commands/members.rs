//! How are the members of a pool shown and changed?
//!
//! What an operator said of a member comes from the configuration, how it does from the status.

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
    /// Its name; nothing for one that is a member by its network interface.
    pub(crate) name: Option<String>,
    /// Its address.
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

/// What stands in the configuration with what the status says of it. The status knows a pool by its
/// name alone, so those that no list has are taken from it only if there is no list at all: members
/// by their network interfaces.
fn joined(pool: &str, listed: &Resources, status: &[MemberStatus]) -> Vec<Member> {
    let of_pool: Vec<_> =
        status.iter().filter(|it| it.pool.eq_ignore_ascii_case(names::last(pool))).collect();
    if listed.resources.is_empty() {
        return of_pool.into_iter().map(by_interface).collect();
    }
    let found = |resource: &Resource| {
        let mut member = configured(resource);
        if let Some(it) = of_pool.iter().find(|it| it.address == member.address) {
            member.state = Some(it.state.clone());
            member.reason.clone_from(&it.reason);
            member.flows = it.flows;
        }
        member
    };
    listed.resources.iter().map(found).collect()
}

fn configured(resource: &Resource) -> Member {
    let text = |pointer: &str| resource.resource.pointer(pointer).and_then(|it| it.as_str());
    let weight = ["/properties/extensions/weight", "/extensions/weight"];
    let weight = weight.into_iter().find_map(|pointer| resource.resource.pointer(pointer));
    Member {
        name: Some(names::last(&resource.id).to_owned()),
        address: text("/properties/ipAddress").unwrap_or("-").to_owned(),
        admin_state: text("/properties/adminState").unwrap_or("None").to_owned(),
        weight: weight.and_then(serde_json::Value::as_u64).unwrap_or(1),
        ..Member::default()
    }
}

fn by_interface(status: &MemberStatus) -> Member {
    Member {
        address: status.address.clone(),
        admin_state: "None".to_owned(),
        weight: 1,
        state: Some(status.state.clone()),
        reason: status.reason.clone(),
        flows: status.flows,
        ..Member::default()
    }
}
