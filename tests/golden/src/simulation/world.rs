//! What does the control side know: configuration, health, links, routes and neighbours?

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use weir_core::compile::{Changes, Compiler, Inputs, PortFacts, probe_targets};
use weir_core::config::Configuration;
use weir_core::health::{HealthTable, ProbeProtocol, Verdict};
use weir_core::neighbour::{self, Event, Neighbour, NeighbourState, NextHop, Route};
use weir_core::policy::{OwnerFunction, RSS_KEY_BYTES, Snapshot};
use weir_core::telemetry::PortUse;
use weir_core::units::{Address, MacAddress, MemberId, PortId, Prefix, Transport};

use crate::packet::{Links, link_local_of_port, mac_of_host, mac_of_port};

/// What the tables of every simulation are keyed by.
const TABLE_SEED: u64 = 0x5eed;

/// The key of the owner function in every simulation.
pub const OWNER_KEY: [u8; RSS_KEY_BYTES] = [
    0x1f, 0x8b, 0x36, 0xd2, 0x5c, 0x90, 0x47, 0xee, 0x03, 0xa5, 0x71, 0x2c, 0xb8, 0x69, 0xf4, 0x15,
    0x8e, 0x53, 0xc7, 0x20, 0x9d, 0x4a, 0xe1, 0x7b, 0x36, 0xd8, 0x0f, 0xa2, 0x64, 0xbd, 0x51, 0xf9,
    0x2e, 0x83, 0xc6, 0x1a, 0x75, 0xe0, 0x9b, 0x48,
];

/// Everything that a snapshot is compiled from.
#[derive(Debug)]
pub struct World {
    compiler: Compiler,
    configuration: Configuration,
    links: Links,
    health: HealthTable,
    kernel: neighbour::World,
    facts: Vec<PortFacts>,
    port_use: Vec<Arc<PortUse>>,
    wanting: Vec<(MemberId, Transport)>,
    changes: Changes,
}

impl World {
    /// The world of a configuration: every link up, connected and configured routes there,
    /// members, gateways and hosts behind them resolved, every probe target up.
    #[must_use]
    pub fn new(configuration: Configuration, workers: u8) -> Self {
        let ports = configuration.appliance.ports.len();
        let port_ids = (0..ports as u8).map(PortId);
        let facts =
            port_ids.map(|port| PortFacts { mac: mac_of_port(port), partial_checksums: false });
        let mut world = Self {
            compiler: Compiler::new(OwnerFunction::new(&OWNER_KEY, workers), TABLE_SEED),
            links: Links::of(&configuration),
            health: HealthTable::default(),
            kernel: neighbour::World::default(),
            facts: facts.collect(),
            port_use: Vec::new(),
            wanting: Vec::new(),
            changes: Changes::ALL,
            configuration: configuration.clone(),
        };
        world.bring_links_up();
        world.configure(configuration);
        world
    }

    /// The configuration in force.
    #[must_use]
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// What the prober knows.
    #[must_use]
    pub const fn health(&self) -> &HealthTable {
        &self.health
    }

    /// The links of the configuration in force.
    #[must_use]
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// Replaces the configuration. New members are resolved and new targets up.
    pub fn configure(&mut self, configuration: Configuration) {
        self.configuration = configuration;
        self.links = Links::of(&self.configuration);
        self.add_routes();
        let added = self.health.set_targets(&probe_targets(&self.configuration)).added;
        for target in added {
            let verdict = match target.protocol {
                ProbeProtocol::Tcp => Verdict::TcpConnected,
                ProbeProtocol::Http { .. } => Verdict::Status(200),
            };
            for _ in 0..target.threshold.max(1) {
                self.health.record(&target, verdict, 0);
            }
        }
        self.resolve_known_hosts();
        self.changes = self.changes.and(Changes::ALL);
    }

    /// Notes that every probe of a member's port says `up`.
    pub fn set_health(&mut self, address: IpAddr, port: u16, up: bool) {
        let targets: Vec<_> = self.health.iter().map(|(target, _)| target.clone()).collect();
        let verdict = if up { Verdict::TcpConnected } else { Verdict::Timeout };
        for target in targets.iter().filter(|it| (it.address, it.port) == (address, port)) {
            for _ in 0..target.threshold.max(1) {
                self.health.record(target, verdict, 0);
            }
        }
        self.changes.health = true;
    }

    /// Notes what the kernel says of a neighbour; `None` for one that does not answer.
    pub fn set_neighbour(&mut self, port: PortId, address: Address, mac: Option<MacAddress>) {
        let state = match mac {
            Some(_) => NeighbourState::Reachable,
            None => NeighbourState::Failed,
        };
        let neighbour = Neighbour { mac, state };
        self.tell(Event::NeighbourChanged { port, address, neighbour });
    }

