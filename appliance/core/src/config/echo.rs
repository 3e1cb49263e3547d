//! How does the appliance say a configuration back: in Azure's spelling, with nothing lost?
//!
//! A reader that understands a property notes how Azure spells its name and its value. The echo
//! is the document with these notes applied: what nobody understood stays as it was written.
//!
//! Not here: who understands what (`arm`).

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::pointer::{Pointer, escape};

/// What differs between a document and its echo. Pointers are those of the document.
#[derive(Default)]
pub(super) struct Edits {
    names: RefCell<Vec<(String, &'static str)>>,
    values: RefCell<Vec<(String, Value)>>,
}

impl Edits {
    /// Notes Azure's spelling of the key at `pointer`.
    pub(super) fn spell(&self, pointer: &Pointer<'_>, key: &str, name: &'static str) {
        if key != name {
            self.names.borrow_mut().push((pointer.to_string(), name));
        }
    }

    /// Notes what the value at `pointer` is called by Azure.
    pub(super) fn write(&self, pointer: &Pointer<'_>, written: &Value, value: Value) {
        if *written != value {
            self.values.borrow_mut().push((pointer.to_string(), value));
        }
    }

    /// The echo of the document: the document itself if it is in Azure's spelling.
    pub(super) fn apply(&self, document: &Arc<Value>) -> Arc<Value> {
        if self.values.borrow().is_empty() && self.names.borrow().is_empty() {
            return Arc::clone(document);
        }
        let mut echo = Value::clone(document);
        for (pointer, value) in self.values.borrow().iter() {
            if let Some(place) = echo.pointer_mut(pointer) {
                *place = value.clone();
            }
        }
        let mut names = self.names.borrow().clone();
        // The innermost first: the pointer of a child begins with the old name of its parent.
        names.sort_by_key(|(pointer, _)| std::cmp::Reverse(pointer.len()));
        names.dedup();
        for (pointer, name) in names {
            let (parent, _) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(Value::Object(map)) = echo.pointer_mut(parent) {
                rename(map, parent, &pointer, name);
            }
        }
        Arc::new(echo)
    }
}

/// Gives one entry another key and leaves it where it stands among the others.
fn rename(map: &mut Map<String, Value>, parent: &str, pointer: &str, name: &str) {
    let entries = std::mem::take(map);
    for (key, value) in entries {
        let is_meant = format!("{parent}/{}", escape(&key)) == pointer;
        map.insert(if is_meant { name.to_owned() } else { key }, value);
    }
}
