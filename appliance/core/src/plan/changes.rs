//! How do two configurations differ, resource by resource?
//!
//! Both are echoes, in Azure's spelling. Resources are the same if their ids are, without regard
//! to case; children are compared on their own, by name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::api::{Difference, ResourceChange};
use crate::config::edit::children_of;
use crate::config::{Kind, escape};
use crate::limits::PLAN_DIFFERENCES_MAX;

/// The id of what stands beside `resources` in a configuration.
const APPLIANCE: &str = "appliance";
const RESOURCES: &str = "resources";

/// What differs between two configurations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Resources and child resources, owners before their children: first what is taken out or
    /// changed, in the order of the configuration in force, then what is added. The id is empty for
    /// what stands in the document beside its resources.
    pub changes: Vec<ResourceChange>,
    /// Differences beyond [`PLAN_DIFFERENCES_MAX`].
    pub omitted: u64,
}

/// What would change between the configurations with these echoes. Nothing, if and only if they are
/// equal.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> Changes {
    let (old, new) = (Listing::of(before), Listing::of(after));
    let mut found = Collector::default();
    for item in &old.items {
        match new.by_key.get(&item.key) {
            Some(position) => found.compare(item, &new.items[*position]),
            None => found.take(&item.id, "Remove", vec![whole(Some(item), None)]),
        }
    }
    for item in new.items.iter().filter(|item| !old.by_key.contains_key(&item.key)) {
        found.take(&item.id, "Add", vec![whole(None, Some(item))]);
    }
    Changes { changes: found.changes, omitted: found.omitted }
}

/// One resource, with the lists of its children that are compared on their own.
struct Item<'d> {
    id: String,
    /// The id without regard to case.
    key: String,
    value: &'d Value,
    children: Vec<&'static str>,
}

/// All resources of a configuration, owners before their children.
#[derive(Default)]
struct Listing<'d> {
    items: Vec<Item<'d>>,
    by_key: BTreeMap<String, usize>,
}

impl<'d> Listing<'d> {
    fn of(document: &'d Value) -> Self {
        let mut listing = Self::default();
        listing.add(Item {
            id: String::new(),
            key: String::new(),
            value: document,
            children: vec![],
        });
        if let Some(appliance) = document.get(APPLIANCE) {
            listing.add_resource(APPLIANCE.to_owned(), "", appliance);
        }
        for (collection, resource) in top(document) {
            let name = name_of(resource).unwrap_or_default();
            listing.add_resource(format!("{collection}/{name}"), collection, resource);
        }
        listing
    }

    /// Adds a resource of `collection` and, behind it, its children.
    fn add_resource(&mut self, id: String, collection: &str, value: &'d Value) {
        let lists = children_of(collection).iter().copied();
        let lists: Vec<_> = lists.filter(|list| children(value, list).is_some()).collect();
        let key = id.to_ascii_lowercase();
        self.add(Item { key, id: id.clone(), value, children: lists.clone() });
        for list in lists {
            for child in children(value, list).into_iter().flatten() {
                let name = name_of(child).unwrap_or_default();
                self.add_resource(format!("{id}/{list}/{name}"), list, child);
            }
        }
    }

    fn add(&mut self, item: Item<'d>) {
        self.by_key.insert(item.key.clone(), self.items.len());
        self.items.push(item);
    }
}

/// The resources of a document, each with what a list of its kind is called.
fn top(document: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    let resources = document.get(RESOURCES).and_then(Value::as_array);
    resources.into_iter().flatten().map(|resource| {
        let kind = resource.get("type").and_then(Value::as_str).and_then(Kind::named);
        (kind.map_or(RESOURCES, Kind::collection), resource)
    })
}

/// The children in one list of a resource, if all of them have names and no two the same: what a
/// checked configuration has.
fn children<'d>(resource: &'d Value, list: &str) -> Option<&'d Vec<Value>> {
    let list = resource.get("properties")?.get(list)?.as_array()?;
    let names: BTreeSet<_> = list.iter().filter_map(name_of).map(str::to_ascii_lowercase).collect();
    (names.len() == list.len()).then_some(list)
}

fn name_of(resource: &Value) -> Option<&str> {
    resource.get("name")?.as_str()
}

/// A resource that is there on one side only.
fn whole(before: Option<&Item<'_>>, after: Option<&Item<'_>>) -> Difference {
    let own = |item: Option<&Item<'_>>| item.map(without_children).unwrap_or_default();
    Difference { pointer: String::new(), before: own(before), after: own(after) }
}

/// A resource without those children that are told on their own.
fn without_children(item: &Item<'_>) -> Value {
    let mut value = item.value.clone();
    if let Some(Value::Object(properties)) = value.get_mut("properties") {
        properties.retain(|name, _| !item.children.contains(&name.as_str()));
    }
    value
}

/// What was found so far.
#[derive(Default)]
struct Collector {
    changes: Vec<ResourceChange>,
    taken: usize,
    omitted: u64,
}

impl Collector {
    /// Notes what differs between two versions of one resource.
    fn compare(&mut self, before: &Item<'_>, after: &Item<'_>) {
        let mut found = Found::default();
        if before.id.is_empty() {
            found.compare_documents(before.value, after.value);
        } else {
            found.compare_resources(before, after);
        }
        if !found.differences.is_empty() {
            self.take(&before.id, "Change", found.differences);
        }
    }

