//! What is in the files of a command line?
//!
//! A directory stands for the `.json` files in it and in its folders, in the order of their names;
//! what begins with a dot is left alone: the same files as `weir --config DIRECTORY` reads. `-` is
//! standard input.
//!
//! Not here: how files make one document (`weir_core::config::merge`).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use weir_core::api;
use weir_core::config::{self, FileProblem, Origins, Source};
use weir_core::limits::{
    CONFIGURATION_BYTES_MAX, CONFIGURATION_FILES_MAX, CONFIGURATION_FOLDERS_DEPTH_MAX,
};

use crate::failure::Failure;

/// A configuration that is to be sent.
#[derive(Debug)]
pub(crate) struct Document {
    /// What the appliance gets.
    pub(crate) configuration: Map<String, Value>,
    /// In which file each part stands; nothing when the document is the only file as it is.
    origins: Option<Origins>,
}

impl Document {
    /// Reads files and directories as one document.
    ///
    /// # Errors
    /// Every problem of the files as files.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut files = Files::default();
        paths.iter().try_for_each(|path| files.add(path))?;
        let (document, origins) = config::merge(&files.sources).map_err(Failure::Refused)?;
        if let [only] = &files.sources[..]
            && let Some(configuration) = as_it_is(&only.text)
        {
            return Ok(Self { configuration, origins: None });
        }
        let Value::Object(configuration) = document else {
            unreachable!("files are merged to an object");
        };
        Ok(Self { configuration, origins: Some(origins) })
    }

    /// Problems or warnings of the document with their files; as they are when there is one file.
    pub(crate) fn locate(&self, problems: Vec<api::Problem>) -> Vec<FileProblem> {
        let located = |problem: api::Problem| {
            let api::Problem { pointer, code, message } = problem;
            let problem = config::Problem { pointer, code: code.into(), message };
            match &self.origins {
                Some(origins) => origins.locate(problem),
                None => FileProblem { file: String::new(), problem },
            }
        };
        problems.into_iter().map(located).collect()
    }

    /// Whether it was put together from several parts.
    pub(crate) const fn is_merged(&self) -> bool {
        self.origins.is_some()
    }
}

/// A file that is a whole document is sent as it is, with everything beside `resources`.
fn as_it_is(text: &[u8]) -> Option<Map<String, Value>> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(text) else { return None };
    let is_part = |key: &String| PARTS.iter().any(|part| key.eq_ignore_ascii_case(part));
    (!fields.keys().any(is_part)).then_some(fields)
}

/// Reads one file as one resource.
///
/// # Errors
/// It cannot be read, or is no JSON object.
pub(crate) fn read_resource(path: &Path) -> Result<Map<String, Value>, Failure> {
    match serde_json::from_slice(&read_file(path, CONFIGURATION_BYTES_MAX)?) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Failure::NotAnObject(path.into())),
        Err(source) => Err(Failure::NotJson { path: path.into(), source }),
    }
}

#[derive(Default)]
struct Files {
    sources: Vec<Source>,
    bytes: usize,
}

impl Files {
    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        if !path.is_dir() {
            return self.add_file(path);
        }
        let before = self.sources.len();
        self.add_directory(path, CONFIGURATION_FOLDERS_DEPTH_MAX)?;
        if self.sources.len() == before {
            let path = path.display();
            let text = format!("{path} has no file whose name ends with .json; name another one");
            return Err(Failure::Impossible(text));
        }
        Ok(())
    }

    fn add_directory(&mut self, directory: &Path, depth: usize) -> Result<(), Failure> {
        let unreadable = |source| Failure::Unreadable { path: directory.into(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // Editors keep their own beside a file, and a Kubernetes volume each file twice.
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                paths.push(entry.path());
            }
        }
        paths.sort();
        for path in paths {
            if !path.is_dir() {
                if path.extension().is_some_and(|extension| extension == "json") {
                    self.add_file(&path)?;
                }
            } else if let Some(left) = depth.checked_sub(1) {
                self.add_directory(&path, left)?;
            } else {
                let path = path.display();
                return Err(Failure::Impossible(format!(
                    "{path} is deeper than the {CONFIGURATION_FOLDERS_DEPTH_MAX} folders that are \
                     read; move its files up"
                )));
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Failure> {
        if self.sources.len() == CONFIGURATION_FILES_MAX {
            return Err(Failure::Impossible(format!(
                "at most {CONFIGURATION_FILES_MAX} files are read; merge some"
            )));
        }
        let text = read_file(path, CONFIGURATION_BYTES_MAX - self.bytes)?;
        self.bytes += text.len();
        self.sources.push(Source { name: path.display().to_string(), text });
        Ok(())
    }
}

fn read_file(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.into(), source };
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(unreadable)?)
    };
    let mut text = Vec::new();
    input.take(bytes_max as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > bytes_max { Err(Failure::TooLong(path.into())) } else { Ok(text) }
}

