//! Does the command say the right thing on the socket, and the right thing to the operator?
//!
//! Each case runs the real `weirctl` against a server that gives prepared replies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod prepared;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use prepared::{Run, result, run, run_in, weirctl};

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
        assert_eq!(run.asked[0], json!({"jsonrpc": "2.0", "id": 1, "method": word}));
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
    assert_eq!(run.asked[0]["params"], json!({"configuration": configuration, "dryRun": true}));
    assert_eq!(run.stdout, "Accepted, not applied: generation 7 stays in force.\n");
    assert_eq!(run.exit, 0);
}

#[test]
fn one_resource_is_fetched_listed_put_and_deleted() {
    let probe = json!({"name": "http", "properties": {"port": 80}});
    let id = "loadBalancers/web/probes/http";
    let found = json!({"id": id, "etag": "0123", "resource": probe});
    let got = run(&["get", id], "", &result(found.clone()));
    assert_eq!(got.asked[0]["params"], json!({"id": id}));
    assert!(got.stdout.contains("\"port\": 80") && !got.stdout.contains("0123"), "{}", got.stdout);

    let listed = result(json!({"resources": [found]}));
    let listed = run(&["list", "loadBalancers/web/probes"], "", &listed);
    assert_eq!(listed.asked[0]["params"], json!({"collection": "loadBalancers/web/probes"}));
    let expected = "  RESOURCE                       ETAG\n  loadBalancers/web/probes/http  0123\n";
    assert_eq!(listed.stdout, expected);

    let applied = result(json!({"generation": 8, "changed": true, "milliseconds": 3}));
    let body = r#"{"properties": {"port": 81}}"#;
    let put = run(&["put", id, "-", "--if-match", "0123"], body, &applied);
    let resource = json!({"properties": {"port": 81}});
    let expected = json!({"id": id, "resource": resource, "ifMatch": "0123", "dryRun": false});
    assert_eq!((put.exit, &put.asked[0]["params"]), (0, &expected));
    let delete = run(&["delete", id, "--dry-run"], "", &applied);
    assert_eq!(delete.asked[0]["method"], "delete");
    assert_eq!(delete.asked[0]["params"], json!({"id": id, "dryRun": true}));
}

#[test]
fn rollback_sends_its_number_and_reports_where_it_is_stored() {
    let reply = result(json!({"generation": 8, "changed": true, "number": 12, "milliseconds": 3}));
    let named = run(&["rollback", "7"], "", &reply);
    assert_eq!(named.asked[0]["method"], "rollback");
    assert_eq!(named.asked[0]["params"], json!({"to": 7, "dryRun": false}));
    let expected = "Applied as generation 8 in 3 ms.\nStored as number 12 (weirctl history).\n";
    assert_eq!((named.exit, named.stdout.as_str()), (0, expected));
    let before = run(&["rollback", "--dry-run"], "", &reply);
    assert_eq!(before.asked[0]["params"], json!({"dryRun": true}));
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
        let output = weirctl(&socket, Path::new("."), &["status"], "");
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
        (vec!["apply", path], "", "InvalidJson"),
        (vec!["apply", "-"], "7", "no configuration"),
        (vec!["plan", path], "", "at line 2"),
        (vec!["put", "loadBalancers/web", "-"], "[]", "JSON object"),
        (vec!["apply", "/does/not/exist"], "", "cannot read /does/not/exist"),
        (vec!["reboot"], "", "unrecognized subcommand"),
    ] {
        let output = weirctl(&nobody, Path::new("."), &words, input);
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn several_files_are_one_document_and_problems_name_the_file() {
    let directory = TempDir::new().expect("a directory");
    fs::create_dir(directory.path().join("loadBalancers")).expect("ours");
    for (name, text) in [
        ("appliance.json", r#"{"appliance": {"name": "edge-1"}}"#),
        ("loadBalancers/web.json", r#"{"properties": {"probes": []}}"#),
    ] {
        fs::write(directory.path().join(name), text).expect("ours");
    }
    let words = ["apply", "appliance.json", "loadBalancers"];
    let problem = json!({"pointer": "/resources/0/properties/probes", "code": "C", "message": "m"});
    let warned =
        json!({"generation": 7, "changed": true, "milliseconds": 3, "warnings": [problem]});
    let applied = run_in(directory.path(), &words, "", &[vec![result(warned)]]);
    let web = json!({"type": "Microsoft.Network/loadBalancers", "name": "web",
                     "properties": {"probes": []}});
    let expected = json!({"appliance": {"name": "edge-1"}, "resources": [web]});
    assert_eq!(applied.asked[0]["params"]["configuration"], expected);
    let place = "  loadBalancers/web.json /properties/probes\n";
    assert!(applied.stdout.contains(place), "{}", applied.stdout);

    let refusal = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32001,
        "message": "configuration refused", "data": {"problems": [problem]}}});
    let refused = run_in(directory.path(), &words, "", &[vec![refusal.clone()]]);
    assert_eq!(refused.exit, 2);
    assert!(refused.stderr.contains(place), "{}", refused.stderr);
    let words = [&words[..], &["-o", "json"]].concat();
    let refused = run_in(directory.path(), &words, "", &[vec![refusal]]);
    let error: Value = serde_json::from_str(&refused.stderr).expect("JSON");
    assert_eq!(error["data"]["problems"][0]["file"], "loadBalancers/web.json");
    assert_eq!(error["data"]["problems"][0]["pointer"], "/properties/probes");
}

