//! With which configuration does the process start, and is it one that it can start with?
//!
//! Not here: the rule (`control::store::choose`).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_core::compile::{Changes, Compiler, Inputs};
use weir_core::config::{self, Appliance, Checked, Problem, changed_appliance_fields};
use weir_core::health::HealthTable;
use weir_core::limits::CONFIGURATION_BYTES_MAX;
use weir_core::neighbour::World;
use weir_core::policy::{OwnerFunction, RSS_KEY_BYTES};

use super::{Arguments, BootError, privileges};
use crate::control::Starting;
use crate::control::store::{ConfigurationFile, Sha256, Store, Wanted, choose as choose_word};

/// Reads and checks the file of `--config`.
///
/// # Errors
/// When it cannot be read. What is wrong with what it says is in the result.
pub fn read_configuration(path: &Path) -> Result<ConfigurationFile, BootError> {
    let unreadable = |source| BootError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length > CONFIGURATION_BYTES_MAX as u64 {
        return Err(BootError::TooLong { path: path.to_owned(), length });
    }
    let mut text = Vec::new();
    // One byte more than may be: what grows meanwhile is refused by the check.
    file.take(CONFIGURATION_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    let checked = config::check(&text);
    let state_directory = match &checked {
        Ok(checked) => Some(checked.configuration.appliance.state_directory.clone()),
        Err(_) => named_state_directory(&text),
    };
    Ok(ConfigurationFile {
        path: path.to_owned(),
        sha256: Sha256::of(&text),
        state_directory,
        checked,
    })
}

/// Chooses between the file and what is stored.
///
/// # Errors
/// When the file cannot be read, the store is another's, or what is chosen is refused.
pub(super) fn choose(arguments: &Arguments) -> Result<Starting, BootError> {
    let mut file = read_configuration(&arguments.config)?;
    file.checked = file.checked.and_then(compiled);
    let wanted = match (arguments.ignore_stored, arguments.stored) {
        (_, Some(number)) => Wanted::Stored(number),
        (true, None) => Wanted::File,
        (false, None) => Wanted::LastWord,
    };
    let store = open_store(&file, wanted)?;
    let (path, file_sha256) = (file.path.clone(), file.sha256);
    let said = file.checked.as_ref().ok().map(|checked| checked.configuration.appliance.clone());
    let judge = |text: &[u8]| config::check(text).and_then(compiled);
    let mut chosen = choose_word(file, &store, wanted, &judge)?;
    if let Some(difference) = difference(said, &chosen.checked.configuration.appliance) {
        chosen.told.push_str(&difference);
    }
    Ok(Starting { chosen, path, file_sha256, store })
}

/// Logs which configuration it is, and what is worth knowing about it and the others.
pub(super) fn tell(starting: &Starting) {
    let Starting { chosen, store, .. } = starting;
    if store.removed() > 0 {
        tracing::info!("removed {} half-written files of a process that ended", store.removed());
    }
    for (number, listed) in store.listed() {
        if let Err(damage) = listed {
            tracing::warn!("{} {damage}", store.path_of(*number).display());
        }
    }
    tracing::info!("{}", chosen.told);
    for warning in &chosen.checked.warnings {
        tracing::warn!(pointer = warning.pointer, code = %warning.code, "{}", warning.message);
    }
}

/// Opens the store. Where the file is refused, the store is only looked at for a way on.
fn open_store(file: &ConfigurationFile, wanted: Wanted) -> Result<Store, BootError> {
    match (&file.state_directory, &file.checked) {
        (Some(directory), Ok(_)) => {
            privileges::check()?;
            Ok(Store::open(directory)?)
        }
        (Some(directory), Err(_)) if matches!(wanted, Wanted::Stored(_)) => {
            Ok(Store::open(directory)?)
        }
        (directory, checked) => {
            let there = directory.as_ref().filter(|directory| directory.exists());
            let problems = checked.as_ref().err().cloned().unwrap_or_default();
            let refused = || BootError::Refused { path: file.path.clone(), problems };
            there.and_then(|directory| Store::open(directory).ok()).ok_or_else(refused)
        }
    }
}

/// The state directory that a refused document names all the same. None when it is no JSON, since
/// the usual directory may be another appliance's.
fn named_state_directory(text: &[u8]) -> Option<PathBuf> {
    let document: Value = serde_json::from_slice(text).ok()?;
    let section = member(&document, "appliance");
    let path = match section.and_then(|section| member(section, "stateDirectory")) {
        None => PathBuf::from(STATE_DIRECTORY),
        Some(named) => PathBuf::from(named.as_str()?),
    };
    path.is_absolute().then_some(path)
}

/// Names are compared without case, as everywhere in a configuration.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, it)| it)
}

