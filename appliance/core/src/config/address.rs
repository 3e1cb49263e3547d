//! Is this text an address or a prefix that the appliance can use?
//!
//! Not here: whether two of them collide (`validate::addresses`).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::arm::{Field, Object};
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

/// Azure's word for a family of addresses.
pub(super) fn read_version(field: &Field<'_>) -> Option<IpVersion> {
    field.choice(&[("IPv4", IpVersion::V4), ("IPv6", IpVersion::V6)])
}

/// Refuses an address that is not of the family that is written beside it.
pub(super) fn require_version(field: &Field<'_>, address: IpAddr, version: Option<IpVersion>) {
    let found = IpVersion::of(address);
    if let Some(version) = version.filter(|version| *version != found) {
        field.error(
            "DifferentAddressFamilies",
            format!("{address} is an {found} address, and {version} is written beside it."),
        );
    }
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum IpVersion {
    #[default]
    V4,
    V6,
}

impl IpVersion {
    pub(super) fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for IpVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Reads zones: Azure numbers them.
pub(super) fn read_zones(object: &Object<'_>) -> Vec<String> {
    let mut zones = Vec::new();
    for field in object.list("zones") {
        let Some(zone) = field.text() else { continue };
        if zone.is_empty() || !zone.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{zone}` is not a zone. Zones have numbers: \"1\".");
            field.error("InvalidValue", message);
        }
        zones.push(zone.to_owned());
    }
    zones
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

/// Whether a single host can have this address.
pub(super) fn names_a_host(address: IpAddr) -> bool {
    let reserved = match address {
        // 240.0.0.0/4 (RFC 1112 §4) includes the limited broadcast address.
        IpAddr::V4(address) => address.octets()[0] == 0 || address >= Ipv4Addr::new(240, 0, 0, 0),
        IpAddr::V6(address) => address.to_ipv4_mapped().is_some() || address.is_unspecified(),
    };
    !(reserved || address.is_loopback() || address.is_multicast())
}
