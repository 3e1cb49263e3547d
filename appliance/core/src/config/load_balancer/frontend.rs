//! Which address does a frontend have (behaviour.md §1.3)?
//!
//! Not here: whether two frontends share one (`validate::addresses`).

use std::net::IpAddr;

use super::{Neighbourhood, Sku};
use crate::config::address::read_host_v4;
use crate::config::arm::{Field, Object};
use crate::config::public_address::{PublicAddress, TARGET};
use crate::config::reference::Reference;
use crate::config::resource::{Resource, names};

/// One frontend IP configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontend {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// The address that clients use, unique in the configuration.
    pub address: IpAddr,
    /// Whether the address comes from a public IP address resource: only such frontends
    /// translate outbound flows.
    pub public: bool,
}

/// A frontend while it is checked.
pub(in crate::config) struct FrontendDraft {
    pub(in crate::config) frontend: Frontend,
    /// What its public IP address says, if it says so (behaviour.md §5).
    pub(in crate::config) idle_timeout_minutes: Option<u32>,
}

/// Reads one frontend.
pub(super) fn read(
    resource: &Resource<'_>,
    sku: Sku,
    around: &Neighbourhood<'_, '_>,
) -> Option<FrontendDraft> {
    let properties = &resource.properties;
    refuse_the_unsupported(properties);
    let private = properties.optional("privateIPAddress");
    let public = properties.optional("publicIPAddress");
    let name = resource.name.clone();
    match (private, public) {
        (Some(private), None) => {
            let frontend = Frontend { name, address: read_host_v4(&private)?, public: false };
            return Some(FrontendDraft { frontend, idle_timeout_minutes: None });
        }
        (None, Some(public)) => {
            let found = public_address(&public, sku, around)?;
            let frontend = Frontend { name, address: found.address, public: true };
            let idle_timeout_minutes = found.idle_timeout_minutes;
            return Some(FrontendDraft { frontend, idle_timeout_minutes });
        }
        (Some(_), Some(_)) => {
            properties.error_at(
                "privateIPAddress",
                "FrontendHasTwoAddresses",
                "A frontend is public or internal. Keep `publicIPAddress` or `privateIPAddress`.",
            );
        }
        // A prefix in place of an address was refused above.
        (None, None) if properties.optional("publicIPPrefix").is_some() => {}
        (None, None) => properties.error_at(
            "privateIPAddress",
            "MissingProperty",
            "This frontend has no address, and nothing here hands one out. Add \
             `privateIPAddress`, or refer to a `publicIPAddress`.",
        ),
    }
    None
}

fn refuse_the_unsupported(properties: &Object<'_>) {
    properties.maybe("privateIPAllocationMethod", |field| {
        field.choice(&[("Static", ()), ("Dynamic", ())])
    });
    properties.maybe("privateIPAddressVersion", |field| {
        field.choice_or_not_yet(
            &[("IPv4", ())],
            &[("IPv6", "IPv6 frontends are not in this version. Use IPv4.")],
        )
    });
    properties.not_yet_supported(
        "publicIPPrefix",
        "Frontends with a whole prefix are not in this version. Name one publicIPAddress.",
    );
    properties.not_yet_supported(
        "gatewayLoadBalancer",
        "Chaining to a gateway load balancer is not in this version. Remove it.",
    );
    properties.not_yet_supported(
        "enableConnectionTracking",
        "Tracking of UDP connections is not in this version. Set it to false.",
    );
    properties.ignore(&["subnet", "zones", "inboundNatRules", "inboundNatPools"]);
    properties.ignore(&["outboundRules", "loadBalancingRules"]);
}

fn public_address<'s>(
    field: &Field<'_>,
    sku: Sku,
    around: &Neighbourhood<'s, '_>,
) -> Option<&'s PublicAddress> {
    let known = around.public_addresses;
    let position = Reference::read(field)?.resolve(&TARGET, names(known))?;
    let found = known.get(position)?.meaning.as_ref()?;
    if found.sku.is_some_and(|address_sku| address_sku != sku) {
        field.error(
            "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed",
            "The load balancer and its public IP address have different SKUs. Give them the same.",
        );
        return None;
    }
    Some(found)
}
