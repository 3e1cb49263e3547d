//! What does a configuration become when frontends exchange their public IP addresses?
//!
//! As Azure's `setLoadBalancerFrontendPublicIpAddresses`: all of them at once or none. Not here:
//! whether an address is in use elsewhere, and of which SKU it is (`check`).

use std::collections::HashSet;

use serde_json::{Value, json};

use super::find::{Found, find};
use super::put::{object_in, resource_mut};
use super::{EditError, ResourceId};
use crate::config::arm::Field;
use crate::config::problem::Report;
use crate::config::public_address;
use crate::config::reference::Reference;
use crate::config::resources::Kind;

/// Which public IP address a frontend gets.
#[derive(Clone, Debug, PartialEq)]
pub struct FrontendAddress {
    /// The frontend.
    pub frontend: ResourceId,
    /// The id of the public IP address, or its name alone.
    pub public_address: String,
}

/// A frontend that gets another address.
struct Move {
    frontend: ResourceId,
    /// The name of the address that it has, and the reference that says so.
    has: (String, Value),
    /// The name of the address that it gets.
    gets: String,
}

/// Frontends that exchange addresses are two at least.
const FRONTENDS_MIN: usize = 2;

const PROPERTY: &str = "publicIPAddress";

/// Gives each frontend its address. References move as they are written.
pub(super) fn swap(document: &mut Value, wanted: &[FrontendAddress]) -> Result<(), EditError> {
    if wanted.len() < FRONTENDS_MIN {
        let text = "a swap takes two frontends or more, each with the public IP address that it \
                    gets; to change one frontend use `put`";
        return Err(EditError::Unsuitable(text.to_owned()));
    }
    let moves: Vec<Move> =
        wanted.iter().map(|wanted| Move::read(document, wanted)).collect::<Result<_, _>>()?;
    refuse_twice(moves.iter().map(|it| it.frontend.to_string()))?;
    refuse_twice(moves.iter().map(|it| format!("publicIPAddresses/{}", it.gets)))?;
    for one in &moves {
        let written = moves.iter().map(|it| &it.has);
        let moved = written.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&one.gets));
        let reference = moved.map_or_else(
            || json!({"id": format!("publicIPAddresses/{}", one.gets)}),
            |(_, reference)| reference.clone(),
        );
        let frontend = resource_mut(document, &one.frontend)?;
        if let Some(properties) = object_in(frontend, "properties") {
            properties.insert(PROPERTY.to_owned(), reference);
        }
    }
    Ok(())
}

impl Move {
    fn read(document: &Value, wanted: &FrontendAddress) -> Result<Self, EditError> {
        let id = &wanted.frontend;
        if id.children().last().is_none_or(|(kind, _)| kind != "frontendIPConfigurations") {
            let text = format!("{id} is no frontend IP configuration; give the id of one");
            return Err(EditError::Unsuitable(text));
        }
        let found = find(document, id)?;
        let reference = found.resource.get("properties").and_then(|it| it.get(PROPERTY));
        let has = reference.and_then(|it| Some((name_in(it)?, it.clone()))).ok_or_else(|| {
            let text = format!(
                "{id} has no public IP address to exchange; only frontends with a \
                 `publicIPAddress` have one"
            );
            EditError::Unsuitable(text)
        })?;
        let spelt = ResourceId::parse(&found.id);
        let frontend = spelt.map_err(|error| EditError::Unsuitable(error.to_string()))?;
        Ok(Self { frontend, has, gets: address_named(document, &wanted.public_address)? })
    }
}

/// The name of the public IP address with this id, as the document spells it.
fn address_named(document: &Value, id: &str) -> Result<String, EditError> {
    let id = if id.contains('/') { id.to_owned() } else { format!("publicIPAddresses/{id}") };
    let parsed = ResourceId::parse(&id);
    let parsed = parsed.map_err(|error| EditError::Unsuitable(error.to_string()))?;
    if parsed.kind() != Kind::PublicAddress || parsed.is_child() {
        let text = format!("{parsed} is no public IP address; give the id of one");
        return Err(EditError::Unsuitable(text));
    }
    let Found { resource, .. } = find(document, &parsed)?;
    Ok(super::find::name_of(resource).unwrap_or_default().to_owned())
}

/// The name of the address that a reference is to, read as `check` reads it.
fn name_in(reference: &Value) -> Option<String> {
    let report = Report::default();
    let reference = Reference::read(&Field::document(reference, &report))?;
    reference.name_of(&public_address::TARGET).map(str::to_owned)
}

fn refuse_twice(mut ids: impl Iterator<Item = String>) -> Result<(), EditError> {
    let mut seen = HashSet::new();
    match ids.find(|id| !seen.insert(id.to_ascii_lowercase())) {
        None => Ok(()),
        Some(id) => Err(EditError::Unsuitable(format!(
            "{id} is named twice in the swap; name each frontend and each address once"
        ))),
    }
}
