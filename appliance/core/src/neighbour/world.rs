//! What does the kernel know right now? The mirror of its links, routes and neighbours.
//!
//! Not here: who feeds it (`appliance/src/control/twin/mirror.rs`).

use std::collections::BTreeMap;

use super::{Event, LeftOut, Link, Neighbour, NextHop, Route};
use crate::limits::{
    ADDRESSES_PER_PORT_MAX, ADJACENCIES_MAX, NEXT_HOPS_PER_ROUTE_MAX, PORTS_MAX, ROUTES_MAX,
};
use crate::units::{Address, MacAddress, PortId, Prefix};

/// The kernel's links, main routing tables and neighbours, as far as twins are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    links: BTreeMap<PortId, Link>,
    /// The routes of each prefix by metric, never an empty inner map.
    routes: BTreeMap<Prefix, BTreeMap<u32, Vec<NextHop>>>,
    /// How many prefixes there are of each family and length, so that a look-up asks for those
    /// only.
    lengths: BTreeMap<(bool, u8), usize>,
    routes_count: usize,
    neighbours: BTreeMap<(PortId, Address), Neighbour>,
    left_out: LeftOut,
}

impl World {
    /// Takes in one change. Returns whether anything that forwarding depends on changed: a
    /// link, an own address, a route or a usable Ethernet address. A neighbour that merely went
    /// from reachable to stale is no such change.
    pub fn apply(&mut self, event: Event) -> bool {
        match event {
            Event::LinkChanged { port, mac, up } => self.change_link(port, mac, up),
            Event::AddressAdded { port, address, length } => {
                self.add_address(port, address, length)
            }
            Event::AddressRemoved { port, address } => self.remove_address(port, address),
            Event::RouteAdded { prefix, route } => self.add_route(prefix, route),
            Event::RouteRemoved { prefix, metric } => self.remove_route(prefix, metric),
            Event::NeighbourChanged { port, address, neighbour } => {
                self.change_neighbour(port, address, neighbour)
            }
            Event::NeighbourRemoved { port, address } => {
                let removed = self.neighbours.remove(&(port, address));
                removed.is_some_and(|neighbour| neighbour.usable_mac().is_some())
            }
            Event::Resynchronised(world) => {
                let changed = !self.forwards_like(&world);
                *self = *world;
                changed
            }
        }
    }

    /// The port and the address to resolve for a packet to `destination`: longest prefix, then
    /// lowest metric, then the first next hop whose twin is up. `None` when no route matches,
    /// the kernel refuses the destination, or no next hop is up.
    #[must_use]
    pub fn route_to(&self, destination: Address) -> Option<(PortId, Address)> {
        let hop = self.usable_hops(self.next_hops_to(destination)?).next()?;
        Some((hop.port, hop.address_for(destination)))
    }

    /// All next hops of the best route for `destination`, up or not; `None` when no route matches.
    #[must_use]
    pub fn next_hops_to(&self, destination: Address) -> Option<&[NextHop]> {
        let family = destination.is_v4();
        let lengths = self.lengths.range((family, 0)..=(family, u8::MAX)).rev();
        let mut candidates =
            lengths.filter_map(|(&(_, length), _)| Prefix::new(destination.to_ip(), length));
        candidates.find_map(|prefix| best(self.routes.get(&prefix)?))
    }

    /// The best route of every prefix, in the order of prefixes.
    pub fn routes(&self) -> impl Iterator<Item = (Prefix, &[NextHop])> {
        self.routes.iter().filter_map(|(prefix, routes)| Some((*prefix, best(routes)?)))
    }

    /// Every twin.
    #[must_use]
    pub fn links(&self) -> &BTreeMap<PortId, Link> {
        &self.links
    }

    /// Every neighbour, resolved or not.
    #[must_use]
    pub fn neighbours(&self) -> &BTreeMap<(PortId, Address), Neighbour> {
        &self.neighbours
    }

    /// The Ethernet address to send to for `address` on `port`, if the kernel has a usable one.
    #[must_use]
    pub fn mac_of(&self, port: PortId, address: Address) -> Option<MacAddress> {
        self.neighbours.get(&(port, address))?.usable_mac()
    }

    /// Whether `address` belongs to the kernel itself, on any twin.
    #[must_use]
    pub fn is_own(&self, address: Address) -> bool {
        self.links.values().any(|link| link.addresses.iter().any(|(own, _)| *own == address))
    }

