//! Does the command say the right thing on the socket, and the right thing to the operator?
//!
//! Each case runs the real `weirctl` against a server that gives one prepared reply.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a run left behind.
struct Run {
    asked: Value,
    exit: i32,
    stdout: String,
    stderr: String,
}

/// Runs `weirctl` with `words` and `input` against a server that answers `reply`.
fn run(words: &[&str], input: &str, reply: &Value) -> Run {
    let directory = TempDir::new().expect("a directory");
    let socket = directory.path().join("control.sock");
    let listener = UnixListener::bind(&socket).expect("free");
    let reply = format!("{reply}\n");
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).expect("a request");
        (&stream).write_all(reply.as_bytes()).expect("it reads");
        line
    });
    let output = weirctl(&socket, words, input);
    let asked = server.join().expect("served");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Run {
        asked: serde_json::from_str(&asked).expect("JSON"),
        exit: output.status.code().expect("an exit"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

fn weirctl(socket: &PathBuf, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weirctl"))
        .arg("--socket")
        .arg(socket)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("built");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that does not read its input may have ended.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    child.wait_with_output().expect("ended")
}

fn result(result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "result": result})
}

#[test]
fn each_command_asks_its_method_and_shows_the_reply() {
    for (word, reply, part) in [
        ("status", json!({"name": "edge-1", "version": "0.1.0"}), "edge-1  weir 0.1.0"),
        ("stats", json!({"counters": {"rx_packets": 7}}), "rx_packets  7"),
        ("health", json!({"loadBalancers": []}), "No load balancer"),
        ("get", json!({"generation": 3, "configuration": {"resources": []}}), "\"resources\": []"),
        ("history", json!({"configurations": []}), "No configuration is stored"),
        ("version", json!({"version": "0.1.0", "apiVersion": 1}), "weir 0.1.0"),
    ] {
        let run = run(&[word], "", &result(reply));
        assert_eq!(run.asked, json!({"jsonrpc": "2.0", "id": 1, "method": word}));
        assert_eq!((run.exit, run.stderr.as_str()), (0, ""));
        assert!(run.stdout.contains(part), "{word}: {}", run.stdout);
    }
}

#[test]
fn json_output_is_the_reply_whole_with_fields_of_a_newer_appliance() {
    let reply = json!({"version": "9.0.0", "novelty": true});
    let run = run(&["version", "-o", "json"], "", &result(reply.clone()));
    assert_eq!(serde_json::from_str::<Value>(&run.stdout).expect("JSON"), reply);
}

#[test]
fn apply_sends_the_document_and_reports_the_generation() {
    let document = r#"{"resources": [], "appliance": {"name": "edge-1"}}"#;
    let reply = result(json!({"generation": 7, "changed": true, "milliseconds": 12}));
    let run = run(&["apply", "-", "--dry-run"], document, &reply);
    let configuration: Value = serde_json::from_str(document).expect("JSON");
    assert_eq!(run.asked["params"], json!({"configuration": configuration, "dryRun": true}));
    assert_eq!(run.stdout, "Accepted, not applied: generation 7 stays in force.\n");
    assert_eq!(run.exit, 0);
}

#[test]
fn one_resource_is_fetched_listed_put_and_deleted() {
    let probe = json!({"name": "http", "properties": {"port": 80}});
    let id = "loadBalancers/web/probes/http";
    let found = json!({"id": id, "etag": "0123", "resource": probe});
    let got = run(&["get", id], "", &result(found.clone()));
    assert_eq!(got.asked["params"], json!({"id": id}));
    assert!(got.stdout.contains("\"port\": 80") && !got.stdout.contains("0123"), "{}", got.stdout);

    let listed = result(json!({"resources": [found]}));
    let listed = run(&["list", "loadBalancers/web/probes"], "", &listed);
    assert_eq!(listed.asked["params"], json!({"collection": "loadBalancers/web/probes"}));
    let expected = "  RESOURCE                       ETAG\n  loadBalancers/web/probes/http  0123\n";
    assert_eq!(listed.stdout, expected);

    let applied = result(json!({"generation": 8, "changed": true, "milliseconds": 3}));
    let body = r#"{"properties": {"port": 81}}"#;
    let put = run(&["put", id, "-", "--if-match", "0123"], body, &applied);
    let resource = json!({"properties": {"port": 81}});
    let expected = json!({"id": id, "resource": resource, "ifMatch": "0123", "dryRun": false});
    assert_eq!((put.exit, &put.asked["params"]), (0, &expected));
    let delete = run(&["delete", id, "--dry-run"], "", &applied);
    assert_eq!(delete.asked["method"], "delete");
    assert_eq!(delete.asked["params"], json!({"id": id, "dryRun": true}));
}

