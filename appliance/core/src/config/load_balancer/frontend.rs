//! Which address does a frontend have (behaviour.md §1.3)?
//!
//! Not here: whether two frontends share one (`validate::addresses`).

use std::net::IpAddr;

use super::{Neighbourhood, Sku};
use crate::config::address::{IpVersion, read_host, read_version, read_zones, require_version};
use crate::config::arm::{Field, Object};
use crate::config::network_interface::refuse_outside;
use crate::config::public_address::{self, PublicAddress};
use crate::config::public_prefix::{self, PublicPrefix};
use crate::config::reference::Reference;
use crate::config::resource::{Resource, names};
use crate::config::virtual_network::all_subnets;
use crate::units::Prefix;

/// One frontend IP configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontend {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// The address that clients use, unique in the configuration. That of a prefix is its first;
    /// behind the others no rule listens.
    pub address: IpAddr,
    /// Whether the address comes from a public IP address resource: only such frontends
    /// translate outbound flows.
    pub public: bool,
    /// The public IP prefix that the frontend owns as a whole.
    pub prefix: Option<Prefix>,
}

/// How many addresses lie in a prefix; for very wide ones of IPv6 as many as fit the number.
fn number_of_addresses(prefix: Prefix) -> u64 {
    let bits = if prefix.address.is_v4() { 32 } else { 128 };
    1_u64.checked_shl(u32::from(bits - prefix.length)).unwrap_or(u64::MAX)
}

/// A frontend while it is checked.
pub(in crate::config) struct FrontendDraft {
    pub(in crate::config) name: String,
    pub(in crate::config) source: Source,
    /// Absent when it is left to Azure to choose one.
    pub(in crate::config) address: Option<IpAddr>,
    pub(in crate::config) prefix: Option<Prefix>,
    pub(in crate::config) version: IpVersion,
    /// Position among the virtual networks, of an internal frontend.
    pub(in crate::config) network: Option<usize>,
    /// What its public IP address says, if it says so (behaviour.md §5).
    pub(in crate::config) idle_timeout_minutes: Option<u32>,
    /// Overrides what rules say.
    pub(in crate::config) enable_connection_tracking: Option<bool>,
}

/// Where the address of a frontend comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Source {
    Private,
    PublicAddress,
    PublicPrefix,
}

impl FrontendDraft {
    /// Whether the frontend is public.
    pub(in crate::config) fn public(&self) -> bool {
        self.source != Source::Private
    }

    /// How many addresses outbound flows can be translated to.
    pub(in crate::config) fn addresses(&self) -> u64 {
        self.prefix.map_or(1, number_of_addresses)
    }

    /// The property that names the address.
    pub(in crate::config) fn property(&self) -> &'static str {
        match self.source {
            Source::Private => PRIVATE,
            Source::PublicAddress => PUBLIC,
            Source::PublicPrefix => PREFIX,
        }
    }

    /// What it means, if it has an address.
    pub(super) fn into_meaning(self) -> Option<Frontend> {
        let public = self.public();
        let first = self.prefix.map(|prefix| prefix.address.to_ip());
        let address = self.address.or(first)?;
        Some(Frontend { name: self.name, address, public, prefix: self.prefix })
    }
}

const PRIVATE: &str = "privateIPAddress";
const PUBLIC: &str = "publicIPAddress";
const PREFIX: &str = "publicIPPrefix";

/// Reads one frontend.
pub(super) fn read(
    resource: &Resource<'_>,
    sku: Sku,
    around: &Neighbourhood<'_, '_>,
) -> Option<FrontendDraft> {
    let properties = &resource.properties;
    let zones = read_zones(&resource.object);
    if sku == Sku::Basic && !zones.is_empty() {
        let message = "Zones need SKU Standard. Remove `zones`, or write Standard.";
        resource.object.error_at("zones", "StandardSkuRequired", message);
    }
    properties.maybe("privateIPAllocationMethod", |field| {
        field.choice(&[("Static", ()), ("Dynamic", ())])
    });
    let version = properties.maybe("privateIPAddressVersion", read_version).flatten();
    let enable_connection_tracking = properties.maybe("enableConnectionTracking", Field::boolean);
    properties.ignore(&["inboundNatRules", "inboundNatPools", "outboundRules"]);
    properties.ignore(&["loadBalancingRules", "gatewayLoadBalancer", "subnet"]);
    let source = source_of(properties)?;
    let mut draft = FrontendDraft {
        name: resource.name.clone(),
        source,
        address: None,
        prefix: None,
        version: version.unwrap_or_default(),
        network: None,
        idle_timeout_minutes: None,
        enable_connection_tracking: enable_connection_tracking?,
    };
    match source {
        Source::Private => read_private(properties, &mut draft, version, around)?,
        Source::PublicAddress => {
            let found = public_address(&properties.optional(PUBLIC)?, sku, around)?;
            draft.address = found.address;
            draft.version = found.version;
            draft.idle_timeout_minutes = found.idle_timeout_minutes;
        }
        Source::PublicPrefix => {
            let found = public_prefix(&properties.optional(PREFIX)?, sku, around)?;
            draft.prefix = found.prefix;
            draft.version =
                found.prefix.map_or(draft.version, |it| IpVersion::of(it.address.to_ip()));
        }
    }
    Some(draft)
}

