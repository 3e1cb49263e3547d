use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use weir_core::api::Source;
use weir_core::config::{self, Checked, Problem, Source as Text, examine};
use weir_core::limits::STORED_BYTES_MAX;

use super::*;

/// A configuration that is checked without a problem; `name` tells it from others.
fn configuration(name: &str) -> String {
    let port = json!({"name": "front", "device": "net_tap0", "addresses": ["192.0.2.1/24"]});
    json!({"appliance": {"name": name, "ports": [port]}, "resources": []}).to_string()
}

fn entry(configuration: &str, file: &str) -> Entry {
    Entry {
        configuration: configuration.to_owned(),
        applied_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_251_261_123),
        applied_by: Author { source: Source::Socket, user: Some(0), process: Some(7) },
        restores: None,
        file_sha256: Sha256::of(file.as_bytes()),
    }
}

fn judge(text: &[u8]) -> Result<Checked, Vec<Problem>> {
    config::check(text)
}

fn file(text: &str) -> ConfigurationFile {
    let path = "/etc/weir/weir.json";
    let examined = examine(vec![Text { name: path.to_owned(), text: text.as_bytes().to_owned() }]);
    ConfigurationFile {
        path: path.into(),
        sha256: Sha256::of(text.as_bytes()),
        state_directory: None,
        origins: examined.origins.clone(),
        checked: examined.into_checked(),
    }
}

/// Starts and says which configuration it is, or why there is none.
fn start(path: &Path, text: &str, wanted: Wanted) -> Result<Chosen, String> {
    let store = Store::open(path).expect("opened");
    choose(file(text), &store, wanted, &judge).map_err(|error| error.to_string())
}

fn name(chosen: &Chosen) -> &str {
    &chosen.checked.configuration.appliance.name
}

fn numbers(store: &Store) -> Vec<u64> {
    store.listed().keys().copied().collect()
}

/// Names of everything in the directory.
fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

/// A directory with configurations `a1`, `a2`, … under the numbers 1, 2, …
fn stored(count: u64) -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let mut store = Store::open(directory.path()).expect("opened");
    for number in 1..=count {
        let (text, file) = (configuration(&format!("a{number}")), configuration("file"));
        let kept = store.keep(&entry(&text, &file));
        assert_eq!(kept.expect("kept"), number);
    }
    directory
}

#[test]
fn what_was_stored_is_read_back_to_the_byte() {
    let directory = TempDir::new().expect("a directory");
    let text = "{\"appliance\":{\"name\":\"ä\\u0000\"},\"x\":[1.10,1e3,9007199254740993]}";
    let number = {
        let mut store = Store::open(directory.path()).expect("opened");
        store.keep(&entry(text, "file")).expect("kept")
    };
    let record = Store::open(directory.path()).expect("opened").read(number).expect("good");
    assert_eq!(record.configuration, text);
    assert_eq!(record.summary.applied_at, "2026-11-21T08:54:21.123Z");
    assert_eq!(record.summary.applied_by.to_string(), "user 0 (pid 7)");
    assert_eq!(record.summary.sha256, Sha256::of(text.as_bytes()));
    let bytes = fs::read(directory.path().join("applied-1.json")).expect("there");
    let whole: Value = serde_json::from_slice(&bytes).expect("a stored file is JSON");
    assert_eq!(whole["configuration"]["x"][2], json!(9_007_199_254_740_993_u64));
}

#[test]
fn directory_and_files_are_for_owner_and_group_only() {
    let parent = TempDir::new().expect("a directory");
    let path = parent.path().join("var/weir");
    Store::open(&path).expect("made").keep(&entry("{}", "file")).expect("kept");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    // The umask of whoever runs this may take more away.
    assert_eq!(mode(&path) & !0o750, 0);
    for name in ["applied-1.json", "lock"] {
        assert_eq!(mode(&path.join(name)) & !0o640, 0, "{name}");
    }
}

#[test]
fn the_newest_and_ten_before_it_are_kept_and_numbers_go_on_after_a_restart() {
    let directory = stored(15);
    let mut store = Store::open(directory.path()).expect("opened");
    assert_eq!(numbers(&store), (5..=15).collect::<Vec<_>>());
    assert_eq!(store.keep(&entry(&configuration("b"), "file")).expect("kept"), 16);
    assert_eq!(numbers(&store), (6..=16).collect::<Vec<_>>());
    assert_eq!(names(directory.path()).len(), 11 + 1, "eleven and the lock");
}