#[test]
fn an_etag_is_handed_on() {
    let applied = result(json!({"generation": 7, "changed": true}));
    for words in [
        &["apply", "-", "--if-match", "0a"][..],
        &["rollback", "--if-match", "0a"],
        &["plan", "-", "--if-match", "0a"],
    ] {
        let run = run(words, "{}", &applied);
        assert_eq!(run.asked[0]["params"]["ifMatch"], "0a", "{words:?}");
    }
}

#[test]
fn a_plan_says_by_its_exit_code_whether_anything_would_change_if_asked_to() {
    for (changed, word, exit) in [
        (true, "--detailed-exit-code", 4),
        (false, "--detailed-exit-code", 0),
        (true, "--color=never", 0),
    ] {
        let reply = result(json!({"generation": 7, "etag": "0a", "changed": changed}));
        for output in ["human", "json"] {
            let run = run(&["plan", "-", word, "-o", output], "{}", &reply);
            assert_eq!((run.exit, run.stderr.as_str()), (exit, ""), "{changed} {word} {output}");
        }
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_insist() {
    let change = json!({"id": "loadBalancers/web", "change": "Add"});
    let reply = result(json!({"generation": 7, "changed": true, "changes": [change]}));
    for (color, expected) in [("auto", false), ("never", false), ("always", true)] {
        let run = run(&["plan", "-", "--color", color], "{}", &reply);
        assert_eq!(run.stdout.contains('\u{1b}'), expected, "{color}");
    }
}

#[test]
fn members_are_added_removed_and_set() {
    let reply = result(json!({"generation": 7, "changed": true, "milliseconds": 3}));
    let pool = "loadBalancers/web/backendAddressPools/servers";
    for (words, method, parameters) in [
        (
            "add web/servers d 10.0.0.14 --weight 50 --dry-run",
            "addMember",
            json!({"pool": pool, "name": "d", "ipAddress": "10.0.0.14", "weight": 50,
                   "dryRun": true}),
        ),
        (
            "remove web/servers d --if-match 0a",
            "removeMember",
            json!({"pool": pool, "member": "d", "ifMatch": "0a", "dryRun": false}),
        ),
        (
            "set web/servers 10.0.0.14 --admin-state down",
            "setMember",
            json!({"pool": pool, "member": "10.0.0.14", "adminState": "Down", "dryRun": false}),
        ),
    ] {
        let words: Vec<_> = ["members"].into_iter().chain(words.split(' ')).collect();
        let run = run(&words, "", &reply);
        assert_eq!((run.exit, &run.asked[0]["method"]), (0, &json!(method)), "{}", run.stderr);
        assert_eq!(run.asked[0]["params"], parameters);
    }
}

/// A pool of one member with so many flows, as `list` and `status` say it.
fn pool_with(flows: u64) -> [Vec<Value>; 2] {
    let member = json!({"id": format!("{POOL}/loadBalancerBackendAddresses/a"), "etag": "0a",
        "resource": {"name": "a", "properties": {"ipAddress": "10.0.0.11"}}});
    let row = |balancer: &str, pool: &str, flows: u64| {
        json!({"address": "10.0.0.11", "name": "a", "loadBalancer": balancer, "pool": pool,
               "state": "Up", "flows": flows})
    };
    let status = json!({"members": [row("web", "others", 99), row("mail", "servers", 98),
        row("web", "servers", flows), row("zone", "servers", 97)]});
    [vec![result(json!({"resources": [member]}))], vec![result(status)]]
}

/// What `health` says when the rule `http` of each load balancer leads to the member `a`.
fn health_with(probe: Option<&str>) -> Vec<Value> {
    let balancer = |name: &str, probe: Option<&str>| {
        let rule = |name: &str, pool: &str, probe: Option<&str>| {
            json!({"name": name, "probe": probe, "pool": pool,
                   "members": [{"address": "10.0.0.11", "state": "Up"}]})
        };
        json!({"name": name,
               "rules": [rule("http", "servers", probe), rule("ftp", "others", None)]})
    };
    vec![result(json!({"loadBalancers": [balancer("mail", None), balancer("web", probe)]}))]
}

const POOL: &str = "loadBalancers/web/backendAddressPools/servers";

#[test]
fn members_show_what_configuration_and_status_know() {
    let shown =
        run_in(Path::new("."), &["members", "web/servers", "-o", "json"], "", &pool_with(7));
    assert_eq!(
        shown.asked[0]["params"]["collection"],
        format!("{POOL}/loadBalancerBackendAddresses")
    );
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let expected = json!({"name": "a", "address": "10.0.0.11", "adminState": "None", "weight": 1,
                          "state": "Up", "reason": null, "flows": 7});
    assert_eq!(shown["members"], json!([expected]));
}

#[test]
fn a_drain_waits_until_the_last_flow_has_gone() {
    let applied = vec![result(json!({"generation": 8, "changed": true}))];
    let [listed, two] = pool_with(2);
    let [_, none] = pool_with(0);
    let words = ["drain", "web/servers", "A", "--wait", "30"];
    let answers =
        [applied.clone(), listed.clone(), two.clone(), health_with(Some("tcp")), two.clone(), none];
    let drained = run_in(Path::new("."), &words, "", &answers);
    let set = json!({"pool": POOL, "member": "A", "adminState": "Down", "dryRun": false});
    assert_eq!(drained.asked[0]["params"], set);
    assert_eq!((drained.exit, drained.asked.len()), (0, 6), "{}", drained.stderr);
    assert!(drained.stdout.contains("None is left"), "{}", drained.stdout);

    let words = ["drain", "web/servers", "a", "--wait", "0"];
    let late = run_in(
        Path::new("."),
        &words,
        "",
        &[applied.clone(), listed.clone(), two.clone(), health_with(Some("tcp"))],
    );
    assert_eq!(late.exit, 1);
    assert!(late.stderr.contains("still has 2 flows after 0 s"), "{}", late.stderr);

    let words = ["drain", "web/servers", "a", "--undo", "-o", "json"];
    let undone = run_in(Path::new("."), &words, "", &[applied, listed, two]);
    assert_eq!(undone.asked[0]["params"]["adminState"], "None");
    let undone: Value = serde_json::from_str(&undone.stdout).expect("JSON");
    assert_eq!(undone["address"], "10.0.0.11");
}

#[test]
fn a_drain_fails_for_a_member_that_the_status_does_not_show() {
    let applied = vec![result(json!({"generation": 8, "changed": true}))];
    let [listed, shown] = pool_with(2);
    let elsewhere = json!({"address": "10.0.0.11", "name": "a", "loadBalancer": "mail",
                           "pool": "servers", "state": "Up", "flows": 0});
    let gone = vec![result(json!({"members": [elsewhere]}))];
    for words in ["drain web/servers a", "drain web/servers a --wait 30"] {
        let words: Vec<_> = words.split(' ').collect();
        let answers = [applied.clone(), listed.clone(), gone.clone()];
        let failed = run_in(Path::new("."), &words, "", &answers);
        assert_eq!((failed.exit, failed.stdout.as_str()), (1, ""), "{}", failed.stderr);
        assert!(failed.stderr.contains("status shows no such member"), "{}", failed.stderr);
    }
    let words = ["drain", "web/servers", "a", "--wait", "30"];
    let answers = [applied, listed, shown, health_with(Some("tcp")), gone];
    let left = run_in(Path::new("."), &words, "", &answers);
    assert_eq!((left.exit, left.stdout.as_str()), (1, ""), "{}", left.stderr);
    assert!(left.stderr.contains("while it had 2 flows"), "{}", left.stderr);
}

#[test]
fn a_drain_names_the_rules_without_a_probe_and_does_not_wait_for_them() {
    let applied = vec![result(json!({"generation": 8, "changed": true}))];
    let [listed, two] = pool_with(2);
    let answers = [applied, listed, two, health_with(None)];
    let warning = "Warning: rule 'http' has no probe and goes on sending it new flows.";
    let warned = run_in(Path::new("."), &["drain", "web/servers", "a"], "", &answers);
    assert_eq!(warned.exit, 0, "{}", warned.stderr);
    assert!(warned.stdout.contains(warning), "{}", warned.stdout);
    assert!(!warned.stdout.contains("no new flows"), "{}", warned.stdout);
    let words = ["drain", "web/servers", "a", "--wait", "600"];
    let vain = run_in(Path::new("."), &words, "", &answers);
    assert_eq!((vain.exit, vain.asked.len()), (1, 4));
    assert!(vain.stderr.contains(warning), "{}", vain.stderr);
    let words = ["drain", "web/servers", "a", "-o", "json"];
    let machine = run_in(Path::new("."), &words, "", &answers);
    let machine: Value = serde_json::from_str(&machine.stdout).expect("JSON");
    assert_eq!(machine["rulesWithoutProbe"], json!(["http"]));
}

/// A pool with an address, an interface with an entry, and two interfaces without.
fn pool_of_interfaces(flows: u64) -> [Vec<Value>; 2] {
    let entry = |name: &str, properties: Value| {
        json!({"id": format!("{POOL}/loadBalancerBackendAddresses/{name}"), "etag": "0a",
               "resource": {"name": name, "properties": properties}})
    };
    let interface = json!({"id": "networkInterfaces/nic-b/ipConfigurations/ip"});
    let resources = [
        entry("a", json!({"ipAddress": "2001:db8:0::A"})),
        entry("b", json!({"networkInterfaceIPConfiguration": interface, "adminState": "Down"})),
    ];
    let row = |name: &str, address: &str, flows: u64| {
        json!({"address": address, "name": name, "loadBalancer": "Web", "pool": "servers",
               "state": "Up", "flows": flows})
    };
    let rows = [
        row("nic-c/ip", "10.0.0.13", 3),
        row("b", "10.0.0.12", flows),
        row("nic-d/ip", "10.0.0.14", 4),
        row("a", "2001:db8::a", 1),
    ];
    [vec![result(json!({"resources": resources}))], vec![result(json!({"members": rows}))]]
}

#[test]
fn interfaces_are_members_whether_the_pool_lists_them_or_not() {
    let words = ["members", "web/servers", "-o", "json"];
    let shown = run_in(Path::new("."), &words, "", &pool_of_interfaces(2));
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let members = shown["members"].as_array().expect("a list").iter();
    let members: Vec<_> = members
        .map(|it| json!([it["name"], it["address"], it["adminState"], it["state"], it["flows"]]))
        .collect();
    let expected = [
        json!(["a", "2001:db8::a", "None", "Up", 1]),
        json!(["b", "10.0.0.12", "Down", "Up", 2]),
        json!(["nic-c/ip", "10.0.0.13", "None", "Up", 3]),
        json!(["nic-d/ip", "10.0.0.14", "None", "Up", 4]),
    ];
    assert_eq!(members, expected);
}

#[test]
fn an_interface_is_drained_by_each_of_its_names() {
    let applied = vec![result(json!({"generation": 8, "changed": true}))];
    let [listed, two] = pool_of_interfaces(2);
    let [_, none] = pool_of_interfaces(0);
    let health = vec![result(json!({"loadBalancers": []}))];
    for name in ["b", "nic-b/ip", "10.0.0.12"] {
        let words = ["drain", "web/servers", name, "--wait", "30"];
        let answers = [applied.clone(), listed.clone(), two.clone(), health.clone(), none.clone()];
        let drained = run_in(Path::new("."), &words, "", &answers);
        assert_eq!((drained.exit, drained.asked.len()), (0, 5), "{}", drained.stderr);
        assert!(drained.stdout.starts_with("10.0.0.12 of "), "{}", drained.stdout);
    }
}

#[test]
fn every_failure_of_weirctl_itself_is_json_where_json_is_asked_for() {
    let local = |stderr: &str, part: &str| {
        let error: Value = serde_json::from_str(stderr).expect(stderr);
        assert_eq!(error.as_object().map(serde_json::Map::len), Some(2), "{stderr}");
        assert_eq!(error["code"], Value::Null, "{stderr}");
        let message = error["message"].as_str().expect("text");
        assert!(message.contains(part), "{stderr}");
    };
    let here = Path::new(".");
    let id = "loadBalancers/web";
    for (words, exit, part) in [
        (&["status", "-o", "json"][..], 3, "there is no control socket"),
        (&["put", id, "-", "-o", "json"], 2, "is not JSON"),
    ] {
        let output = weirctl(Path::new("/nobody.sock"), here, words, "{,}");
        assert_eq!(output.status.code(), Some(exit), "{words:?}");
        local(&String::from_utf8(output.stderr).expect("text"), part);
    }
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "none"}});
    let old = [vec![unknown], vec![result(json!({"version": "0.0.9"}))]];
    local(&run_in(here, &["snat", "-o", "json"], "", &old).stderr, "weir 0.0.9 does not know");
    let closed = run_in(here, &["status", "-o", "json"], "", &[vec![]]);
    local(&closed.stderr, "closed the connection");
    let subscribed = [vec![result(json!({"events": []}))]];
    let watched = run_in(here, &["watch", "-o", "json"], "", &subscribed);
    local(&watched.stderr, "the appliance has gone");
    let applied = vec![result(json!({"generation": 8, "changed": true}))];
    let [listed, two] = pool_with(2);
    let words = ["drain", "web/servers", "a", "--wait", "0", "-o", "json"];
    let late = run_in(here, &words, "", &[applied, listed, two, health_with(Some("tcp"))]);
    local(&late.stderr, "still has 2 flows");
}

