//! Is this text an address or a prefix that the appliance can use?
//!
//! Not here: whether two of them collide (`validate::addresses`).

use std::net::{IpAddr, Ipv4Addr};

use super::arm::Field;
use crate::units::Prefix;

/// Reads the address of one host: not unspecified, loopback, multicast or broadcast.
pub(super) fn read_host(field: &Field<'_>) -> Option<IpAddr> {
    let text = field.text()?;
    let Ok(address) = text.parse::<IpAddr>() else {
        field.error(
            "InvalidIPAddress",
            format!("`{text}` is not an IP address. Write one such as 203.0.113.10."),
        );
        return None;
    };
    if !names_a_host(address) {
        field.error(
            "InvalidIPAddress",
            format!("{address} is not the address of a single host. Give a unicast address."),
        );
        return None;
    }
    Some(address)
}

/// Reads the address of a frontend or member, for which this version knows IPv4 only.
pub(super) fn read_host_v4(field: &Field<'_>) -> Option<IpAddr> {
    let address = read_host(field)?;
    if address.is_ipv6() {
        field.not_yet_supported(
            "IPv6 frontends and members are not in this version. Give an IPv4 address.",
        );
        return None;
    }
    Some(address)
}

/// Reads a prefix whose host bits are zero.
pub(super) fn read_prefix(field: &Field<'_>) -> Option<Prefix> {
    let text = field.text()?;
    let prefix = match text.parse::<Prefix>() {
        Ok(prefix) => prefix,
        Err(reason) => {
            field.error("InvalidCIDRNotation", format!("`{text}` {reason}, such as 10.0.0.0/16."));
            return None;
        }
    };
    let address = text.split_once('/').and_then(|(address, _)| address.parse().ok());
    if address != Some(prefix.address.to_ip()) {
        field.error(
            "InvalidCIDRNotation",
            format!("`{text}` has bits behind its prefix length. Did you mean {prefix}?"),
        );
        return None;
    }
    Some(prefix)
}

fn names_a_host(address: IpAddr) -> bool {
    let reserved = match address {
        // 240.0.0.0/4 (RFC 1112 §4) includes the limited broadcast address.
        IpAddr::V4(address) => address.octets()[0] == 0 || address >= Ipv4Addr::new(240, 0, 0, 0),
        IpAddr::V6(address) => address.to_ipv4_mapped().is_some() || address.is_unspecified(),
    };
    !(reserved || address.is_loopback() || address.is_multicast())
}
