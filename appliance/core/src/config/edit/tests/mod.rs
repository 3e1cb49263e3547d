//! Does a change of a part change that part and nothing else?

mod any;
mod members;
mod swap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn document() -> Value {
    json!({
        "appliance": {"ports": []},
        "resources": [
            {"type": "Microsoft.Network/publicIPAddresses", "name": "web", "properties": {"ipAddress": "203.0.113.10"}},
            {"type": "Microsoft.Network/loadBalancers", "name": "web", "properties": {
                "backendAddressPools": [
                    {"name": "members", "properties": {"loadBalancerBackendAddresses": [
                        {"name": "one", "properties": {"ipAddress": "10.0.0.11"}},
                        {"name": "two", "properties": {"ipAddress": "10.0.0.12"}},
                    ]}},
                    {"name": "spare"},
                ],
                "probes": null,
            }},
        ],
    })
}

fn id(text: &str) -> ResourceId {
    ResourceId::parse(text).expect("an id")
}

fn put(text: &str, body: Value) -> Result<Value, EditError> {
    apply(&document(), Edit::Put(id(text), body), &IfMatch::Anything)
}

#[test]
fn ids_are_read_relative_and_absolute_and_without_regard_to_case() {
    let members = "loadBalancers/web/backendAddressPools/members";
    for text in [
        members,
        "LOADBALANCERS/web/BackendAddressPools/members",
        "/loadBalancers/web/backendAddressPools/members/",
        "Microsoft.Network/loadBalancers/web/backendAddressPools/members",
        "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/loadBalancers/web\
         /backendAddressPools/members",
        "/subscriptions/0/resourceGroups/Microsoft.Network/providers/Microsoft.Network/\
         loadBalancers/web/backendAddressPools/members",
    ] {
        assert_eq!(id(text).to_string(), members, "{text}");
    }
}

#[test]
fn what_is_no_id_is_told_what_there_would_be() {
    let resource = |text| ResourceId::parse(text).map(|id| id.to_string()).expect_err(text);
    assert!(
        resource("virtualMachines/a").to_string().contains("there are loadBalancers, publicIP")
    );
    assert!(resource("").to_string().contains("is no resource type"));
    assert!(matches!(resource("loadBalancers"), IdError::IsCollection(_)));
    assert!(matches!(resource("loadBalancers/web/probes"), IdError::IsCollection(_)));
    let unknown = resource("loadBalancers/web/subnets/a").to_string();
    assert!(unknown.contains("loadBalancers/web has no `subnets`; it has frontendIP"), "{unknown}");
    let none = resource("publicIPAddresses/web/probes/a").to_string();
    assert!(none.contains("it has no children"), "{none}");
    assert!(matches!(Collection::parse("loadBalancers/web"), Err(IdError::IsResource(_))));
}

#[test]
fn a_resource_is_found_under_its_name_and_type() {
    let document = document();
    let found = find(&document, &id("loadbalancers/WEB/backendaddresspools/MEMBERS")).expect("it");
    assert_eq!(found.id, "loadBalancers/web/backendAddressPools/members");
    assert_eq!(found.resource["name"], "members");
    let missing = find(&document, &id("loadBalancers/web/probes/http"));
    assert_eq!(missing, Err(EditError::NotFound("loadBalancers/web/probes/http".into())));
    assert!(find(&document, &id("virtualNetworks/web")).is_err(), "another type's name");
}

#[test]
fn lists_hold_what_stands_side_by_side() {
    let document = document();
    let ids = |text| -> Vec<String> {
        let collection = Collection::parse(text).expect("a collection");
        let found = list(&document, &collection).expect("its owner is there");
        found.into_iter().map(|found| found.id).collect()
    };
    assert_eq!(ids("loadBalancers"), ["loadBalancers/web"]);
    let members = "loadBalancers/web/backendAddressPools/members/loadBalancerBackendAddresses";
    assert_eq!(ids(members), [format!("{members}/one"), format!("{members}/two")]);
    assert_eq!(ids("loadBalancers/web/probes"), [""; 0]);
    assert_eq!(ids("virtualNetworks"), [""; 0]);
    let nobodys = Collection::parse("loadBalancers/none/probes").expect("a collection");
    assert!(matches!(list(&document, &nobodys), Err(EditError::NotFound(_))));
}

