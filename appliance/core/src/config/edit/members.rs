//! What does a pool become when a member comes, goes or is spoken of differently?
//!
//! An interface's address that names the pool has no entry there; it gets one as soon as there is
//! something to say about it. Not here: who is in a pool (`membership`), which values are right
//! (`check`).

use serde_json::{Value, json};

use super::find::{Found, find as find_resource, is_named, not_found};
use super::membership::{ANSWERED, INTERFACE, InterfaceAddress, JOINED, LISTED, Membership, Pool};
use super::put::{object_in, resource_mut, siblings};
use super::{EditError, ResourceId};
use crate::config::load_balancer::AdminState;
use crate::limits::RESOURCE_NAME_LENGTH_MAX;

/// A member to be added: an address.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMember {
    /// The pool.
    pub pool: ResourceId,
    /// Its name, unique in the pool.
    pub name: String,
    /// Its address.
    pub ip_address: String,
    /// What else is said about it.
    pub settings: MemberSettings,
    /// The id of the virtual network that the address lies in.
    pub virtual_network: Option<String>,
}

/// Which member is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberName {
    /// The pool.
    pub pool: ResourceId,
    /// Its name (of an interface's address also `interface/ipConfiguration`) or its address.
    pub member: String,
}

/// What an operator says about a member; what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberSettings {
    /// Whether its probe is listened to.
    pub admin_state: Option<AdminState>,
    /// Its share of new flows: 1 to 100.
    pub weight: Option<u16>,
}

/// What an etag for a member is made of: its entry in the pool; without one, the interface's
/// address that it is.
pub(super) fn find<'d>(document: &'d Value, name: &MemberName) -> Result<Found<'d>, EditError> {
    let pool = Pool::find(document, &name.pool)?;
    let found = pool.member(&name.member)?;
    let id = match (&found.entry, &found.interface) {
        (None, Some(interface)) => id_of(interface)?,
        (Some(_), _) | (None, None) => name.pool.child(LISTED, &found.name()),
    };
    find_resource(document, &id)
}

/// Adds an address.
pub(super) fn add(document: &mut Value, new: NewMember) -> Result<(), EditError> {
    let pool = Pool::find(document, &new.pool)?;
    refuse_known(&pool, &new)?;
    let mut properties = json!({"ipAddress": new.ip_address});
    if let Some(id) = new.virtual_network {
        properties["virtualNetwork"] = json!({"id": id});
    }
    let mut entry = json!({"name": new.name, "properties": properties});
    write_settings(&mut entry, new.settings)?;
    list_interfaces(document, &new.pool, &pool, None)?;
    siblings(document, &new.pool.child(LISTED, &new.name))?.push(entry);
    Ok(())
}

/// Takes a member out, however it came in.
pub(super) fn remove(document: &mut Value, name: &MemberName) -> Result<(), EditError> {
    let pool = Pool::find(document, &name.pool)?;
    let found = pool.member(&name.member)?;
    if let Some(interface) = &found.interface {
        let configuration = resource_mut(document, &id_of(interface)?)?;
        keep_in(configuration, JOINED, |reference| !pool.is_named_by(reference));
        let resource = resource_mut(document, &name.pool)?;
        keep_in(resource, ANSWERED, |reference| !interface.is_named_by(reference));
    }
    let Some((position, _)) = found.entry else { return Ok(()) };
    let listed = siblings(document, &name.pool.child(LISTED, &found.name()))?;
    listed.remove(position);
    if listed.is_empty() {
        // What Azure answers beside a list of members is not read, and must not come to count.
        let resource = resource_mut(document, &name.pool)?;
        keep_in(resource, ANSWERED, |_| false);
    }
    Ok(())
}

/// Writes what is said about a member.
pub(super) fn set(
    document: &mut Value,
    name: &MemberName,
    settings: MemberSettings,
) -> Result<(), EditError> {
    if settings == MemberSettings::default() {
        let text = "nothing is said about the member; give `adminState` or `weight`";
        return Err(EditError::Unsuitable(text.to_owned()));
    }
    let pool = Pool::find(document, &name.pool)?;
    let found = pool.member(&name.member)?;
    let listed = name.pool.child(LISTED, &found.name());
    match &found.entry {
        Some((position, _)) => {
            let entry = siblings(document, &listed)?.get_mut(*position);
            write_settings(entry.ok_or_else(|| not_found(&listed))?, settings)
        }
        None => list_interfaces(document, &name.pool, &pool, Some((found, settings))),
    }
}