#[test]
fn a_swap_gives_each_frontend_the_address_of_the_other_or_does_nothing() {
    let whole = vec![result(json!({"generation": 7, "etag": "0a", "configuration": {}}))];
    let frontend = |name: &str, properties: Value| {
        let id = format!("loadBalancers/{name}/frontendIPConfigurations/web");
        vec![result(json!({"id": id, "etag": "1", "resource": {"properties": properties}}))]
    };
    let blue = frontend("blue", json!({"publicIPAddress": {"id": "publicIPAddresses/one"}}));
    let green = frontend("green", json!({"publicIPAddress": {"id": "publicIPAddresses/two"}}));
    let applied = vec![result(json!({"generation": 8, "changed": true, "milliseconds": 3}))];
    let words = ["swap", "blue/web", "green/web"];
    let answers = [whole.clone(), blue.clone(), green, applied];
    let swapped = run_in(Path::new("."), &words, "", &answers);
    assert_eq!(swapped.exit, 0, "{}", swapped.stderr);
    let given = |name: &str, address: &str| {
        json!({"id": format!("loadBalancers/{name}/frontendIPConfigurations/web"),
               "properties": {"publicIPAddress": {"id": format!("publicIPAddresses/{address}")}}})
    };
    let expected = json!({"frontendIPConfigurations": [given("blue", "two"), given("green", "one")],
                          "ifMatch": "0a", "dryRun": false});
    assert_eq!(swapped.asked[3]["params"], expected);

    let private = frontend("green", json!({"privateIPAddress": "10.0.0.9"}));
    let refused = run_in(Path::new("."), &words, "", &[whole, blue, private]);
    assert_eq!((refused.exit, refused.asked.len()), (2, 3));
    assert!(refused.stderr.contains("has no publicIPAddress"), "{}", refused.stderr);
}