#[test]
fn putting_replaces_or_adds_and_names_what_it_puts() {
    let probe = json!({"properties": {"protocol": "Tcp", "port": 80}});
    let edited = put("loadBalancers/web/probes/http", probe.clone()).expect("added");
    let expected = json!([{"properties": {"protocol": "Tcp", "port": 80}, "name": "http"}]);
    assert_eq!(edited["resources"][1]["properties"]["probes"], expected);

    let members =
        "/resources/1/properties/backendAddressPools/0/properties/loadBalancerBackendAddresses";
    let three = "loadBalancers/web/backendAddressPools/members/loadBalancerBackendAddresses/three";
    let edited = put(three, json!({"properties": {"ipAddress": "10.0.0.13"}})).expect("added");
    assert_eq!(edited.pointer(members).and_then(Value::as_array).map(Vec::len), Some(3));
    let first = three.replace("three", "ONE");
    let edited = put(&first, json!({"name": "one", "properties": {}})).expect("replaced");
    assert_eq!(edited.pointer(&format!("{members}/0/properties")), Some(&json!({})));

    let spelt =
        json!({"Name": "HTTP", "Type": null, "Properties": {"protocol": "Tcp", "port": 80}});
    let edited = put("loadBalancers/web/probes/http", spelt.clone()).expect("added");
    assert_eq!(edited["resources"][1]["properties"]["probes"], json!([spelt]), "in any case");

    let edited = put("virtualNetworks/vnet", json!({"properties": {}})).expect("added");
    assert_eq!(edited["resources"][2]["type"], "Microsoft.Network/virtualNetworks");
}

#[test]
fn bodies_that_are_another_resource_are_refused() {
    for (text, body, part) in [
        ("loadBalancers/web", json!([]), "no object"),
        ("loadBalancers/web", json!({"name": "other"}), "names cannot be changed"),
        ("loadBalancers/web", json!({"type": "Microsoft.Network/virtualNetworks"}), "of type"),
        ("loadBalancers/none/probes/http", json!({}), "there is no loadBalancers/none"),
    ] {
        let refused = put(text, body).expect_err(text).to_string();
        assert!(refused.contains(part), "{text}: {refused}");
    }
}

#[test]
fn deleting_takes_one_resource_and_leaves_the_others() {
    let gone = id("loadBalancers/web/backendAddressPools/spare");
    let edited = apply(&document(), Edit::Delete(gone.clone()), &IfMatch::Anything).expect("gone");
    let mut expected = document();
    let pools = expected.pointer_mut("/resources/1/properties/backendAddressPools");
    pools.and_then(Value::as_array_mut).expect("a list").pop();
    assert_eq!(edited, expected);
    let again = apply(&edited, Edit::Delete(gone), &IfMatch::Anything);
    assert!(matches!(again, Err(EditError::NotFound(_))));
}

#[test]
fn a_change_meant_for_another_version_is_refused_with_the_etag_that_is_there() {
    let (document, web) = (document(), id("publicIPAddresses/web"));
    let now = find(&document, &web).expect("it").etag();
    let change = |if_match: &IfMatch| {
        apply(&document, Edit::Put(web.clone(), json!({"properties": {}})), if_match)
    };
    assert!(change(&IfMatch::Etag(now.clone())).is_ok());
    assert!(change(&IfMatch::Existing).is_ok());
    let stale = change(&IfMatch::Etag("0".into()));
    let expected = EditError::PreconditionFailed { id: "publicIPAddresses/web".into(), now };
    assert_eq!(stale, Err(expected));
    let nobody = Edit::Put(id("publicIPAddresses/none"), json!({}));
    assert!(matches!(apply(&document, nobody, &IfMatch::Existing), Err(EditError::NotFound(_))));
}

proptest! {
    #[test]
    fn any_text_is_an_id_or_a_named_error(text in "[/a-zA-Z.]{0,60}|(loadBalancers|probes|/)*") {
        match ResourceId::parse(&text) {
            Ok(id) => prop_assert_eq!(ResourceId::parse(&id.to_string()), Ok(id)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        let _collection = Collection::parse(&text);
    }

    #[test]
    fn what_was_put_is_found_and_what_was_deleted_is_not(
        names in prop::collection::vec("[a-z]{1,3}", 1..8),
        delete in any::<prop::sample::Index>(),
    ) {
        let mut edited = document();
        for (number, name) in names.iter().enumerate() {
            let id = id(&format!("loadBalancers/web/probes/{name}"));
            let body = json!({"properties": {"port": number}});
            edited = apply(&edited, Edit::Put(id.clone(), body), &IfMatch::Anything).expect("put");
            prop_assert_eq!(&find(&edited, &id).expect("put").resource["properties"]["port"], number);
        }
        let gone = id(&format!("loadBalancers/web/probes/{}", delete.get(&names)));
        edited = apply(&edited, Edit::Delete(gone.clone()), &IfMatch::Existing).expect("there");
        prop_assert!(find(&edited, &gone).is_err());
    }
}
