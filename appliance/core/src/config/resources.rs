//! Which resources does the document hold?
//!
//! Not here: what each of them means (the file of its type).

use super::arm::{Field, Object};
use super::load_balancer::{self, Neighbourhood};
use super::public_address::{self, PublicAddress};
use super::resource::{Resource, Written, refuse_duplicate_names};
use super::virtual_network::{self, VirtualNetwork};
use crate::limits::{LOAD_BALANCERS_MAX, VIRTUAL_NETWORKS_MAX};

/// The resources of a document that other parts of it may refer to or collide with.
pub(super) struct Resources<'a> {
    pub(super) load_balancers: Vec<load_balancer::Draft<'a>>,
    pub(super) virtual_networks: Vec<Written<'a, VirtualNetwork>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    LoadBalancer,
    PublicAddress,
    VirtualNetwork,
}

/// The types of this version.
const KINDS: [(&str, Kind); 3] = [
    ("Microsoft.Network/loadBalancers", Kind::LoadBalancer),
    ("Microsoft.Network/publicIPAddresses", Kind::PublicAddress),
    ("Microsoft.Network/virtualNetworks", Kind::VirtualNetwork),
];

/// Reads all resources: first those that are referred to, then load balancers.
pub(super) fn read<'a>(root: &Object<'a>) -> Resources<'a> {
    let fields = root.list("resources");
    let mut found: Vec<_> = fields.iter().filter_map(read_frame).collect();
    let mut take = |kind: Kind| {
        let of_kind = found.extract_if(.., |(found, _)| *found == kind);
        let resources: Vec<_> = of_kind.map(|(_, resource)| resource).collect();
        refuse_duplicate_names(resources.iter(), "the resources of its type");
        resources
    };
    let (load_balancers, public_addresses, networks) =
        (take(Kind::LoadBalancer), take(Kind::PublicAddress), take(Kind::VirtualNetwork));
    let most = [
        (load_balancers.len(), LOAD_BALANCERS_MAX, "load balancers"),
        (networks.len(), VIRTUAL_NETWORKS_MAX, "virtual networks"),
    ];
    for (number, number_max, what) in most {
        if number > number_max {
            let message = format!("At most {number_max} {what} fit; these are {number}.");
            root.error_at("resources", "LimitExceeded", message);
        }
    }
    let public_addresses: Vec<Written<'a, PublicAddress>> =
        written(public_addresses, public_address::read);
    let virtual_networks = written(networks, virtual_network::read);
    let around =
        Neighbourhood { public_addresses: &public_addresses, virtual_networks: &virtual_networks };
    let read_one = |resource| load_balancer::Draft::read(resource, &around);
    let load_balancers = load_balancers.into_iter().map(read_one).collect();
    Resources { load_balancers, virtual_networks }
}

fn written<'a, T>(
    resources: Vec<Resource<'a>>,
    read: impl Fn(&Resource<'a>) -> Option<T>,
) -> Vec<Written<'a, T>> {
    let read_one = |resource: Resource<'a>| {
        let meaning = read(&resource);
        resource.finish();
        Written { resource, meaning }
    };
    resources.into_iter().map(read_one).collect()
}

/// Reads type and name. A resource of another type is refused without looking at the rest of it.
fn read_frame<'a>(field: &Field<'a>) -> Option<(Kind, Resource<'a>)> {
    let object = field.object()?;
    let written = object.required("type")?;
    let name = written.text()?.trim_end_matches('/');
    let kind = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let Some((_, kind)) = kind else {
        let known: Vec<&str> = KINDS.iter().map(|(known, _)| *known).collect();
        let known = known.join(", ");
        written.not_yet_supported(&format!(
            "Resources of type `{name}` are not in this version, which knows {known}. Remove it."
        ));
        return None;
    };
    let resource = Resource::read(field)?;
    let object = &resource.object;
    object.ignore(&["type", "apiVersion", "location", "tags", "dependsOn", "comments", "zones"]);
    object.ignore(&["extendedLocation", "sku"]);
    Some((*kind, resource))
}
