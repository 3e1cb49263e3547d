//! Does `weir check` say everything about files and directories, without a device or a privilege?
#![allow(clippy::expect_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn demo() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/demo.json");
    serde_json::from_slice(&fs::read(path).expect("the example")).expect("an example")
}

fn check(arguments: &[&str], paths: &[PathBuf]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("check").args(arguments).args(paths).output().expect("a process")
}

fn write(path: &Path, value: &Value) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, value.to_string()).expect("a file");
    path.to_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_right_configuration_ends_with_0() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(&folder.path().join("demo.json"), &demo());
    let output = check(&[], std::slice::from_ref(&path));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "1 file: nothing keeps it from being applied\n");
    let output = check(&["--json"], &[path]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).expect("a list"), json!([]));
}

#[test]
fn a_directory_is_one_configuration_and_problems_name_their_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut document = demo();
    let resources = document["resources"].take();
    write(&folder.path().join("appliance.json"), &document);
    let mut names = Vec::new();
    for (number, resource) in resources.as_array().expect("resources").iter().enumerate() {
        let mut resource = resource.clone();
        let kind = resource["type"].as_str().expect("a type").rsplit('/').next().expect("a kind");
        let path = folder.path().join(kind).join(format!("{number}.json"));
        if kind == "loadBalancers" {
            resource["properties"]["probes"][0]["properties"]["port"] = 0.into();
            resource["properties"]["loadBalancingRules"][0]["properties"]["enableFloatingIP"] =
                true.into();
        }
        names.push(write(&path, &resource));
    }
    write(&folder.path().join(".hidden/appliance.json"), &document);
    let output = check(&["--json"], &[folder.path().to_owned()]);
    assert_eq!(output.status.code(), Some(2));
    let problems: Value = serde_json::from_slice(&output.stdout).expect("a list");
    let said: Vec<_> = problems.as_array().expect("a list").iter().map(|it| &it["code"]).collect();
    assert_eq!(said, ["ValueOutOfRange", "NotYetSupportedByWeir"]);
    let balancer = names.last().expect("a load balancer").display().to_string();
    let first = &problems[0];
    assert_eq!(first["file"], balancer);
    assert_eq!(first["pointer"], "/properties/probes/0/properties/port");
    assert!(first["message"].as_str().is_some_and(|it| it.ends_with("from 1 to 65535.")));
    let output = check(&[], &[folder.path().to_owned()]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), format!("{} files: 2 problems\n", names.len() + 1));
    assert_eq!(text(&output.stderr).matches(&balancer).count(), 2, "{}", text(&output.stderr));
}

#[test]
fn what_cannot_be_read_is_a_problem_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let paths = [folder.path().join("missing.json"), empty];
    let output = check(&["--json"], &paths);
    assert_eq!(output.status.code(), Some(2));
    let problems: Value = serde_json::from_slice(&output.stdout).expect("a list");
    let codes: Vec<_> = problems.as_array().expect("a list").iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["Unreadable", "NoConfigurationFiles"]);
    assert_eq!(problems[0]["file"], paths[0].display().to_string());
}

#[test]
fn resources_alone_are_checked_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(&folder.path().join("resources.json"), &demo()["resources"]);
    let output = check(&[], std::slice::from_ref(&path));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("none describes the appliance"));
    let refused = weir::boot::read_configuration(&path).checked.expect_err("no appliance");
    assert_eq!(refused[0].problem.pointer, "/appliance");
}

#[test]
fn a_directory_can_be_run_like_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut document = demo();
    let whole = write(&folder.path().join("whole.json"), &document);
    let expected = weir::boot::read_configuration(&whole).checked.expect("the example");
    let resources = document["resources"].take();
    let parts = folder.path().join("parts");
    write(&parts.join("10-appliance.json"), &document);
    write(&parts.join("20-resources.json"), &resources);
    let read = weir::boot::read_configuration(&parts).checked.expect("the same");
    assert_eq!(read.configuration, expected.configuration);
}

#[test]
fn running_needs_a_configuration_and_checking_needs_a_path() {
    let weir = || Command::new(env!("CARGO_BIN_EXE_weir"));
    assert_eq!(weir().output().expect("a process").status.code(), Some(2));
    assert_eq!(check(&[], &[]).status.code(), Some(2));
    let help = text(&weir().arg("--help").output().expect("a process").stdout);
    assert!(help.contains("--config <PATH>") && help.contains("check"), "{help}");
}
