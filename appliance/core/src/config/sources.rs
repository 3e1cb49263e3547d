//! How do several files make one configuration?
//!
//! ```text
//!   a.json {appliance, resources: […]}  ┐
//!   b.json [resource, …]                ├─► one document ─► read ─► problems in files
//!   loadBalancers/web.json {properties} ┘
//! ```
//!
//! A file holds an object with `appliance` and `resources`, one resource, a list of them, or what
//! Azure answers to a request for a list (`value`). A resource without type takes the one that its
//! folder is named after; without a name, that of its file: so the body of a request can stand in
//! a file as it is.
//!
//! Not here: which files there are (the shell), what resources mean (`resources`).

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::{Map, Value};

use super::pointer::escape;
use super::problem::{Findings, NOT_YET_SUPPORTED, Problem, Report, TOO_MANY_PROBLEMS, order};
use super::resources::Kind;
use super::{Checked, Configuration, Reading, document, read};
use crate::limits::CONFIGURATION_BYTES_MAX;

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// What problems name it by: its path.
    pub name: String,
    /// Its content.
    pub text: Vec<u8>,
}

/// A problem, and the file in which it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileProblem {
    /// The file's name; empty for what is missing in all of them.
    pub file: String,
    /// What is wrong; the pointer is into that file.
    #[serde(flatten)]
    pub problem: Problem,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return self.problem.fmt(formatter);
        }
        write!(formatter, "{}: {}", self.file, self.problem)
    }
}

/// What [`examine`] found.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What the files mean, if nothing keeps them from being applied and there is an appliance.
    pub configuration: Option<Configuration>,
    /// Whether one of the files describes the appliance.
    pub has_appliance: bool,
    /// What keeps the files from being applied, in their order: what is wrong, and what this
    /// version lacks (`NotYetSupportedByWeir`).
    pub problems: Vec<FileProblem>,
    /// What the author should know all the same.
    pub warnings: Vec<FileProblem>,
    /// All files as one document.
    pub document: Arc<Value>,
    /// The document in Azure's spelling, with everything that is not understood as it was written;
    /// null if not everything in the files is part of the document.
    pub echo: Arc<Value>,
    /// Where each part of the document stands.
    pub origins: Origins,
}

impl Examined {
    /// Whether nothing is wrong but that this version lacks something.
    #[must_use]
    pub fn is_right_in_azure(&self) -> bool {
        self.problems.iter().all(|it| it.problem.code == NOT_YET_SUPPORTED)
    }

    /// What can be applied.
    ///
    /// # Errors
    /// Everything that keeps the files from being applied; never nothing.
    pub fn into_checked(self) -> Result<Checked, Vec<FileProblem>> {
        let mut problems = self.problems;
        if !self.has_appliance && problems.iter().all(|it| !it.problem.pointer.is_empty()) {
            problems.push(missing_appliance());
        }
        match self.configuration {
            Some(configuration) if problems.is_empty() => Ok(Checked {
                configuration,
                warnings: self.warnings,
                document: self.document,
                echo: self.echo,
                etag: OnceLock::new(),
            }),
            Some(_) | None => Err(problems),
        }
    }
}

/// Whether a document has the two parts of a configuration and nothing else, in Weir's spelling.
pub(super) fn is_plain(document: &Value) -> bool {
    let part = |name| document.get(name);
    part("appliance").is_some_and(Value::is_object)
        && part("resources").is_some_and(Value::is_array)
        && document.as_object().is_some_and(|map| map.len() == 2)
}

/// A plain document with its parts in the order in which files are put together, so that it is the
/// same text, and has the same etag, after a restart.
pub(super) fn in_order(document: Value) -> Value {
    let Value::Object(mut map) = document else { return document };
    let parts = ["appliance", "resources"];
    let taken = parts.map(|part| (part.to_owned(), map.remove(part).unwrap_or_default()));
    Value::Object(taken.into_iter().collect())
}

fn missing_appliance() -> FileProblem {
    FileProblem {
        file: String::new(),
        problem: Problem {
            pointer: "/appliance".to_owned(),
            code: "MissingProperty".into(),
            message: "`appliance` is missing. Add it.".to_owned(),
        },
    }
}

/// Reads files as one configuration.
#[must_use]
pub fn examine(sources: Vec<Source>) -> Examined {
    let mut merger = Merger::default();
    let mut findings = Vec::new();
    for source in &sources {
        findings.push(merger.add(source));
    }
    merger.refuse_too_much(&sources, &mut findings);
    let mut examined = Examined {
        configuration: None,
        has_appliance: merger.origins.appliance.is_some(),
        problems: Vec::new(),
        warnings: Vec::new(),
        document: Arc::new(merger.document()),
        echo: Arc::default(),
        origins: Origins::default(),
    };
    // What is in a file that cannot be read would be missed everywhere.
    if merger.complete {
        let Reading { configuration, findings: found, echo } =
            read(&examined.document, Report::default());
        let refused = findings.iter().any(|found| !found.errors.is_empty());
        examined.configuration = configuration.filter(|_| !refused);
        examined.echo = if refused { Arc::default() } else { echo };
        examined.problems =
            merger.origins.located(found.errors.into_iter().chain(found.unsupported));
        examined.warnings = merger.origins.located(found.warnings.into_iter());
    }
    for (source, found) in sources.iter().zip(findings) {
        let of_file = found.errors.into_iter();
        examined
            .problems
            .extend(of_file.map(|it| FileProblem { file: source.name.clone(), problem: it }));
    }
    put_in_order(&mut examined, &sources);
    examined.origins = merger.origins;
    examined
}

