//! Does the published JSON Schema say what the readers read, and nothing else?
//!
//! ```text
//!   complete.json ─► readers ─► notes (pointer, shape) ─► tree of shapes ─► configuration.json
//! ```
//!
//! `BLESS=1` writes the schema. It describes Azure's own spelling: readers are more lenient.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, json};

use super::super::problem::Report;
use super::super::read_all;
use super::super::resources::Kind;
use super::super::shapes::Shape;
use super::*;

/// A value as readers take it, wherever it may stand.
#[derive(Default)]
struct Node {
    shapes: Vec<Shape>,
    /// Names in the order in which they are asked for.
    children: Vec<String>,
    /// How many such objects were read, and how many of them missed each child.
    objects: usize,
    missed: BTreeMap<String, usize>,
}

type Tree = BTreeMap<String, Node>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema")
}

fn complete() -> Value {
    let text = fs::read(folder().join("complete.json")).expect("a document");
    serde_json::from_slice(&text).expect("a document")
}

/// The place of a pointer's value whatever its position: `/loadBalancers/properties/probes/*`.
fn place_of(document: &Value, pointer: &str) -> String {
    let mut place = String::new();
    let mut tokens = pointer.split('/').skip(1).peekable();
    if pointer.starts_with("/resources/") {
        let number = tokens.nth(1).unwrap_or_default();
        let kind = document.pointer(&format!("/resources/{number}/type"));
        place = format!("/{}", short(kind.and_then(Value::as_str).unwrap_or_default()));
    }
    for token in tokens {
        let is_number = token.bytes().all(|byte| byte.is_ascii_digit());
        place = format!("{place}/{}", if is_number { "*" } else { token });
    }
    place
}

fn short(kind: &str) -> &str {
    kind.rsplit('/').next().unwrap_or(kind)
}

/// Everything that readers ask for of a document in which every property is written.
fn tree() -> Tree {
    let document = complete();
    let report = Report::default();
    read_all(&document, &report);
    let notes = report.shapes.notes.take();
    assert!(report.finish().errors.is_empty());
    let mut tree = Tree::new();
    let mut seen = BTreeSet::new();
    for (pointer, shape) in notes {
        // An object may be taken apart more than once.
        let is_new = seen.insert((pointer.clone(), format!("{shape:?}")));
        let place = place_of(&document, &pointer);
        if matches!(shape, Shape::Required | Shape::Optional | Shape::Ignored) {
            let (parent, name) = place.rsplit_once('/').expect("a name");
            let parent = tree.entry(parent.to_owned()).or_default();
            if !parent.children.iter().any(|known| known == name) {
                parent.children.push(name.to_owned());
            }
            if shape == Shape::Required && is_new {
                *parent.missed.entry(name.to_owned()).or_default() += 1;
            }
        }
        if shape == Shape::Object && is_new {
            tree.entry(place.clone()).or_default().objects += 1;
        }
        let node = tree.entry(place).or_default();
        if !node.shapes.contains(&shape) {
            node.shapes.push(shape);
        }
    }
    tree
}

impl Node {
    fn is(&self, shape: &Shape) -> bool {
        self.shapes.contains(shape)
    }

    fn range(&self) -> Option<(i128, i128)> {
        let mut range = None;
        for shape in &self.shapes {
            if let Shape::Integer(first, last) = *shape {
                let (low, high) = range.unwrap_or((first, last));
                range = Some((first.min(low), last.max(high)));
            }
        }
        range
    }

    fn words(&self) -> BTreeSet<&'static str> {
        let mut all = BTreeSet::new();
        for shape in &self.shapes {
            if let Shape::Choice(words) = shape {
                all.extend(words.iter().copied());
            }
        }
        all
    }

    /// Whether it is known and never looked at.
    fn is_ignored(&self) -> bool {
        self.is(&Shape::Ignored)
            && self.shapes.iter().all(|it| matches!(it, Shape::Ignored | Shape::Optional))
    }
}

