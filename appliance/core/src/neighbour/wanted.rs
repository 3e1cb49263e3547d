//! Which neighbours should the kernel keep resolved?
//!
//! Not here: asking the kernel for them (`appliance/src/control/twin/manage.rs`).

use std::collections::BTreeSet;

use super::World;
use crate::limits::ADJACENCIES_MAX;
use crate::units::{Address, PortId};

/// Every next hop that traffic may need at once: of each member (all ways of its best route), and
/// the gateways of all routes. Own addresses are never wanted, nor is anything on a twin
/// that is down: the kernel would drop the entry.
///
/// At most `limits::ADJACENCIES_MAX`. Members come first, in their order, then gateways in the
/// order of prefixes; what does not fit is left out and its traffic is the drop reason
/// `neighbour_unresolved`.
#[must_use]
pub fn wanted_neighbours(members: &[Address], world: &World) -> BTreeSet<(PortId, Address)> {
    let of_members = members.iter().filter(|member| !world.is_own(**member)).flat_map(|member| {
        let hops = world.next_hops_to(*member).unwrap_or_default();
        world.usable_hops(hops).map(|hop| (hop.port, hop.address_for(*member)))
    });
    let of_routes = world.routes().flat_map(|(_, hops)| {
        world.usable_hops(hops).filter_map(|hop| Some((hop.port, hop.gateway?)))
    });
    let mut wanted = BTreeSet::new();
    for entry in of_members.chain(of_routes).filter(|(_, address)| !world.is_own(*address)) {
        if wanted.len() == ADJACENCIES_MAX {
            break;
        }
        wanted.insert(entry);
    }
    wanted
}
