//! How is a property read as leniently as Azure Resource Manager reads it?
//!
//! Names and enum values without regard to case, integers and booleans as strings, `null` as
//! absent (behaviour.md §1.10). A reader asks an [`Object`] for every property it knows; what
//! nobody asked for is unknown when the object is finished.
//!
//! Not here: ids (`reference`), names and collections (`resource`), addresses (`address`).

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::pointer::Pointer;
use super::problem::Report;
use super::shapes::Shape;

/// What Azure writes into every object and ignores when it is sent back.
const READ_ONLY: [&str; 5] = ["id", "etag", "type", "provisioningState", "resourceGuid"];

/// A JSON object of the document, or an absent one at the place where it would stand.
pub(super) struct Object<'a> {
    pointer: Pointer<'a>,
    map: Option<&'a Map<String, Value>>,
    report: &'a Report,
    asked: RefCell<Vec<&'static str>>,
}

/// A value of the document that is not `null`, and where it stands.
#[derive(Clone)]
pub(super) struct Field<'a> {
    pointer: Pointer<'a>,
    value: &'a Value,
    report: &'a Report,
}

/// A place of the document.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pointer: Pointer<'a>,
    report: &'a Report,
}

impl Place<'_> {
    /// The JSON pointer.
    pub(super) fn pointer(&self) -> String {
        self.pointer.to_string()
    }

    /// Records an error here.
    pub(super) fn error(&self, code: &'static str, message: impl Into<String>) {
        self.report.error(&self.pointer, code, message);
    }
}

impl<'a> Object<'a> {
    fn new(pointer: Pointer<'a>, map: Option<&'a Map<String, Value>>, report: &'a Report) -> Self {
        Self { pointer, map, report, asked: RefCell::default() }
    }

    /// The JSON pointer of a property.
    pub(super) fn pointer_of(&self, name: &'a str) -> String {
        self.at(name).to_string()
    }

