use serde_json::{Map, Value, json};

use super::*;

fn rejected(line: &str) -> (Option<Id>, i32, String) {
    let rejection = Request::parse(line.as_bytes()).expect_err(line);
    (rejection.id, rejection.error.code, rejection.error.message)
}

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn number(id: u64) -> Id {
    Id::Number(id.into())
}

#[test]
fn every_method_reads_what_the_client_writes() {
    let configuration = fields(json!({"resources": []}));
    let apply = Apply { configuration, if_match: Some("0a".into()), dry_run: true };
    let methods = [
        Method::Apply(apply),
        Method::Rollback(Rollback { to: Some(7), if_match: None, dry_run: true }),
        Method::Put(Put {
            id: "loadBalancers/web/probes/http".into(),
            resource: fields(json!({"properties": {"port": 80}})),
            if_match: Some("*".into()),
            dry_run: false,
        }),
        Method::Delete(Delete { id: "loadBalancers/web".into(), if_match: None, dry_run: true }),
        Method::AddMember(AddMember { weight: Some(2), ..AddMember::default() }),
        Method::RemoveMember(RemoveMember { dry_run: true, ..RemoveMember::default() }),
        Method::SetMember(SetMember { admin_state: Some("Down".into()), ..SetMember::default() }),
        Method::SwapPublicIpAddresses(SwapPublicIpAddresses {
            frontend_ip_configurations: vec![FrontendAddress::default()],
            ..SwapPublicIpAddresses::default()
        }),
        Method::Get(Get::default()),
        Method::Get(Get { id: Some("loadBalancers/web".into()) }),
        Method::List(List { collection: "loadBalancers".into() }),
        Method::Plan(PlanFor {
            configuration: fields(json!({"resources": []})),
            if_match: Some("0a".into()),
        }),
        Method::Explain(Explain {
            protocol: "Tcp".into(),
            source: "192.0.2.7".into(),
            source_port: 40_000,
            destination: "203.0.113.10".into(),
            destination_port: 80,
            port: Some("front".into()),
        }),
        Method::Flows(Flows {
            protocol: Some("Tcp".into()),
            source: Some("192.0.2.0/24".into()),
            destination_port: Some(80),
            ..Flows::default()
        }),
        Method::Snat(Snat { destinations: true, limit: Some(10), ..Snat::default() }),
        Method::QueryInboundNatRulePortMapping(QueryInboundNatRulePortMapping {
            ip_address: Some("10.0.0.11".into()),
            ..QueryInboundNatRulePortMapping::default()
        }),
        Method::Subscribe(Subscribe::default()),
        Method::Subscribe(Subscribe { events: vec![Topic::Health, Topic::Snat] }),
        Method::History,
        Method::Status,
        Method::Stats,
        Method::Health,
        Method::Diagnose,
        Method::Version,
    ];
    let mut names: Vec<_> = methods.iter().map(Method::name).collect();
    names.dedup();
    assert_eq!(names, Method::NAMES);
    for method in methods {
        for id in [None, Some(Id::Null), Some(number(7)), Some(Id::Text("a".into()))] {
            let request = Request { id, method: method.clone() };
            let line = write_request(&request);
            assert_eq!(line.matches('\n').count(), 1, "one message is one line");
            assert_eq!(Request::parse(line.as_bytes()).as_ref(), Ok(&request));
        }
    }
}

#[test]
fn apply_without_dry_run_is_meant() {
    let line = br#"{"jsonrpc":"2.0","id":1,"method":"apply","params":{"configuration":{}}}"#;
    let expected = Apply::default();
    assert_eq!(Request::parse(line).map(|request| request.method), Ok(Method::Apply(expected)));
}

