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
    fn name_of(&self, target: &Target<'_>) -> Option<&'a str> {
        let mut segments = self.id.rsplit('/');
        let name = segments.next()?;
        let kind = segments.next();
        let fits = |written: Option<&str>, expected: &str| {
            written.is_none_or(|written| written.eq_ignore_ascii_case(expected))
        };
        let owner = segments.next();
        let owner_kind = segments.next();
        let right_owner = target.parent.is_none_or(|(parent_kind, parent)| {
            fits(owner_kind, parent_kind) && (owner_kind.is_none() || fits(owner, parent))
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

impl Target<'_> {
    fn describe(&self) -> String {
        match self.parent {
            Some((_, parent)) => format!("the {} of `{parent}`", self.kind),
            None => format!("the resources of type Microsoft.Network/{}", self.kind),
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