    /// Where a property stands: in the spelling of the document if it is there.
    fn at(&self, name: &'a str) -> Pointer<'a> {
        self.pointer.key(self.find(name).map_or(name, |(key, _)| key))
    }

    /// The place of a property, to be spoken of later.
    pub(super) fn place_of(&self, name: &'a str) -> Place<'a> {
        Place { pointer: self.at(name), report: self.report }
    }

    /// Records an error at one of the object's properties.
    pub(super) fn error_at(&self, name: &'a str, code: &'static str, message: impl Into<String>) {
        self.report.error(&self.at(name), code, message);
    }

    /// Records a warning at one of the object's properties.
    pub(super) fn warning_at(&self, name: &'a str, code: &'static str, message: impl Into<String>) {
        self.report.warning(&self.at(name), code, message);
    }

    /// A property that may be absent.
    pub(super) fn optional(&self, name: &'static str) -> Option<Field<'a>> {
        self.ask(name, || Shape::Optional);
        let (key, value) = self.find(name).filter(|(_, value)| !value.is_null())?;
        let pointer = self.pointer.key(key);
        self.report.edits.spell(&pointer, key, name);
        Some(Field { pointer, value, report: self.report })
    }

    /// A property that is there and not written as switched off: `false`, zero or empty.
    pub(super) fn switched_on(&self, name: &'static str) -> Option<Field<'a>> {
        self.optional(name).filter(|field| !is_switched_off(field.value))
    }

    /// A property that must be there; its absence is reported.
    pub(super) fn required(&self, name: &'static str) -> Option<Field<'a>> {
        self.ask(name, || Shape::Required);
        let field = self.optional(name);
        if field.is_none() {
            let message = format!("`{name}` is missing. Add it.");
            self.error_at(name, "MissingProperty", message);
        }
        field
    }

    /// A property with a default: `read` if it is there, `default` if not. `None` after a problem.
    pub(super) fn or<T>(
        &self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        self.optional(name).map_or(Some(default), |field| read(&field))
    }

    /// A property without default: `Some(None)` when it is absent, `None` after a problem.
    pub(super) fn maybe<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.or(name, None, |field| read(field).map(Some))
    }

    /// A property with a default that `null` switches off: `Some(None)` when it is null, which is
    /// not the same as absent here. `None` after a problem.
    pub(super) fn unless_null<T>(
        &self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.report.shapes.note(|| self.at(name), || Shape::Nullable);
        let Some((key, Value::Null)) = self.find(name) else {
            return self.or(name, default, read).map(Some);
        };
        self.ask(name, || Shape::Optional);
        self.report.edits.spell(&self.pointer.key(key), key, name);
        Some(None)
    }

    /// The object at a property, or an absent one.
    pub(super) fn object(&self, name: &'static str) -> Object<'a> {
        self.optional(name)
            .and_then(|field| field.object())
            .unwrap_or_else(|| Object::new(self.at(name), None, self.report))
    }

    /// The items of the list at a property; none when it is absent.
    pub(super) fn list(&self, name: &'static str) -> Vec<Field<'a>> {
        self.optional(name).and_then(|field| field.list()).unwrap_or_default()
    }

    /// Whether the object is in the document.
    pub(super) fn is_present(&self) -> bool {
        self.map.is_some()
    }

    /// Names properties that are known and have no meaning here.
    pub(super) fn ignore(&self, names: &[&'static str]) {
        for name in names {
            self.ask(name, || Shape::Ignored);
            self.optional(name);
        }
    }

    /// Warns of every property that nobody asked for.
    pub(super) fn finish(&self) {
        for key in self.unknown() {
            self.warning_at(
                key,
                "UnknownProperty",
                format!("`{key}` is not a property of this object and has no effect."),
            );
        }
    }

    /// Refuses every property that nobody asked for: for objects in Weir's own words.
    pub(super) fn finish_strictly(&self) {
        self.report.shapes.note(|| self.pointer.clone(), || Shape::Closed);
        let known = self.asked.borrow();
        for key in self.unknown() {
            self.error_at(
                key,
                "UnknownProperty",
                format!("`{key}` is not known here. Known are: {}.", known.join(", ")),
            );
        }
    }

    fn ask(&self, name: &'static str, shape: impl FnOnce() -> Shape) {
        self.asked.borrow_mut().push(name);
        if self.is_present() {
            self.report.shapes.note(|| self.at(name), shape);
        }
    }

    fn unknown(&self) -> Vec<&'a str> {
        let asked = self.asked.borrow();
        let is_known =
            |key: &str| asked.iter().chain(&READ_ONLY).any(|known| known.eq_ignore_ascii_case(key));
        let keys = self.map.into_iter().flat_map(Map::keys);
        keys.map(String::as_str).filter(|key| !is_known(key)).collect()
    }

    fn find(&self, name: &str) -> Option<(&'a str, &'a Value)> {
        let map = self.map?;
        if let Some((key, value)) = map.get_key_value(name) {
            return Some((key, value));
        }
        let same = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
        map.iter().find(same).map(|(key, value)| (key.as_str(), value))
    }
}

impl<'a> Field<'a> {
    /// The document as a whole.
    pub(super) fn document(value: &'a Value, report: &'a Report) -> Self {
        Self { pointer: Pointer::DOCUMENT, value, report }
    }

    /// Where the value stands.
    pub(super) fn place(&self) -> Place<'a> {
        Place { pointer: self.pointer.clone(), report: self.report }
    }

    /// Records an error at this value.
    pub(super) fn error(&self, code: &'static str, message: impl Into<String>) {
        self.report.error(&self.pointer, code, message);
    }

    /// The value as an object.
    pub(super) fn object(&self) -> Option<Object<'a>> {
        self.take_for(|| Shape::Object);
        let map = self.value.as_object().or_else(|| self.wrong_type("an object"))?;
        Some(Object::new(self.pointer.clone(), Some(map), self.report))
    }

    /// The value as a list.
    pub(super) fn list(&self) -> Option<Vec<Field<'a>>> {
        self.take_for(|| Shape::List);
        let list = self.value.as_array().or_else(|| self.wrong_type("a list"))?;
        let item = |(position, value)| Field {
            pointer: self.pointer.item(position),
            value,
            report: self.report,
        };
        Some(list.iter().enumerate().map(item).collect())
    }

    /// The value as text without surrounding space. ARM's template expressions are refused.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.take_for(|| Shape::Text);
        let text = self.value.as_str().or_else(|| self.wrong_type("a string"))?.trim();
        if text.starts_with('[') && !text.starts_with("[[") && text.ends_with(']') {
            self.error(
                "TemplateExpression",
                format!(
                    "`{text}` is a template expression, which is not evaluated here. Write the \
                     value that it stands for."
                ),
            );
            return None;
        }
        Some(text)
    }

    /// Whether the value is a string.
    pub(super) fn is_text(&self) -> bool {
        self.value.is_string()
    }

    /// The value as a boolean, or a string that says one.
    pub(super) fn boolean(&self) -> Option<bool> {
        self.take_for(|| Shape::Boolean);
        let value = match self.value {
            Value::Bool(value) => *value,
            Value::String(text) if text.eq_ignore_ascii_case("true") => true,
            Value::String(text) if text.eq_ignore_ascii_case("false") => false,
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => return self.wrong_type("true or false"),
        };
        self.report.edits.write(&self.pointer, self.value, value.into());
        Some(value)
    }

    /// The value as an integer of a range, or a string that says one.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: Copy + Display + PartialOrd + TryFrom<i128> + TryInto<i128>,
    {
        self.take_for(|| {
            let end = |end: T| end.try_into().unwrap_or_default();
            Shape::Integer(end(*range.start()), end(*range.end()))
        });
        let number = self.number().or_else(|| self.wrong_type("a whole number"))?;
        let value = T::try_from(number).ok().filter(|value| range.contains(value));
        if value.is_none() {
            let (first, last) = (range.start(), range.end());
            self.error(
                "ValueOutOfRange",
                format!("{number} is out of range. Give a number from {first} to {last}."),
            );
        } else if let Ok(number) = i64::try_from(number) {
            self.report.edits.write(&self.pointer, self.value, number.into());
        }
        value
    }

    /// The whole number that is written, if it is one.
    pub(super) fn number(&self) -> Option<i128> {
        match self.value {
            Value::Number(number) => {
                number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
            }
            Value::String(text) => text.trim().parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The value as one of some words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        self.take_for(|| Shape::Choice(choices.iter().map(|(name, _)| *name).collect()));
        let text = self.text()?;
        if let Some((name, value)) =
            choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text))
        {
            self.report.edits.write(&self.pointer, self.value, (*name).into());
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        self.error("InvalidValue", format!("`{text}` is not known. Write one of: {names}."));
        None
    }

    fn take_for(&self, shape: impl FnOnce() -> Shape) {
        self.report.shapes.note(|| self.pointer.clone(), shape);
    }

    fn wrong_type<T>(&self, expected: &str) -> Option<T> {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error("InvalidType", format!("This is {found} and must be {expected}."));
        None
    }
}

/// Whether a value says that a feature is not used.
fn is_switched_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => {
            ["", "0", "false", "none"].iter().any(|word| word.eq_ignore_ascii_case(text))
        }
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
