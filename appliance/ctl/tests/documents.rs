//! Do the transcripts in the documentation show what `weirctl` prints and what the protocol says?
//!
//! Console blocks are run against the answers of `docs/transcripts/weirctl.json`; the lines of
//! `docs/control-protocol.md` are read and written again by the types that both sides use.
//!
//! Not here: whether a real appliance answers so (`tests/e2e/test_transcript.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod prepared;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use weir_core::api;

use prepared::{Run, run_in};

/// What the appliance says to one command line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prepared {
    command: String,
    exchanges: Vec<Exchange>,
    #[serde(default)]
    events: Vec<Value>,
    #[serde(default)]
    interrupted: bool,
    #[serde(default)]
    files: Map<String, Value>,
    #[serde(default)]
    machine: Map<String, Value>,
    #[serde(default)]
    exit: i32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    request: Value,
    result: Option<Value>,
    error: Option<Value>,
}

#[test]
fn every_console_block_shows_what_weirctl_prints() {
    let all: Vec<Prepared> =
        serde_json::from_str(&read(&documents().join("transcripts/weirctl.json"))).expect("JSON");
    let mut played = BTreeSet::new();
    for page in pages() {
        let text = read(&page);
        let replayed = replay(&text, &all, &mut played);
        if env::var_os("BLESS").is_some() {
            fs::write(&page, &replayed).expect("the page can be written");
        }
        assert_eq!(replayed, read(&page), "{}: BLESS=1 writes it anew", page.display());
    }
    let unused: Vec<_> = all.iter().filter(|one| !played.contains(&one.command)).collect();
    assert!(unused.is_empty(), "no page shows these: {unused:?}");
    assert!(played.len() > 10, "the pages were not found");
}

/// The page as it would be if its console blocks were what is printed.
fn replay(page: &str, all: &[Prepared], played: &mut BTreeSet<String>) -> String {
    let mut text = String::new();
    let mut in_block = false;
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        text += line;
        text.push('\n');
        if line == "```console" {
            in_block = lines.peek().is_some_and(|next| next.starts_with(PROMPT));
        } else if line == "```" {
            in_block = false;
        } else if let (true, Some(command)) = (in_block, line.strip_prefix("$ ")) {
            let known = all.iter().find(|one| one.command == command);
            let Some(prepared) = known else { panic!("nothing is prepared for: {command}") };
            text += &printed(prepared);
            played.insert(command.to_owned());
            while lines.next_if(|next| !next.starts_with("$ ") && *next != "```").is_some() {}
        }
    }
    text
}

/// What the command prints, after a look at what it asked.
fn printed(prepared: &Prepared) -> String {
    let directory = TempDir::new().expect("a directory");
    for (name, content) in &prepared.files {
        write(&directory.path().join("files").join(name), &content.to_string());
    }
    for (name, content) in &prepared.machine {
        let path = directory.path().join("machine").join(name);
        match content.get("link").and_then(Value::as_str) {
            Some(target) => {
                fs::create_dir_all(path.parent().expect("below")).expect("ours");
                symlink(target, path).expect("ours");
            }
            None => write(&path, content.as_str().expect("text or a link")),
        }
    }
    let files = directory.path().join("files");
    fs::create_dir_all(&files).expect("ours");
    let mut words: Vec<_> = prepared.command.split(' ').skip(1).collect();
    if !prepared.machine.is_empty() {
        words.extend(["--root", "../machine"]);
    }
    let Run { asked, exit, stdout, stderr } = run_in(&files, &words, "", &answers(prepared));
    let command = &prepared.command;
    assert_eq!(asked.len(), prepared.exchanges.len(), "{command}: {asked:?}\n{stderr}");
    for (asked, exchange) in asked.iter().zip(&prepared.exchanges) {
        assert_eq!(asked["method"], exchange.request["method"], "{command}");
        if let Some(parameters) = exchange.request.get("params") {
            assert_eq!(&asked["params"], parameters, "{command}");
        }
    }
    if prepared.interrupted {
        return stdout + "^C\n";
    }
    assert_eq!(exit, prepared.exit, "{command}: {stderr}");
    // An id is not cut, however long it is.
    let has_id = |line: &str| line.split(' ').any(|word| word.len() > ID);
    let mut lines = stdout.lines().chain(stderr.lines());
    let long = lines.find(|line| line.chars().count() > WIDTH && !has_id(line));
    assert_eq!(long, None, "{command} prints more than {WIDTH} columns");
    stdout + &stderr
}

fn answers(prepared: &Prepared) -> Vec<Vec<Value>> {
    let reply = |exchange: &Exchange| match (&exchange.result, &exchange.error) {
        (Some(result), None) => vec![json!({"jsonrpc": "2.0", "id": 1, "result": result})],
        (None, Some(error)) => vec![json!({"jsonrpc": "2.0", "id": 1, "error": error})],
        _ => panic!("{}: a reply is a result or an error", prepared.command),
    };
    let mut answers: Vec<_> = prepared.exchanges.iter().map(reply).collect();
    let events = prepared
        .events
        .iter()
        .map(|event| json!({"jsonrpc": "2.0", "method": "event", "params": event}));
    answers.last_mut().expect("an exchange").extend(events);
    answers
}