/// A page of flows from these source ports.
fn page(ports: &[u16], cursor: Option<&str>) -> Vec<Value> {
    let flow = |port: &u16| {
        json!({"protocol": "Tcp", "source": "198.51.100.7", "sourcePort": port, "kind": "Inbound",
               "loadBalancer": "web", "rule": "http", "member": "10.0.0.11"})
    };
    let flows: Vec<_> = ports.iter().map(flow).collect();
    vec![result(json!({"flows": flows, "cursor": cursor, "scanned": 2}))]
}

#[test]
fn flows_are_read_page_by_page_to_the_end() {
    let pages = [page(&[1, 2], Some("x")), page(&[3], None)];
    let all = run_in(Path::new("."), &["flows", "--all", "--rule", "web/http"], "", &pages);
    assert_eq!(all.asked[0]["params"]["rule"], "loadBalancers/web/loadBalancingRules/http");
    assert_eq!(all.asked[0]["params"]["limit"], 1000);
    assert_eq!(all.asked[1]["params"]["cursor"], "x");
    assert!(all.stdout.contains("198.51.100.7:3") && all.stdout.ends_with("3 flows.\n"));

    let lines = run_in(Path::new("."), &["flows", "--all", "-o", "json"], "", &pages);
    let ports = lines.stdout.lines().map(|line| {
        let flow: Value = serde_json::from_str(line).expect("an object a line");
        flow["sourcePort"].as_u64().expect("a port")
    });
    assert_eq!(ports.collect::<Vec<_>>(), [1, 2, 3]);

    let few = [page(&[1], Some("x")), page(&[], Some("y")), page(&[2], Some("z"))];
    let patient = run_in(Path::new("."), &["flows", "--limit", "2", "-o", "json"], "", &few);
    assert_eq!(patient.asked[2]["params"], json!({"limit": 1, "cursor": "y"}));
    let list: Value = serde_json::from_str(&patient.stdout).expect("JSON");
    assert_eq!((&list["cursor"], &list["scanned"]), (&json!("z"), &json!(6)));
    assert_eq!(list["flows"].as_array().map(Vec::len), Some(2));

    let one = run_in(Path::new("."), &["flows", "--limit", "2"], "", &pages[..1]);
    assert!(one.stdout.ends_with("2 flows, and more: --limit, --all, or a filter.\n"));

    let counted = run_in(Path::new("."), &["flows", "--summary"], "", &pages);
    assert!(
        counted.stdout.contains("web/http  10.0.0.11      3    3    0\n"),
        "{}",
        counted.stdout
    );
}

