//! Are these bytes a JSON document, and does each object say everything once?
//!
//! `serde_json` on its own keeps the last of two equal keys in silence; since ARM compares names
//! without case, `port` beside `Port` is the same mistake.
//!
//! Not here: what the document means (`arm` and the resources).

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::pointer::escape;
use super::problem::Report;
use crate::limits::{CONFIGURATION_BYTES_MAX, CONFIGURATION_DEPTH_MAX};

/// Reads the text as JSON and reports keys that an object has twice.
///
/// `None` when it is no JSON or too long; the report then holds that one problem.
pub(super) fn parse(text: &[u8], report: &Report) -> Option<Value> {
    if text.len() > CONFIGURATION_BYTES_MAX {
        report.error(
            "",
            "DocumentTooLarge",
            format!(
                "The document has more than the {CONFIGURATION_BYTES_MAX} bytes that are read. \
                 Make it smaller."
            ),
        );
        return None;
    }
    // Windows editors and PowerShell put a byte order mark in front of UTF-8.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let place = Place { trail: &Trail::Document, report };
    let value = place.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    match value {
        Ok(value) => Some(value),
        Err(error) => {
            report.error("", "InvalidJson", format!("The document is not valid JSON: {error}."));
            None
        }
    }
}

/// Reports a document whose values are nested deeper than readers of what is stored and told of it
/// can follow.
pub(super) fn refuse_depth(document: &Value, report: &Report) {
    if depth(document) > CONFIGURATION_DEPTH_MAX {
        let message = format!(
            "Lists and objects are nested in each other more than {CONFIGURATION_DEPTH_MAX} deep. \
             Nothing in Azure's model is: remove what is not part of it."
        );
        report.error("", "DocumentTooDeep", message);
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or_default(),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Reports keys of a document that an object has twice, without regard to case.
pub(super) fn refuse_twins(document: &Value, report: &Report) {
    refuse_twins_below(&Trail::Document, document, report);
}

fn refuse_twins_below(trail: &Trail<'_>, value: &Value, report: &Report) {
    match value {
        Value::Array(list) => {
            for (position, value) in list.iter().enumerate() {
                refuse_twins_below(&Trail::Item(trail, position), value, report);
            }
        }
        Value::Object(map) => {
            let mut seen = Seen::of(map.len());
            for (key, value) in map {
                let trail = Trail::Key(trail, key);
                if !seen.insert(key) {
                    refuse_twin(&trail, key, report);
                }
                refuse_twins_below(&trail, value, report);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Keys that were seen in an object, without regard to case.
enum Seen<'k> {
    /// Few, which are looked through.
    Few(Vec<&'k str>),
    Many(HashSet<String>),
}

impl<'k> Seen<'k> {
    /// For an object of so many keys: beyond a few dozen, looking through them would take longer
    /// than spelling them.
    fn of(keys: usize) -> Self {
        if keys <= 32 { Self::Few(Vec::with_capacity(keys)) } else { Self::Many(HashSet::new()) }
    }

    /// Notes a key. Returns whether it is new.
    fn insert(&mut self, key: &'k str) -> bool {
        match self {
            Self::Few(keys) => {
                let is_new = !keys.iter().any(|known| known.eq_ignore_ascii_case(key));
                keys.push(key);
                is_new
            }
            Self::Many(keys) => keys.insert(key.to_ascii_lowercase()),
        }
    }
}

fn refuse_twin(trail: &Trail<'_>, key: &str, report: &Report) {
    let message = format!(
        "This object has `{key}` twice (names are compared without case). Remove one of them."
    );
    report.error(&trail.pointer(), "DuplicateProperty", message);
}

/// The way from the document to a value. Only turned into text when a problem is found.
enum Trail<'p> {
    Document,
    Key(&'p Trail<'p>, &'p str),
    Item(&'p Trail<'p>, usize),
}

impl Trail<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Document => String::new(),
            Self::Key(parent, key) => format!("{}/{}", parent.pointer(), escape(key)),
            Self::Item(parent, position) => format!("{}/{position}", parent.pointer()),
        }
    }
}

/// Where the next value goes.
struct Place<'p> {
    trail: &'p Trail<'p>,
    report: &'p Report,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let trail = Trail::Item(self.trail, list.len());
            match items.next_element_seed(Place { trail: &trail, report: self.report })? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let trail = Trail::Key(self.trail, &key);
            if !seen.insert(key.to_ascii_lowercase()) {
                refuse_twin(&trail, &key, self.report);
            }
            let value = entries.next_value_seed(Place { trail: &trail, report: self.report })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