#[test]
fn the_same_again_is_not_stored_again_and_the_same_beside_another_file_is() {
    let directory = stored(1);
    let mut store = Store::open(directory.path()).expect("opened");
    let (same, file) = (configuration("a1"), configuration("file"));
    assert_eq!(store.keep(&entry(&same, &file)).expect("kept"), 1);
    assert_eq!(store.keep(&entry(&same, "another file")).expect("kept"), 2);
    assert_eq!(numbers(&store), [1, 2]);
}

#[test]
fn one_directory_belongs_to_one_weir() {
    let directory = stored(1);
    let first = Store::open(directory.path()).expect("opened");
    let second = Store::open(directory.path());
    assert!(matches!(second, Err(DirectoryError::InUse(_))), "{second:?}");
    drop(first);
    Store::open(directory.path()).expect("free again");
}

#[test]
fn each_kind_of_damage_is_named_with_the_newest_good_one_and_the_way_to_start() {
    let path_of = |directory: &TempDir| directory.path().join("applied-3.json");
    let stored_bytes = |directory: &TempDir| fs::read(path_of(directory)).expect("there");
    type Damaging<'a> = &'a dyn Fn(&TempDir);
    let sealed = |number, text: &str| {
        let sha256 = Sha256::of(text.as_bytes());
        let applied_by = Author::default();
        let (applied_at, restores, file_sha256) =
            (String::new(), None, Sha256::of(configuration("file").as_bytes()));
        let summary = Summary { number, applied_at, applied_by, restores, file_sha256, sha256 };
        record::seal(&summary, text)
    };
    let write = |directory: &TempDir, bytes: &[u8]| fs::write(path_of(directory), bytes).unwrap();
    let kinds: [(&str, Damaging<'_>); 10] = [
        ("cut off after 0 bytes", &|it| write(it, b"")),
        ("cut off after 100 bytes", &|it| write(it, &stored_bytes(it)[..100])),
        ("is not JSON", &|it| write(it, b"\x00\x00\x00")),
        ("does not end with the seal", &|it| write(it, configuration("a3").as_bytes())),
        ("does not match its checksum", &|it| {
            let text = String::from_utf8(stored_bytes(it)).unwrap().replace("a3", "b3");
            write(it, text.as_bytes());
        }),
        ("of number 2", &|it| write(it, &fs::read(it.path().join("applied-2.json")).unwrap())),
        ("is refused", &|it| write(it, &sealed(3, "{}"))),
        ("symbolic link", &|it| {
            fs::rename(path_of(it), it.path().join("elsewhere")).unwrap();
            symlink(it.path().join("elsewhere"), path_of(it)).unwrap();
        }),
        ("others may write", &|it| {
            fs::set_permissions(path_of(it), fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("has 16785409 bytes", &|it| {
            let file = fs::File::options().write(true).open(path_of(it)).unwrap();
            file.set_len(STORED_BYTES_MAX as u64 + 1).unwrap();
        }),
    ];
    for (part, damage) in kinds {
        let directory = stored(3);
        damage(&directory);
        let said = start(directory.path(), &configuration("file"), Wanted::LastWord)
            .expect_err("nothing is guessed");
        for part in [part, "applied-3.json", "--stored 2", "--ignore-stored", "user 0 (pid 7)"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let named = start(directory.path(), &configuration("file"), Wanted::Stored(2));
        assert_eq!(name(&named.expect("the newest good one")), "a2");
        let ignored = start(directory.path(), &configuration("file"), Wanted::File);
        assert_eq!(name(&ignored.expect("the file")), "file");
    }
}

#[test]
fn a_file_cut_off_at_any_byte_is_found_out_and_the_one_before_named() {
    let directory = stored(2);
    let path = directory.path().join("applied-2.json");
    let whole = fs::read(&path).expect("there");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("ours");
        let said =
            start(directory.path(), &configuration("file"), Wanted::LastWord).expect_err("refused");
        assert!(said.contains(&format!("is cut off after {length} bytes")), "{said}");
        assert!(said.contains("--stored 1"), "{said}");
    }
}

#[test]
fn any_one_byte_that_changed_is_found_out() {
    let whole = {
        let directory = stored(1);
        fs::read(directory.path().join("applied-1.json")).expect("there")
    };
    assert!(record::open(1, &whole).is_ok());
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[place] ^= 1 << bit;
            assert!(record::open(1, &changed).is_err(), "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn what_a_killed_process_left_half_written_is_removed_and_other_files_stay() {
    let directory = stored(2);
    let left = [".applied-3.json.temporary", ".applied-4.json.temporary"];
    let others = [".applied-x.json.temporary", "applied-03.json", "applied-3.json.old", "notes"];
    for name in left.iter().chain(&others) {
        fs::write(directory.path().join(name), "{").expect("ours");
    }
    let store = Store::open(directory.path()).expect("opened");
    assert_eq!((store.removed(), numbers(&store)), (2, vec![1, 2]));
    let there = names(directory.path());
    assert!(left.iter().all(|name| !there.contains(&(*name).to_owned())), "{there:?}");
    assert!(others.iter().all(|name| there.contains(&(*name).to_owned())), "{there:?}");
}

#[test]
fn a_process_killed_before_it_removed_the_oldest_leaves_one_more_until_the_next_start() {
    let directory = stored(11);
    let mut store = Store::open(directory.path()).expect("opened");
    let killed = &mut |step| {
        if step == Step::Renamed { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    };
    store.keep_and_tell(&entry(&configuration("b"), "file"), killed).expect_err("killed");
    assert_eq!(names(directory.path()).len(), 12 + 1, "twelve and the lock");
    drop(store);
    let store = Store::open(directory.path()).expect("opened");
    assert_eq!(numbers(&store), (2..=12).collect::<Vec<_>>());
    assert_eq!(names(directory.path()).len(), 11 + 1, "eleven and the lock");
}

#[test]
fn a_disk_that_fills_up_at_any_step_costs_nothing_that_was_stored() {
    for failing in [Step::Created, Step::Written, Step::Synchronised] {
        let directory = stored(11);
        let mut store = Store::open(directory.path()).expect("opened");
        let newest = entry(&configuration("b"), "file");
        let full = &mut |step| {
            if step == failing { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        };
        let said = store.keep_and_tell(&newest, full).expect_err("full").to_string();
        assert!(said.contains("applied-12.json"), "{said}");
        assert_eq!(numbers(&store), (1..=11).collect::<Vec<_>>());
        assert_eq!(names(directory.path()).len(), 11 + 1, "no temporary file is left");
        let kept = store.keep(&newest).expect("there is room again");
        assert_eq!(numbers(&store).last(), Some(&kept));
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_an_empty_store_and_says_why_at_each_write() {
    // Nobody makes directories there, not even root.
    let mut store = Store::open(Path::new("/proc/self/weir")).expect("an empty store");
    assert!(store.listed().is_empty());
    let said = store.keep(&entry("{}", "file")).expect_err("not there").to_string();
    assert!(said.contains("make the state directory /proc/self/weir"), "{said}");
}

#[test]
fn a_directory_that_was_removed_is_made_anew() {
    let directory = stored(3);
    let mut store = Store::open(directory.path()).expect("opened");
    fs::remove_dir_all(directory.path()).expect("ours");
    let newest = entry(&configuration("b"), "file");
    let said = store.keep(&newest).expect_err("gone").to_string();
    assert!(said.contains("applied-4.json"), "{said}");
    assert_eq!(store.keep(&newest).expect("made anew"), 5);
    assert_eq!(numbers(&store), [5]);
}

#[test]
fn a_directory_that_others_may_write_into_is_refused() {
    let directory = stored(1);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("ours");
    let said = Store::open(directory.path()).expect_err("refused").to_string();
    assert!(said.contains("0777") && said.contains("chmod 0750"), "{said}");
}

#[test]
fn whoever_spoke_last_wins() {
    let directory = stored(2);
    let unchanged =
        start(directory.path(), &configuration("file"), Wanted::LastWord).expect("the stored one");
    assert_eq!((name(&unchanged), unchanged.restores), ("a2", None));
    for part in ["applied-2.json", "user 0 (pid 7)", "2026-11-21", "--ignore-stored"] {
        assert!(unchanged.told.contains(part), "{}", unchanged.told);
    }
    let edited = configuration("edited");
    let changed = start(directory.path(), &edited, Wanted::LastWord).expect("the file");
    assert_eq!((name(&changed), changed.applied_by.source), ("edited", Source::File));
    assert!(changed.told.contains("weirctl rollback 2"), "{}", changed.told);
    let first = start(directory.path(), &edited, Wanted::Stored(1)).expect("as asked");
    assert_eq!((name(&first), first.restores), ("a1", Some(1)));
}

#[test]
fn a_refused_file_names_the_stored_configuration_to_go_on_with() {
    let directory = stored(2);
    let said = start(directory.path(), "{", Wanted::LastWord).expect_err("refused");
    assert!(said.contains("/etc/weir/weir.json is refused; `weir --config"), "{said}");
    assert!(said.contains("--stored 2"), "{said}");
    let empty = TempDir::new().expect("a directory");
    let said = start(empty.path(), "{", Wanted::LastWord).expect_err("refused");
    assert_eq!(said, "the configuration /etc/weir/weir.json is refused");
}

#[test]
fn every_problem_of_a_refusal_names_the_file_in_which_it_stands() {
    let places = |error: ChoiceError| -> Vec<_> {
        let problems = error.problems().into_iter();
        problems.map(|it| (it.file, it.problem.pointer)).collect()
    };
    let directory = stored(1);
    let store = Store::open(directory.path()).expect("opened");
    let refused = r#"{"appliance":{"name":7},"resources":7}"#;
    let error = choose(file(refused), &store, Wanted::File, &judge).expect_err("refused");
    let found = places(error);
    let both = ["/appliance/name", "/resources"];
    assert!(found.iter().all(|(file, _)| file == "/etc/weir/weir.json"), "{found:?}");
    assert!(both.iter().all(|it| found.iter().any(|(_, pointer)| pointer == it)), "{found:?}");
    let judge = |_: &[u8]| {
        let (pointer, code, message) = ("/resources/3".into(), "X".into(), String::new());
        Err(vec![Problem { pointer, code, message }])
    };
    let good = file(&configuration("file"));
    let error = choose(good, &store, Wanted::LastWord, &judge).expect_err("refused");
    let stored = directory.path().join("applied-1.json").display().to_string();
    assert_eq!(places(error), [(stored, "/configuration/resources/3".to_owned())]);
}

#[test]
fn a_number_that_is_not_there_is_answered_with_those_that_are() {
    let directory = stored(3);
    let said =
        start(directory.path(), &configuration("file"), Wanted::Stored(9)).expect_err("refused");
    assert!(said.contains("no stored configuration 9") && said.ends_with("1, 2, 3"), "{said}");
}

/// What may happen to an appliance between two starts.
#[derive(Clone, Debug)]
enum Event {
    /// A configuration is applied: this one of a few.
    Apply(u8),
    /// The same, and the process is killed after this many steps of writing.
    ApplyAndDie(u8, u8),
    /// The same, and the disk is full at this step.
    ApplyToFullDisk(u8, u8),
    /// The file is edited, and not read before the next start.
    Edit(u8),
    /// The file is read again.
    Reload,
    /// The process ends, in order or not, and another begins.
    Restart,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => any::<u8>().prop_map(|it| Event::Apply(it % 5)),
        2 => (any::<u8>(), 0..4u8).prop_map(|(it, step)| Event::ApplyAndDie(it % 5, step)),
        1 => (any::<u8>(), 0..3u8).prop_map(|(it, step)| Event::ApplyToFullDisk(it % 5, step)),
        1 => any::<u8>().prop_map(|it| Event::Edit(it % 5)),
        1 => Just(Event::Reload),
        2 => Just(Event::Restart),
    ];
    prop::collection::vec(event, 0..40)
}

/// What the store has to come to, said as plainly as can be.
#[derive(Default)]
struct Model {
    /// The configurations that were confirmed as stored, oldest first, with the file beside them.
    kept: Vec<(String, String)>,
    /// The file as it is, and as it was when it was last accepted.
    file: String,
    accepted: String,
}

impl Model {
    fn keep(&mut self, name: &str) {
        let new = (name.to_owned(), self.accepted.clone());
        if self.kept.last() != Some(&new) {
            self.kept.push(new);
        }
    }

    /// What the next start has to begin with.
    fn start(&self) -> &str {
        match self.kept.last() {
            Some((name, beside)) if *beside == self.file => name,
            Some(_) | None => &self.file,
        }
    }
}

/// Steps of writing in their order.
const STEPS: [Step; 4] = [Step::Created, Step::Written, Step::Synchronised, Step::Renamed];

/// The appliance on a real directory.
struct Appliance {
    directory: TempDir,
    store: Option<Store>,
    model: Model,
}

impl Appliance {
    fn keep(&mut self, name: &str) {
        let entry = entry(&configuration(name), &configuration(&self.model.accepted));
        let store = self.store.as_mut().expect("it runs");
        store.keep(&entry).expect("kept");
        self.model.keep(name);
    }

    /// Starts and puts in force what the model says.
    fn start(&mut self) {
        drop(self.store.take());
        let store = Store::open(self.directory.path()).expect("opened");
        let chosen =
            choose(file(&configuration(&self.model.file)), &store, Wanted::LastWord, &judge);
        let chosen = chosen.expect("something to start with");
        assert_eq!(name(&chosen), self.model.start());
        self.model.accepted.clone_from(&self.model.file);
        self.store = Some(store);
        let name = name(&chosen).to_owned();
        self.keep(&name);
    }

    /// Applies, and fails after a step as a full disk or, if `dies`, as a killed process.
    fn fail(&mut self, name: &str, step: u8, dies: bool) {
        let failing = STEPS[usize::from(step)];
        let entry = entry(&configuration(name), &configuration(&self.model.accepted));
        let store = self.store.as_mut().expect("it runs");
        let reached = Cell::new(false);
        let path = self.directory.path().to_owned();
        let mut left = None;
        let outcome = store.keep_and_tell(&entry, &mut |step| {
            if step != failing {
                return Ok(());
            }
            reached.set(true);
            left = fs::read_dir(&path).expect("there").flatten().find_map(|it| {
                let name = it.file_name().into_string().ok()?;
                name.ends_with(".temporary").then(|| (it.path(), fs::read(it.path()).unwrap()))
            });
            Err(io::ErrorKind::StorageFull.into())
        });
        // The same configuration again writes nothing, and once it has its name it is stored.
        if outcome.is_ok() || reached.get() && failing == Step::Renamed {
            self.model.keep(name);
        }
        if dies {
            // Whoever is killed removes nothing; of what was not synchronised any part may be lost.
            if let Some((path, bytes)) = left {
                let length =
                    if failing == Step::Synchronised { bytes.len() } else { bytes.len() / 2 };
                fs::write(path, &bytes[..length]).expect("ours");
            }
            self.start();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that was confirmed is lost, whatever else happens.
    #[test]
    fn every_start_begins_with_the_last_word(events in events()) {
        let directory = TempDir::new().expect("a directory");
        let model = Model { file: "f0".into(), ..Model::default() };
        let mut appliance = Appliance { directory, store: None, model };
        appliance.start();
        for event in events {
            match event {
                Event::Apply(number) => appliance.keep(&format!("a{number}")),
                Event::ApplyAndDie(number, step) => {
                    appliance.fail(&format!("a{number}"), step, true);
                }
                Event::ApplyToFullDisk(number, step) => {
                    appliance.fail(&format!("a{number}"), step, false);
                }
                Event::Edit(number) => appliance.model.file = format!("f{number}"),
                Event::Reload => {
                    appliance.model.accepted = appliance.model.file.clone();
                    let name = appliance.model.file.clone();
                    appliance.keep(&name);
                }
                Event::Restart => appliance.start(),
            }
            let store = appliance.store.as_ref().expect("it runs");
            let kept = &appliance.model.kept;
            let expected: Vec<_> = kept.iter().rev().take(11).map(|(name, _)| name).collect();
            let stored: Vec<_> = store
                .listed()
                .keys()
                .rev()
                .map(|number| judge(store.read(*number).unwrap().configuration.as_bytes()).unwrap())
                .map(|checked| checked.configuration.appliance.name)
                .collect();
            prop_assert_eq!(stored.iter().collect::<Vec<_>>(), expected);
        }
    }
}