    /// What the bounds kept out.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// The next hops among `hops` whose twin is up.
    pub(super) fn usable_hops<'a>(
        &'a self,
        hops: &'a [NextHop],
    ) -> impl Iterator<Item = &'a NextHop> {
        hops.iter().filter(|hop| self.links.get(&hop.port).is_some_and(|link| link.up))
    }

    fn link_mut(&mut self, port: PortId) -> Option<&mut Link> {
        if !self.links.contains_key(&port) && self.links.len() == PORTS_MAX {
            self.left_out.addresses += 1;
            return None;
        }
        Some(self.links.entry(port).or_default())
    }

    fn change_link(&mut self, port: PortId, mac: MacAddress, up: bool) -> bool {
        let Some(link) = self.link_mut(port) else { return false };
        let changed = (link.mac, link.up) != (mac, up);
        link.mac = mac;
        link.up = up;
        changed
    }

    fn add_address(&mut self, port: PortId, address: Address, length: u8) -> bool {
        let Some(link) = self.link_mut(port) else { return false };
        if let Some(known) = link.addresses.iter_mut().find(|(known, _)| *known == address) {
            return std::mem::replace(&mut known.1, length) != length;
        }
        if link.addresses.len() == ADDRESSES_PER_PORT_MAX {
            self.left_out.addresses += 1;
            return false;
        }
        link.addresses.push((address, length));
        true
    }

    fn remove_address(&mut self, port: PortId, address: Address) -> bool {
        let Some(link) = self.links.get_mut(&port) else { return false };
        let before = link.addresses.len();
        link.addresses.retain(|(known, _)| *known != address);
        link.addresses.len() != before
    }

    fn add_route(&mut self, prefix: Prefix, mut route: Route) -> bool {
        let beyond = route.next_hops.len().saturating_sub(NEXT_HOPS_PER_ROUTE_MAX);
        self.left_out.next_hops += beyond as u64;
        route.next_hops.truncate(NEXT_HOPS_PER_ROUTE_MAX);
        let known = self.routes.get(&prefix).is_some_and(|all| all.contains_key(&route.metric));
        if !known && self.routes_count == ROUTES_MAX {
            self.left_out.routes += 1;
            return false;
        }
        if !self.routes.contains_key(&prefix) {
            *self.lengths.entry(length_key(prefix)).or_default() += 1;
        }
        let all = self.routes.entry(prefix).or_default();
        let before = best(all).map(<[NextHop]>::to_vec);
        all.insert(route.metric, route.next_hops);
        let changed = best(all) != before.as_deref();
        self.routes_count += usize::from(!known);
        changed
    }

    fn remove_route(&mut self, prefix: Prefix, metric: u32) -> bool {
        let Some(all) = self.routes.get_mut(&prefix) else { return false };
        let Some(removed) = all.remove(&metric) else { return false };
        self.routes_count -= 1;
        let was_best = all.first_key_value().is_none_or(|(other, _)| metric < *other);
        let changed = was_best && best(all) != Some(removed.as_slice());
        if all.is_empty() {
            self.routes.remove(&prefix);
            self.forget_length(length_key(prefix));
        }
        changed
    }

    fn forget_length(&mut self, key: (bool, u8)) {
        let Some(count) = self.lengths.get_mut(&key) else { return };
        *count -= 1;
        if *count == 0 {
            self.lengths.remove(&key);
        }
    }

    fn change_neighbour(&mut self, port: PortId, address: Address, neighbour: Neighbour) -> bool {
        let known = self.neighbours.get(&(port, address)).copied();
        if known.is_none() && self.neighbours.len() == ADJACENCIES_MAX {
            self.left_out.neighbours += 1;
            return false;
        }
        self.neighbours.insert((port, address), neighbour);
        known.and_then(|known| known.usable_mac()) != neighbour.usable_mac()
    }

    /// Whether both worlds lead every packet the same way.
    fn forwards_like(&self, other: &Self) -> bool {
        self.links == other.links
            && self.routes().eq(other.routes())
            && self.usable_neighbours().eq(other.usable_neighbours())
    }

    fn usable_neighbours(&self) -> impl Iterator<Item = ((PortId, Address), MacAddress)> {
        self.neighbours.iter().filter_map(|(key, known)| Some((*key, known.usable_mac()?)))
    }
}

/// The next hops of the route with the lowest metric.
fn best(routes: &BTreeMap<u32, Vec<NextHop>>) -> Option<&[NextHop]> {
    routes.first_key_value().map(|(_, next_hops)| next_hops.as_slice())
}

fn length_key(prefix: Prefix) -> (bool, u8) {
    (prefix.address.is_v4(), prefix.length)
}
