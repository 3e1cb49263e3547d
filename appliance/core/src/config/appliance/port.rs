//! Which DPDK ports does the appliance have, and which addresses are its own?
//!
//! Not here: what a device string means (DPDK), how ports are started (the shell).

use std::collections::HashMap;
use std::net::IpAddr;

use super::own_addresses;
use super::read::require_power_of_two;
use crate::config::address::read_host;
use crate::config::arm::{Field, Object};
use crate::limits::{
    DESCRIPTORS_MAX, DESCRIPTORS_MIN, DEVICE_LENGTH_MAX, MTU_MAX, MTU_MIN, PORT_ADDRESSES_MAX,
    PORT_NAME_LENGTH_MAX, PORTS_MAX, QUEUES_MAX,
};
use crate::units::Prefix;

/// One DPDK port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, unique: 1 to 13 of `a-z`, `0-9` and `-`, so that the kernel twin can carry it.
    pub name: String,
    /// DPDK's name of the device with its arguments.
    pub device: String,
    /// The appliance's own addresses on the link: at least one.
    pub addresses: Vec<InterfaceAddress>,
    /// Bytes of the largest IP packet: 576 to 9000.
    pub mtu: u16,
    /// Receive queues; one per worker, as far as the device has them, when absent.
    pub queues: Option<u16>,
    /// Receive descriptors of each queue; a power of two.
    pub receive_descriptors: Option<u16>,
    /// Transmit descriptors of each queue; a power of two.
    pub transmit_descriptors: Option<u16>,
}

/// An own address and the subnet that it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// The prefix length: at most 32 for IPv4, 128 for IPv6.
    pub length: u8,
}

impl InterfaceAddress {
    /// The subnet, whose addresses are on-link.
    #[must_use]
    pub fn subnet(self) -> Option<Prefix> {
        Prefix::new(self.address, self.length)
    }
}

/// Reads all ports, and says whether they are complete.
pub(super) fn read_all(object: &Object<'_>) -> (Vec<Port>, bool) {
    let Some(fields) = object.required("ports").and_then(|field| field.list()) else {
        return (Vec::new(), false);
    };
    if !(1..=PORTS_MAX).contains(&fields.len()) {
        object.error_at(
            "ports",
            "LimitExceeded",
            format!("Give 1 to {PORTS_MAX} ports; here are {}.", fields.len()),
        );
        return (Vec::new(), false);
    }
    let mut ports: Vec<Port> = Vec::new();
    let mut devices = HashMap::new();
    for field in &fields {
        let Some(object) = field.object() else { continue };
        let Some(port) = read(&object) else { continue };
        refuse_duplicates(&object, &port, &ports, &mut devices);
        ports.push(port);
    }
    let complete = ports.len() == fields.len();
    (ports, complete)
}

fn read(object: &Object<'_>) -> Option<Port> {
    let name = object.required("name").and_then(|field| read_name(&field));
    let device = object.required("device").and_then(|field| read_device(&field));
    let addresses = read_addresses(object);
    let mtu = object.or("mtu", 1500, |field| field.integer(MTU_MIN..=MTU_MAX));
    let queues = object.maybe("queues", |field| field.integer(1..=QUEUES_MAX));
    let receive_descriptors = object.maybe("receiveDescriptors", read_descriptors);
    let transmit_descriptors = object.maybe("transmitDescriptors", read_descriptors);
    object.finish_strictly();
    Some(Port {
        name: name?,
        device: device?,
        addresses: addresses?,
        mtu: mtu?,
        queues: queues?,
        receive_descriptors: receive_descriptors?,
        transmit_descriptors: transmit_descriptors?,
    })
}

fn read_name(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=PORT_NAME_LENGTH_MAX).contains(&text.len()) || !text.bytes().all(known) {
        field.error(
            "InvalidName",
            format!(
                "`{text}` is not a port name. Use 1 to {PORT_NAME_LENGTH_MAX} of a-z, 0-9 and `-`."
            ),
        );
        return None;
    }
    Some(text.to_owned())
}

/// A device goes into DPDK's argument list: it must not look like an option of its own.
fn read_device(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > DEVICE_LENGTH_MAX || !printable || text.starts_with('-') {
        field.error(
            "InvalidDevice",
            format!(
                "`{text}` is not a device. Write what DPDK calls it, such as 0000:01:00.0 or \
                 net_tap0,iface=front, without spaces."
            ),
        );
        return None;
    }
    Some(text.to_owned())
}

fn read_descriptors(field: &Field<'_>) -> Option<u16> {
    let number: u16 = field.integer(DESCRIPTORS_MIN..=DESCRIPTORS_MAX)?;
    require_power_of_two(field, usize::from(number))?;
    Some(number)
}

