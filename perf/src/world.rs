//! Which world does the measured worker live in?
//!
//! One port that carries both sides, sixteen members behind one frontend, one outbound address:
//! checked and compiled like any configuration. Every member and the gateway are resolved.

use std::net::Ipv4Addr;

use anyhow::{Context, bail};
use golden::packet::mac_of_port;
use golden::simulation::World;
use serde_json::{Value, json};
use weir_core::config::{self, Configuration};
use weir_core::units::{Address, MacAddress, PortId};

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
    let mut world = World::new(checked(CONFIGURATION)?, workers);
    let members = (0..MEMBERS).map(|index| Address::from_v4_bits(member(index)));
    for (number, address) in (1..).zip(members) {
        world.set_neighbour(PortId(0), address, Some(MacAddress([2, 0, 0, 1, 0, number])));
    }
    let gateway = "198.51.100.254".parse().context("an address")?;
    let gateway = Address::from(std::net::IpAddr::V4(gateway));
    world.set_neighbour(PortId(0), gateway, Some(MacAddress([2, 0, 0, 2, 0, 1])));
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
