//! Which resource does an id name?
//!
//! ```text
//!   /subscriptions/…/providers/Microsoft.Network/loadBalancers/lb/probes/http
//!                                                └─ parent ──┘ └ kind ┘└name┘
//! ```
//!
//! Only the last segments count; an id may be absolute, relative (`probes/http`) or the bare name.
//!
//! Not here: subscriptions and resource groups. One document is one of each.

use std::collections::HashMap;

use super::arm::{Field, Object};

/// The id that a sub-resource reference holds.
pub(super) struct Reference<'a> {
    field: Field<'a>,
    id: &'a str,
}

/// What a reference may point at.
pub(super) struct Target<'t> {
    /// The segment in front of the name, such as `probes`.
    pub(super) kind: &'static str,
    /// For children: the segment in front of the owner's name, and that name.
    pub(super) parent: Option<(&'static str, &'t str)>,
}

impl<'a> Reference<'a> {
    /// Reads `{"id": …}`, or the id alone.
    pub(super) fn read(field: &Field<'a>) -> Option<Self> {
        let field = if field.is_text() {
            field.clone()
        } else {
            let object = field.object()?;
            let id = object.required("id")?;
            object.ignore(&["properties", "name", "resourceGroup"]);
            object.finish();
            id
        };
        let id = field.text()?.trim_matches('/');
        if id.is_empty() {
            field.error("InvalidResourceReference", "This id is empty. Name a resource.");
            return None;
        }
        Some(Self { field, id })
    }

    /// The id as written.
    pub(super) fn id(&self) -> &'a str {
        self.id
    }

    /// The position of the named resource among `names`; reported when there is none.
    pub(super) fn resolve<'n>(
        &self,
        target: &Target<'_>,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<usize> {
        let name = self.name_of(target)?;
        let position = names.into_iter().position(|known| known.eq_ignore_ascii_case(name));
        if position.is_none() {
            self.field.error(
                "InvalidResourceReference",
                format!(
                    "There is no `{name}` in {}. Add it, or name one that is there.",
                    target.describe()
                ),
            );
        }
        position
    }

    /// The last segment, if those in front of it fit the target.
    pub(super) fn name_of(&self, target: &Target<'_>) -> Option<&'a str> {
        let mut segments = self.id.rsplit('/');
        let name = segments.next()?;
        let kind = segments.next();
        let fits = |written: Option<&str>, expected: &str| {
            written.is_none_or(|written| written.eq_ignore_ascii_case(expected))
        };
        let owner = segments.next();
        let owner_kind = segments.next();
        let right_owner = target.parent.is_none_or(|(parent_kind, parent)| {
            // Templates with too few names in `resourceId` leave the owner's out.
            let is_left_out = owner.is_some_and(|it| it.eq_ignore_ascii_case(parent_kind));
            let right = fits(owner_kind, parent_kind) && fits(owner, parent);
            right || owner_kind.is_none() || is_left_out
        });
        if fits(kind, target.kind) && right_owner {
            return Some(name);
        }
        self.field.error(
            "InvalidResourceReference",
            format!("`{}` does not name one of {}.", self.id, target.describe()),
        );
        None
    }
}

impl<'a> Reference<'a> {
    /// The names of a child and, if it is written, of its owner.
    pub(super) fn owner_and_name(
        &self,
        parent_kind: &str,
        target: &Target<'_>,
    ) -> Option<(Option<&'a str>, &'a str)> {
        let name = self.name_of(target)?;
        let mut owners = self.id.rsplit('/').skip(2);
        let (owner, owner_kind) = (owners.next(), owners.next());
        if owner_kind.is_none_or(|written| written.eq_ignore_ascii_case(parent_kind)) {
            return Some((owner_kind.and(owner), name));
        }
        self.field.error(
            "InvalidResourceReference",
            format!("`{}` does not name one of the {} of {parent_kind}.", self.id, target.kind),
        );
        None
    }
}

impl Target<'_> {
    fn describe(&self) -> String {
        match self.parent {
            Some((_, parent)) => format!("the {} of `{parent}`", self.kind),
            None => format!("the {} of the configuration", self.kind),
        }
    }
}

/// The children of one kind of all resources of a type, by name without regard to case.
pub(super) struct Index {
    parent_kind: &'static str,
    kind: &'static str,
    /// By the names of owner and child.
    owned: HashMap<(String, String), usize>,
    /// By the child's name alone.
    bare: HashMap<String, Vec<usize>>,
}

impl Index {
    /// An index over pairs of owner and child; positions are those of the pairs.
    pub(super) fn new<'n>(
        parent_kind: &'static str,
        kind: &'static str,
        children: impl Iterator<Item = (&'n str, &'n str)>,
    ) -> Self {
        let mut index = Self { parent_kind, kind, owned: HashMap::new(), bare: HashMap::new() };
        for (position, (owner, name)) in children.enumerate() {
            let (owner, name) = (owner.to_ascii_lowercase(), name.to_ascii_lowercase());
            index.bare.entry(name.clone()).or_default().push(position);
            index.owned.entry((owner, name)).or_insert(position);
        }
        index
    }

    /// The position of the child that is named; reported when there is none or not one only.
    pub(super) fn resolve(&self, reference: &Reference<'_>) -> Option<usize> {
        let target = Target { kind: self.kind, parent: None };
        let (owner, name) = reference.owner_and_name(self.parent_kind, &target)?;
        let message = match self.find(owner, name) {
            [position] => return Some(*position),
            [] => format!(
                "There is no `{}` among the {} of all {}. Add it, or name one that is there.",
                owner.map_or_else(|| name.to_owned(), |owner| format!("{owner}/{name}")),
                self.kind,
                self.parent_kind
            ),
            [_, _, ..] => format!(
                "Several of the {} have a `{name}` in their {}. Write {}/…/{}/{name}.",
                self.parent_kind, self.kind, self.parent_kind, self.kind
            ),
        };
        reference.field.error("InvalidResourceReference", message);
        None
    }

    fn find(&self, owner: Option<&str>, name: &str) -> &[usize] {
        let name = name.to_ascii_lowercase();
        match owner {
            Some(owner) => {
                let position = self.owned.get(&(owner.to_ascii_lowercase(), name));
                position.map_or(&[], std::slice::from_ref)
            }
            None => self.bare.get(&name).map_or(&[], Vec::as_slice),
        }
    }
}

/// Reads a required reference and resolves it.
pub(super) fn required<'n>(
    object: &Object<'_>,
    name: &'static str,
    target: &Target<'_>,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<usize> {
    Reference::read(&object.required(name)?)?.resolve(target, names)
}

/// Reads the references of a list; those that cannot be read are left out and reported.
pub(super) fn list<'a>(object: &Object<'a>, name: &'static str) -> Vec<Reference<'a>> {
    object.list(name).iter().filter_map(Reference::read).collect()
}