/// What says that an object is one resource or a list, and not a whole document.
const PARTS: [&str; 3] = ["type", "properties", "value"];

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn written(files: &[(&str, &str)]) -> TempDir {
        let directory = TempDir::new().expect("a directory");
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("ours")).expect("ours");
            fs::write(path, text).expect("ours");
        }
        directory
    }

    fn problem(pointer: &str) -> api::Problem {
        api::Problem { pointer: pointer.into(), ..api::Problem::default() }
    }

    #[test]
    fn a_directory_is_one_document_and_problems_lead_back_into_its_files() {
        let directory = written(&[
            ("appliance.json", r#"{"appliance": {"name": "edge-1"}}"#),
            ("loadBalancers/web.json", r#"{"properties": {"probes": []}}"#),
            (".hidden.json", "no JSON"),
            ("notes.txt", "no JSON either"),
        ]);
        let document = Document::read(&[directory.path().to_owned()]).expect("readable");
        let web = &document.configuration["resources"][0];
        assert_eq!(web["type"], "Microsoft.Network/loadBalancers");
        assert_eq!(web["name"], "web");
        let located = document.locate(vec![problem("/resources/0/properties/probes")]);
        assert!(located[0].file.ends_with("loadBalancers/web.json"), "{located:?}");
        assert_eq!(located[0].problem.pointer, "/properties/probes");
    }

    #[test]
    fn a_file_that_is_a_whole_document_is_sent_as_it_is() {
        let text = r#"{"contentVersion": "1.0.0.0", "appliance": {}, "resources": []}"#;
        let directory = written(&[("all.json", text)]);
        let document = Document::read(&[directory.path().join("all.json")]).expect("readable");
        assert_eq!(document.configuration["contentVersion"], "1.0.0.0");
        let located = document.locate(vec![problem("/resources/0")]);
        assert_eq!((located[0].file.as_str(), document.is_merged()), ("", false));
    }

    #[test]
    fn an_answer_of_azure_is_a_document_too() {
        let directory = written(&[("list.json", r#"{"value": [{"name": "a"}]}"#)]);
        let document = Document::read(&[directory.path().join("list.json")]).expect("readable");
        assert_eq!(document.configuration["resources"][0]["name"], "a");
        let located = document.locate(vec![problem("/resources/0/name")]);
        assert_eq!(located[0].problem.pointer, "/value/0/name");
    }

    #[test]
    fn every_file_that_is_no_json_is_named() {
        let directory = written(&[("a.json", "{"), ("b.json", "[]"), ("c.json", "7")]);
        let Err(Failure::Refused(problems)) = Document::read(&[directory.path().to_owned()]) else {
            panic!("two of them are wrong");
        };
        let names: Vec<_> = problems.iter().filter_map(|it| it.file.rsplit('/').next()).collect();
        assert_eq!(names, ["a.json", "c.json"]);
    }

    #[test]
    fn an_empty_directory_is_no_empty_configuration() {
        let directory = written(&[("notes.txt", "")]);
        let failure = Document::read(&[directory.path().to_owned()]).expect_err("nothing there");
        assert!(failure.to_string().contains(".json"), "{failure}");
    }
}