/// Puts files together as one document, without asking what it means.
///
/// For those who let somebody else check it: the appliance at the other end of a control socket may
/// know more than this release.
///
/// # Errors
/// Every problem of the files as files: what is no JSON, or has no place in a document.
pub fn merge(sources: &[Source]) -> Result<(Value, Origins), Vec<FileProblem>> {
    let mut merger = Merger::default();
    let mut findings: Vec<_> = sources.iter().map(|source| merger.add(source)).collect();
    merger.refuse_too_much(sources, &mut findings);
    let of_files = sources.iter().zip(findings).flat_map(|(source, found)| {
        let located = |problem| FileProblem { file: source.name.clone(), problem };
        found.errors.into_iter().map(located)
    });
    let problems: Vec<_> = of_files.collect();
    if problems.is_empty() { Ok((merger.document(), merger.origins)) } else { Err(problems) }
}

/// Problems stand in the order of files, and of places in them. The files were taken apart, so
/// those that have something to be told of are read once more.
fn put_in_order(examined: &mut Examined, sources: &[Source]) {
    if examined.problems.is_empty() && examined.warnings.is_empty() {
        return;
    }
    let read = |source: &Source| document::parse(&source.text, &Report::default());
    let documents: Vec<(&str, Value)> = sources
        .iter()
        .map(|source| (source.name.as_str(), read(source).unwrap_or_default()))
        .collect();
    for list in [&mut examined.problems, &mut examined.warnings] {
        list.sort_by_cached_key(|problem| order_of(problem, &documents));
    }
}

fn order_of(problem: &FileProblem, documents: &[(&str, Value)]) -> (usize, Vec<usize>) {
    let number = documents.iter().position(|(name, _)| *name == problem.file);
    let document = number.and_then(|number| documents.get(number));
    match document {
        Some((_, document)) if problem.problem.code != TOO_MANY_PROBLEMS => {
            (number.unwrap_or_default(), order(&problem.problem, document))
        }
        Some(_) | None => (usize::MAX, Vec::new()),
    }
}

/// In which file each part of a document stands.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    appliance: Option<Origin>,
    resources: Vec<Origin>,
    /// The first file: problems of the document as a whole are told there.
    first: Option<String>,
}

/// Where a part of the document comes from.
#[derive(Clone, Debug)]
struct Origin {
    file: String,
    pointer: String,
}

/// The document while files are added to it.
struct Merger {
    appliance: Option<Value>,
    resources: Vec<Value>,
    origins: Origins,
    /// Whether all files could be read.
    complete: bool,
}

impl Default for Merger {
    fn default() -> Self {
        Self { appliance: None, resources: Vec::new(), origins: Origins::default(), complete: true }
    }
}

