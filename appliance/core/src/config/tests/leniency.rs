//! Is a document read as leniently as Azure Resource Manager reads it?

use serde_json::json;

use super::*;

#[test]
fn names_words_and_ids_are_compared_without_case() {
    let expected = accepted(&valid()).configuration;
    let text = in_other_spelling(&valid())
        .replace("{\"id\":\"fe\"}", "{\"Id\":\"FE\"}")
        .replace("Microsoft.Network/loadBalancers", "microsoft.network/LOADBALANCERS/");
    let checked = check(text.as_bytes()).expect("a lenient reader");
    assert_eq!(checked.configuration, expected);
    assert_eq!(checked.warnings, []);
}

#[test]
fn integers_and_booleans_may_be_strings() {
    let expected = accepted(&valid()).configuration;
    let mut document = with(&at(&format!("{RULE}/frontendPort")), "80".into());
    set(&mut document, &at(&format!("{RULE}/disableOutboundSnat")), "True".into());
    set(&mut document, &at(&format!("{OUTBOUND}/allocatedOutboundPorts")), " 1024 ".into());
    assert_eq!(accepted(&document).configuration, expected);
    let pointer = at(&format!("{RULE}/frontendPort"));
    assert_value_refused(&pointer, 80.5.into(), "InvalidType");
    assert_value_refused(&pointer, "http".into(), "InvalidType");
}

#[test]
fn ids_may_be_absolute_relative_or_bare() {
    let expected = accepted(&valid()).configuration;
    let prefix = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Network/";
    for id in [
        &format!("{prefix}loadBalancers/LB/probes/Probe"),
        "loadBalancers/lb/probes/probe",
        "/probes/probe/",
        "probe",
    ] {
        let document = with(&at(&format!("{RULE}/probe")), json!({"id": id}));
        assert_eq!(accepted(&document).configuration, expected, "{id}");
    }
    let document = with(&at(&format!("{RULE}/probe")), "probe".into());
    assert_eq!(accepted(&document).configuration, expected);
    let id = format!("{prefix}publicIPAddresses/ip");
    let document = with(&at(&format!("{FRONTEND}/publicIPAddress/id")), id.into());
    assert_eq!(accepted(&document).configuration, expected);
}

#[test]
fn a_pool_may_be_written_as_a_list_of_one() {
    let expected = accepted(&valid()).configuration;
    let list = at(&format!("{RULE}/backendAddressPools"));
    let both = with(&list, json!([{"id": "pool"}]));
    assert_eq!(accepted(&both).configuration, expected);
    let mut alone = without(&at(&format!("{RULE}/backendAddressPool")));
    set(&mut alone, &list, json!([{"id": "pool"}]));
    assert_eq!(accepted(&alone).configuration, expected);
}

#[test]
fn unknown_properties_are_warned_of() {
    let pointer = at(&format!("{RULE}/frontend~1Prot"));
    let mut document = valid();
    let rule = document.pointer_mut(&at(RULE)).expect("a rule");
    rule["frontend/Prot"] = 80.into();
    let checked = accepted(&document);
    assert_eq!(warned(&checked), [(pointer.as_str(), "UnknownProperty")]);
}

#[test]
fn what_azure_writes_by_itself_is_accepted_in_silence() {
    let mut document = valid();
    for (place, value) in [
        (format!("{BALANCER}/etag"), json!("W/1")),
        (format!("{BALANCER}/location"), json!("westeurope")),
        (at("resourceGuid"), json!("guid")),
        (at("provisioningState"), json!("Succeeded")),
        (at("inboundNatRules"), json!([])),
        (at(&format!("{FRONTEND}/loadBalancingRules")), json!([{"id": "x"}])),
        (at(&format!("{POOL}/outboundRules")), json!([{"id": "x"}])),
        (at(&format!("{POOL}/drainPeriodInSeconds")), json!(0)),
        (at(&format!("{PROBE}/loadBalancingRules")), json!([{"id": "x"}])),
        (at(&format!("{RULE}/enableFloatingIP")), json!(false)),
        (at(&format!("{RULE}/idleTimeoutInMinutes")), json!(null)),
        (at("probes/0/type"), json!("Microsoft.Network/loadBalancers/probes")),
    ] {
        set(&mut document, &place, value);
    }
    assert_eq!(accepted(&document).warnings, []);
}

#[test]
fn template_expressions_are_refused_by_name() {
    let pointer = at(&format!("{RULE}/probe/id"));
    let expression = "[resourceId('Microsoft.Network/loadBalancers/probes', 'lb', 'probe')]";
    assert_value_refused(&pointer, expression.into(), "TemplateExpression");
}

