//! With which configuration does the process start, and is it one that it can start with?
//!
//! Not here: the rule (`control::store::choose`).

use weir_core::config::{self, Appliance, Problem, changed_appliance_fields};

use super::{Arguments, BootError, privileges, read_configuration};
use crate::control::Starting;
use crate::control::store::{ConfigurationFile, Store, Wanted, choose as choose_word};

/// Chooses between what `--config` names and what is stored.
///
/// # Errors
/// When it cannot be read, the store is another's, or what is chosen is refused.
pub(super) fn choose(arguments: &Arguments) -> Result<Starting, BootError> {
    // Nothing is started without a configuration (`arguments`).
    let file = read_configuration(arguments.config.as_deref().unwrap_or("".as_ref()));
    let wanted = match (arguments.ignore_stored, arguments.stored) {
        (_, Some(number)) => Wanted::Stored(number),
        (true, None) => Wanted::File,
        (false, None) => Wanted::LastWord,
    };
    let store = open_store(&file, wanted)?;
    let (path, file_sha256) = (file.path.clone(), file.sha256);
    let said = file.checked.as_ref().ok().map(|checked| checked.configuration.appliance.clone());
    let mut chosen = choose_word(file, &store, wanted, &config::check)?;
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
        let Problem { pointer, code, message } = &warning.problem;
        // What is stored is one document, and stands in no file.
        let file = Some(warning.file.as_str()).filter(|file| !file.is_empty());
        tracing::warn!(file, pointer, %code, "{message}");
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

/// Says where the file asks for another process than the one that starts.
fn difference(file: Option<Appliance>, chosen: &Appliance) -> Option<String> {
    let fields = changed_appliance_fields(&file?, chosen);
    (!fields.is_empty()).then(|| {
        format!("; {} of the stored one count, and not those of the file", fields.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
