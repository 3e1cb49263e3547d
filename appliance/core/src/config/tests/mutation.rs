//! Does `check` keep its word for documents that nobody would write?

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;

#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Delete,
    Replace(Value),
    Rename(String),
    Repeat,
}

pub(crate) fn any_mutation() -> impl Strategy<Value = Mutation> {
    let values = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(65_536),
        json!(u64::MAX),
        json!(1.5),
        json!(""),
        json!("8"),
        json!("[x]"),
        json!("::1"),
        json!("10.0.0.0/8"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"id": "pool"}),
        json!({"id": "loadBalancers/lb/probes/probe"}),
        json!([{"id": "ip"}, {"name": "n", "properties": {}}]),
        json!("IPv6"),
        json!("ALL"),
        json!("Basic"),
        json!("2001:db8::7"),
    ]);
    let names = prop::sample::select(vec!["", "a/b~c", "ID", "name", "properties", "é"]);
    prop_oneof![
        Just(Mutation::Delete),
        values.prop_map(Mutation::Replace),
        names.prop_map(|name| Mutation::Rename(name.to_owned())),
        Just(Mutation::Repeat),
    ]
}

fn all_places(value: &Value, place: &str, places: &mut Vec<(String, String)>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, child)| (key.clone(), child)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(at, child)| (at.to_string(), child)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (key, child) in children {
        places.push((place.to_owned(), key.clone()));
        let token = key.replace('~', "~0").replace('/', "~1");
        all_places(child, &format!("{place}/{token}"), places);
    }
}

pub(crate) fn mutate(document: &mut Value, place: &Index, mutation: Mutation) {
    let mut places = Vec::new();
    all_places(document, "", &mut places);
    let Some((parent, key)) = (!places.is_empty()).then(|| place.get(&places).clone()) else {
        return;
    };
    match document.pointer_mut(&parent).expect("a place in the document") {
        Value::Object(map) => match mutation {
            Mutation::Delete => drop(map.remove(&key)),
            Mutation::Replace(value) => drop(map.insert(key, value)),
            Mutation::Rename(name) => {
                let value = map.remove(&key).unwrap_or_default();
                map.insert(name, value);
            }
            Mutation::Repeat => {
                let value = map[&key].clone();
                map.insert(key.to_ascii_uppercase(), value);
            }
        },
        Value::Array(list) => {
            let position: usize = key.parse().expect("a position");
            match mutation {
                Mutation::Delete | Mutation::Rename(_) => drop(list.remove(position)),
                Mutation::Replace(value) => list[position] = value,
                Mutation::Repeat => list.push(list[position].clone()),
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("a single value has no children")
        }
    }
}

/// Whether a pointer is one (RFC 6901 §3), and its parent or itself is in the document.
fn is_well_formed(pointer: &str, document: &Value) -> bool {
    let syntax = pointer.is_empty() || pointer.starts_with('/');
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    // Something missing may lie in objects that are missing too: at most in `properties`.
    let mut place = pointer;
    let mut missing = 0;
    while document.pointer(place).is_none() {
        missing += 1;
        place = place.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    syntax && escapes && missing <= 3
}

/// A document that is right in Azure: one of those that use every feature.
fn any_document() -> impl Strategy<Value = Value> {
    let mut documents = vec![valid(), with_interfaces(), basic(), internal()];
    documents.extend(supported::uses().into_iter().map(|(_, document, _)| document));
    prop::sample::select(documents)
}

proptest! {
    #[test]
    fn no_document_makes_check_panic_and_every_problem_has_a_place(
        mut document in any_document(),
        mutations in prop::collection::vec((any::<Index>(), any_mutation()), 1..6)
    ) {
        for (place, mutation) in mutations {
            mutate(&mut document, &place, mutation);
        }
        let found = examined(&document);
        let refused = check_value(&document).is_err();
        let nothing_wrong = found.problems.is_empty() && found.has_appliance;
        prop_assert_eq!(refused, !nothing_wrong);
        prop_assert_eq!(found.configuration.is_some(), nothing_wrong);
        for found in found.problems.iter().chain(&found.warnings) {
            let problem = &found.problem;
            prop_assert!(is_well_formed(&problem.pointer, &document), "{}", problem);
            prop_assert!(problem.message.ends_with(['.', '?']), "{}", problem);
            prop_assert!(problem.code.chars().all(|letter| letter.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn an_echo_means_the_same_and_is_its_own_echo(
        mut document in any_document(),
        mutations in prop::collection::vec((any::<Index>(), any_mutation()), 0..4)
    ) {
        for (place, mutation) in mutations {
            mutate(&mut document, &place, mutation);
        }
        let found = examined(&document);
        // Not everything is part of the document: a key that is there twice, for one.
        if found.echo.is_null() {
            return Ok(());
        }
        let again = examined(&found.echo);
        prop_assert_eq!(&again.echo, &found.echo);
        prop_assert_eq!(&again.configuration, &found.configuration);
        let codes = |found: &Examined| -> Vec<_> {
            let mut codes: Vec<_> =
                found.problems.iter().map(|it| it.problem.code.clone()).collect();
            codes.sort();
            codes
        };
        prop_assert_eq!(codes(&again), codes(&found));
    }

    #[test]
    fn no_bytes_make_check_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(check(&bytes).is_err());
    }
}
