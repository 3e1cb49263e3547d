//! Do several files make one configuration, and are problems told in the file where they are?

use serde_json::json;

use super::*;
use crate::config::merge;

fn source(name: &str, value: &Value) -> Source {
    Source { name: name.to_owned(), text: value.to_string().into_bytes() }
}

/// [`valid`] in several files, each of another shape.
fn split() -> Vec<Source> {
    let mut document = valid();
    let resources = document["resources"].as_array_mut().expect("resources");
    let mut balancer = resources.pop().expect("a load balancer");
    let address = resources.pop().expect("an address");
    let network = resources.pop().expect("a network");
    let object = balancer.as_object_mut().expect("an object");
    object.remove("type");
    object.remove("name");
    vec![
        source("etc/appliance.json", &document),
        source("etc/address.json", &address),
        source("etc/networks.json", &json!({"value": [network], "nextLink": null})),
        source("etc/loadBalancers/lb.json", &balancer),
    ]
}

fn told(examined: &Examined) -> Vec<(&str, &str, &str)> {
    let all = examined.problems.iter();
    all.map(|it| (it.file.as_str(), it.problem.pointer.as_str(), it.problem.code.as_ref()))
        .collect()
}

#[test]
fn files_of_all_shapes_make_one_configuration() {
    let whole = accepted(&valid()).configuration;
    let mut parts = examine(split()).into_checked().expect("the same").configuration;
    assert_eq!(parts.load_balancers.remove(0), whole.load_balancers[0]);
    assert_eq!(parts.virtual_networks, whole.virtual_networks);
    assert_eq!(parts.appliance, whole.appliance);
    let list = source("all.json", &valid()["resources"]);
    let only = source("own.json", &json!({"appliance": valid()["appliance"]}));
    let checked = examine(vec![list, only]).into_checked().expect("the same");
    assert_eq!(checked.configuration, whole);
}

#[test]
fn a_pointer_is_into_the_file_where_the_problem_is() {
    let mut files = split();
    let text = String::from_utf8(files[3].text.clone()).expect("text");
    files[3].text = text.replace("\"frontendPort\":80", "\"frontendPort\":-1").into_bytes();
    let text = String::from_utf8(files[2].text.clone()).expect("text");
    files[2].text = text.replace("10.0.0.0/16", "10.0.0.1/16").into_bytes();
    assert_eq!(
        told(&examine(files)),
        [
            (
                "etc/networks.json",
                "/value/0/properties/addressSpace/addressPrefixes/0",
                "InvalidCIDRNotation"
            ),
            (
                "etc/loadBalancers/lb.json",
                "/properties/loadBalancingRules/0/properties/frontendPort",
                "ValueOutOfRange"
            ),
        ]
    );
}

#[test]
fn a_warning_of_a_good_configuration_names_its_file() {
    let mut files = split();
    let text = String::from_utf8(files[3].text.clone()).expect("text");
    files[3].text = text.replacen("\"properties\":", "\"Proprieties\":1,\"properties\":", 1).into();
    let checked = examine(files).into_checked().expect("good all the same");
    let [warning] = &checked.warnings[..] else { panic!("one: {:?}", checked.warnings) };
    let said = warning.to_string();
    assert!(said.starts_with("etc/loadBalancers/lb.json: /"), "{said}");
    assert!(said.contains("Proprieties: UnknownProperty: "), "{said}");
}

#[test]
fn without_an_appliance_resources_can_be_checked_and_not_applied() {
    let found = examine(vec![source("lb.json", &valid()["resources"])]);
    assert_eq!(told(&found), []);
    assert!(!found.has_appliance && found.configuration.is_none());
    let problems = found.into_checked().expect_err("no appliance");
    assert_eq!((problems.len(), problems[0].problem.pointer.as_str()), (1, "/appliance"));
}

#[test]
fn an_appliance_is_described_once() {
    let appliance = json!({"appliance": valid()["appliance"]});
    let found = examine(vec![source("a.json", &valid()), source("b.json", &appliance)]);
    assert_eq!(told(&found), [("b.json", "/appliance", "DuplicateAppliance")]);
}

#[test]
fn files_that_cannot_be_read_are_all_told_and_nothing_that_follows_from_them() {
    let mut files = split();
    files[1].text = b"{".to_vec();
    files.push(source("seven.json", &json!(7)));
    let expected = [("etc/address.json", "", "InvalidJson"), ("seven.json", "", "InvalidType")];
    assert_eq!(told(&examine(files)), expected);
}

#[test]
fn names_are_unique_over_all_files() {
    let address = valid()["resources"][1].clone();
    let found = examine(vec![source("a.json", &valid()), source("b.json", &address)]);
    assert_eq!(told(&found), [("b.json", "/name", "DuplicateResourceName")]);
}

#[test]
fn files_are_put_together_for_somebody_else_to_check() {
    let mut files = split();
    let (document, origins) = merge(&files).expect("all of them are JSON");
    let Checked { document: examined, .. } = examine(files.clone()).into_checked().expect("valid");
    assert_eq!(document, *examined, "the same document as when it is checked here");
    let problem = Problem { pointer: "/resources/0/name".into(), ..problem_somewhere() };
    assert_eq!(origins.locate(problem).file, "etc/address.json");
    // What means nothing here may mean something to a later release.
    files[3].text = br#"{"type": "Microsoft.Network/novelties", "properties": {}}"#.to_vec();
    assert!(merge(&files).is_ok());
    files[1].text = b"{".to_vec();
    files[2].text = b"7".to_vec();
    let problems = merge(&files).expect_err("two are no configuration");
    let names: Vec<_> = problems.iter().map(|it| it.file.as_str()).collect();
    assert_eq!(names, ["etc/address.json", "etc/networks.json"]);
}

fn problem_somewhere() -> Problem {
    Problem { pointer: String::new(), code: "InvalidPort".into(), message: String::new() }
}
