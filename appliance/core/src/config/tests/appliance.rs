//! Are mistakes in the appliance section named, and changes that need a new process known?

use serde_json::json;

use super::super::{
    Appliance, ControlSocket, OwnService, SessionLog, SessionLogDestination, SessionLogRecords,
    changed_appliance_fields,
};
use super::*;

#[test]
fn single_values_are_checked() {
    for (place, value, code) in [
        ("workers", json!(17), "ValueOutOfRange"),
        ("idle", json!("Sleep"), "InvalidValue"),
        ("name", json!("../weir"), "InvalidName"),
        ("networkNamespace", json!("a b"), "InvalidName"),
        ("controlSocket", json!("control.sock"), "InvalidPath"),
        ("controlSocketGroup", json!(""), "InvalidName"),
        ("controlSocketMode", json!("0666"), "InvalidMode"),
        ("controlSocketMode", json!("0662"), "InvalidMode"),
        ("controlSocketMode", json!("0760"), "InvalidMode"),
        ("controlSocketMode", json!("4660"), "InvalidMode"),
        ("controlSocketMode", json!("rw-rw----"), "InvalidMode"),
        ("controlSocketMode", json!("0o660"), "InvalidMode"),
        ("controlSocketMode", json!("+660"), "InvalidMode"),
        ("controlSocketMode", json!(""), "InvalidMode"),
        ("controlSocketMode", json!(432), "InvalidType"),
        ("readOnlyControlSocket", json!("read-only.sock"), "InvalidPath"),
        ("readOnlyControlSocket", json!("/run/weir/control.sock"), "InvalidPath"),
        ("readOnlyControlSocket", json!(false), "InvalidType"),
        ("readOnlyControlSocketMode", json!("0777"), "InvalidMode"),
        ("readOnlyControlSocketGroup", json!("a b"), "InvalidName"),
        ("stateDirectory", json!(7), "InvalidType"),
        ("routedPrefixes", json!("10.0.0.0/8"), "InvalidType"),
        ("ports", json!([]), "LimitExceeded"),
        ("portz", json!([]), "UnknownProperty"),
        ("ports/0/name", json!("Front"), "InvalidName"),
        ("ports/0/name", json!("front-of-house"), "InvalidName"),
        ("ports/0/device", json!("--vdev x"), "InvalidDevice"),
        ("ports/0/mtu", json!(575), "ValueOutOfRange"),
        ("ports/0/mtu", json!(9001), "ValueOutOfRange"),
        ("ports/0/queues", json!(0), "ValueOutOfRange"),
        ("ports/0/receiveDescriptors", json!(100), "NotAPowerOfTwo"),
        ("ports/0/transmitDescriptors", json!(16_384), "ValueOutOfRange"),
        ("ports/0/speed", json!(10), "UnknownProperty"),
        ("ports/0/addresses/0", json!("198.51.100.1"), "InvalidInterfaceAddress"),
        ("ports/0/addresses/0", json!("198.51.100.0/24"), "InvalidInterfaceAddress"),
        ("ports/0/addresses/0", json!("198.51.100.255/24"), "InvalidInterfaceAddress"),
        ("ports/1/name", json!("front"), "DuplicatePortName"),
        ("ports/1/device", json!("net_tap0,iface=other"), "DuplicateDevice"),
        ("routes/0/nextHop", json!("192.0.2.1"), "NextHopNotOnLink"),
        ("routes/0/nextHop", json!("198.51.100.1"), "NextHopIsOwnAddress"),
        ("routes/0/destination", json!("2001:db8::/32"), "DifferentAddressFamilies"),
    ] {
        let pointer = format!("/appliance/{place}");
        let problems = check_value(&with(&pointer, value)).expect_err("a problem");
        let (found, found_code) = places(&problems)[0];
        assert_eq!(found_code, code, "{place}");
        assert!(found.starts_with(&pointer) || place.starts_with("routes"), "{place}: {found}");
        assert_eq!(problems.len(), 1, "{problems:#?}");
    }
}

#[test]
fn sections_of_the_appliance_are_checked() {
    for (place, value, at, code) in [
        ("log", json!({"level": "loud"}), "log/level", "InvalidValue"),
        ("log", json!({"colour": true}), "log/colour", "UnknownProperty"),
        ("ownAddresses", json!({"allow": ["Dns"]}), "ownAddresses/allow/0", "InvalidValue"),
        ("limits", json!({"flowsPerWorker": 1023}), "limits/flowsPerWorker", "ValueOutOfRange"),
        ("limits", json!({"hugepages": "Maybe"}), "limits/hugepages", "InvalidValue"),
        ("limits", json!({"mbufs": 1}), "limits/mbufs", "ValueOutOfRange"),
        ("lcores", json!({"workers": [1]}), "lcores/control", "MissingProperty"),
        ("lcores", json!({"control": 1, "workers": [1]}), "lcores/workers", "DuplicateLcore"),
        ("lcores", json!({"control": 0, "workers": []}), "lcores/workers", "LimitExceeded"),
    ] {
        let document = with(&format!("/appliance/{place}"), value);
        assert_refused(&document, &[(&format!("/appliance/{at}"), code)]);
    }
    let mut document = with("/appliance/lcores", json!({"control": 0, "workers": [1, 2]}));
    assert_eq!(accepted(&document).configuration.appliance.workers, 2);
    set(&mut document, "/appliance/workers", 3.into());
    assert_refused(&document, &[("/appliance/lcores", "LcoresDoNotMatchWorkers")]);
}