/// Where the address comes from: one place only.
fn source_of(properties: &Object<'_>) -> Option<Source> {
    let is_there = |name: &'static str| properties.optional(name).is_some();
    match (is_there(PRIVATE), is_there(PUBLIC), is_there(PREFIX)) {
        (true, false, false) => Some(Source::Private),
        (false, true, false) => Some(Source::PublicAddress),
        (false, false, true) => Some(Source::PublicPrefix),
        // An address that Azure chooses from the subnet.
        (false, false, false) if is_there("subnet") => Some(Source::Private),
        (false, false, false) => {
            properties.error_at(
                PRIVATE,
                "MissingProperty",
                "This frontend has no address. Add `privateIPAddress`, or refer to a \
                 `publicIPAddress` or `publicIPPrefix`.",
            );
            None
        }
        (private, _, _) => {
            properties.error_at(
                if private { PRIVATE } else { PUBLIC },
                "FrontendHasTwoAddresses",
                "A frontend is public or internal. Keep `publicIPAddress`, `publicIPPrefix` or \
                 `privateIPAddress`.",
            );
            None
        }
    }
}

fn read_private(
    properties: &Object<'_>,
    draft: &mut FrontendDraft,
    version: Option<IpVersion>,
    around: &Neighbourhood<'_, '_>,
) -> Option<()> {
    let subnet = properties.optional("subnet").map(|field| {
        let position = around.subnets.resolve(&Reference::read(&field)?)?;
        all_subnets(around.virtual_networks).nth(position)
    });
    let address = properties.maybe(PRIVATE, |field| {
        let address = read_host(field)?;
        require_version(field, address, version);
        if let Some(Some((_, subnet))) = &subnet
            && let Some(subnet) = &subnet.meaning
        {
            refuse_outside(field, address, subnet);
        }
        Some(address)
    });
    draft.address = address?;
    draft.version = draft.address.map_or(draft.version, IpVersion::of);
    if let Some(Some((network, _))) = subnet {
        draft.network =
            around.virtual_networks.iter().position(|known| std::ptr::eq(known, network));
    }
    Some(())
}

fn public_address<'s>(
    field: &Field<'_>,
    sku: Sku,
    around: &Neighbourhood<'s, '_>,
) -> Option<&'s PublicAddress> {
    let known = around.public_addresses;
    let position = Reference::read(field)?.resolve(&public_address::TARGET, names(known))?;
    let found = known.get(position)?.meaning.as_ref()?;
    refuse_other_sku(field, found.sku, sku)?;
    Some(found)
}

fn public_prefix<'s>(
    field: &Field<'_>,
    sku: Sku,
    around: &Neighbourhood<'s, '_>,
) -> Option<&'s PublicPrefix> {
    let known = around.public_prefixes;
    let position = Reference::read(field)?.resolve(&public_prefix::TARGET, names(known))?;
    let found = known.get(position)?.meaning.as_ref()?;
    refuse_other_sku(field, found.sku.or(Some(Sku::Standard)), sku)?;
    Some(found)
}

/// Rule V14.
fn refuse_other_sku(field: &Field<'_>, found: Option<Sku>, sku: Sku) -> Option<()> {
    if found.is_some_and(|found| found != sku) {
        field.error(
            "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed",
            "The load balancer and its public IP address have different SKUs. Give them the same.",
        );
        return None;
    }
    Some(())
}
