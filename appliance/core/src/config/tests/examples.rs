//! Are the documented examples right?

use std::fs;
use std::path::Path;

use super::super::check;

#[test]
fn every_documented_example_is_accepted_without_warning() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let mut checked = 0;
    for entry in fs::read_dir(directory).expect("the examples") {
        let path = entry.expect("an example").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read(&path).expect("a readable example");
        let found = check(&text).unwrap_or_else(|problems| panic!("{path:?}: {problems:#?}"));
        assert_eq!(found.warnings, [], "{path:?}");
        checked += 1;
    }
    assert!(checked >= 3);
}

#[test]
fn json_blocks_of_the_documentation_are_json() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = fs::read_to_string(page).expect("the documentation");
    for block in text.split("```json").skip(1) {
        let block = block.split("```").next().expect("a block with an end");
        serde_json::from_str::<serde_json::Value>(block)
            .unwrap_or_else(|error| panic!("{error}: {block}"));
    }
}
