//! Do the differences of two configurations say all that differs, and nothing else?
//!
//! Not here: what becomes of flows (`tests/golden`, where there are flows).

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::api::ResourceChange;
use crate::config::edit::{self, Edit, IfMatch, ResourceId};
use crate::limits::PLAN_DIFFERENCES_MAX;

/// Changes as a person reads them.
fn told(changes: &[ResourceChange]) -> Vec<String> {
    let line = |change: &ResourceChange| {
        let sign = match change.change.as_str() {
            "Add" => "+",
            "Remove" => "-",
            _ => "~",
        };
        let values = change.differences.iter().map(|it| {
            let sides = match change.change.as_str() {
                "Add" => it.after.to_string(),
                "Remove" => it.before.to_string(),
                _ => format!("{}: {} -> {}", it.pointer, it.before, it.after),
            };
            sides.replace('"', "'")
        });
        format!("{sign} {} {}", change.id, values.collect::<Vec<_>>().join(", "))
    };
    changes.iter().map(line).collect()
}

fn web(properties: Value) -> Value {
    json!({"type": "Microsoft.Network/loadBalancers", "name": "web", "properties": properties})
}

fn probe(name: &str, port: u16) -> Value {
    json!({"name": name, "properties": {"port": port}})
}

fn of(resources: &[Value]) -> Value {
    json!({"appliance": {"ports": [{"name": "edge", "mtu": 1500}]}, "resources": resources})
}

#[test]
fn each_kind_of_change_reads_well() {
    let before = of(&[web(json!({"probes": [probe("http", 80), probe("tcp", 81)]}))]);
    let cases = [
        (of(&[web(json!({"probes": [probe("http", 80), probe("tcp", 81)]}))]), vec![]),
        (
            of(&[web(json!({"probes": [probe("http", 8080), probe("tcp", 81)]}))]),
            vec!["~ loadBalancers/web/probes/http /properties/port: 80 -> 8080"],
        ),
        (
            of(&[web(json!({"probes": [probe("tcp", 81)]}))]),
            vec!["- loadBalancers/web/probes/http {'name':'http','properties':{'port':80}}"],
        ),
        (
            of(&[web(json!({"probes": [probe("HTTP", 80), probe("tcp", 81), probe("new", 1)]}))]),
            vec![
                "~ loadBalancers/web/probes/http /name: 'http' -> 'HTTP'",
                "+ loadBalancers/web/probes/new {'name':'new','properties':{'port':1}}",
            ],
        ),
        (
            of(&[web(json!({"probes": [probe("tcp", 81), probe("http", 80)]}))]),
            vec!["~ loadBalancers/web /properties/probes: ['http','tcp'] -> ['tcp','http']"],
        ),
        (
            of(&[]),
            vec![
                "- loadBalancers/web {'type':'Microsoft.Network/loadBalancers','name':'web',\
                 'properties':{}}",
                "- loadBalancers/web/probes/http {'name':'http','properties':{'port':80}}",
                "- loadBalancers/web/probes/tcp {'name':'tcp','properties':{'port':81}}",
            ],
        ),
        (
            json!({"appliance": {"ports": [{"name": "edge", "mtu": 9000}]},
                   "contentVersion": "1.0.0.0", "resources": before["resources"]}),
            vec!["~  /contentVersion: null -> '1.0.0.0'", "~ appliance /ports/0/mtu: 1500 -> 9000"],
        ),
    ];
    for (after, expected) in cases {
        assert_eq!(told(&changes(&before, &after).changes), expected);
    }
}

#[test]
fn what_does_not_fit_is_counted() {
    let wide = |value: u32| {
        let all = (0..PLAN_DIFFERENCES_MAX + 7).map(|it| (format!("p{it}"), json!(value)));
        of(&[web(Value::Object(all.collect()))])
    };
    let found = changes(&wide(1), &wide(2));
    let listed: usize = found.changes.iter().map(|it| it.differences.len()).sum();
    assert_eq!((listed, found.omitted), (PLAN_DIFFERENCES_MAX, 7));
}

/// A list of up to three named children, one of which may have children of its own.
fn list(depth: u32) -> BoxedStrategy<Value> {
    let names = prop::sample::subsequence(vec!["a", "b", "C"], 0..=3).prop_shuffle();
    let inner =
        if depth == 0 { Just(None).boxed() } else { prop::option::of(list(depth - 1)).boxed() };
    let child = (prop::option::of(0..3u8), any::<bool>(), inner);
    (names, prop::collection::vec(child, 3))
        .prop_map(|(names, children)| {
            let child =
                |(name, (port, is_low, inner)): (&str, (Option<u8>, bool, Option<Value>))| {
                    let name = if is_low { name.to_lowercase() } else { name.to_owned() };
                    let mut properties = Map::new();
                    properties.extend(port.map(|port| ("port".to_owned(), json!({"is": [port]}))));
                    let lists = ["loadBalancerBackendAddresses"];
                    properties.extend(inner.map(|inner| (lists[0].to_owned(), inner)));
                    json!({"name": name, "properties": properties})
                };
            names.into_iter().zip(children).map(child).collect::<Vec<_>>().into()
        })
        .boxed()
}

