//! Is a configuration said back in Azure's spelling, with nothing lost?

use serde_json::json;

use super::*;

#[test]
fn the_echo_of_what_is_spelt_as_azure_spells_it_is_the_same() {
    for document in [valid(), with_interfaces(), basic()] {
        assert_eq!(*accepted(&document).echo, document);
    }
}

#[test]
fn names_words_and_numbers_are_said_back_as_azure_spells_them() {
    let expected = valid();
    let text = in_other_spelling(&valid())
        .replace("\"frontendPort\":80", "\"FrontendPort\":\"80\"")
        .replace("\"disableOutboundSnat\":true", "\"disableOutboundSnat\":\"True\"");
    let checked = check(text.as_bytes()).expect("a lenient reader");
    assert_eq!(*checked.echo, expected);
    assert_ne!(*checked.document, expected);
}

#[test]
fn what_is_unknown_is_kept_where_it_stands() {
    let mut document = valid();
    let rule = document.pointer_mut(&at(RULE)).expect("a rule");
    rule["Novelty/~1"] = json!({"Deep": ["X"]});
    set(&mut document, &format!("{BALANCER}/tags"), json!({"Team": "edge"}));
    let checked = accepted(&document);
    assert_eq!(*checked.echo, document);
    assert_eq!(checked.warnings.len(), 1);
    let keys = |value: &Value| -> Vec<String> {
        let rule = value.pointer(&at(RULE)).and_then(Value::as_object).expect("a rule");
        rule.keys().cloned().collect()
    };
    assert_eq!(keys(&checked.echo), keys(&document));
}

#[test]
fn the_echo_means_the_same_and_is_its_own_echo() {
    let text = valid().to_string().replace("\"Tcp\"", "\"tcp\"").replace("8080", "\"8080\"");
    let checked = check(text.as_bytes()).expect("a lenient reader");
    let again = accepted(&checked.echo);
    assert_eq!(again.configuration, checked.configuration);
    assert_eq!(again.echo, checked.echo);
}

#[test]
fn what_cannot_be_applied_is_said_back_as_well() {
    let document = with(&at(&format!("{RULE}/enableFloatingIP")), "TRUE".into());
    let found = examined(&document);
    assert!(found.is_right_in_azure() && found.configuration.is_none());
    assert_eq!(found.echo.pointer(&at(&format!("{RULE}/enableFloatingIP"))), Some(&json!(true)));
}