#[test]
fn each_fault_has_its_code_and_answers_to_the_id_it_can() {
    let null = Some(Id::Null);
    let seven = Some(number(7));
    let table = [
        ("{", null.clone(), -32700, "not JSON"),
        ("\u{0}", null.clone(), -32700, "not JSON"),
        ("[]", null.clone(), -32600, "batches are not served"),
        (
            r#"[{"jsonrpc":"2.0","id":7,"method":"get"}]"#,
            null.clone(),
            -32600,
            "one request a line",
        ),
        ("7", null.clone(), -32600, "a JSON object"),
        (r#"{"id":7,"method":"get"}"#, seven.clone(), -32600, "jsonrpc"),
        (r#"{"jsonrpc":"1.0","id":7,"method":"get"}"#, seven.clone(), -32600, "jsonrpc"),
        (r#"{"jsonrpc":"2.0","id":7}"#, seven.clone(), -32600, "method"),
        (r#"{"jsonrpc":"2.0","id":7,"method":1}"#, seven.clone(), -32600, "method"),
        (r#"{"jsonrpc":"2.0","id":{},"method":"get"}"#, null, -32600, "id"),
        (r#"{"jsonrpc":"2.0","id":7,"method":"reboot"}"#, seven.clone(), -32601, "apply, rollback"),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"status","params":[1]}"#,
            seven.clone(),
            -32602,
            "no params",
        ),
        (r#"{"jsonrpc":"2.0","id":7,"method":"apply"}"#, seven, -32602, "configuration"),
    ];
    for (line, id, code, part) in table {
        let (rejected_id, rejected_code, message) = rejected(line);
        assert_eq!((rejected_id, rejected_code), (id, code), "{line}");
        assert!(message.contains(part), "{line}: {message}");
    }
}

#[test]
fn a_misspelt_dry_run_is_refused_instead_of_applied() {
    for (parameters, part) in [
        (json!({"configuration": {}, "dryrun": true}), "dryrun"),
        (json!({"configuration": {}, "dryRun": "yes"}), "true or false"),
        (json!({"configuration": "text"}), "configuration"),
        (json!([{}]), "configuration"),
    ] {
        let line = json!({"jsonrpc": "2.0", "id": 1, "method": "apply", "params": parameters});
        let (_, code, message) = rejected(&line.to_string());
        assert_eq!(code, -32602);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_notification_has_no_id_to_answer_to_even_when_it_is_wrong() {
    assert_eq!(rejected(r#"{"jsonrpc":"2.0","method":"reboot"}"#).0, None);
    let request = Request::parse(br#"{"jsonrpc":"2.0","method":"status","params":{}}"#);
    assert_eq!(request.map(|request| request.id), Ok(None));
}

#[test]
fn replies_are_written_in_azures_spelling_and_read_back() {
    let version = Version { api_version: API_VERSION, ..Version::default() };
    let line = write_response(&number(3), &Ok(Success::Version(version.clone())));
    assert!(line.contains("\"apiVersion\":2") && line.ends_with('\n'), "{line}");
    assert_eq!(read_response::<Version>(line.as_bytes()).expect("a version"), version);

    let outbound = OutboundStatus { ports_allocated: 1024, ..OutboundStatus::default() };
    let status = Status { outbound: vec![outbound], uptime_seconds: 5, ..Status::default() };
    let line = write_response(&number(3), &Ok(Success::Status(Box::new(status.clone()))));
    assert!(line.contains("\"portsAllocated\":1024") && line.contains("\"uptimeSeconds\":5"));
    assert_eq!(read_response::<Status>(line.as_bytes()).expect("a status"), status);
}

#[test]
fn a_refusal_carries_every_problem_to_the_client() {
    let problem = |pointer: &str| Problem {
        pointer: pointer.into(),
        code: "InvalidPort".into(),
        message: "is no port".into(),
    };
    let problems = vec![problem("/resources/0"), problem("/resources/1")];
    let line = write_response(&number(1), &Error::configuration_refused(problems.clone()).into());
    let Err(ResponseError::Appliance(error)) = read_response::<Applied>(line.as_bytes()) else {
        panic!("a refusal is an error: {line}");
    };
    assert_eq!((error.code, error.message.as_str()), (-32001, "configuration refused"));
    assert_eq!(error.problems(), Some(problems));
    assert_eq!(Error::new(ErrorCode::Internal, "").problems(), None);
}

#[test]
fn a_reply_of_another_release_is_read_as_far_as_it_is_known() {
    let line = br#"{"jsonrpc":"2.0","id":1,"result":{"version":"9","novelty":[1]}}"#;
    assert_eq!(read_response::<Version>(line).expect("lenient").version, "9");
    for line in ["", "{}", r#"{"result":7}"#, "<html>"] {
        let read = read_response::<Version>(line.as_bytes());
        assert!(matches!(read, Err(ResponseError::Malformed(_))), "{line}");
    }
}

#[test]
fn stats_without_workers_leave_the_list_out() {
    let stats = serde_json::to_value(Stats::default()).expect("JSON");
    assert_eq!(stats, json!({"counters": {}}));
    assert_eq!(stats.get("perWorker"), None::<&Value>);
}

#[test]
fn rollback_goes_to_a_number_or_to_the_one_before() {
    for (parameters, expected) in [
        ("{}", Rollback { to: None, if_match: None, dry_run: false }),
        ("null", Rollback { to: None, if_match: None, dry_run: false }),
        (r#"{"dryRun":true}"#, Rollback { to: None, if_match: None, dry_run: true }),
        (r#"{"to":7}"#, Rollback { to: Some(7), if_match: None, dry_run: false }),
    ] {
        let line =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"rollback","params":{parameters}}}"#);
        let request = Request::parse(line.as_bytes()).expect(&line);
        assert_eq!(request.method, Method::Rollback(expected));
        let written = write_request(&request);
        assert_eq!(Request::parse(written.as_bytes()).as_ref(), Ok(&request));
    }
    for (parameters, part) in [
        (json!({"to": -1}), "a number of `history`"),
        (json!({"to": "7"}), "a number of `history`"),
        (json!({"number": 7}), "number"),
        (json!({"to": 7, "dryrun": true}), "dryrun"),
        (json!([7]), "rollback takes"),
    ] {
        let line = json!({"jsonrpc": "2.0", "id": 1, "method": "rollback", "params": parameters});
        let (_, code, message) = rejected(&line.to_string());
        assert_eq!(code, -32602);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn an_author_of_another_release_is_somebody() {
    let read = |text: &str| serde_json::from_str::<Author>(text).expect(text).to_string();
    assert_eq!(read(r#"{"source":"Telepathy"}"#), "somebody");
    assert_eq!(read(r#"{"source":"Socket","user":0,"process":7}"#), "user 0 (pid 7)");
    assert_eq!(read(r#"{"source":"Signal"}"#), "the file, by SIGHUP");
}

#[test]
fn changes_of_one_resource_name_it_and_nothing_unknown() {
    for (method, parameters, part) in [
        ("get", json!({"id": 7}), "id: invalid type: integer `7`, expected a string"),
        ("get", json!({"name": "web"}), "unknown field `name`"),
        ("list", json!({}), "list takes"),
        ("list", json!(["loadBalancers"]), "list takes"),
        ("put", json!({"id": "a/b"}), "missing field `resource`"),
        (
            "put",
            json!({"id": "a/b", "resource": []}),
            "resource: invalid type: sequence, expected a map",
        ),
        ("put", json!({"resource": {}}), "put takes"),
        ("put", json!({"id": "a/b", "resource": {}, "ifmatch": "*"}), "ifmatch"),
        ("put", json!({"id": "a/b", "resource": {}, "ifMatch": 7}), "ifMatch: invalid type"),
        ("delete", json!({"id": "a/b", "resource": {}}), "resource"),
        ("delete", json!({"id": "a/b", "dryRun": 1}), "dryRun: invalid type"),
    ] {
        let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
        let (_, code, message) = rejected(&line.to_string());
        assert_eq!(code, -32602, "{line}");
        assert!(message.contains(part), "{line}: {message}");
    }
}