    fn take(&mut self, id: &str, change: &str, mut differences: Vec<Difference>) {
        let all = differences.len();
        differences.truncate(PLAN_DIFFERENCES_MAX - self.taken);
        self.taken += differences.len();
        self.omitted += (all - differences.len()) as u64;
        if !differences.is_empty() {
            let (id, change) = (id.to_owned(), change.to_owned());
            self.changes.push(ResourceChange { id, change, differences });
        }
    }
}

/// What differs within one resource.
#[derive(Default)]
struct Found {
    differences: Vec<Difference>,
}

impl Found {
    /// What stands beside the resources, and their order.
    fn compare_documents(&mut self, before: &Value, after: &Value) {
        let empty = Map::new();
        let [old, new] = [before, after].map(|it| it.as_object().unwrap_or(&empty));
        let is_own = |name: &str| name != APPLIANCE && name != RESOURCES;
        for name in names(old, new).filter(|name| is_own(name)) {
            self.compare_at(&child_pointer("", name), old.get(name), new.get(name));
        }
        let ids = |document| -> Vec<String> {
            let of = top(document);
            of.map(|(list, it)| format!("{list}/{}", name_of(it).unwrap_or_default())).collect()
        };
        self.compare_order("/resources", &ids(before), &ids(after));
    }

    fn compare_resources(&mut self, before: &Item<'_>, after: &Item<'_>) {
        let empty = Map::new();
        let [old, new] = [before, after].map(|it| it.value.as_object().unwrap_or(&empty));
        for name in names(old, new) {
            let pointer = child_pointer("", name);
            match (old.get(name), new.get(name)) {
                (Some(Value::Object(one)), Some(Value::Object(other))) if name == "properties" => {
                    self.compare_properties(before, one, after, other);
                }
                (one, other) => self.compare_at(&pointer, one, other),
            }
        }
    }

    fn compare_properties(
        &mut self,
        before: &Item<'_>,
        one: &Map<String, Value>,
        after: &Item<'_>,
        other: &Map<String, Value>,
    ) {
        let is_list = |item: &Item<'_>, name: &str| item.children.contains(&name);
        for name in names(one, other) {
            let pointer = child_pointer("/properties", name);
            match (is_list(before, name), is_list(after, name)) {
                (true, true) => {
                    let order = |item: &Item<'_>| -> Vec<String> {
                        let list = children(item.value, name).into_iter().flatten();
                        list.filter_map(name_of).map(str::to_owned).collect()
                    };
                    self.compare_order(&pointer, &order(before), &order(after));
                }
                // The children say so themselves.
                (true, false) | (false, true) if is_told(one.get(name), other.get(name)) => {}
                _ => self.compare_at(&pointer, one.get(name), other.get(name)),
            }
        }
    }

    /// Notes that what is on both sides has another order, by the names in it.
    fn compare_order(&mut self, pointer: &str, before: &[String], after: &[String]) {
        let key = |name: &String| name.to_ascii_lowercase();
        let [old, new]: [BTreeSet<_>; 2] =
            [before, after].map(|names| names.iter().map(key).collect());
        let common = |names: &[String]| -> Vec<String> {
            names.iter().map(key).filter(|it| old.contains(it) && new.contains(it)).collect()
        };
        if common(before) != common(after) {
            self.note(pointer, Some(&before.into()), Some(&after.into()));
        }
    }

    fn compare_at(&mut self, pointer: &str, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (one, other) if one == other => {}
            (Some(Value::Object(one)), Some(Value::Object(other))) => {
                for name in names(one, other) {
                    self.compare_at(&child_pointer(pointer, name), one.get(name), other.get(name));
                }
            }
            (Some(Value::Array(one)), Some(Value::Array(other))) if are_alike(one, other) => {
                for (position, (one, other)) in one.iter().zip(other).enumerate() {
                    let pointer = child_pointer(pointer, &position.to_string());
                    self.compare_at(&pointer, Some(one), Some(other));
                }
            }
            (one, other) => self.note(pointer, one, other),
        }
    }

    fn note(&mut self, pointer: &str, before: Option<&Value>, after: Option<&Value>) {
        let [before, after] = [before, after].map(|it| it.cloned().unwrap_or_default());
        self.differences.push(Difference { pointer: pointer.to_owned(), before, after });
    }
}

/// Whether one of these is a list of children, and the other one nothing.
fn is_told(one: Option<&Value>, other: Option<&Value>) -> bool {
    let is_nothing = |it: Option<&Value>| it.is_none_or(Value::is_null);
    let has_children =
        |it: Option<&Value>| it.and_then(Value::as_array).is_some_and(|it| !it.is_empty());
    has_children(one) && is_nothing(other) || is_nothing(one) && has_children(other)
}

/// Whether two lists are told element by element: as long as each other, and of objects.
fn are_alike(one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len() && one.iter().chain(other).all(Value::is_object)
}

/// The names in either of two objects, each once.
fn names<'v>(
    one: &'v Map<String, Value>,
    other: &'v Map<String, Value>,
) -> impl Iterator<Item = &'v String> {
    one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)))
}

/// A JSON pointer one step further (RFC 6901 §3).
fn child_pointer(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", escape(name))
}
