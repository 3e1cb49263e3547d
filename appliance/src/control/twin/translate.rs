//! What does a netlink message say in the words of `neighbour`?
//!
//! Left out: tables other than main, IPv4 routes by type of service, IPv6 routes by source, clones,
//! link-local destinations (they are a link's own matter), multicast and proxy neighbours.
//!
//! Not here: sockets (`mirror`, `manage`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage,
    NeighbourState as KernelState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags,
    RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use weir_core::neighbour::{Event, Neighbour, NeighbourState, NextHop, Route};
use weir_core::units::{Address, MacAddress, PortId, Prefix};

/// Which interface, by its index in the namespace, is which port's twin.
pub(crate) type Ports = BTreeMap<u32, PortId>;

/// What a notification calls for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: it concerns no twin.
    Nothing,
    /// Pass this on.
    Event(Event),
    /// Pass this on, and read everything anew: the kernel may have dropped routes with it without a
    /// word (IPv4 routes of a link or an address that went).
    EventAndResynchronise(Event),
    /// Read everything anew.
    Resynchronise,
}

/// Translates one notification. `appended` is the message's `NLM_F_APPEND`.
pub(crate) fn change(message: &RouteNetlinkMessage, appended: bool, ports: &Ports) -> Change {
    use RouteNetlinkMessage as Message;
    let event = match message {
        Message::NewLink(message) => {
            return link(message, ports).map_or(Change::Nothing, Change::EventAndResynchronise);
        }
        Message::DelLink(message) if ports.contains_key(&message.header.index) => {
            return Change::Resynchronise;
        }
        Message::NewAddress(message) => address(message, ports)
            .map(|(port, address, length)| Event::AddressAdded { port, address, length }),
        Message::DelAddress(message) => {
            return address(message, ports).map_or(Change::Nothing, |(port, address, _)| {
                Change::EventAndResynchronise(Event::AddressRemoved { port, address })
            });
        }
        Message::NewRoute(message) => match route(message, ports) {
            // Behind an IPv4 route with the same key, unused until that one goes.
            Some((prefix, _)) if appended && prefix.address.is_v4() => {
                return Change::Resynchronise;
            }
            found => found.map(|(prefix, route)| Event::RouteAdded { prefix, route }),
        },
        Message::DelRoute(message) => match route(message, ports) {
            // Of an IPv6 multipath route a single next hop may have gone.
            Some((prefix, _)) if !prefix.address.is_v4() => return Change::Resynchronise,
            found => {
                found.map(|(prefix, route)| Event::RouteRemoved { prefix, metric: route.metric })
            }
        },
        Message::NewNeighbour(message) => neighbour(message, ports)
            .map(|(port, address, neighbour)| Event::NeighbourChanged { port, address, neighbour }),
        Message::DelNeighbour(message) => neighbour(message, ports)
            .map(|(port, address, _)| Event::NeighbourRemoved { port, address }),
        _ => None,
    };
    event.map_or(Change::Nothing, Change::Event)
}

/// The name of a link.
pub(crate) fn link_name(message: &LinkMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::IfName(name) = attribute { Some(name.as_str()) } else { None }
    })
}

/// A twin's state.
pub(crate) fn link(message: &LinkMessage, ports: &Ports) -> Option<Event> {
    let port = *ports.get(&message.header.index)?;
    let mac = message.attributes.iter().find_map(|attribute| {
        if let LinkAttribute::Address(bytes) = attribute { mac(bytes) } else { None }
    })?;
    let up = message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp);
    Some(Event::LinkChanged { port, mac, up })
}

/// A twin's own address with its prefix length.
pub(crate) fn address(message: &AddressMessage, ports: &Ports) -> Option<(PortId, Address, u8)> {
    let port = *ports.get(&message.header.index)?;
    let local = message.attributes.iter().find_map(|attribute| {
        if let AddressAttribute::Local(address) = attribute { Some(*address) } else { None }
    });
    // IPv6 names the address here; IPv4 the other end of a point-to-point link.
    let other = message.attributes.iter().find_map(|attribute| {
        if let AddressAttribute::Address(address) = attribute { Some(*address) } else { None }
    });
    Some((port, local.or(other)?.into(), message.header.prefix_len))
}

