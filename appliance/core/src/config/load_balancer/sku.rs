//! Which generation of Azure's service does a resource belong to (behaviour.md §1.11)?
//!
//! Not here: what each of them may have (`validate::sku`).

use crate::config::arm::{Field, Object};

/// The generation of Azure's service that a load balancer behaves as (behaviour.md §1.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sku {
    /// TCP flows survive when all members are down; outbound rules and TCP reset exist.
    Standard,
    /// TCP flows end when all members are down; no outbound rules, no TCP reset.
    Basic,
    /// Sends packets through appliances by VXLAN. Refused before anything is compiled.
    Gateway,
}

/// Where a load balancer stands. A load balancer that is compiled is regional.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::config) enum Tier {
    /// In one region.
    #[default]
    Regional,
    /// In front of those of several regions.
    Global,
}

/// Azure's SKU of a load balancer; Basic when none is named (behaviour.md §1.2). After a problem
/// Standard is assumed, which refuses less.
pub(super) fn read(object: &Object<'_>) -> (Sku, Tier) {
    let sku = object.object("sku");
    let name = sku.or("name", Sku::Basic, |field| {
        field.choice(&[
            ("Standard", Sku::Standard),
            ("Basic", Sku::Basic),
            ("Gateway", Sku::Gateway),
        ])
    });
    let tier = read_tier(&sku);
    sku.finish();
    (name.unwrap_or(Sku::Standard), tier)
}

/// The SKU of a public IP address or prefix; none when none is named.
pub(in crate::config) fn read_public(object: &Object<'_>) -> (Option<Option<Sku>>, Tier) {
    let sku = object.object("sku");
    let choices = [("Standard", Sku::Standard), ("Basic", Sku::Basic)];
    let name = sku.maybe("name", |field| field.choice(&choices));
    let tier = read_tier(&sku);
    sku.finish();
    (name, tier)
}

fn read_tier(sku: &Object<'_>) -> Tier {
    let read =
        |field: &Field<'_>| field.choice(&[("Regional", Tier::Regional), ("Global", Tier::Global)]);
    sku.or("tier", Tier::Regional, read).unwrap_or_default()
}