#[test]
fn explain_sends_the_five_tuple() {
    let words = ["explain", "udp", "[2001:db8::7]:5353", "[2001:db8::10]:53", "--port", "front"];
    let run = run(&words, "", &result(json!({"verdict": "Drop", "reason": "no_rule"})));
    let expected = json!({"protocol": "Udp", "source": "2001:db8::7", "sourcePort": 5353,
        "destination": "2001:db8::10", "destinationPort": 53, "port": "front"});
    assert_eq!((run.exit, &run.asked[0]["params"]), (0, &expected));
}

#[test]
fn events_are_told_a_line_each_until_the_appliance_goes() {
    let event = |kind: &str| {
        json!({"jsonrpc": "2.0", "method": "event", "params": {"at": "2026-11-21T08:54:21Z",
            "kind": kind, "count": 3}})
    };
    let lines = vec![result(json!({"events": ["health"]})), event("Missed"), event("Eclipse")];
    let answers = [lines];
    let watched = run_in(Path::new("."), &["watch", "health"], "", &answers);
    assert_eq!(watched.asked[0]["params"], json!({"events": ["health"]}));
    assert_eq!((watched.exit, watched.stdout.lines().count()), (1, 2), "{}", watched.stdout);
    assert_eq!(watched.stderr, "weirctl: the appliance has gone; its log says why\n");
    let watched = run_in(Path::new("."), &["watch", "-o", "json"], "", &answers);
    let line = watched.stdout.lines().nth(1).expect("the second event");
    assert_eq!(serde_json::from_str::<Value>(line).expect("JSON")["kind"], "Eclipse");
}

