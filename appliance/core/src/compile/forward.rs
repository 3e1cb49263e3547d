//! Where do packets leave, and how are members reached?

use std::collections::BTreeSet;
use std::sync::Arc;

use super::identity::Identities;
use super::outbound::Outbound;
use super::{Inputs, PortFacts};
use crate::config;
use crate::limits::ADJACENCIES_MAX;
use crate::neighbour::{NextHop, World};
use crate::policy::{Adjacency, Hop, Member, Port, Routes, Snapshot};
use crate::units::{Address, AdjacencyId, MemberId, PortId, Prefix};

/// What identifies a next hop.
type Neighbour = (PortId, Address);

/// What the compiler remembers of next hops.
#[derive(Clone, Debug, Default)]
pub(super) struct Forward {
    adjacencies: Identities<Neighbour>,
    /// What the last routes were made of.
    ways: Ways,
}

/// What routes are made of: ways by prefix, and the prefixes that plain routing joins.
type Ways = (Vec<(Prefix, Hop)>, Vec<Prefix>);

impl Forward {
    /// Writes ports, adjacencies, routes, and how members are reached.
    pub(super) fn write(
        &mut self,
        inputs: Inputs<'_>,
        seed: u64,
        outbound: &Outbound,
        next: &mut Snapshot,
    ) {
        let now = inputs.now_milliseconds;
        self.forget_what_is_gone(inputs.world, &next.members, now);
        // What comes out the same stays the same memory: a learned MAC is then one cold line for a
        // worker, and not all of them.
        let members = self.members(inputs.world, outbound, &next.members, now);
        if *members != *next.members {
            next.members = members;
        }
        let ways = self.ways(inputs, now);
        if ways != self.ways {
            next.routes =
                Arc::new(Routes::new(seed, ways.0.iter().cloned(), ways.1.iter().copied()));
            self.ways = ways;
        }
        let ports = ports(inputs);
        if *ports != *next.ports {
            next.ports = ports;
        }
        next.adjacencies = self.adjacencies(inputs.world, &next.ports);
    }

    fn members(
        &mut self,
        world: &World,
        outbound: &Outbound,
        members: &[Member],
        now: u64,
    ) -> Arc<[Member]> {
        let reach = |(id, member): (u32, &Member)| {
            let mut member = member.clone();
            if member.live {
                let next_hop = world.route_to(member.address);
                member.port = next_hop.map(|(port, _)| port);
                let neighbour = next_hop.unwrap_or_else(|| unreachable(&member));
                member.adjacency = AdjacencyId(self.adjacencies.of(&neighbour, now));
                member.outbound = outbound.mappings_of(MemberId(id));
            }
            member
        };
        (0u32..).zip(members).map(reach).collect()
    }

    fn ways(&mut self, inputs: Inputs<'_>, now: u64) -> Ways {
        let mut entries = Vec::new();
        for (prefix, next_hops) in inputs.world.routes() {
            if let Some(hop) = self.hop(inputs.world, next_hops, now) {
                entries.push((prefix, hop));
            }
        }
        for neighbour in resolved_on_link(inputs.world).take(ADJACENCIES_MAX) {
            let width = if neighbour.1.is_v4() { 32 } else { 128 };
            if let Some(host) = Prefix::new(neighbour.1.to_ip(), width) {
                let id = AdjacencyId(self.adjacencies.of(&neighbour, now));
                entries.push((host, Hop::Adjacency(id)));
            }
        }
        (entries, routed(inputs).collect())
    }

    /// What the ways out of one route become; `None` when no data port is among them. A gateway
    /// that does not answer is left out as long as another one does.
    fn hop(&mut self, world: &World, next_hops: &[NextHop], now: u64) -> Option<Hop> {
        let gateways = || next_hops.iter().filter_map(|hop| Some((hop.port, hop.gateway?)));
        let answers = |(port, gateway): &Neighbour| world.mac_of(*port, *gateway).is_some();
        let anyone_answers = gateways().any(|gateway| answers(&gateway));
        let mut ids: Vec<_> = gateways()
            .filter(|gateway| !anyone_answers || answers(gateway))
            .map(|gateway| AdjacencyId(self.adjacencies.of(&gateway, now)))
            .collect();
        match ids.len() {
            0 => next_hops.first().map(|hop| Hop::OnLink(hop.port)),
            1 => ids.pop().map(Hop::Adjacency),
            _ => Some(Hop::Group(ids.into())),
        }
    }

    fn adjacencies(&self, world: &World, ports: &[Port]) -> Arc<[Adjacency]> {
        let unused = Adjacency::new(PortId(u8::MAX), None, Address::default(), None);
        let mut adjacencies = vec![unused; self.adjacencies.bound()];
        self.adjacencies.each(|(id, address), slot| {
            let mac = world.mac_of(*id, *address);
            let port = ports.get(id.index());
            adjacencies[slot as usize] = Adjacency::new(*id, port, *address, mac);
        });
        adjacencies.into()
    }

    fn forget_what_is_gone(&mut self, world: &World, members: &[Member], now: u64) {
        let mut used: BTreeSet<Neighbour> = resolved_on_link(world).collect();
        for (_, next_hops) in world.routes() {
            used.extend(next_hops.iter().filter_map(|hop| Some((hop.port, hop.gateway?))));
        }
        let live = members.iter().filter(|member| member.live);
        used.extend(
            live.map(|member| {
                world.route_to(member.address).unwrap_or_else(|| unreachable(member))
            }),
        );
        self.adjacencies.retain(now, |neighbour| used.contains(neighbour));
    }
}

/// The adjacency of a member that no route leads to: on no port, which is the drop reason
/// `no_route`.
const fn unreachable(member: &Member) -> Neighbour {
    (PortId(u8::MAX), member.address)
}

/// Neighbours that have told their address and that a route reaches directly. Nothing is routed to
/// a link-local address, which may be on several links at once.
fn resolved_on_link(world: &World) -> impl Iterator<Item = Neighbour> {
    world.neighbours().iter().filter_map(|((port, address), neighbour)| {
        neighbour.usable_mac()?;
        let direct =
            !address.is_link_local() && world.route_to(*address) == Some((*port, *address));
        direct.then_some((*port, *address))
    })
}

/// Prefixes that plain routing joins.
fn routed(inputs: Inputs<'_>) -> impl Iterator<Item = Prefix> {
    let networks = inputs.configuration.virtual_networks.iter().flat_map(|it| &it.prefixes);
    networks.chain(&inputs.configuration.appliance.routed_prefixes).copied()
}

fn ports(inputs: Inputs<'_>) -> Arc<[Port]> {
    let configured = inputs.configuration.appliance.ports.iter();
    let lower = |(port, facts): (&config::Port, &PortFacts)| {
        let subnets = port.addresses.iter().filter_map(|address| address.subnet()).collect();
        Port::new(facts.mac, port.mtu, facts.partial_checksums, subnets)
    };
    configured.zip(inputs.facts).map(lower).collect()
}
