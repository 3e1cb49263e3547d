//! Which address does a `Microsoft.Network/publicIPAddresses` resource hold?
//!
//! Not here: who uses it (`load_balancer::frontend`).

use std::net::IpAddr;

use super::address::read_host_v4;
use super::load_balancer::{Sku, read_tier};
use super::reference::Target;
use super::resource::Resource;
use crate::limits::PUBLIC_ADDRESS_IDLE_TIMEOUT_MINUTES_MAX;

/// How public IP addresses are referred to.
pub(super) const TARGET: Target<'static> = Target { kind: "publicIPAddresses", parent: None };

/// A public IP address.
pub(super) struct PublicAddress {
    pub(super) address: IpAddr,
    /// Absent: that of the load balancer which uses it.
    pub(super) sku: Option<Sku>,
    /// Wins over that of inbound rules when it is written (behaviour.md §5).
    pub(super) idle_timeout_minutes: Option<u32>,
}

/// Reads one public IP address.
pub(super) fn read(resource: &Resource<'_>) -> Option<PublicAddress> {
    let sku = resource.object.object("sku");
    let sku_name = sku
        .maybe("name", |field| field.choice(&[("Standard", Sku::Standard), ("Basic", Sku::Basic)]));
    read_tier(&sku);
    sku.finish();
    let properties = &resource.properties;
    properties.maybe("publicIPAddressVersion", |field| {
        field.choice_or_not_yet(
            &[("IPv4", ())],
            &[("IPv6", "IPv6 addresses are not in this version. Use IPv4.")],
        )
    });
    properties.maybe("publicIPAllocationMethod", |field| {
        field.choice(&[("Static", ()), ("Dynamic", ())])
    });
    let idle_timeout_minutes = properties.maybe("idleTimeoutInMinutes", |field| {
        field.integer(4..=PUBLIC_ADDRESS_IDLE_TIMEOUT_MINUTES_MAX)
    });
    properties.ignore(&[
        "dnsSettings",
        "ddosSettings",
        "ipTags",
        "ipConfiguration",
        "deleteOption",
    ]);
    properties.not_yet_supported(
        "publicIPPrefix",
        "Public IP prefixes are not in this version. Write the address into `ipAddress`.",
    );
    properties.not_yet_supported("natGateway", "NAT gateways are not in this version. Remove it.");
    let address = properties.required("ipAddress").and_then(|field| read_host_v4(&field));
    Some(PublicAddress {
        address: address?,
        sku: sku_name?,
        idle_timeout_minutes: idle_timeout_minutes?,
    })
}