/// Checks what only compiling can tell: whether ports can be dealt in unbroken blocks.
fn compiled(checked: Checked) -> Result<Checked, Vec<Problem>> {
    let inputs = Inputs {
        configuration: &checked.configuration,
        health: &HealthTable::default(),
        world: &World::default(),
        facts: &[],
        now_milliseconds: 0,
    };
    let mut compiler = Compiler::new(OwnerFunction::new(&[0; RSS_KEY_BYTES], 1));
    let problem = match compiler.compile(inputs, Changes::ALL) {
        Ok(_) => return Ok(checked),
        Err(refused) => Problem {
            pointer: String::new(),
            code: "PortsFragmented".into(),
            message: refused.to_string(),
        },
    };
    Err(vec![problem])
}

/// Says where the file asks for another process than the one that starts.
fn difference(file: Option<Appliance>, chosen: &Appliance) -> Option<String> {
    let fields = changed_appliance_fields(&file?, chosen);
    (!fields.is_empty()).then(|| {
        format!("; {} of the stored one count, and not those of the file", fields.join(", "))
    })
}

/// What `appliance.stateDirectory` is unless it is set.
const STATE_DIRECTORY: &str = "/var/lib/weir";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_file_still_names_its_state_directory_as_long_as_it_is_json() {
        for (text, expected) in [
            (r#"{"appliance":{"stateDirectory":"/state"},"resources":7}"#, Some("/state")),
            (r#"{"Appliance":{"STATEDIRECTORY":"/state"}}"#, Some("/state")),
            (r#"{"appliance":{}}"#, Some("/var/lib/weir")),
            ("{}", Some("/var/lib/weir")),
            (r#"{"appliance":{"stateDirectory":"state"}}"#, None),
            (r#"{"appliance":{"stateDirectory":7}}"#, None),
            ("{", None),
            ("", None),
        ] {
            assert_eq!(
                named_state_directory(text.as_bytes()),
                expected.map(PathBuf::from),
                "{text}"
            );
        }
    }

    #[test]
    fn a_start_says_which_parts_of_the_process_are_not_as_in_the_file() {
        let read = |workers: usize, log: &str| {
            let text = format!(
                r#"{{"appliance":{{"workers":{workers},"log":{{"level":"{log}"}},"ports":[
                    {{"name":"front","device":"net_tap0","addresses":["192.0.2.1/24"]}}]}},
                    "resources":[]}}"#
            );
            config::check(text.as_bytes()).expect("good").configuration.appliance
        };
        let chosen = read(2, "info");
        let told = difference(Some(read(1, "info")), &chosen).expect("another process");
        assert!(told.contains("/appliance/workers"), "{told}");
        assert_eq!(difference(Some(read(2, "debug")), &chosen), None, "a log level is no process");
        assert_eq!(difference(None, &chosen), None);
    }

    #[test]
    fn a_file_is_known_by_its_bytes_and_a_huge_one_is_not_read() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let path = directory.path().join("weir.json");
        std::fs::write(&path, "{}").expect("ours");
        let one = read_configuration(&path).expect("read");
        assert!(one.checked.is_err(), "it lacks everything");
        std::fs::write(&path, "{ }").expect("ours");
        assert_ne!(read_configuration(&path).expect("read").sha256, one.sha256);
        let file = File::options().write(true).open(&path).expect("ours");
        file.set_len(CONFIGURATION_BYTES_MAX as u64 + 1).expect("sparse");
        assert!(matches!(read_configuration(&path), Err(BootError::TooLong { .. })));
    }
}