impl Merger {
    /// Adds a file. Returns what is wrong with it as a file.
    fn add(&mut self, source: &Source) -> Findings {
        self.origins.first.get_or_insert_with(|| source.name.clone());
        let report = Report::default();
        let parsed = document::parse(&source.text, &report);
        let file = File { source, report: &report };
        match parsed {
            None => self.complete = false,
            Some(Value::Array(list)) => self.add_list(&file, list, ""),
            Some(Value::Object(map)) => self.add_object(&file, map),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                self.complete = false;
                report.error("", "InvalidType", NO_CONFIGURATION);
            }
        }
        report.finish()
    }

    fn add_object(&mut self, file: &File<'_>, mut map: Map<String, Value>) {
        if map.keys().all(|key| LIST.iter().any(|known| key.eq_ignore_ascii_case(known)))
            && let Some((key, Value::Array(list))) = find_mut(&mut map, "value")
        {
            return self.add_list(file, std::mem::take(list), &format!("/{}", escape(key)));
        }
        if ["type", "properties"].into_iter().any(|key| find_mut(&mut map, key).is_some()) {
            return self.add_resource(file, Value::Object(map), String::new());
        }
        for (key, value) in map {
            let pointer = format!("/{}", escape(&key));
            if key.eq_ignore_ascii_case("resources") {
                match value {
                    Value::Array(list) => self.add_list(file, list, &pointer),
                    Value::Null => {}
                    Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                        file.report.error(&pointer, "InvalidType", "`resources` must be a list.");
                    }
                }
            } else if key.eq_ignore_ascii_case("appliance") {
                self.add_appliance(file, value, pointer);
            } else if !ENVELOPE.iter().any(|known| key.eq_ignore_ascii_case(known)) {
                file.report.error(
                    &pointer,
                    "UnknownProperty",
                    format!(
                        "`{key}` is not known here. A configuration has `appliance` and \
                         `resources`; a resource has `type` and `properties`."
                    ),
                );
            }
        }
    }

    fn add_appliance(&mut self, file: &File<'_>, value: Value, pointer: String) {
        if let Some(first) = self.origins.appliance.as_ref().filter(|_| !value.is_null()) {
            let message = format!("{} describes the appliance already. Keep one.", first.file);
            file.report.error(&pointer, "DuplicateAppliance", message);
        } else if !value.is_null() {
            self.origins.appliance = Some(Origin { file: file.source.name.clone(), pointer });
            self.appliance = Some(value);
        }
    }

    fn add_list(&mut self, file: &File<'_>, list: Vec<Value>, pointer: &str) {
        for (number, resource) in list.into_iter().enumerate() {
            self.add_resource(file, resource, format!("{pointer}/{number}"));
        }
    }

    fn add_resource(&mut self, file: &File<'_>, mut resource: Value, pointer: String) {
        if let (true, Value::Object(map)) = (pointer.is_empty(), &mut resource) {
            identify(map, &file.source.name);
        }
        self.resources.push(resource);
        self.origins.resources.push(Origin { file: file.source.name.clone(), pointer });
    }

    /// Everything that was added, which is then no longer here.
    fn document(&mut self) -> Value {
        let mut root = Map::new();
        if let Some(appliance) = self.appliance.take() {
            root.insert("appliance".to_owned(), appliance);
        }
        root.insert("resources".to_owned(), std::mem::take(&mut self.resources).into());
        Value::Object(root)
    }

    fn refuse_too_much(&mut self, sources: &[Source], findings: &mut [Findings]) {
        let length: usize = sources.iter().map(|source| source.text.len()).sum();
        if let (true, Some(last)) = (length > CONFIGURATION_BYTES_MAX, findings.last_mut())
            && self.complete
        {
            self.complete = false;
            last.errors.push(Problem {
                pointer: String::new(),
                code: "DocumentTooLarge".into(),
                message: format!(
                    "All files together have {length} bytes; at most {CONFIGURATION_BYTES_MAX} are \
                     read. Make them smaller."
                ),
            });
        }
    }
}

impl Origins {
    /// Problems of the document, each with its file.
    fn located(&self, problems: impl Iterator<Item = Problem>) -> Vec<FileProblem> {
        problems.map(|problem| self.locate(problem)).collect()
    }

    /// A problem of the document with its file, and the pointer into that file.
    #[must_use]
    pub fn locate(&self, mut problem: Problem) -> FileProblem {
        let inside = |prefix: &str| {
            let rest = problem.pointer.strip_prefix(prefix)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| rest.to_owned())
        };
        let of_appliance = self.appliance.as_ref().zip(inside("/appliance"));
        let of_resource = || {
            let rest = inside("/resources")?;
            let (number, rest) = rest.get(1..)?.split_once('/').map_or_else(
                || (rest.get(1..).unwrap_or_default(), String::new()),
                |(number, rest)| (number, format!("/{rest}")),
            );
            Some((self.resources.get(number.parse::<usize>().ok()?)?, rest))
        };
        let Some((origin, rest)) = of_appliance.or_else(of_resource) else {
            return FileProblem { file: self.first.clone().unwrap_or_default(), problem };
        };
        problem.pointer = format!("{}{rest}", origin.pointer);
        FileProblem { file: origin.file.clone(), problem }
    }
}

/// A file that is being read.
struct File<'f> {
    source: &'f Source,
    report: &'f Report,
}

fn find_mut<'m>(map: &'m mut Map<String, Value>, name: &str) -> Option<(&'m str, &'m mut Value)> {
    let found = map.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(key, value)| (key.as_str(), value))
}

/// Gives a resource that fills a file the type and name that its path says, if it has none.
fn identify(map: &mut Map<String, Value>, path: &str) {
    let mut segments = path.rsplit('/');
    let name = segments.next().and_then(|file| file.strip_suffix(".json"));
    let kind = segments.next().and_then(Kind::named);
    let (Some(name), Some(kind)) = (name, kind) else { return };
    for (key, value) in [("type", kind.type_name()), ("name", name)] {
        if find_mut(map, key).is_none() {
            map.insert(key.to_owned(), value.into());
        }
    }
}

/// What a template has at its top without meaning.
const ENVELOPE: [&str; 3] = ["$schema", "contentVersion", "metadata"];
/// What Azure's answer to a request for a list has.
const LIST: [&str; 2] = ["value", "nextLink"];
const NO_CONFIGURATION: &str = "This is no configuration. Write an object with `appliance` and \
                                `resources`, one resource, or a list of resources.";
