//! How is a resource or a list of resources named?
//!
//! ```text
//!   loadBalancers/web                                       a resource
//!   loadBalancers/web/backendAddressPools/members           a child
//!   loadBalancers/web/backendAddressPools                   a collection
//!   /subscriptions/…/providers/Microsoft.Network/loadBalancers/web      the same, absolute
//! ```
//!
//! Without regard to case, as everywhere in Azure. Not here: whether it exists (`super`).

use std::fmt;

use thiserror::Error;

use crate::config::resources::Kind;

/// What names a resource or a child resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceId {
    kind: Kind,
    name: String,
    /// Collections in Azure's spelling and names, from the outside in.
    children: Vec<(&'static str, String)>,
}

/// What names a list of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// The kind of the resources, or of their outermost owner.
    pub kind: Kind,
    /// Whose children; nobody's for resources.
    pub owner: Option<ResourceId>,
    /// Its name in Azure's spelling.
    pub name: &'static str,
}

/// Why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// It names nothing that a configuration holds.
    #[error("`{0}` is no resource type of a configuration; there are {known}", known = kinds())]
    UnknownType(String),
    /// Such a resource has no such children.
    #[error("{owner} has no `{collection}`; it has {known}")]
    UnknownCollection {
        /// The resource.
        owner: String,
        /// What was written.
        collection: String,
        /// What there is, or that there is nothing.
        known: String,
    },
    /// It ends with a collection where a resource is meant.
    #[error("`{0}` names a list; add the name of one of its resources")]
    IsCollection(String),
    /// It ends with a name where a list is meant.
    #[error("`{0}` names one resource; leave its name out")]
    IsResource(String),
}

/// Children of each kind of resource, and theirs.
const CHILDREN: [(&str, &[&str]); 5] = [
    (
        "loadBalancers",
        &[
            "frontendIPConfigurations",
            "backendAddressPools",
            "loadBalancingRules",
            "probes",
            "inboundNatRules",
            "inboundNatPools",
            "outboundRules",
        ],
    ),
    ("backendAddressPools", &["loadBalancerBackendAddresses"]),
    ("virtualNetworks", &["subnets"]),
    ("networkSecurityGroups", &["securityRules"]),
    ("networkInterfaces", &["ipConfigurations"]),
];

/// The collections of children that resources of `collection` have, in Azure's spelling.
#[must_use]
pub fn children_of(collection: &str) -> &'static [&'static str] {
    let entry = CHILDREN.iter().find(|(parent, _)| *parent == collection);
    entry.map(|(_, children)| *children).unwrap_or_default()
}

/// A text read segment by segment.
struct Read {
    kind: Kind,
    owner: Option<ResourceId>,
    /// The collection behind the last name, if it ends with one.
    collection: Option<&'static str>,
}

impl ResourceId {
    /// Reads an id, relative or absolute.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let read = Read::of(text)?;
        let is_list = read.collection.is_some();
        read.owner.filter(|_| !is_list).ok_or_else(|| IdError::IsCollection(text.to_owned()))
    }

    /// A child of this resource.
    pub(super) fn child(&self, collection: &'static str, name: &str) -> Self {
        let mut child = self.clone();
        child.children.push((collection, name.to_owned()));
        child
    }

    /// The resource that all others in the id belong to.
    pub(super) fn top(&self) -> Self {
        Self { children: Vec::new(), ..self.clone() }
    }

    pub(in crate::config) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(in crate::config) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::config) fn children(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.children.iter().map(|(collection, name)| (*collection, name.as_str()))
    }

    pub(super) const fn is_child(&self) -> bool {
        !self.children.is_empty()
    }

    pub(super) fn last_name(&self) -> &str {
        self.children.last().map_or(&self.name, |(_, name)| name)
    }

    /// What the last name stands in.
    fn last_collection(&self) -> &'static str {
        self.children.last().map_or_else(|| self.kind.collection(), |(collection, _)| *collection)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.collection(), self.name)?;
        self.children().try_for_each(|(collection, name)| write!(formatter, "/{collection}/{name}"))
    }
}

impl Collection {
    /// Reads the name of a list, relative or absolute.
    ///
    /// # Errors
    /// [`IdError`].
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let Read { kind, owner, collection } = Read::of(text)?;
        let name = collection.ok_or_else(|| IdError::IsResource(text.to_owned()))?;
        Ok(Self { kind, owner, name })
    }
}

impl Read {
    fn of(text: &str) -> Result<Self, IdError> {
        let mut segments = behind_provider(text).split('/').filter(|it| !it.is_empty());
        let first = segments.next().unwrap_or_default();
        let kind = Kind::named(first).ok_or_else(|| IdError::UnknownType(first.to_owned()))?;
        let mut read = Self { kind, owner: None, collection: Some(kind.collection()) };
        for segment in segments {
            read.take(segment)?;
        }
        Ok(read)
    }

    /// A name behind a collection, a collection behind a name.
    fn take(&mut self, segment: &str) -> Result<(), IdError> {
        match (self.collection.take(), self.owner.take()) {
            (Some(collection), Some(owner)) => self.owner = Some(owner.child(collection, segment)),
            (Some(_), None) => {
                let name = segment.to_owned();
                self.owner = Some(ResourceId { kind: self.kind, name, children: Vec::new() });
            }
            (None, Some(owner)) => {
                self.collection = Some(child_collection(&owner, segment)?);
                self.owner = Some(owner);
            }
            (None, None) => unreachable!("an id begins with a collection"),
        }
        Ok(())
    }
}

fn child_collection(owner: &ResourceId, written: &str) -> Result<&'static str, IdError> {
    let known = children_of(owner.last_collection());
    let found = known.iter().find(|child| child.eq_ignore_ascii_case(written));
    found.copied().ok_or_else(|| IdError::UnknownCollection {
        owner: owner.to_string(),
        collection: written.to_owned(),
        known: if known.is_empty() { "no children".to_owned() } else { known.join(", ") },
    })
}

/// What stands behind subscription, resource group and provider.
fn behind_provider(text: &str) -> &str {
    const PROVIDER: &str = "microsoft.network/";
    const PROVIDERS: &str = "providers/microsoft.network/";
    let lower = text.to_ascii_lowercase();
    // A resource group may have the provider's name.
    let behind = match lower.find(PROVIDERS) {
        Some(at) => Some(at + PROVIDERS.len()),
        None => lower
            .trim_start_matches('/')
            .starts_with(PROVIDER)
            .then(|| text.len() - text.trim_start_matches('/').len() + PROVIDER.len()),
    };
    behind.and_then(|at| text.get(at..)).unwrap_or(text)
}

fn kinds() -> String {
    Kind::ALL.map(Kind::collection).join(", ")
}