#[test]
fn every_prepared_reply_is_one_that_an_appliance_could_give() {
    let all: Vec<Prepared> =
        serde_json::from_str(&read(&documents().join("transcripts/weirctl.json"))).expect("JSON");
    for exchange in all.iter().flat_map(|prepared| &prepared.exchanges) {
        if let Some(result) = &exchange.result {
            let id = exchange.request["params"]["id"].is_string();
            let method = exchange.request["method"].as_str().expect("a name");
            let written = read_and_written(method, id || result.get("resource").is_some(), result);
            assert_contains(&written, result, method);
        }
    }
}

/// Everything that stands in `part` stands in `whole`, which may have defaults beside it.
fn assert_contains(whole: &Value, part: &Value, place: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                let place = format!("{place}.{key}");
                let Some(found) = whole.get(key) else { panic!("{place} is no field of the API") };
                assert_contains(found, value, &place);
            }
        }
        (Value::Array(whole), Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{place}");
            for (whole, part) in whole.iter().zip(part) {
                assert_contains(whole, part, place);
            }
        }
        _ => assert_eq!(whole, part, "{place}"),
    }
}

#[test]
fn every_request_of_the_protocols_transcript_is_understood_and_no_field_of_a_reply_is_unknown() {
    let page = documents().join("control-protocol.md");
    let text = read(&page);
    let mut asked: Option<&str> = None;
    let mut exchanges = 0;
    let mut again = String::new();
    for whole in text.lines() {
        let line = whole.strip_prefix("    ").unwrap_or_default();
        let mut written = whole.to_owned();
        if let Some(request) = line.strip_prefix("> ") {
            assert_eq!(asked.replace(request), None, "a request without a reply before: {line}");
        } else if let Some(reply) = line.strip_prefix("< ") {
            let reply: Value = serde_json::from_str(reply).expect(line);
            if reply.get("method").is_some() {
                assert_eq!(written_again::<api::Event>(&reply["params"]), reply["params"]);
            } else {
                written = format!("    < {}", answer(&reply, asked.take().expect("a request")));
                exchanges += 1;
            }
        }
        again += &(written + "\n");
    }
    assert!(asked.is_none() && exchanges > 5, "the transcript was not found");
    if env::var_os("BLESS").is_some() {
        fs::write(&page, &again).expect("the page can be written");
    }
    assert_eq!(again, read(&page), "BLESS=1 writes it anew");
}

/// The reply, after a look whether it is one to this request. What is answered before anybody is
/// asked is known here.
fn answer(reply: &Value, request: &str) -> Value {
    let parsed = match api::Request::parse(request.as_bytes()) {
        Ok(parsed) => parsed,
        Err(rejection) => {
            let api::Rejection { id, error } = *rejection;
            return json!({"jsonrpc": "2.0", "id": id, "error": error});
        }
    };
    let sent: Value = serde_json::from_str(request).expect(request);
    assert_eq!(reply["id"], sent["id"], "{request}");
    let written: Value =
        serde_json::from_str(&api::write_request(&parsed)).expect("what we write is JSON");
    assert_contains(&written, &sent, request);
    if let Some(error) = reply.get("error") {
        assert_eq!(&written_again::<api::Error>(error), error);
        return reply.clone();
    }
    let of_resource = sent["params"]["id"].is_string();
    let result = &reply["result"];
    assert_eq!(&read_and_written(parsed.method.name(), of_resource, result), result, "{request}");
    reply.clone()
}

/// A reply as the types of the API read and write it.
fn read_and_written(method: &str, of_resource: bool, result: &Value) -> Value {
    match (method, of_resource) {
        ("plan", _) => written_again::<api::Plan>(result),
        ("get", false) => written_again::<api::Current>(result),
        ("get", true) => written_again::<api::Resource>(result),
        ("list", _) => written_again::<api::Resources>(result),
        ("history", _) => written_again::<api::History>(result),
        ("status", _) => written_again::<api::Status>(result),
        ("stats", _) => written_again::<api::Stats>(result),
        ("health", _) => written_again::<api::Health>(result),
        ("version", _) => written_again::<api::Version>(result),
        ("flows", _) => written_again::<api::FlowList>(result),
        ("snat", _) => written_again::<api::SnatList>(result),
        ("explain", _) => written_again::<api::Explanation>(result),
        ("subscribe", _) => written_again::<api::Subscribed>(result),
        ("diagnose", _) => written_again::<api::Diagnosis>(result),
        ("queryInboundNatRulePortMapping", _) => written_again::<api::PortMappings>(result),
        _ => written_again::<api::Applied>(result),
    }
}

fn written_again<T: DeserializeOwned + Serialize>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).expect("the API's own type");
    json!(read)
}

/// Every page of the documentation, and the first page.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![documents().join("../README.md")];
    for entry in fs::read_dir(documents()).expect("docs/ is there") {
        let path = entry.expect("readable").path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("below")).expect("ours");
    fs::write(path, text).expect("ours");
}

const PROMPT: &str = "$ weirctl ";
const WIDTH: usize = 80;
const ID: usize = 50;
