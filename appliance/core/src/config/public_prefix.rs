//! Which addresses does a `Microsoft.Network/publicIPPrefixes` resource hold?
//!
//! Not here: who uses it (`load_balancer::frontend`), single addresses (`public_address`).

use super::address::{names_a_host, read_prefix, read_version};
use super::load_balancer::{Sku, Tier, read_public_sku};
use super::reference::Target;
use super::resource::Resource;
use crate::limits::{PUBLIC_PREFIX_V4_LENGTH_MIN, PUBLIC_PREFIX_V6_LENGTH_MIN};
use crate::units::Prefix;

/// How public IP prefixes are referred to.
pub(super) const TARGET: Target<'static> = Target { kind: "publicIPPrefixes", parent: None };

/// A public IP prefix while it is checked.
pub(super) struct PublicPrefix {
    /// Absent when it is left to Azure to choose one.
    pub(super) prefix: Option<Prefix>,
    pub(super) sku: Option<Sku>,
    pub(super) tier: Tier,
}

/// Reads one public IP prefix.
pub(super) fn read(resource: &Resource<'_>) -> Option<PublicPrefix> {
    let (sku, tier) = read_public_sku(&resource.object);
    if sku == Some(Some(Sku::Basic)) {
        resource.object.error_at(
            "sku",
            "StandardSkuRequired",
            "Public IP prefixes exist in SKU Standard only. Write Standard.",
        );
    }
    let properties = &resource.properties;
    let version = properties.or("publicIPAddressVersion", Default::default(), read_version);
    let length = properties.maybe("prefixLength", |field| field.integer(0..=128_u8));
    let prefix = properties.maybe("ipPrefix", read_prefix);
    properties.ignore(&["ipTags", "publicIPAddresses", "loadBalancerFrontendIpConfiguration"]);
    properties.ignore(&["customIPPrefix", "natGateway"]);
    let (length, prefix) = (length?, prefix?);
    if length.is_none() && prefix.is_none() {
        properties.error_at(
            "prefixLength",
            "MissingProperty",
            "`prefixLength` is missing. Add it, and `ipPrefix` with the prefix itself.",
        );
        return None;
    }
    if let Some(prefix) = prefix {
        check_length(resource, prefix, length);
        if !names_a_host(prefix.address.to_ip()) {
            properties.error_at(
                "ipPrefix",
                "InvalidIPAddress",
                format!("{prefix} holds no addresses of hosts. Write a public prefix."),
            );
        }
        if version.is_some_and(|version| (version == Default::default()) != prefix.address.is_v4())
        {
            properties.error_at(
                "ipPrefix",
                "DifferentAddressFamilies",
                format!("{prefix} is not of the version that `publicIPAddressVersion` names."),
            );
        }
    }
    Some(PublicPrefix { prefix, sku: sku?, tier })
}

/// A prefix is as long as it says, and no longer than what one load balancer can own.
fn check_length(resource: &Resource<'_>, prefix: Prefix, written: Option<u8>) {
    let properties = &resource.properties;
    if let Some(written) = written.filter(|written| *written != prefix.length) {
        properties.error_at(
            "prefixLength",
            "PrefixLengthMismatch",
            format!("`ipPrefix` is {prefix} and `prefixLength` is {written}. Correct one of them."),
        );
    }
    let least = if prefix.address.is_v4() {
        PUBLIC_PREFIX_V4_LENGTH_MIN
    } else {
        PUBLIC_PREFIX_V6_LENGTH_MIN
    };
    if prefix.length < least {
        properties.error_at(
            "ipPrefix",
            "ValueOutOfRange",
            format!("{prefix} is too wide. Prefixes have a length of at least {least}."),
        );
    }
}