/// Gives interfaces' addresses an entry in the pool: the one about which there is something to say,
/// and those of which only Azure's answer says that they are members. That is not read beside a
/// list, and the pool has one now.
fn list_interfaces(
    document: &mut Value,
    id: &ResourceId,
    pool: &Pool,
    said: Option<(&Membership, MemberSettings)>,
) -> Result<(), EditError> {
    for member in &pool.members {
        let (None, Some(interface)) = (&member.entry, &member.interface) else { continue };
        let settings = said.filter(|(about, _)| *about == member).map(|(_, settings)| settings);
        if interface.joins && settings.is_none() {
            continue;
        }
        let listed = siblings(document, &id.child(LISTED, ""))?;
        let name = free_name(interface, listed);
        let properties = json!({INTERFACE: {"id": interface.id()}});
        let mut entry = json!({"name": name, "properties": properties});
        write_settings(&mut entry, settings.unwrap_or_default())?;
        listed.push(entry);
    }
    Ok(())
}

/// A name for an interface's entry that no other entry has.
fn free_name(interface: &InterfaceAddress, listed: &[Value]) -> String {
    let wanted = format!("{}-{}", interface.interface, interface.configuration);
    let is_free = |name: &String| !listed.iter().any(|it| is_named(it, name));
    let numbered = (2_usize..).map(|number| {
        let suffix = format!("-{number}");
        let most = RESOURCE_NAME_LENGTH_MAX - suffix.len();
        wanted.chars().take(most).chain(suffix.chars()).collect()
    });
    let fits = wanted.len() <= RESOURCE_NAME_LENGTH_MAX;
    let whole = fits.then(|| wanted.clone());
    whole.into_iter().chain(numbered).find(is_free).unwrap_or_default()
}

/// Writes settings into an entry; `extensions` where they are already.
fn write_settings(entry: &mut Value, settings: MemberSettings) -> Result<(), EditError> {
    let no_object = |what: &str| EditError::Unsuitable(format!("{what} is no object; correct it"));
    if let Some(state) = settings.admin_state {
        let properties = object_in(entry, "properties");
        let properties = properties.ok_or_else(|| no_object("the member's `properties`"))?;
        properties.insert("adminState".to_owned(), state.name().into());
    }
    if let Some(weight) = settings.weight {
        let is_beside = entry.get("extensions").is_some_and(Value::is_object);
        let inside = if is_beside { None } else { entry.get_mut("properties") };
        let extensions = match inside {
            Some(properties) => object_in(properties, "extensions"),
            None => object_in(entry, "extensions"),
        };
        let extensions = extensions.ok_or_else(|| no_object("the member's `extensions`"))?;
        extensions.insert("weight".to_owned(), weight.into());
    }
    Ok(())
}

/// Whoever is there is not added again.
fn refuse_known(pool: &Pool, new: &NewMember) -> Result<(), EditError> {
    let address = new.ip_address.trim().parse().ok();
    let same = |it: &&Membership| {
        let same_name = it.entry.as_ref().is_some_and(|(_, it)| it.eq_ignore_ascii_case(&new.name));
        same_name || address.is_some() && it.address == address
    };
    let Some(known) = pool.members.iter().find(same) else { return Ok(()) };
    let address = known.address.map_or_else(String::new, |address| format!(" ({address})"));
    Err(EditError::Unsuitable(format!(
        "{} has a member `{}`{address} already: use `setMember` to change its state or weight, \
         `removeMember` to take it out, or another name and address",
        pool.id,
        known.name()
    )))
}

/// Leaves those of a list's references that are wanted.
fn keep_in(resource: &mut Value, list: &str, keep: impl FnMut(&Value) -> bool) {
    let list = resource.get_mut("properties").and_then(|it| it.get_mut(list));
    if let Some(list) = list.and_then(Value::as_array_mut) {
        list.retain(keep);
    }
}

fn id_of(interface: &InterfaceAddress) -> Result<ResourceId, EditError> {
    let id = interface.id();
    ResourceId::parse(&id).map_err(|error| EditError::Unsuitable(error.to_string()))
}
