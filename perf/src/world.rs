//! Which world does the measured worker live in?
//!
//! One port that carries both sides, sixteen members behind one frontend, one outbound address:
//! checked and compiled like any configuration. Every member and the gateway are resolved. For
//! packets over IPv6 everything but the outbound address has its twin, added behind the check.

use std::net::Ipv4Addr;

use anyhow::{Context, bail};
use golden::dual_stack::add_ipv6;
use golden::packet::mac_of_port;
use golden::simulation::World;
use serde_json::{Value, json};
use weir_core::config::{self, Configuration};
use weir_core::units::{MacAddress, PortId};

use crate::kind::Family;

/// The frontend's address, 203.0.113.10.
pub const FRONTEND: u32 = 0xcb00_710a;
/// Its TCP port, and that of the members behind it.
pub const WEB: (u16, u16) = (80, 8080);
/// Its UDP port, and that of the members behind it.
pub const DNS: (u16, u16) = (53, 5353);
/// The outbound address, 203.0.113.20.
pub const OUTBOUND: u32 = 0xcb00_7114;
/// How many members there are.
pub const MEMBERS: u32 = 16;
/// The next hop to all clients, 198.51.100.254.
const GATEWAY: u32 = 0xc633_64fe;

/// The address of member `index`, from 0.
#[must_use]
pub const fn member(index: u32) -> u32 {
    0x0a00_000b + index
}

/// The only port's Ethernet address.
#[must_use]
pub fn mac() -> MacAddress {
    mac_of_port(PortId(0))
}

/// The world of `configuration.json`, on an appliance of `workers` workers.
///
/// # Errors
/// When the file is not a configuration.
pub fn world(workers: u8) -> anyhow::Result<World> {
    world_of(Family::V4, workers)
}

/// The world of [`world`] with one worker, where each member has so many outbound ports: a multiple
/// of 8, of which the only address has 64,000 for all members.
///
/// # Errors
/// As [`world`], or when there are not so many.
pub fn world_with_ports(ports: u32) -> anyhow::Result<World> {
    let mut document: Value = serde_json::from_slice(CONFIGURATION)?;
    *document.pointer_mut(OUTBOUND_PORTS).context("configuration.json has an outbound rule")? =
        ports.into();
    of(checked(&serde_json::to_vec(&document)?)?, Family::V4, 1)
}

/// The world of [`world`], with the twins of IPv6 beside it if packets of that are to come.
///
/// # Errors
/// As [`world`].
pub fn world_of(family: Family, workers: u8) -> anyhow::Result<World> {
    of(checked(CONFIGURATION)?, family, workers)
}

fn of(mut configuration: Configuration, family: Family, workers: u8) -> anyhow::Result<World> {
    let families = match family {
        Family::V4 => &[Family::V4][..],
        Family::V6 => {
            add_ipv6(&mut configuration);
            &[Family::V4, Family::V6]
        }
    };
    let mut world = World::new(configuration, workers);
    for family in families {
        let mut resolve = |host, mac| {
            world.set_neighbour(PortId(0), family.address(host), Some(MacAddress(mac)));
        };
        for (number, index) in (1..).zip(0..MEMBERS) {
            resolve(member(index), [2, 0, 0, 1, 0, number]);
        }
        resolve(GATEWAY, [2, 0, 0, 2, 0, 1]);
    }
    Ok(world)
}

/// The configuration of [`world`], and the same with one more member, the one after the last.
///
/// # Errors
/// As [`world`].
pub fn without_and_with_another_member() -> anyhow::Result<[Configuration; 2]> {
    let mut document: Value = serde_json::from_slice(CONFIGURATION)?;
    let address = Ipv4Addr::from_bits(member(MEMBERS)).to_string();
    let another = json!({"name": "another", "properties": {"ipAddress": address}});
    document
        .pointer_mut(POOL_MEMBERS)
        .and_then(Value::as_array_mut)
        .context("configuration.json has a pool where it is looked for")?
        .push(another);
    Ok([checked(CONFIGURATION)?, checked(&serde_json::to_vec(&document)?)?])
}

fn checked(text: &[u8]) -> anyhow::Result<Configuration> {
    match config::check(text) {
        Ok(checked) => Ok(checked.configuration),
        Err(problems) => bail!("configuration.json has problems: {problems:?}"),
    }
}

const CONFIGURATION: &[u8] = include_bytes!("../configuration.json");
/// Where the members of the only pool stand.
const POOL_MEMBERS: &str =
    "/resources/3/properties/backendAddressPools/0/properties/loadBalancerBackendAddresses";
/// How many ports the only outbound rule gives each member.
const OUTBOUND_PORTS: &str =
    "/resources/3/properties/outboundRules/0/properties/allocatedOutboundPorts";