#[test]
fn own_addresses_and_subnets_of_ports_differ() {
    let pointer = "/appliance/ports/1/addresses";
    assert_value_refused(pointer, json!(["198.51.100.1/24"]), "DuplicateAddress");
    assert_value_refused(pointer, json!(["198.51.100.130/25"]), "OverlappingSubnets");
}

#[test]
fn a_destination_has_one_route() {
    let again = json!({"destination": "0.0.0.0/0", "nextHop": "198.51.100.253"});
    let document = with("/appliance/routes/-", again);
    assert_refused(&document, &[("/appliance/routes/1/destination", "DuplicateRoute")]);
}

#[test]
fn a_session_log_goes_to_a_file_or_a_collector_and_names_no_destinations_unless_told() {
    let read = |value: Value| {
        accepted(&with("/appliance/sessionLog", value)).configuration.appliance.session_log
    };
    assert_eq!(read(Value::Null), None);
    let lines = read(json!({"format": "jsonlines", "destination": "/var/log/weir/sessions"}));
    let all = SessionLogRecords { port_blocks: true, sessions: true };
    let path = "/var/log/weir/sessions".into();
    let destination = SessionLogDestination::JsonLines { path };
    assert_eq!(lines, Some(SessionLog { destination, records: all, destinations: false }));
    let ipfix = read(json!({"format": "Ipfix", "destination": "[::1]:4739", "destinations": true,
        "records": ["Session", "session"], "observationDomainId": 7}));
    let destination = SessionLogDestination::Ipfix {
        collector: "[::1]:4739".parse().expect("a collector"),
        observation_domain_id: 7,
        template_refresh_seconds: 600,
    };
    let records = SessionLogRecords { port_blocks: false, sessions: true };
    assert_eq!(ipfix, Some(SessionLog { destination, records, destinations: true }));
}

#[test]
fn a_session_log_that_goes_nowhere_is_refused() {
    let log = |format, destination| json!({"format": format, "destination": destination});
    let with_word = |mut log: Value, word: &str, value: Value| {
        log[word] = value;
        log
    };
    let (lines, ipfix) = (log("JsonLines", "/log"), log("Ipfix", "127.0.0.1:4739"));
    for (value, at, code) in [
        (json!({"destination": "/log"}), "/format", "MissingProperty"),
        (json!({"format": "Ipfix"}), "/destination", "MissingProperty"),
        (log("Syslog", "/log"), "/format", "InvalidValue"),
        (log("JsonLines", "sessions"), "/destination", "InvalidPath"),
        (log("Ipfix", "/log"), "/destination", "InvalidIPAddress"),
        (log("Ipfix", "127.0.0.1"), "/destination", "InvalidIPAddress"),
        (log("Ipfix", "127.0.0.1:0"), "/destination", "InvalidIPAddress"),
        (log("Ipfix", "0.0.0.0:4739"), "/destination", "InvalidIPAddress"),
        (log("Ipfix", "collector:4739"), "/destination", "InvalidIPAddress"),
        (with_word(lines.clone(), "records", json!([])), "/records", "LimitExceeded"),
        (with_word(lines.clone(), "records", json!(["Flow"])), "/records/0", "InvalidValue"),
        (with_word(lines.clone(), "rotate", json!(true)), "/rotate", "UnknownProperty"),
        (with_word(lines, "observationDomainId", json!(1)), "/observationDomainId", "InvalidValue"),
        (
            with_word(ipfix, "templateRefreshInSeconds", json!(9)),
            "/templateRefreshInSeconds",
            "ValueOutOfRange",
        ),
    ] {
        let document = with("/appliance/sessionLog", value);
        assert_refused(&document, &[(&format!("/appliance/sessionLog{at}"), code)]);
    }
}