#[test]
fn rollback_sends_its_number_and_reports_where_it_is_stored() {
    let reply = result(json!({"generation": 8, "changed": true, "number": 12, "milliseconds": 3}));
    let named = run(&["rollback", "7"], "", &reply);
    assert_eq!(named.asked["method"], "rollback");
    assert_eq!(named.asked["params"], json!({"to": 7, "dryRun": false}));
    let expected = "Applied as generation 8 in 3 ms.\nStored as number 12 (weirctl history).\n";
    assert_eq!((named.exit, named.stdout.as_str()), (0, expected));
    let before = run(&["rollback", "--dry-run"], "", &reply);
    assert_eq!(before.asked["params"], json!({"dryRun": true}));
}

#[test]
fn a_refused_configuration_ends_with_code_2_and_all_problems_on_stderr() {
    let problems = json!([
        {"pointer": "/resources/0", "code": "Unknown", "message": "is unknown"},
        {"pointer": "/resources/1", "code": "Unknown", "message": "is unknown too"}
    ]);
    let reply = json!({"jsonrpc": "2.0", "id": 1, "error":
        {"code": -32001, "message": "configuration refused", "data": {"problems": problems}}});
    let human = run(&["apply", "-"], "{}", &reply);
    assert_eq!((human.exit, human.stdout.as_str()), (2, ""));
    assert!(human.stderr.contains("2 problems:\n  /resources/0\n"), "{}", human.stderr);
    let machine = run(&["apply", "-", "-o", "json"], "{}", &reply);
    let error: Value = serde_json::from_str(&machine.stderr).expect("JSON");
    assert_eq!(error["data"]["problems"], problems);
}

#[test]
fn other_errors_of_the_appliance_end_with_code_1() {
    let reply = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}});
    let refused = run(&["status"], "", &reply);
    assert_eq!(refused.exit, 1);
    assert_eq!(refused.stderr, "weirctl: the appliance says: no\n");
    let strange = run(&["status"], "", &json!("hello"));
    assert_eq!(strange.exit, 1);
    assert!(strange.stderr.contains("cannot be read"), "{}", strange.stderr);
}

#[test]
fn without_an_appliance_the_code_is_3_and_one_sentence_says_what_to_do() {
    let directory = TempDir::new().expect("a directory");
    let missing = directory.path().join("missing.sock");
    let dead = directory.path().join("dead.sock");
    drop(UnixListener::bind(&dead).expect("free"));
    for (socket, part) in [(missing, "start weir"), (dead, "look at its log")] {
        let output = weirctl(&socket, &["status"], "");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains(part) && stderr.lines().count() == 1, "{stderr}");
    }
}

#[test]
fn a_file_that_is_no_configuration_is_refused_before_anyone_is_asked() {
    let directory = TempDir::new().expect("a directory");
    let nobody = directory.path().join("nobody.sock");
    let file = directory.path().join("lb.json");
    fs::write(&file, "{\n  \"resources\": [,]\n}").expect("ours");
    let path = file.to_str().expect("text");
    for (words, input, part) in [
        (vec!["apply", path], "", "line 2 column"),
        (vec!["apply", "-"], "[]", "JSON object"),
        (vec!["apply", "/does/not/exist"], "", "cannot read /does/not/exist"),
        (vec!["reboot"], "", "unrecognized subcommand"),
    ] {
        let output = weirctl(&nobody, &words, input);
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
}
