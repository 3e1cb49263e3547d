//! Are public addresses of network interfaces read, and is each one's alone (behaviour.md §4.1)?

use serde_json::json;

use super::*;
use crate::config::IpConfiguration;

/// An interface behind no outbound rule whose first address has the public address `own`.
fn instance() -> Value {
    let mut document = with_own_public_address();
    set(&mut document, &at("outboundRules"), json!([]));
    set(&mut document, &format!("{INTERFACE}/publicIPAddress"), json!({"id": "own"}));
    document
}

fn public() -> String {
    format!("{INTERFACE}/publicIPAddress")
}

fn first(document: &Value) -> IpConfiguration {
    accepted(document).configuration.network_interfaces[0].ip_configurations[0].clone()
}

/// A public IP address that nobody uses yet.
fn public_address(name: &str, address: &str) -> Value {
    json!({"type": "Microsoft.Network/publicIPAddresses", "name": name,
        "properties": {"ipAddress": address}})
}

#[test]
fn an_interface_has_its_public_address_and_is_closed_to_connections() {
    let first = first(&instance());
    assert_eq!(first.public_address.map(|it| it.to_string()).as_deref(), Some("203.0.113.99"));
    assert!(!first.enable_inbound);
    let configuration = accepted(&instance()).configuration;
    let (one, public) = configuration.instances().next().expect("an instance");
    assert_eq!(
        (one.address.to_string(), public.to_string()),
        (first.address.to_string(), "203.0.113.99".to_owned())
    );
    assert!(configuration.host_addresses().any(|host| host == first.address));
}

#[test]
fn connections_are_let_in_where_that_is_said_and_to_basic_addresses() {
    let extensions = format!("{INTERFACE}/extensions");
    let with_sku = |sku: &str| {
        let mut document = instance();
        set(&mut document, "/resources/5/sku", json!({"name": sku}));
        document
    };
    for (sku, said, open) in [
        ("Standard", None, false),
        ("Standard", Some(true), true),
        ("Basic", None, true),
        ("Basic", Some(false), false),
    ] {
        let mut document = with_sku(sku);
        if let Some(said) = said {
            set(&mut document, &extensions, json!({"enableInbound": said}));
        }
        assert_eq!(first(&document).enable_inbound, open, "{sku} {said:?}");
    }
}

#[test]
fn nobody_has_an_address_that_is_partly_open_without_being_told() {
    let mut document = instance();
    let pointer = public();
    assert_eq!(warned(&accepted(&document)), [(pointer.as_str(), "PublicIPAddressPartlyOpen")]);
    for said in [true, false] {
        set(&mut document, &format!("{INTERFACE}/extensions"), json!({"enableInbound": said}));
        assert_eq!(accepted(&document).warnings, []);
    }
    let mut document = instance();
    set(&mut document, "/resources/5/sku", json!({"name": "Basic"}));
    assert_eq!(accepted(&document).warnings, [], "as open as in Azure");
}

#[test]
fn extensions_of_an_ip_configuration_have_no_unknown_words() {
    let mut document = instance();
    set(&mut document, &format!("{INTERFACE}/extensions"), json!({"enableInbond": true}));
    let pointer = format!("{INTERFACE}/extensions/enableInbond");
    assert_refused(&document, &[(&pointer, "UnknownProperty")]);
}

#[test]
fn a_public_address_is_one_frontends_or_one_interfaces() {
    let pointer = public();
    let mut of_a_frontend = instance();
    set(&mut of_a_frontend, &pointer, json!({"id": "ip"}));
    assert_refused(&of_a_frontend, &[(&pointer, "PublicIPAddressInUse")]);

    let second = "/resources/4/properties/ipConfigurations/0/properties/publicIPAddress";
    let mut twice = instance();
    set(&mut twice, second, json!({"id": "own"}));
    assert_refused(&twice, &[(second, "PublicIPAddressInUse")]);

    let mut by_another_name = instance();
    set(&mut by_another_name, "/resources/-", public_address("again", "203.0.113.99"));
    set(&mut by_another_name, second, json!({"id": "again"}));
    assert_refused(&by_another_name, &[(second, "PublicIPAddressInUse")]);

    for taken in ["198.51.100.1", "10.0.0.12"] {
        let mut document = instance();
        set(&mut document, "/resources/5/properties/ipAddress", taken.into());
        if taken == "10.0.0.12" {
            // Of an interface that has a public address itself.
            set(&mut document, "/resources/-", public_address("other", "203.0.113.98"));
            set(&mut document, second, json!({"id": "other"}));
        }
        assert_refused(&document, &[(&pointer, "PublicIPAddressInUse")]);
    }
}

#[test]
fn a_public_address_lies_in_no_prefix_of_a_frontend() {
    let mut document = instance();
    let prefix = json!({"type": "Microsoft.Network/publicIPPrefixes", "name": "p", "properties":
        {"prefixLength": 28, "ipPrefix": "203.0.113.96/28"}});
    set(&mut document, "/resources/-", prefix);
    let frontend = json!({"name": "range", "properties": {"publicIPPrefix": {"id": "p"}}});
    set(&mut document, &at("frontendIPConfigurations/-"), frontend);
    assert_refused(&document, &[(&public(), "PublicIPAddressInUse")]);
}

#[test]
fn an_address_leaves_by_one_public_address() {
    let mut document = instance();
    let other = "/resources/4/properties/ipConfigurations/0/properties";
    set(&mut document, other, json!({"privateIPAddress": "10.0.0.11"}));
    let pointer = format!("{INTERFACE}/privateIPAddress");
    assert_refused(&document, &[(&pointer, "PrivateIPAddressInUse")]);
}

#[test]
fn nothing_translates_between_families_and_ipv6_is_not_in_this_version() {
    let mut document = instance();
    set(&mut document, "/resources/5/properties/ipAddress", "2001:db8::99".into());
    let pointer = public();
    assert_refused(
        &document,
        &[(&pointer, "DifferentAddressFamilies"), (&pointer, "NotYetSupportedByWeir")],
    );
}