/// Probes, pools, a tag's value and whether it is there.
type Balancer = (Option<Value>, Option<Value>, u8, bool);

fn document() -> impl Strategy<Value = Value> {
    let lists = (prop::option::of(list(0)), prop::option::of(list(1)), 0..2u8, any::<bool>());
    let balancers = prop::collection::vec(lists, 0..3);
    (balancers, 0..3u16, any::<bool>()).prop_map(|(balancers, mtu, is_turned)| {
        let one = |(name, (probes, pools, tag, has_tag)): (&str, Balancer)| {
            let mut properties = Map::new();
            properties.extend(probes.map(|it| ("probes".to_owned(), it)));
            properties.extend(pools.map(|it| ("backendAddressPools".to_owned(), it)));
            let mut resource = web(Value::Object(properties));
            resource["name"] = json!(name);
            if has_tag {
                resource["tags"] = json!({"tag": tag});
            }
            resource
        };
        let mut resources: Vec<_> = ["web", "api"].into_iter().zip(balancers).map(one).collect();
        if is_turned {
            resources.reverse();
        }
        json!({"appliance": {"mtu": mtu}, "resources": resources})
    })
}

/// The document in an order of its own, and without empty lists of children.
fn in_order(mut document: Value) -> Value {
    fn sort(list: &mut Vec<Value>) {
        list.sort_by_key(|it| it["name"].as_str().unwrap_or_default().to_lowercase());
        for resource in list {
            let Some(properties) = resource["properties"].as_object_mut() else { continue };
            for children in ["probes", "backendAddressPools", "loadBalancerBackendAddresses"] {
                let Some(Value::Array(list)) = properties.get_mut(children) else { continue };
                sort(list);
                if list.is_empty() {
                    properties.remove(children);
                }
            }
        }
    }
    if let Some(Value::Array(list)) = document.get_mut("resources") {
        sort(list);
    }
    document
}

/// Puts a value where a pointer says, or takes it away.
fn put(value: &mut Value, pointer: &str, after: Value) {
    let Some((parent, name)) = pointer.rsplit_once('/') else {
        *value = after;
        return;
    };
    let parent = value.pointer_mut(parent).expect("the parent is there");
    match (parent, after) {
        (Value::Object(map), Value::Null) => {
            map.remove(name);
        }
        (parent, after) if parent.is_object() => parent[name] = after,
        (parent, after) => *parent.pointer_mut(&format!("/{name}")).expect("an element") = after,
    }
}

/// One change made by `edit`.
fn made(document: Value, change: &ResourceChange) -> Value {
    if change.id == "appliance" || change.id.is_empty() {
        let mut document = document;
        for it in change.differences.iter().filter(|_| !change.id.is_empty()) {
            put(&mut document["appliance"], &it.pointer, it.after.clone());
        }
        return document;
    }
    let id = ResourceId::parse(&change.id).expect("an id");
    let edit = match change.change.as_str() {
        "Remove" => Edit::Delete(id),
        "Add" => Edit::Put(id, change.differences[0].after.clone()),
        _ => {
            let mut resource = edit::find(&document, &id).expect("it is there").resource.clone();
            let lists = ["probes", "backendAddressPools", "loadBalancerBackendAddresses"];
            for it in &change.differences {
                // An edit leaves others where they are: `in_order` makes up for that.
                if !lists.iter().any(|list| it.pointer.ends_with(list)) {
                    put(&mut resource, &it.pointer, it.after.clone());
                }
            }
            Edit::Put(id, resource)
        }
    };
    edit::apply(&document, edit, &IfMatch::Anything).expect("the edit can be made")
}

proptest! {
    #[test]
    fn a_plan_is_empty_if_and_only_if_nothing_differs(before in document(), after in document()) {
        let found = changes(&before, &after);
        prop_assert_eq!(found.changes.is_empty(), before == after, "{:?}", found);
        prop_assert!(changes(&before, &before).changes.is_empty());
    }

    #[test]
    fn what_a_plan_says_makes_one_configuration_the_other(
        before in document(),
        after in document(),
    ) {
        let found = changes(&before, &after);
        let (gone, rest): (Vec<_>, Vec<_>) =
            found.changes.iter().partition(|it| it.change == "Remove");
        // Children before their owners, as they stand the other way round.
        let mut document = gone.into_iter().rev().fold(before, made);
        document = rest.into_iter().fold(document, made);
        prop_assert_eq!(in_order(document), in_order(after));
    }
}