/// The schema of the value at a place.
fn schema_of(tree: &Tree, place: &str) -> Value {
    let Some(node) = tree.get(place) else { return json!({}) };
    let words = node.words();
    if node.is(&Shape::Object) {
        object_schema(tree, place, node)
    } else if node.is(&Shape::List) {
        json!({"type": "array", "items": schema_of(tree, &format!("{place}/*"))})
    } else if let Some((first, last)) = node.range() {
        let (first, last) =
            (i64::try_from(first).expect("small"), i64::try_from(last).expect("small"));
        json!({"type": ["integer", "string"], "minimum": first, "maximum": last,
            "pattern": "^\\s*-?[0-9]+\\s*$"})
    } else if node.is(&Shape::Boolean) {
        json!({"type": ["boolean", "string"],
            "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"})
    } else if !words.is_empty() {
        json!({"enum": words})
    } else if node.is(&Shape::Text) && node.is(&Shape::Nullable) {
        json!({"type": ["string", "null"]})
    } else if node.is(&Shape::Text) {
        json!({"type": "string"})
    } else {
        json!({})
    }
}

fn object_schema(tree: &Tree, place: &str, node: &Node) -> Value {
    let mut properties = Map::new();
    for name in &node.children {
        properties.insert(name.clone(), schema_of(tree, &format!("{place}/{name}")));
    }
    let required = node
        .children
        .iter()
        .filter(|name| node.missed.get(*name).is_some_and(|missed| *missed >= node.objects));
    let required: Vec<&String> = required.collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if node.is(&Shape::Closed) {
        schema["additionalProperties"] = false.into();
    }
    schema
}

/// The whole schema: a configuration, a resource, or a list of resources.
fn schema() -> Value {
    let tree = tree();
    let mut definitions = Map::new();
    definitions.insert("appliance".to_owned(), schema_of(&tree, "/appliance"));
    let mut kinds = Vec::new();
    for kind in Kind::ALL {
        let name = short(kind.type_name());
        definitions.insert(name.to_owned(), schema_of(&tree, &format!("/{name}")));
        kinds.push(json!({
            "if": {"properties": {"type": {"const": kind.type_name()}}},
            "then": {"$ref": format!("#/$defs/{name}")},
        }));
    }
    let types: Vec<&str> = Kind::ALL.into_iter().map(Kind::type_name).collect();
    definitions.insert(
        "resource".to_owned(),
        json!({
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": types}},
            "allOf": kinds,
        }),
    );
    let resources = json!({"type": "array", "items": {"$ref": "#/$defs/resource"}});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Weir configuration",
        "description": "Azure's resources and the appliance that serves them: one object, one \
                        resource, or a list of resources. Names are spelt as Azure spells them; \
                        Weir itself does not mind.",
        "if": {"type": "array"},
        "then": resources,
        "else": {
            "if": {"required": ["type"]},
            "then": {"$ref": "#/$defs/resource"},
            "else": {
                "type": "object",
                "properties": {
                    "$schema": {}, "contentVersion": {}, "metadata": {},
                    "appliance": {"$ref": "#/$defs/appliance"},
                    "resources": resources,
                },
                "additionalProperties": false,
            },
        },
        "$defs": definitions,
    })
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).expect("a schema")
}

#[test]
fn the_published_schema_is_what_the_readers_read() {
    let path = folder().join("configuration.json");
    let text = format!("{:#}\n", schema());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &text).expect("a schema");
    }
    let published = fs::read_to_string(&path).expect("a schema");
    assert!(published == text, "docs/schema/configuration.json is not current: run with BLESS=1");
}

#[test]
fn every_property_that_is_read_is_in_the_complete_document() {
    let tree = tree();
    let unknown: Vec<&String> = tree
        .iter()
        .filter(|(_, node)| !node.is_ignored())
        .filter(|(_, node)| {
            node.shapes
                .iter()
                .all(|it| matches!(it, Shape::Required | Shape::Optional | Shape::Ignored))
        })
        .map(|(place, _)| place)
        .collect();
    assert!(unknown.is_empty(), "add to docs/schema/complete.json: {unknown:#?}");
    assert!(examined(&complete()).is_right_in_azure());
    assert_eq!(examined(&complete()).warnings, []);
}

