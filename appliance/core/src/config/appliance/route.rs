//! Where does traffic go that is for no member, and which of it is left untranslated?
//!
//! Not here: routes learned from the kernel (`neighbour`).

use std::collections::HashSet;
use std::net::IpAddr;

use super::Port;
use super::port::read_next_hop;
use crate::config::address::read_prefix;
use crate::config::arm::{Field, Object};
use crate::limits::{ROUTED_PREFIXES_MAX, STATIC_ROUTES_MAX};
use crate::units::Prefix;

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StaticRoute {
    /// Where packets go to.
    pub destination: Prefix,
    /// The router they are given to: on-link of a port, of the destination's family.
    pub next_hop: IpAddr,
}

/// Reads `routes`. Next hops are only checked against ports that could all be read.
pub(super) fn read_routes(
    object: &Object<'_>,
    ports: &[Port],
    ports_complete: bool,
) -> Option<Vec<StaticRoute>> {
    let ports = ports_complete.then_some(ports);
    let fields = read_list(object, "routes", STATIC_ROUTES_MAX)?;
    let mut destinations = HashSet::new();
    let routes: Vec<_> =
        fields.iter().map(|field| read_route(field, ports, &mut destinations)).collect();
    routes.into_iter().collect()
}

/// Reads `routedPrefixes`.
pub(super) fn read_routed_prefixes(object: &Object<'_>) -> Option<Vec<Prefix>> {
    let fields = read_list(object, "routedPrefixes", ROUTED_PREFIXES_MAX)?;
    let prefixes: Vec<_> = fields.iter().map(read_prefix).collect();
    prefixes.into_iter().collect()
}

fn read_list<'a>(
    object: &Object<'a>,
    name: &'static str,
    length_max: usize,
) -> Option<Vec<Field<'a>>> {
    let fields = object.or(name, Vec::new(), Field::list)?;
    if fields.len() > length_max {
        let message = format!("At most {length_max} fit here; these are {}.", fields.len());
        object.error_at(name, "LimitExceeded", message);
        return None;
    }
    Some(fields)
}

fn read_route(
    field: &Field<'_>,
    ports: Option<&[Port]>,
    destinations: &mut HashSet<Prefix>,
) -> Option<StaticRoute> {
    let object = field.object()?;
    let destination = object.required("destination").and_then(|field| read_prefix(&field));
    let next_hop = object.required("nextHop").and_then(|field| read_next_hop(&field, ports));
    object.finish_strictly();
    let (destination, next_hop) = (destination?, next_hop?);
    if destination.address.is_v4() != next_hop.is_ipv4() {
        object.error_at(
            "nextHop",
            "DifferentAddressFamilies",
            format!("{next_hop} is not of the family of {destination}. Name a router that is."),
        );
        return None;
    }
    if !destinations.insert(destination) {
        object.error_at(
            "destination",
            "DuplicateRoute",
            format!("There is another route to {destination}. Keep one of them."),
        );
        return None;
    }
    Some(StaticRoute { destination, next_hop })
}
