//! Which configuration does a case run under?
//!
//! A case names a document of `cases/configurations` and changes single values of it by path.
//! A path begins in the only load balancer, or with `appliance` in that section; an element of a
//! list is named by its `name`; `properties` is left out:
//! `loadBalancingRules/web/idleTimeoutInMinutes`.

use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_core::config::{self, Configuration};

use crate::dual_stack::add_ipv6;

/// A document that can be changed before it is checked.
#[derive(Clone, Debug)]
pub struct Document {
    value: Value,
    /// Whether everything has a twin of IPv6 ([`crate::dual_stack`]).
    pub is_dual_stack: bool,
}

/// The folder of all cases.
#[must_use]
pub fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

impl Document {
    /// The document with this name.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let path = cases().join("configurations").join(name);
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { value, is_dual_stack: false }
    }

    /// The document with this name, in which everything has a twin of IPv6.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn read_dual_stack(name: &str) -> Self {
        Self { is_dual_stack: true, ..Self::read(name) }
    }

    /// What the document means.
    ///
    /// # Panics
    /// When something is wrong with it.
    #[must_use]
    pub fn check(&self) -> Configuration {
        let mut configuration = match config::check(self.value.to_string().as_bytes()) {
            Ok(checked) => checked.configuration,
            Err(problems) => panic!("the configuration has problems: {problems:#?}"),
        };
        if self.is_dual_stack {
            add_ipv6(&mut configuration);
        }
        configuration
    }

    /// Whether nothing is wrong with it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        config::check(self.value.to_string().as_bytes()).is_ok()
    }

    /// The document in Azure's spelling.
    ///
    /// # Panics
    /// When something is wrong with it.
    #[must_use]
    pub fn echo(&self) -> Value {
        let checked = config::check(self.value.to_string().as_bytes());
        Value::clone(&checked.expect("a valid configuration").echo)
    }

    /// Puts a value under a path.
    ///
    /// # Errors
    /// A sentence about the path or the value.
    pub fn set(&mut self, path: &str, json: &str) -> Result<(), String> {
        let value = serde_json::from_str(json).map_err(|error| format!("{json}: {error}"))?;
        let (parent, last) = self.parent(path)?;
        match parent {
            Value::Array(items) if last == "+" => items.push(value),
            parent => *step(parent, last, true)? = value,
        }
        Ok(())
    }

    /// Takes what is under a path away.
    ///
    /// # Errors
    /// A sentence about the path.
    pub fn unset(&mut self, path: &str) -> Result<(), String> {
        let (parent, last) = self.parent(path)?;
        match parent {
            Value::Array(items) => {
                let before = items.len();
                items.retain(|item| item["name"] != last);
                (items.len() < before).then_some(()).ok_or_else(|| format!("nothing at '{path}'"))
            }
            parent => {
                let object = properties(parent).as_object_mut().ok_or("not an object")?;
                object.remove(last).map(|_| ()).ok_or_else(|| format!("nothing at '{path}'"))
            }
        }
    }

    fn parent<'a>(&mut self, path: &'a str) -> Result<(&mut Value, &'a str), String> {
        let (parents, last) = path.rsplit_once('/').unwrap_or(("", path));
        let mut place = if path.starts_with("appliance/") || path.starts_with("resources/") {
            &mut self.value
        } else {
            let resources = self.value["resources"].as_array_mut().ok_or("no resources")?;
            let is_balancer = |it: &&mut Value| it["type"] == "Microsoft.Network/loadBalancers";
            resources.iter_mut().find(is_balancer).ok_or("no load balancer")?
        };
        for segment in parents.split('/').filter(|segment| !segment.is_empty()) {
            place = step(place, segment, false)?;
        }
        Ok((place, last))
    }
}

/// The `properties` of an object that has them, else the object.
fn properties(place: &mut Value) -> &mut Value {
    if place.get("properties").is_some() { &mut place["properties"] } else { place }
}

fn step<'a>(place: &'a mut Value, segment: &str, may_make: bool) -> Result<&'a mut Value, String> {
    let missing = || format!("nothing is called '{segment}' there");
    if let Value::Array(items) = place {
        return items.iter_mut().find(|item| item["name"] == segment).ok_or_else(missing);
    }
    let object = properties(place).as_object_mut().ok_or_else(missing)?;
    if may_make {
        return Ok(object.entry(segment).or_insert(Value::Null));
    }
    object.get_mut(segment).ok_or_else(missing)
}