#[test]
fn an_older_appliance_is_told_from_a_misspelt_word() {
    let unknown = json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "none"}});
    let answers = [vec![unknown], vec![result(json!({"version": "0.0.9"}))]];
    let run = run_in(Path::new("."), &["snat"], "", &answers);
    assert_eq!(run.exit, 1);
    let expected = "weirctl: weir 0.0.9 does not know `snat`: it needs release ";
    assert!(run.stderr.starts_with(expected), "{}", run.stderr);
}

#[test]
fn doctor_looks_at_the_machine_even_when_no_appliance_answers() {
    let nobody = Path::new("/nobody.sock");
    let output = weirctl(nobody, Path::new("."), &["doctor", "-o", "json"], "");
    let diagnosis: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = diagnosis["findings"].as_array().expect("a list");
    assert_eq!(output.status.code(), Some(1), "that none answers is a problem");
    assert_eq!(findings.last().expect("some")["check"], "appliance");
    assert!(findings.len() > 10);
}

#[test]
fn doctor_judges_where_workers_and_ports_are_and_adds_what_the_appliance_finds() {
    let directory = TempDir::new().expect("a directory");
    for (name, text) in [
        ("sys/devices/system/cpu/isolated", "2-3"),
        ("sys/devices/system/cpu/nohz_full", "2-3"),
        ("sys/bus/pci/devices/0000:01:00.0/numa_node", "0"),
    ] {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("ours")).expect("ours");
        fs::write(path, text).expect("ours");
    }
    let status = json!({"workers": [{"lcore": 2}, {"lcore": 3}],
                        "ports": [{"device": "0000:01:00.0"}]});
    let link = json!({"check": "link", "state": "Ok", "detail": "every port has one"});
    let findings = json!({"findings": [link]});
    let root = directory.path().to_str().expect("text");
    let answers = [vec![result(status)], vec![result(findings)]];
    let run = run_in(Path::new("."), &["doctor", "--root", root], "", &answers);
    let Run { asked, exit, stdout, .. } = run;
    assert_eq!(asked[1]["method"], "diagnose");
    assert!(stdout.contains("  ok       lcore-isolation"), "{stdout}");
    assert!(stdout.contains("0000:01:00.0 is with no driver"), "{stdout}");
    assert!(stdout.contains("The appliance\n  ok       link  every port has one\n"), "{stdout}");
    assert_eq!(exit, 1, "a NIC without a driver is a problem");
}

#[test]
fn every_shell_learns_the_commands() {
    let directory = TempDir::new().expect("a directory");
    let nobody = directory.path().join("nobody.sock");
    for shell in ["bash", "zsh", "fish"] {
        let output = weirctl(&nobody, Path::new("."), &["completion", shell], "");
        let script = String::from_utf8(output.stdout).expect("text");
        assert_eq!(output.status.code(), Some(0));
        assert!(script.contains("drain") && script.contains("detailed-exit-code"), "{shell}");
    }
}