#[test]
fn keys_that_differ_by_case_only_are_refused() {
    let document = with("/appliance/Ports", json!([]));
    assert_refused(&document, &[("/appliance/Ports", "DuplicateProperty")]);
    let text = valid().to_string().replace("\"port\":8080", "\"port\":1,\"port\":8080");
    let problems = check(text.as_bytes()).expect_err("a key twice");
    assert_eq!(places(&problems), [(at(&format!("{PROBE}/port")).as_str(), "DuplicateProperty")]);
}

#[test]
fn text_that_is_no_json_is_one_problem_with_its_line() {
    let problems = check(b"{\n  \"appliance\": {,}\n}").expect_err("no JSON");
    assert_eq!(places(&problems), [("", "InvalidJson")]);
    assert!(problems[0].message.contains("line 2 column 17"), "{}", problems[0]);
    for text in ["", "{} {}", "\u{feff}7", &"[".repeat(10_000)] {
        let problems = check(text.as_bytes()).expect_err("no document");
        assert_eq!((problems.len(), problems[0].pointer.as_str()), (1, ""), "{text}");
    }
}

#[test]
fn a_document_that_is_too_long_is_not_read() {
    let text = vec![b' '; crate::limits::CONFIGURATION_BYTES_MAX + 1];
    let problems = check(&text).expect_err("too long");
    assert_eq!(places(&problems), [("", "DocumentTooLarge")]);
}

#[test]
fn problems_come_all_at_once_in_document_order() {
    let mut document = with(&at(&format!("{RULE}/frontendPort")), 65_535.into());
    set(&mut document, &at(&format!("{PROBE}/port")), 0.into());
    set(&mut document, "/appliance/workers", 0.into());
    set(&mut document, "/resources/0/properties/addressSpace", json!({}));
    assert_refused(
        &document,
        &[
            ("/appliance/workers", "ValueOutOfRange"),
            ("/resources/0/properties/addressSpace/addressPrefixes", "MissingProperty"),
            (&at(&format!("{PROBE}/port")), "ValueOutOfRange"),
            (&at(&format!("{RULE}/frontendPort")), "ValueOutOfRange"),
        ],
    );
}

#[test]
fn a_flood_of_problems_is_cut_and_counted() {
    let document = with("/appliance/routedPrefixes", json!(vec![7; 1000]));
    let problems = check_value(&document).expect_err("problems");
    assert_eq!(problems.len(), crate::limits::PROBLEMS_MAX + 1);
    let last = problems.last().expect("a last one");
    assert_eq!((last.pointer.as_str(), last.code.as_ref()), ("", "TooManyProblems"));
    assert!(last.message.starts_with("744 "), "{last}");
}

/// What Azure adds when it answers a request for a resource and its children.
fn answered(value: &mut Value, id: &str) {
    let Some(object) = value.as_object_mut() else { return };
    if object.contains_key("name") {
        object.insert("id".to_owned(), id.into());
        object.insert("etag".to_owned(), "W/\"0\"".into());
        object.entry("type").or_insert_with(|| "Microsoft.Network/loadBalancers/children".into());
        let properties = object.entry("properties").or_insert_with(|| json!({}));
        properties["provisioningState"] = "Succeeded".into();
        properties["resourceGuid"] = "guid".into();
    }
    for (key, child) in object.iter_mut() {
        if let Value::Array(list) = child {
            for (number, item) in list.iter_mut().enumerate() {
                answered(item, &format!("{id}/{key}/{number}"));
            }
        } else if key == "properties" {
            answered(child, id);
        }
    }
}

#[test]
fn what_azure_answers_for_any_resource_means_the_same() {
    for document in [valid(), with_interfaces(), basic()] {
        let mut changed = document.clone();
        let resources = changed["resources"].as_array_mut().expect("resources");
        resources.iter_mut().for_each(|resource| answered(resource, "/subscriptions/0"));
        for (place, names) in [
            (FRONTEND, &["loadBalancingRules", "inboundNatRules", "outboundRules"][..]),
            (POOL, &["loadBalancingRules", "outboundRules", "inboundNatRules"]),
            (PROBE, &["loadBalancingRules"]),
        ] {
            for name in names {
                set(&mut changed, &at(&format!("{place}/{name}")), json!([{"id": "x"}]));
            }
        }
        let found = accepted(&changed);
        assert_eq!(found.configuration, accepted(&document).configuration);
        assert_eq!(found.warnings, []);
    }
}
