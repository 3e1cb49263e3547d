//! Does every change keep its word on documents that nobody would write?

use proptest::sample::Index;

use super::*;
use crate::config::tests::mutation::{any_mutation, mutate};
use crate::config::tests::{valid, with_interfaces};
use crate::config::{AdminState, examine};

const POOL: &str = "loadBalancers/lb/backendAddressPools/pool";
const FRONTENDS: [&str; 2] = [
    "loadBalancers/lb/frontendIPConfigurations/fe",
    "loadBalancers/lb/frontendIPConfigurations/other",
];

/// Two frontends with an address each, and both kinds of members.
fn document(by_interface: bool) -> Value {
    let mut document = if by_interface { with_interfaces() } else { valid() };
    let resources = document["resources"].as_array_mut().expect("a list");
    resources.push(json!({"type": "Microsoft.Network/publicIPAddresses", "name": "other",
        "properties": {"ipAddress": "203.0.113.20"}}));
    let frontends = &mut resources[2]["properties"]["frontendIPConfigurations"];
    let frontend = json!({"name": "other", "properties": {"publicIPAddress": {"id": "other"}}});
    frontends.as_array_mut().expect("a list").push(frontend);
    document
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let member =
        prop::sample::select(vec!["a", "b", "10.0.0.11", "nic-a/ip", "10.0.0.12", "c", ""]);
    let named = |member: &str| MemberName { pool: id(POOL), member: member.to_owned() };
    let settings = MemberSettings { admin_state: Some(AdminState::Up), weight: Some(3) };
    let new = NewMember {
        pool: id(POOL),
        name: "c".into(),
        ip_address: "10.0.0.13".into(),
        settings,
        virtual_network: Some("virtualNetworks/none".into()),
    };
    let swap = FRONTENDS.iter().zip(["other", "ip"]).map(|(frontend, address)| FrontendAddress {
        frontend: id(frontend),
        public_address: address.to_owned(),
    });
    let swap = Edit::SwapPublicAddresses(swap.collect());
    prop_oneof![
        Just(Edit::AddMember(new)),
        member.clone().prop_map(move |member| Edit::RemoveMember(named(member))),
        member.prop_map(move |member| Edit::SetMember(named(member), settings)),
        Just(swap),
        Just(Edit::Delete(id(POOL))),
        Just(Edit::Put(id(POOL), json!({"properties": {}}))),
    ]
}

/// Whether a change may touch what stands at this pointer.
fn may_touch(edit: &Edit, pointer: &str) -> bool {
    let has = |part: &str| pointer.contains(part);
    match edit {
        Edit::AddMember(_) | Edit::SetMember(..) => has("/loadBalancerBackendAddresses"),
        Edit::RemoveMember(_) => {
            has("/loadBalancerBackendAddresses")
                || has("/loadBalancerBackendAddressPools")
                || has("/backendIPConfigurations")
        }
        Edit::SwapPublicAddresses(_) => has("/publicIPAddress"),
        Edit::Put(..) | Edit::Delete(_) => has("/backendAddressPools"),
    }
}

/// The pointers at which two documents differ; what one of them only has is told whole.
fn differences(before: &Value, after: &Value, pointer: &str, found: &mut Vec<String>) {
    match (before, after) {
        _ if before == after => {}
        // Objects are made on the way to what is added.
        (Value::Null, Value::Object(_)) => differences(&json!({}), after, pointer, found),
        (Value::Object(before), Value::Object(after)) => {
            let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let child = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or_default()
                };
                differences(&child(before), &child(after), &format!("{pointer}/{key}"), found);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                differences(before, after, &format!("{pointer}/{at}"), found);
            }
        }
        _ => found.push(pointer.to_owned()),
    }
}

proptest! {
    #[test]
    fn a_change_of_any_document_is_refused_or_touches_only_what_it_names(
        by_interface in any::<bool>(),
        mutations in prop::collection::vec((any::<Index>(), any_mutation()), 0..5),
        edit in any_edit(),
        if_match in prop::sample::select(vec![IfMatch::Anything, IfMatch::Existing]),
    ) {
        let mut document = document(by_interface);
        for (place, mutation) in mutations {
            mutate(&mut document, &place, mutation);
        }
        // As it is in force, if it can be; any other document all the same.
        let text = document.to_string().into_bytes();
        let echo = examine(vec![crate::config::Source { name: String::new(), text }]).echo;
        for document in [document, Value::clone(&echo)] {
            match apply(&document, edit.clone(), &if_match) {
                Err(error) => prop_assert!(!error.to_string().is_empty()),
                Ok(edited) => {
                    let mut found = Vec::new();
                    differences(&document, &edited, "", &mut found);
                    for pointer in &found {
                        prop_assert!(may_touch(&edit, pointer), "{} by {:?}", pointer, edit);
                    }
                }
            }
        }
    }
}