#[test]
fn schema_and_readers_agree_on_every_document_that_is_right() {
    let validator = validator();
    let mut documents: Vec<(String, Value)> = vec![
        ("valid".to_owned(), valid()),
        ("interfaces".to_owned(), with_interfaces()),
        ("basic".to_owned(), basic()),
        ("complete".to_owned(), complete()),
    ];
    documents.extend(
        supported::uses().into_iter().map(|(name, document, _)| (name.to_owned(), document)),
    );
    for directory in ["../../docs/examples", "../../docs/examples/azure"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
        for entry in fs::read_dir(directory).expect("examples") {
            let path = entry.expect("an example").path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let text = fs::read(&path).expect("an example");
                let value = serde_json::from_slice(&text).expect("an example");
                documents.push((path.display().to_string(), value));
            }
        }
    }
    assert!(documents.len() > 30);
    for (name, document) in documents {
        let found = examined(&document);
        // What the schema cannot know: other types, and how the readers' spelling differs.
        if name == "Resources of other types" {
            assert!(!validator.is_valid(&found.echo), "{name}");
            continue;
        }
        let wrong: Vec<String> =
            validator.iter_errors(&found.echo).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    }
}

/// Codes of what a schema can see.
const VISIBLE: [&str; 4] = ["ValueOutOfRange", "InvalidValue", "InvalidType", "MissingProperty"];

fn is_refused_for_its_shape(document: &Value) -> bool {
    let found = examined(document);
    found.problems.iter().any(|it| VISIBLE.contains(&it.problem.code.as_ref()))
}

/// Every leaf of the complete document with its place in the tree.
fn leaves(document: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(pointer) = waiting.pop() {
        let keys: Vec<String> = match document.pointer(&pointer).expect("a place") {
            Value::Object(map) => map.keys().cloned().collect(),
            Value::Array(list) => (0..list.len()).map(|number| number.to_string()).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        waiting.extend(keys.iter().map(|key| format!("{pointer}/{key}")));
        all.push((pointer.clone(), place_of(document, &pointer)));
    }
    all
}

#[test]
fn schema_and_readers_agree_on_every_range_word_and_type() {
    let (document, tree, validator) = (complete(), tree(), validator());
    let mut tried = 0;
    for (pointer, place) in leaves(&document).iter().filter(|(pointer, _)| !pointer.is_empty()) {
        let Some(node) = tree.get(place) else { continue };
        let mut wrong = Vec::new();
        if let Some((first, last)) = node.range() {
            let end = |end: i128| json!(i64::try_from(end).expect("small"));
            wrong.extend([end(first - 1), end(last + 1), json!([])]);
        } else if node.is(&Shape::Boolean) {
            wrong.extend([json!("maybe"), json!(7)]);
        } else if !node.words().is_empty() && !place.ends_with("/type") {
            wrong.extend([json!("Nonsense"), json!({})]);
        } else if node.is(&Shape::Object) || node.is(&Shape::List) {
            wrong.push(json!(7));
        }
        for value in wrong {
            let mut document = document.clone();
            set(&mut document, pointer, value.clone());
            tried += 1;
            assert!(is_refused_for_its_shape(&document), "reader: {pointer} = {value}");
            assert!(!validator.is_valid(&document), "schema: {pointer} = {value}");
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn schema_and_readers_agree_on_what_is_required() {
    let (document, tree, validator) = (complete(), tree(), validator());
    let mut tried = 0;
    for (pointer, place) in leaves(&document) {
        let Some((parent, name)) = place.rsplit_once('/') else { continue };
        let Some(node) = tree.get(parent).filter(|node| node.is(&Shape::Object)) else { continue };
        let required = node.missed.get(name).is_some_and(|missed| *missed >= node.objects);
        if !required {
            continue;
        }
        let mut document = document.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a parent");
        let map = document.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        map.remove(name);
        tried += 1;
        assert!(is_refused_for_its_shape(&document), "reader: {pointer}");
        assert!(!validator.is_valid(&document), "schema: {pointer}");
    }
    assert!(tried > 50, "{tried}");
}
