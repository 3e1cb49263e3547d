//! Which address does a `Microsoft.Network/publicIPAddresses` resource hold?
//!
//! Not here: who uses it (`load_balancer::frontend`, `network_interface`).

use std::net::IpAddr;

use super::address::{IpVersion, read_host, read_version, read_zones, require_version};
use super::arm::{Field, Object};
use super::load_balancer::{Sku, Tier, read_public_sku};
use super::public_prefix::{self, PublicPrefix};
use super::reference::{Reference, Target};
use super::resource::{Resource, Written, names};
use crate::limits::PUBLIC_ADDRESS_IDLE_TIMEOUT_MINUTES_MAX;

/// How public IP addresses are referred to.
pub(super) const TARGET: Target<'static> = Target { kind: "publicIPAddresses", parent: None };

/// A public IP address while it is checked.
pub(super) struct PublicAddress {
    /// Absent when it is left to Azure to choose one.
    pub(super) address: Option<IpAddr>,
    pub(super) version: IpVersion,
    /// Absent: that of the load balancer which uses it.
    pub(super) sku: Option<Sku>,
    pub(super) tier: Tier,
    /// Wins over that of inbound rules when it is written (behaviour.md §5).
    pub(super) idle_timeout_minutes: Option<u32>,
}

/// Reads one public IP address.
pub(super) fn read(
    resource: &Resource<'_>,
    prefixes: &[Written<'_, PublicPrefix>],
) -> Option<PublicAddress> {
    let (sku, tier) = read_public_sku(&resource.object);
    let properties = &resource.properties;
    let version = properties.maybe("publicIPAddressVersion", read_version);
    properties.maybe("publicIPAllocationMethod", |field| {
        field.choice(&[("Static", ()), ("Dynamic", ())])
    });
    let zones = read_zones(&resource.object);
    if sku == Some(Some(Sku::Basic)) && !zones.is_empty() {
        resource.object.error_at(
            "zones",
            "StandardSkuRequired",
            "Zones need SKU Standard. Remove `zones`, or write Standard.",
        );
    }
    let idle_timeout_minutes = properties.maybe("idleTimeoutInMinutes", |field| {
        field.integer(4..=PUBLIC_ADDRESS_IDLE_TIMEOUT_MINUTES_MAX)
    });
    properties.ignore(&["dnsSettings", "ddosSettings", "ipTags", "ipConfiguration"]);
    properties.ignore(&["deleteOption", "migrationPhase", "servicePublicIPAddress"]);
    properties.ignore(&["linkedPublicIPAddress", "natGateway"]);
    let written = properties.optional("ipAddress").filter(|field| !is_empty(field));
    let address = written.map(|field| {
        let address = read_host(&field)?;
        require_version(&field, address, version.flatten());
        Some(address)
    });
    let address = match address {
        Some(address) => Some(address?),
        None => None,
    };
    check_prefix(properties, address, prefixes);
    let version = version?.or(address.map(IpVersion::of)).unwrap_or_default();
    let idle_timeout_minutes = idle_timeout_minutes?;
    Some(PublicAddress { address, version, sku: sku?, tier, idle_timeout_minutes })
}

fn is_empty(field: &Field<'_>) -> bool {
    field.is_text() && field.text() == Some("")
}

/// An address that is taken from a prefix lies in it.
fn check_prefix(
    properties: &Object<'_>,
    address: Option<IpAddr>,
    prefixes: &[Written<'_, PublicPrefix>],
) {
    let Some(field) = properties.optional("publicIPPrefix") else { return };
    let found = Reference::read(&field)
        .and_then(|reference| reference.resolve(&public_prefix::TARGET, names(prefixes)))
        .and_then(|position| prefixes.get(position)?.meaning.as_ref()?.prefix);
    if let (Some(prefix), Some(address)) = (found, address)
        && !prefix.contains(address.into())
    {
        properties.error_at(
            "ipAddress",
            "PublicIPAddressOutsidePrefix",
            format!("{address} is not in {prefix}, from which it is taken. Correct one of them."),
        );
    }
}
