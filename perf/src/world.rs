//! Which world does the measured worker live in?
//!
//! One port that carries both sides, sixteen members behind one frontend, one outbound address:
//! checked and compiled like any configuration. Every member and the gateway are resolved.

use anyhow::{Context, bail};
use golden::packet::mac_of_port;
use golden::simulation::World;
use weir_core::config;
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

/// The world of `configuration.json`.
///
/// # Errors
/// When the file is not a configuration.
pub fn world() -> anyhow::Result<World> {
    let text = include_bytes!("../configuration.json");
    let checked = match config::check(text) {
        Ok(checked) => checked,
        Err(problems) => bail!("configuration.json has problems: {problems:?}"),
    };
    let mut world = World::new(checked.configuration, 1);
    let members = (0..MEMBERS).map(|index| Address::from_v4_bits(member(index)));
    for (number, address) in (1..).zip(members) {
        world.set_neighbour(PortId(0), address, Some(MacAddress([2, 0, 0, 1, 0, number])));
    }
    let gateway = "198.51.100.254".parse().context("an address")?;
    let gateway = Address::from(std::net::IpAddr::V4(gateway));
    world.set_neighbour(PortId(0), gateway, Some(MacAddress([2, 0, 0, 2, 0, 1])));
    Ok(world)
}
