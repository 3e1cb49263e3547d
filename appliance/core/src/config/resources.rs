//! Which resources does the document hold?
//!
//! Not here: what each of them means (the file of its type).

use super::arm::{Field, Object, Place};
use super::load_balancer::{self, Neighbourhood};
use super::network_interface::{self, Directory, InterfaceDraft, Surroundings};
use super::public_address::{self, PublicAddress};
use super::public_prefix::{self, PublicPrefix};
use super::resource::{Resource, Written, refuse_duplicate_names};
use super::security_group::{self, NetworkSecurityGroup};
use super::virtual_network::{self, NetworkDraft};
use crate::limits::{
    LOAD_BALANCERS_MAX, NETWORK_INTERFACES_MAX, PUBLIC_ADDRESSES_MAX, SECURITY_GROUPS_MAX,
    VIRTUAL_NETWORKS_MAX,
};

/// The resources of a document that other parts of it may refer to or collide with.
pub(super) struct Resources<'a> {
    pub(super) load_balancers: Vec<load_balancer::Draft<'a>>,
    pub(super) public_addresses: Vec<Written<'a, PublicAddress>>,
    pub(super) public_prefixes: Vec<Written<'a, PublicPrefix>>,
    pub(super) virtual_networks: Vec<Written<'a, NetworkDraft<'a>>>,
    pub(super) security_groups: Vec<Written<'a, NetworkSecurityGroup>>,
    pub(super) interfaces: Vec<Written<'a, InterfaceDraft<'a>>>,
    /// Rules that share a member's port with a rule of a load balancer of the other type.
    pub(super) shared_member_ports: Vec<Place<'a>>,
    /// Types of the resources that are of none of these kinds.
    pub(super) others: Vec<Place<'a>>,
}

/// A type of resource that a configuration may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `Microsoft.Network/loadBalancers`
    LoadBalancer,
    /// `Microsoft.Network/publicIPAddresses`
    PublicAddress,
    /// `Microsoft.Network/publicIPPrefixes`
    PublicPrefix,
    /// `Microsoft.Network/virtualNetworks`
    VirtualNetwork,
    /// `Microsoft.Network/networkSecurityGroups`
    NetworkSecurityGroup,
    /// `Microsoft.Network/networkInterfaces`
    NetworkInterface,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::LoadBalancer,
        Self::PublicAddress,
        Self::PublicPrefix,
        Self::VirtualNetwork,
        Self::NetworkSecurityGroup,
        Self::NetworkInterface,
    ];

    /// Azure's name of the type.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::LoadBalancer => "Microsoft.Network/loadBalancers",
            Self::PublicAddress => "Microsoft.Network/publicIPAddresses",
            Self::PublicPrefix => "Microsoft.Network/publicIPPrefixes",
            Self::VirtualNetwork => "Microsoft.Network/virtualNetworks",
            Self::NetworkSecurityGroup => "Microsoft.Network/networkSecurityGroups",
            Self::NetworkInterface => "Microsoft.Network/networkInterfaces",
        }
    }

    /// What a list of its resources is called: the last part of its type.
    #[must_use]
    pub fn collection(self) -> &'static str {
        self.type_name().rsplit('/').next().unwrap_or_default()
    }

    /// The kind with this name, with or without `Microsoft.Network/` and without regard to case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.trim_end_matches('/');
        Self::ALL.into_iter().find(|kind| {
            kind.type_name().eq_ignore_ascii_case(name)
                || kind.collection().eq_ignore_ascii_case(name)
        })
    }
}

/// Reads all resources: first those that are referred to, load balancers last.
pub(super) fn read<'a>(root: &Object<'a>) -> Resources<'a> {
    let fields = root.list("resources");
    let mut others = Vec::new();
    let mut found: Vec<_> =
        fields.iter().filter_map(|field| read_frame(field, &mut others)).collect();
    let mut take = |kind: Kind, most: usize, what: &str| {
        let of_kind = found.extract_if(.., |(found, _)| *found == kind);
        let resources: Vec<_> = of_kind.map(|(_, resource)| resource).collect();
        refuse_duplicate_names(resources.iter(), "the resources of its type");
        if resources.len() > most {
            let message = format!("At most {most} {what} fit; these are {}.", resources.len());
            root.error_at("resources", "LimitExceeded", message);
        }
        resources
    };
    let load_balancers = take(Kind::LoadBalancer, LOAD_BALANCERS_MAX, "load balancers");
    let security_groups =
        take(Kind::NetworkSecurityGroup, SECURITY_GROUPS_MAX, "network security groups");
    let prefixes = take(Kind::PublicPrefix, PUBLIC_ADDRESSES_MAX, "public IP prefixes");
    let addresses = take(Kind::PublicAddress, PUBLIC_ADDRESSES_MAX, "public IP addresses");
    let networks = take(Kind::VirtualNetwork, VIRTUAL_NETWORKS_MAX, "virtual networks");
    let interfaces = take(Kind::NetworkInterface, NETWORK_INTERFACES_MAX, "network interfaces");

    let security_groups = written(security_groups, security_group::read);
    let public_prefixes = written(prefixes, public_prefix::read);
    let public_addresses =
        written(addresses, |resource| public_address::read(resource, &public_prefixes));
    let virtual_networks =
        written(networks, |resource| virtual_network::read(resource, &security_groups));
    let subnets = virtual_network::subnet_index(&virtual_networks);
    let surroundings = Surroundings {
        networks: &virtual_networks,
        subnets: &subnets,
        public_addresses: &public_addresses,
        security_groups: &security_groups,
    };
    let interfaces =
        written(interfaces, |resource| network_interface::read(resource, &surroundings));
    let around = Neighbourhood {
        public_addresses: &public_addresses,
        public_prefixes: &public_prefixes,
        virtual_networks: &virtual_networks,
        subnets: &subnets,
        interfaces: &Directory::new(&interfaces),
    };
    let read_one = |resource| load_balancer::Draft::read(resource, &around);
    let load_balancers = load_balancers.into_iter().map(read_one).collect();
    Resources {
        load_balancers,
        public_addresses,
        public_prefixes,
        virtual_networks,
        security_groups,
        interfaces,
        shared_member_ports: Vec::new(),
        others,
    }
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

/// Reads type and name. The rest of a resource of another type is not looked at.
fn read_frame<'a>(field: &Field<'a>, others: &mut Vec<Place<'a>>) -> Option<(Kind, Resource<'a>)> {
    let object = field.object()?;
    let written = object.required("type")?;
    let Some(kind) = Kind::named(written.text()?) else {
        others.push(written.place());
        return None;
    };
    let resource = Resource::read(field)?;
    let object = &resource.object;
    object.ignore(&["type", "apiVersion", "location", "tags", "dependsOn", "comments", "zones"]);
    object.ignore(&["extendedLocation", "sku"]);
    Some((kind, resource))
}
