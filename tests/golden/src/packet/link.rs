//! Which Ethernet addresses does a frame have when nobody says otherwise?

use std::net::{IpAddr, Ipv6Addr};

use weir_core::config::Configuration;
use weir_core::units::{Address, MacAddress, PortId, Prefix};

/// Where a frame is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the wire, or on its way to the kernel, unchanged.
    Arriving,
    /// On its way to the wire.
    Leaving,
}

/// One port's link.
#[derive(Clone, Debug)]
pub struct Link {
    /// The port's name in the configuration.
    pub name: String,
    /// The port's Ethernet address.
    pub mac: MacAddress,
    subnets: Vec<Prefix>,
    gateways: Vec<(Prefix, IpAddr)>,
}

/// Every port's link, as the configuration describes it.
#[derive(Clone, Debug, Default)]
pub struct Links(pub Vec<Link>);

impl Links {
    /// The links of a configuration.
    #[must_use]
    pub fn of(configuration: &Configuration) -> Self {
        let appliance = &configuration.appliance;
        let links = (0u8..).zip(&appliance.ports).map(|(id, port)| {
            let subnets: Vec<_> = port.addresses.iter().filter_map(|it| it.subnet()).collect();
            let on_link = |hop: &Address| subnets.iter().any(|subnet| subnet.contains(*hop));
            let gateways = appliance.routes.iter().filter_map(|route| {
                let hop = Address::from(route.next_hop);
                on_link(&hop).then_some((route.destination, route.next_hop))
            });
            let gateways = gateways.collect();
            Link { name: port.name.clone(), mac: mac_of_port(PortId(id)), subnets, gateways }
        });
        Self(links.collect())
    }

    /// The link of a port.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn at(&self, port: PortId) -> &Link {
        &self.0[port.index()]
    }

    /// The port with this name.
    ///
    /// # Errors
    /// A sentence that names the ports there are.
    pub fn find(&self, name: &str) -> Result<PortId, String> {
        let position = self.0.iter().position(|link| link.name == name);
        let names: Vec<_> = self.0.iter().map(|link| link.name.as_str()).collect();
        let position = position.ok_or_else(|| format!("no port is called '{name}': {names:?}"))?;
        Ok(PortId(position as u8))
    }
}

impl Link {
    /// The station on this link that an address is reached through, or that sends for it: the
    /// host itself, or the gateway of the longest prefix.
    #[must_use]
    pub fn station(&self, address: IpAddr) -> MacAddress {
        let wide = Address::from(address);
        if self.subnets.iter().any(|subnet| subnet.contains(wide)) {
            return mac_of_host(address);
        }
        let gateways = self.gateways.iter().filter(|(prefix, _)| prefix.contains(wide));
        let best = gateways.max_by_key(|(prefix, _)| prefix.length);
        mac_of_host(best.map_or(address, |(_, gateway)| *gateway))
    }
}

/// The Ethernet address of a port of the appliance.
#[must_use]
pub fn mac_of_port(port: PortId) -> MacAddress {
    MacAddress([0x02, 0xff, 0, 0, 0, port.0])
}

/// The Ethernet address of every other host: its IPv4 address, or the last four bytes of its IPv6
/// address, behind 02:00. That of a group is the one that RFC 2464 §7 maps it to.
#[must_use]
pub fn mac_of_host(address: IpAddr) -> MacAddress {
    let [a, b, c, d] = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => (address.to_bits() as u32).to_be_bytes(),
    };
    let is_group = matches!(address, IpAddr::V6(address) if address.is_multicast());
    let [first, second] = if is_group { [0x33, 0x33] } else { [0x02, 0x00] };
    MacAddress([first, second, a, b, c, d])
}

/// The link-local address of the kernel twin of a port: its Ethernet address as RFC 4291 §2.5.1
/// makes an interface identifier of it.
#[must_use]
pub fn link_local_of_port(port: PortId) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0x00ff, 0x00ff, 0xfe00, port.0.into())
}

/// An Ethernet address as it is written.
///
/// # Errors
/// A sentence about what it is instead.
pub fn parse_mac(text: &str) -> Result<MacAddress, String> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().and_then(|part| u8::from_str_radix(part, 16).ok());
        *byte = part.ok_or_else(|| format!("'{text}' is no Ethernet address"))?;
    }
    Ok(MacAddress(mac))
}
