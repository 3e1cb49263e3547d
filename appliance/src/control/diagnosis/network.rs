//! Where do members, routers and clients stand, as far as the appliance knows?
//!
//! Not here: what is wrong with that (`routes`, `return_path`, `on_link`).

use std::collections::BTreeSet;

use weir_core::config::Configuration;
use weir_core::neighbour::World;
use weir_core::units::{Address, PortId, Prefix};

/// The configuration in force beside what the kernel knows.
#[derive(Clone, Copy)]
pub(super) struct Network<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) world: &'a World,
}

impl<'a> Network<'a> {
    /// Every member of every pool, and every host with a public address of its own.
    pub(super) fn members(self) -> BTreeSet<Address> {
        self.configuration.host_addresses().map(Address::from).collect()
    }

    /// Every frontend's address with the names of its load balancer and its own.
    pub(super) fn frontends(self) -> impl Iterator<Item = (Address, String)> + use<'a> {
        self.configuration.load_balancers.iter().flat_map(|load_balancer| {
            let name = |frontend: &str| format!("{}/{frontend}", load_balancer.name);
            load_balancer.frontends.iter().map(move |it| (it.address.into(), name(&it.name)))
        })
    }

    /// The subnets that a port has an address in.
    pub(super) fn subnets(self) -> impl Iterator<Item = (PortId, Prefix)> + use<'a> {
        let ports = (0u8..).map(PortId).zip(&self.configuration.appliance.ports);
        ports.flat_map(|(id, port)| {
            port.addresses.iter().filter_map(move |own| Some((id, own.subnet()?)))
        })
    }

    /// Weir's own address on a port for the family of `other`.
    pub(super) fn own_address(self, port: PortId, other: Address) -> Option<Address> {
        let own = self.configuration.appliance.ports.get(port.index())?;
        let addresses = own.addresses.iter().map(|it| Address::from(it.address));
        addresses.into_iter().find(|address| address.is_v4() == other.is_v4())
    }

    /// The name of a port.
    pub(super) fn name(self, port: PortId) -> &'a str {
        self.configuration.appliance.ports.get(port.index()).map_or("?", |port| &port.name)
    }

    /// The routers by which anybody out there is reached: next hops of the default route.
    pub(super) fn routers(self, is_v4: bool) -> Vec<(PortId, Address)> {
        let default = |prefix: Prefix| prefix.length == 0 && prefix.address.is_v4() == is_v4;
        let mut routes = self.world.routes().filter(|(prefix, _)| default(*prefix));
        let hops = routes.next().map(|(_, hops)| hops).unwrap_or_default();
        hops.iter().filter_map(|hop| Some((hop.port, hop.gateway?))).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};
    use weir_core::config::check;
    use weir_core::neighbour::{Event, Neighbour, NeighbourState, NextHop, Route};
    use weir_core::units::MacAddress;

    use super::*;

    pub(in crate::control::diagnosis) fn ip(text: &str) -> Address {
        text.parse::<std::net::IpAddr>().expect("an address").into()
    }

    /// Ports (name, own prefix), members and a public frontend at this address.
    pub(in crate::control::diagnosis) fn configuration(
        ports: &[(&str, &str)],
        members: &[&str],
        frontend: &str,
    ) -> Configuration {
        let reference = |kind: &str, name: &str| json!({"id": format!("{kind}/{name}")});
        let port = |(number, (name, own)): (usize, &(&str, &str))| {
            let device = format!("net_null{number}");
            json!({"name": name, "device": device, "addresses": [own]})
        };
        let member = |address: &&str| {
            json!({"name": address.replace('.', "-"), "properties": {"ipAddress": address,
                "virtualNetwork": reference("virtualNetworks", "net")}})
        };
        let ports: Vec<Value> = ports.iter().enumerate().map(port).collect();
        let members: Vec<Value> = members.iter().map(member).collect();
        let document = json!({
            "appliance": {"ports": ports},
            "resources": [
                {"type": "Microsoft.Network/virtualNetworks", "name": "net", "properties": {
                    "addressSpace": {"addressPrefixes": ["10.0.0.0/8"]},
                    "subnets": [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/8"}}]}},
                {"type": "Microsoft.Network/publicIPAddresses", "name": "ip",
                    "sku": {"name": "Standard"}, "properties": {"ipAddress": frontend}},
                {"type": "Microsoft.Network/loadBalancers", "name": "lb",
                    "sku": {"name": "Standard"}, "properties": {
                    "frontendIPConfigurations": [{"name": "front", "properties": {
                        "publicIPAddress": reference("publicIPAddresses", "ip")}}],
                    "backendAddressPools": [{"name": "pool", "properties": {
                        "loadBalancerBackendAddresses": members}}]}},
            ],
        });
        check(document.to_string().as_bytes()).expect("a configuration").configuration
    }

    /// A world whose links are up and have these (port, own prefix), with these (prefix, port,
    /// gateway or nothing) as routes.
    pub(in crate::control::diagnosis) fn world(
        own: &[(u8, &str)],
        routes: &[(&str, u8, Option<&str>)],
    ) -> World {
        let mut world = World::default();
        for (port, own) in own {
            let (address, length) = own.split_once('/').expect("a prefix");
            let (port, length) = (PortId(*port), length.parse().expect("a length"));
            world.apply(Event::LinkChanged { port, mac: MacAddress([2; 6]), up: true });
            world.apply(Event::AddressAdded { port, address: ip(address), length });
            let hop = NextHop { port, gateway: None, weight: 1 };
            let prefix = Prefix::new(ip(address).to_ip(), length).expect("a prefix");
            let route = Route { next_hops: vec![hop], metric: 0 };
            world.apply(Event::RouteAdded { prefix, route });
        }
        for (prefix, port, gateway) in routes {
            let hop = NextHop { port: PortId(*port), gateway: gateway.map(ip), weight: 1 };
            let prefix = prefix.parse().expect("a prefix");
            let route = Route { next_hops: vec![hop], metric: 0 };
            world.apply(Event::RouteAdded { prefix, route });
        }
        world
    }

    pub(in crate::control::diagnosis) fn learn(world: &mut World, port: u8, address: &str) {
        let neighbour =
            Neighbour { mac: Some(MacAddress([4; 6])), state: NeighbourState::Reachable };
        let (port, address) = (PortId(port), ip(address));
        world.apply(Event::NeighbourChanged { port, address, neighbour });
    }
}