fn read_addresses(object: &Object<'_>) -> Option<Vec<InterfaceAddress>> {
    let fields = object.required("addresses")?.list()?;
    if !(1..=PORT_ADDRESSES_MAX).contains(&fields.len()) {
        object.error_at(
            "addresses",
            "LimitExceeded",
            format!("Give 1 to {PORT_ADDRESSES_MAX} addresses; here are {}.", fields.len()),
        );
        return None;
    }
    let addresses: Vec<_> = fields.iter().map(read_address).collect();
    addresses.into_iter().collect()
}

/// Reads `address/length`, where the address is that of a host in its subnet.
fn read_address(field: &Field<'_>) -> Option<InterfaceAddress> {
    let text = field.text()?;
    let own = text.split_once('/').and_then(|(address, length)| {
        let own = InterfaceAddress { address: address.parse().ok()?, length: length.parse().ok()? };
        own.subnet().map(|subnet| (own, subnet))
    });
    let Some((own, subnet)) = own.filter(|(own, _)| own.length > 0) else {
        field.error(
            "InvalidInterfaceAddress",
            format!("`{text}` is not an own address. Write address/length: 198.51.100.1/24."),
        );
        return None;
    };
    if !is_host_of(own, subnet) {
        field.error(
            "InvalidInterfaceAddress",
            format!("{text} is not a host address of {subnet}. Give one that a machine can have."),
        );
        return None;
    }
    Some(own)
}

/// Whether the address is neither its subnet's first nor its last (RFC 1122 §3.2.1.3); subnets of
/// 31 bits have only hosts (RFC 3021).
fn is_host_of(own: InterfaceAddress, subnet: Prefix) -> bool {
    let IpAddr::V4(address) = own.address else {
        return !own.address.is_loopback() && !own.address.is_multicast();
    };
    let host_bits = u32::MAX.checked_shr(u32::from(own.length)).unwrap_or(0);
    let last = subnet.address.v4_bits() | host_bits;
    let bits = address.to_bits();
    let edge = own.length < 31 && (bits == last || bits == subnet.address.v4_bits());
    !edge && !address.is_loopback() && !address.is_multicast() && address.octets()[0] != 0
}

fn refuse_duplicates(
    object: &Object<'_>,
    port: &Port,
    others: &[Port],
    devices: &mut HashMap<String, String>,
) {
    if others.iter().any(|other| other.name == port.name) {
        let message = format!("Another port is named `{}`. Choose another name.", port.name);
        object.error_at("name", "DuplicatePortName", message);
    }
    // DPDK knows a device by what stands in front of its arguments.
    let device = port.device.split(',').next().unwrap_or_default().to_ascii_lowercase();
    if let Some(first) = devices.insert(device, port.name.clone()) {
        let message = format!("Port `{first}` has this device already. Name another one.");
        object.error_at("device", "DuplicateDevice", message);
    }
    for own in &port.addresses {
        if own_addresses(others).any(|other| other == own.address) {
            let message = format!("{} is on another port already.", own.address);
            object.error_at("addresses", "DuplicateAddress", message);
        } else if others
            .iter()
            .flat_map(|other| &other.addresses)
            .any(|other| overlap(*own, *other))
        {
            let message = format!(
                "The subnet of {} overlaps that of another port, so it would be unclear where to \
                 send. Give each port its own subnet.",
                own.address
            );
            object.error_at("addresses", "OverlappingSubnets", message);
        }
    }
}

fn overlap(one: InterfaceAddress, other: InterfaceAddress) -> bool {
    let contains = |outer: InterfaceAddress, inner: InterfaceAddress| {
        outer.subnet().is_some_and(|subnet| subnet.contains(inner.address.into()))
    };
    contains(one, other) || contains(other, one)
}

/// Reads the next hop of a route: on-link, and not the appliance itself.
pub(super) fn read_next_hop(field: &Field<'_>, ports: Option<&[Port]>) -> Option<IpAddr> {
    let next_hop = read_host(field)?;
    let Some(ports) = ports else { return Some(next_hop) };
    let on_link = ports
        .iter()
        .flat_map(|port| &port.addresses)
        .any(|own| own.subnet().is_some_and(|subnet| subnet.contains(next_hop.into())));
    if !on_link {
        field.error(
            "NextHopNotOnLink",
            format!(
                "{next_hop} is in no port's subnet. Name a router that a port reaches directly."
            ),
        );
        return None;
    }
    if own_addresses(ports).any(|own| own == next_hop) {
        field.error(
            "NextHopIsOwnAddress",
            format!("{next_hop} is the appliance's own address. Name the router."),
        );
        return None;
    }
    Some(next_hop)
}