    /// Replaces the route to a prefix; without gateways the kernel has none.
    pub fn set_route(&mut self, prefix: Prefix, gateways: &[(PortId, Address)]) {
        let next_hops: Vec<_> = gateways
            .iter()
            .map(|(port, gateway)| NextHop { port: *port, gateway: Some(*gateway), weight: 1 })
            .collect();
        for (port, gateway) in gateways {
            let mac = mac_of_host(gateway.to_ip());
            self.set_neighbour(*port, *gateway, Some(mac));
        }
        let route = Route { next_hops, metric: 0 };
        self.tell(Event::RouteRemoved { prefix, metric: 0 });
        if !gateways.is_empty() {
            self.tell(Event::RouteAdded { prefix, route });
        }
    }

    /// Takes a link up or down.
    pub fn set_link(&mut self, port: PortId, up: bool) {
        self.tell(Event::LinkChanged { port, mac: mac_of_port(port), up });
    }

    /// Notes that a device delivers partial checksums.
    pub fn set_partial_checksums(&mut self, port: PortId) {
        self.facts[port.index()].partial_checksums = true;
        self.changes.world = true;
    }

    /// Learns where workers tell which outbound ports are in use.
    pub fn watch(&mut self, port_use: Vec<Arc<PortUse>>) {
        self.port_use = port_use;
    }

    /// Learns whose outbound ports are nearly used up.
    pub fn want(&mut self, member: MemberId, protocol: Transport) {
        self.wanting.push((member, protocol));
        self.changes.ports = true;
    }

    /// Has outbound ports that became free dealt anew.
    pub fn return_ports(&mut self, now_milliseconds: u64) {
        let has = self.compiler.has_ports_to_return(&self.port_use, now_milliseconds);
        self.changes.ports |= has;
    }

    /// The snapshot of what changed since the last one.
    pub fn compile(&mut self, now_milliseconds: u64) -> Snapshot {
        let wanting = std::mem::take(&mut self.wanting);
        let inputs = Inputs {
            configuration: &self.configuration,
            health: &self.health,
            world: &self.kernel,
            facts: &self.facts,
            now_milliseconds,
            port_use: &self.port_use,
            wanting: &wanting,
        };
        let changes = std::mem::take(&mut self.changes);
        self.compiler.compile(inputs, changes)
    }

    fn tell(&mut self, event: Event) {
        self.kernel.apply(event);
        self.changes.world = true;
    }

    fn bring_links_up(&mut self) {
        for (id, port) in (0u8..).zip(self.configuration.appliance.ports.clone()) {
            let port_id = PortId(id);
            self.set_link(port_id, true);
            for own in &port.addresses {
                let address = own.address.into();
                self.tell(Event::AddressAdded { port: port_id, address, length: own.length });
                let next_hops = vec![NextHop { port: port_id, gateway: None, weight: 1 }];
                let prefix = own.subnet().expect("a checked prefix");
                self.tell(Event::RouteAdded { prefix, route: Route { next_hops, metric: 0 } });
            }
            if port.addresses.iter().any(|own| own.address.is_ipv6()) {
                let address = IpAddr::from(link_local_of_port(port_id)).into();
                self.tell(Event::AddressAdded { port: port_id, address, length: 64 });
            }
        }
    }

    fn add_routes(&mut self) {
        for route in self.configuration.appliance.routes.clone() {
            let gateway = Address::from(route.next_hop);
            let Some(port) = self.port_of(gateway) else { continue };
            self.set_route(route.destination, &[(port, gateway)]);
        }
    }

    /// Members and the servers beside them have told their addresses.
    fn resolve_known_hosts(&mut self) {
        let hosts = self.configuration.host_addresses();
        let hosts: BTreeSet<Address> = hosts.map(Address::from).collect();
        for host in hosts {
            let known = self.port_of(host).filter(|port| self.kernel.mac_of(*port, host).is_none());
            if let Some(port) = known {
                let mac = mac_of_host(host.to_ip());
                self.set_neighbour(port, host, Some(mac));
            }
        }
    }

    /// The port whose subnet holds an address.
    fn port_of(&self, address: Address) -> Option<PortId> {
        let ports = (0u8..).zip(&self.configuration.appliance.ports);
        let holds = |port: &weir_core::config::Port| {
            port.addresses.iter().any(|own| own.subnet().is_some_and(|it| it.contains(address)))
        };
        ports.filter(|(_, port)| holds(port)).map(|(id, _)| PortId(id)).next()
    }
}