/// A route of the main table.
pub(crate) fn route(message: &RouteMessage, ports: &Ports) -> Option<(Prefix, Route)> {
    let header = &message.header;
    let foreign = table(message) != u32::from(RouteHeader::RT_TABLE_MAIN)
        || header.flags.contains(RouteFlags::Cloned)
        || header.tos != 0
        || header.source_prefix_length != 0;
    if foreign {
        return None;
    }
    let next_hops = match header.kind {
        RouteType::Unicast => next_hops(message, ports),
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit => Vec::new(),
        _ => return None,
    };
    let prefix = Prefix::new(destination(message)?, header.destination_prefix_length)?;
    if is_link_local(prefix) {
        return None;
    }
    let metric = message.attributes.iter().find_map(|attribute| {
        if let RouteAttribute::Priority(metric) = attribute { Some(*metric) } else { None }
    });
    Some((prefix, Route { next_hops, metric: metric.unwrap_or(0) }))
}

/// A neighbour on a twin.
pub(crate) fn neighbour(
    message: &NeighbourMessage,
    ports: &Ports,
) -> Option<(PortId, Address, Neighbour)> {
    let port = *ports.get(&message.header.ifindex)?;
    let state = match message.header.state {
        KernelState::Incomplete => NeighbourState::Incomplete,
        KernelState::Reachable => NeighbourState::Reachable,
        KernelState::Stale => NeighbourState::Stale,
        KernelState::Delay => NeighbourState::Delay,
        KernelState::Probe => NeighbourState::Probe,
        KernelState::Failed => NeighbourState::Failed,
        KernelState::Permanent => NeighbourState::Permanent,
        // Multicast and broadcast need no resolution and are no next hops.
        KernelState::Noarp => return None,
        _ => NeighbourState::Unknown,
    };
    if message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let mac = message.attributes.iter().find_map(|attribute| {
        if let NeighbourAttribute::LinkLayerAddress(bytes) = attribute { mac(bytes) } else { None }
    });
    Some((port, neighbour_address(message)?, Neighbour { mac, state }))
}

fn neighbour_address(message: &NeighbourMessage) -> Option<Address> {
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => {
            Some(IpAddr::V4(*address).into())
        }
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(address)) => {
            Some(IpAddr::V6(*address).into())
        }
        _ => None,
    })
}

fn table(message: &RouteMessage) -> u32 {
    let attribute = message.attributes.iter().find_map(|attribute| {
        if let RouteAttribute::Table(table) = attribute { Some(*table) } else { None }
    });
    attribute.unwrap_or(u32::from(message.header.table))
}

/// The default route has no destination attribute.
fn destination(message: &RouteMessage) -> Option<IpAddr> {
    let attribute = message.attributes.iter().find_map(|attribute| {
        if let RouteAttribute::Destination(address) = attribute { Some(address) } else { None }
    });
    match (attribute, message.header.address_family) {
        (Some(address), _) => ip(address),
        (None, AddressFamily::Inet) => Some(Ipv4Addr::UNSPECIFIED.into()),
        (None, AddressFamily::Inet6) => Some(Ipv6Addr::UNSPECIFIED.into()),
        (None, _) => None,
    }
}

fn next_hops(message: &RouteMessage, ports: &Ports) -> Vec<NextHop> {
    let multipath = message.attributes.iter().find_map(|attribute| {
        if let RouteAttribute::MultiPath(hops) = attribute { Some(hops) } else { None }
    });
    let Some(hops) = multipath else {
        let oif = message.attributes.iter().find_map(|attribute| {
            if let RouteAttribute::Oif(index) = attribute { Some(*index) } else { None }
        });
        let port = oif.and_then(|index| ports.get(&index));
        let gateway = gateway(&message.attributes);
        return port.map(|port| NextHop { port: *port, gateway, weight: 1 }).into_iter().collect();
    };
    let alive = hops.iter().filter(|hop| !hop.flags.contains(RouteNextHopFlags::Dead));
    let known = alive.filter_map(|hop| {
        let port = *ports.get(&hop.interface_index)?;
        let weight = u16::from(hop.hops) + 1;
        Some(NextHop { port, gateway: gateway(&hop.attributes), weight })
    });
    known.collect()
}

fn gateway(attributes: &[RouteAttribute]) -> Option<Address> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(address) => ip(address).map(Address::from),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some(IpAddr::V4(*address).into()),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some(IpAddr::V6(*address).into()),
        _ => None,
    })
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

fn is_link_local(prefix: Prefix) -> bool {
    match prefix.address.to_ip() {
        IpAddr::V6(address) => prefix.length >= 10 && address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

fn mac(bytes: &[u8]) -> Option<MacAddress> {
    bytes.try_into().ok().map(MacAddress)
}