#[test]
fn an_appliance_is_required_and_the_envelope_has_no_other_parts() {
    assert_refused(&without("/appliance"), &[("/appliance", "MissingProperty")]);
    assert_refused(&with("/resorces", json!([])), &[("/resorces", "UnknownProperty")]);
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let appliance = accepted(&valid()).configuration.appliance;
    assert_eq!((appliance.name.as_str(), appliance.workers), ("weir", 1));
    assert_eq!(appliance.network_namespace, "weir");
    let default = |path: &str| ControlSocket { path: path.into(), mode: 0o660, group: None };
    assert_eq!(appliance.control_socket, default("/run/weir/control.sock"));
    assert_eq!(appliance.read_only_control_socket, Some(default("/run/weir/read-only.sock")));
    assert_eq!(appliance.state_directory.to_str(), Some("/var/lib/weir"));
    assert_eq!((appliance.ports[0].mtu, appliance.ports[0].queues), (1500, None));
    assert_eq!(appliance.limits.flows_per_worker, 1 << 18);
    assert!(appliance.own_addresses.allow.is_empty());
}

#[test]
fn control_sockets_have_their_own_path_mode_and_group() {
    let mut document = with("/appliance/controlSocketMode", json!("600"));
    set(&mut document, "/appliance/controlSocket", json!("/srv/weir.sock"));
    let appliance = accepted(&document).configuration.appliance;
    assert_eq!(appliance.control_socket.mode, 0o600);
    let read_only = appliance.read_only_control_socket.expect("by default there is one");
    assert_eq!(read_only.path.to_str(), Some("/srv/read-only.sock"), "beside the other");

    set(&mut document, "/appliance/readOnlyControlSocketMode", json!("0666"));
    set(&mut document, "/appliance/readOnlyControlSocketGroup", json!("monitoring"));
    let read_only = accepted(&document).configuration.appliance.read_only_control_socket;
    let read_only = read_only.expect("there is one");
    assert_eq!((read_only.mode, read_only.group.as_deref()), (0o666, Some("monitoring")));

    set(&mut document, "/appliance/readOnlyControlSocket", Value::Null);
    let checked = accepted(&document);
    assert_eq!(checked.configuration.appliance.read_only_control_socket, None, "null is none");
    let said = &checked.echo["appliance"];
    assert!(said["readOnlyControlSocket"].is_null() && said.get("readOnlyControlSocket").is_some());
}

#[test]
fn a_read_only_socket_that_fits_nowhere_is_named_with_its_cure() {
    let long = format!("/{}/x", "d".repeat(100));
    let pointer = "/appliance/readOnlyControlSocket";
    assert_refused(&with("/appliance/controlSocket", json!(long)), &[(pointer, "InvalidPath")]);
    let same = with("/appliance/controlSocket", json!("/run/read-only.sock"));
    assert_refused(&same, &[(pointer, "InvalidPath")]);
}

fn appliance_with(place: &str, value: Value) -> Appliance {
    accepted(&with(&format!("/appliance/{place}"), value)).configuration.appliance
}

#[test]
fn changes_that_need_a_new_process_are_named() {
    let old = accepted(&valid()).configuration.appliance;
    for (place, value, named) in [
        ("workers", json!(2), "/appliance/workers"),
        ("idle", json!("Poll"), "/appliance/idle"),
        ("ports/0/mtu", json!(9000), "/appliance/ports"),
        ("limits", json!({"mbufs": 4096}), "/appliance/limits"),
        ("controlSocketGroup", json!("wheel"), "/appliance/controlSocketGroup"),
        ("controlSocketMode", json!("0600"), "/appliance/controlSocketMode"),
        ("readOnlyControlSocket", json!(null), "/appliance/readOnlyControlSocket"),
        ("readOnlyControlSocketMode", json!("0666"), "/appliance/readOnlyControlSocketMode"),
        ("readOnlyControlSocketGroup", json!("adm"), "/appliance/readOnlyControlSocketGroup"),
    ] {
        assert_eq!(changed_appliance_fields(&old, &appliance_with(place, value)), [named]);
    }
}

#[test]
fn changes_that_a_running_process_can_make_are_not_named() {
    let old = accepted(&valid()).configuration.appliance;
    assert_eq!(changed_appliance_fields(&old, &old), [""; 0]);
    for (place, value) in [
        ("routes", json!([])),
        ("routedPrefixes", json!(["10.9.0.0/16"])),
        ("ownAddresses", json!({"allow": ["Ssh", "Icmp", "ssh"]})),
        ("log", json!({"level": "debug"})),
        ("sessionLog", json!({"format": "JsonLines", "destination": "/var/log/weir/sessions"})),
    ] {
        let new = appliance_with(place, value);
        assert_ne!(new, old);
        assert_eq!(changed_appliance_fields(&old, &new), [""; 0]);
    }
    let new = appliance_with("ownAddresses", json!({"allow": ["Ssh", "Icmp", "ssh"]}));
    assert_eq!(new.own_addresses.allow, [OwnService::Icmp, OwnService::Ssh]);
}
