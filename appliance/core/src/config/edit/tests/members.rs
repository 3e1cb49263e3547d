//! Do members come, go and change without anything else changing?

use super::*;
use crate::config::tests::{accepted, at, set, valid, with_interfaces};
use crate::config::{AdminState, Checked};

const POOL: &str = "loadBalancers/lb/backendAddressPools/pool";
const LISTED: &str = "backendAddressPools/0/properties/loadBalancerBackendAddresses";

fn named(member: &str) -> MemberName {
    MemberName { pool: id(POOL), member: member.to_owned() }
}

fn new(name: &str, ip_address: &str) -> NewMember {
    NewMember {
        pool: id(POOL),
        name: name.to_owned(),
        ip_address: ip_address.to_owned(),
        settings: MemberSettings::default(),
        virtual_network: None,
    }
}

fn state(admin_state: AdminState) -> MemberSettings {
    MemberSettings { admin_state: Some(admin_state), weight: None }
}

fn edit(document: &Value, edit: Edit) -> Result<Value, EditError> {
    apply(document, edit, &IfMatch::Anything)
}

fn removed(document: &Value, member: &str) -> Value {
    edit(document, Edit::RemoveMember(named(member))).expect(member)
}

fn said(document: &Value, member: &str, settings: MemberSettings) -> Value {
    edit(document, Edit::SetMember(named(member), settings)).expect(member)
}

/// Name, address, state and weight of each member of the pool.
fn members(checked: &Checked) -> Vec<(String, String, AdminState, u16)> {
    let members = checked.configuration.load_balancers[0].pools[0].members.iter();
    let shown =
        members.map(|it| (it.name.clone(), it.address.to_string(), it.admin_state, it.weight));
    shown.collect()
}

/// The addresses of the pool's members.
fn addresses(document: &Value) -> Vec<String> {
    members(&accepted(document)).into_iter().map(|(_, address, ..)| address).collect()
}

/// A pool of which only Azure's answer says who is in it.
fn only_answered() -> Value {
    let mut document = with_interfaces();
    for interface in ["/resources/3", "/resources/4"] {
        let place = format!("{interface}/properties/ipConfigurations/0/properties");
        set(&mut document, &format!("{place}/loadBalancerBackendAddressPools"), json!([]));
    }
    let of = |nic: &str| json!({"id": format!("networkInterfaces/{nic}/ipConfigurations/ip")});
    let answered = json!([of("nic-a"), of("nic-b")]);
    set(&mut document, &at("backendAddressPools/0/properties/backendIPConfigurations"), answered);
    document
}

#[test]
fn a_new_member_stands_behind_the_others_with_all_that_is_said_of_it() {
    let settings = MemberSettings { admin_state: Some(AdminState::Down), weight: Some(7) };
    let member = NewMember {
        settings,
        virtual_network: Some("virtualNetworks/vnet".into()),
        ..new("c", "10.0.0.13")
    };
    let edited = edit(&valid(), Edit::AddMember(member)).expect("added");
    let mut expected = valid();
    let entry = json!({"name": "c", "properties": {
        "ipAddress": "10.0.0.13", "virtualNetwork": {"id": "virtualNetworks/vnet"},
        "adminState": "Down", "extensions": {"weight": 7}}});
    set(&mut expected, &at(&format!("{LISTED}/-")), entry);
    assert_eq!(edited, expected);
    let last = members(&accepted(&edited)).pop().expect("three");
    assert_eq!(last, ("c".into(), "10.0.0.13".into(), AdminState::Down, 7));
}

#[test]
fn who_is_there_is_not_added_again_and_it_is_said_what_to_use() {
    for (document, name, address) in [
        (valid(), "A", "10.0.0.99"),
        (valid(), "c", "10.0.0.12"),
        (with_interfaces(), "c", "10.0.0.12"),
    ] {
        let refused = edit(&document, Edit::AddMember(new(name, address))).expect_err(address);
        let EditError::Unsuitable(text) = refused else { panic!("{refused:?}") };
        assert!(text.contains("already: use `setMember`"), "{text}");
    }
}

#[test]
fn a_member_is_known_by_its_name_and_by_any_spelling_of_its_address() {
    let mut document = valid();
    let entry = json!({"name": "six", "properties": {"ipAddress": "2001:db8::7"}});
    set(&mut document, &at(&format!("{LISTED}/-")), entry);
    for member in ["SIX", "2001:DB8:0:0:0:0:0:7", "2001:db8::0007", " six "] {
        assert_eq!(removed(&document, member), valid(), "{member}");
    }
    let entries = valid().pointer(&at(LISTED)).expect("a list").clone();
    for member in ["b", "10.0.0.12"] {
        let left = removed(&valid(), member);
        assert_eq!(left.pointer(&at(LISTED)), Some(&json!([entries[0]])), "{member}");
    }
}

#[test]
fn a_name_that_is_anothers_address_is_nobodys() {
    let mut document = valid();
    set(&mut document, &at(&format!("{LISTED}/0/name")), "10.0.0.12".into());
    let refused = edit(&document, Edit::RemoveMember(named("10.0.0.12"))).expect_err("two");
    assert!(refused.to_string().contains("several members"), "{refused}");
    assert_eq!(addresses(&removed(&document, "10.0.0.11")), ["10.0.0.12"]);
}

#[test]
fn who_is_not_there_is_named_and_so_is_what_is_no_pool() {
    let cases: [(Edit, &str); 6] = [
        (Edit::RemoveMember(named("c")), "member `c` in loadBalancers/lb/backendAddressPools/pool"),
        (Edit::RemoveMember(named("10.0.0.99")), "there is no member `10.0.0.99`"),
        (Edit::SetMember(named("c"), state(AdminState::Up)), "there is no member `c`"),
        (Edit::SetMember(named("a"), MemberSettings::default()), "give `adminState` or `weight`"),
        (
            Edit::AddMember(NewMember {
                pool: id("loadBalancers/lb/backendAddressPools/other"),
                ..new("c", "10.0.0.13")
            }),
            "there is no loadBalancers/lb/backendAddressPools/other",
        ),
        (
            Edit::RemoveMember(MemberName {
                pool: id("loadBalancers/lb/probes/probe"),
                ..named("a")
            }),
            "is no backend address pool",
        ),
    ];
    for (case, part) in cases {
        let refused = edit(&valid(), case).expect_err(part).to_string();
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn what_is_said_of_a_member_stands_where_it_stood_and_the_rest_stays() {
    let mut expected = valid();
    set(&mut expected, &at(&format!("{LISTED}/1/properties/adminState")), "Down".into());
    let down = said(&valid(), "10.0.0.12", state(AdminState::Down));
    assert_eq!(down, expected);
    let weight = MemberSettings { weight: Some(100), admin_state: None };
    set(&mut expected, &at(&format!("{LISTED}/1/properties/extensions")), json!({"weight": 100}));
    assert_eq!(said(&down, "b", weight), expected);

    let mut beside = valid();
    set(&mut beside, &at(&format!("{LISTED}/1/extensions")), json!({"weight": 3}));
    let mut expected = beside.clone();
    set(&mut expected, &at(&format!("{LISTED}/1/extensions/weight")), 100.into());
    assert_eq!(said(&beside, "b", weight), expected);
    assert_eq!(members(&accepted(&expected))[1].3, 100);
}

#[test]
fn a_word_on_an_interfaces_address_gives_it_an_entry_and_moves_nobody() {
    let before = members(&accepted(&with_interfaces()));
    let down = said(&with_interfaces(), "nic-b/ip", state(AdminState::Down));
    let entry = json!([{"name": "nic-b-ip", "properties": {
        "networkInterfaceIPConfiguration": {"id": "networkInterfaces/nic-b/ipConfigurations/ip"},
        "adminState": "Down"}}]);
    assert_eq!(down.pointer(&at(LISTED)), Some(&entry));
    let after = members(&accepted(&down));
    let expected = ("nic-b-ip".to_owned(), "10.0.0.12".to_owned(), AdminState::Down, 1);
    assert_eq!(after, [before[0].clone(), expected]);
    for member in ["nic-b/ip", "nic-b-ip", "10.0.0.12"] {
        let up = said(&down, member, state(AdminState::None));
        assert_eq!(
            up.pointer(&at(&format!("{LISTED}/0/properties/adminState"))),
            Some(&json!("None"))
        );
        assert_eq!(up.pointer(&at(LISTED)).and_then(Value::as_array).map(Vec::len), Some(1));
    }
}

#[test]
fn an_entrys_name_is_its_own_and_not_too_long() {
    let long = "n".repeat(80);
    let mut document = with_interfaces();
    set(&mut document, "/resources/3/name", long.clone().into());
    let down = said(&document, "10.0.0.11", state(AdminState::Down));
    let name = members(&accepted(&down))[0].0.clone();
    assert_eq!((name.len(), name.ends_with("-2")), (80, true), "{name}");
    let mut document = with_interfaces();
    let taken = json!([{"name": "NIC-A-IP", "properties": {
        "networkInterfaceIPConfiguration": {"id": "networkInterfaces/nic-b/ipConfigurations/ip"}}}]);
    set(&mut document, &at(LISTED), taken);
    let down = said(&document, "10.0.0.11", state(AdminState::Down));
    assert_eq!(members(&accepted(&down))[0].0, "nic-a-ip-2");
}

#[test]
fn an_interfaces_address_leaves_the_pool_wherever_it_is_written_that_it_is_in() {
    let spoken_of = said(&with_interfaces(), "10.0.0.11", state(AdminState::Down));
    for document in [with_interfaces(), spoken_of, only_answered()] {
        assert_eq!(addresses(&document), ["10.0.0.11", "10.0.0.12"]);
        for (member, left) in [("10.0.0.11", "10.0.0.12"), ("nic-b/ip", "10.0.0.11")] {
            let remaining = removed(&document, member);
            assert_eq!(addresses(&remaining), [left]);
            assert_eq!(addresses(&removed(&remaining, left)), [""; 0]);
        }
    }
}

#[test]
fn nobody_is_lost_and_nobody_comes_back_when_the_pool_begins_or_ceases_to_list() {
    let down = said(&only_answered(), "10.0.0.12", state(AdminState::Down));
    assert_eq!(addresses(&down), ["10.0.0.11", "10.0.0.12"]);
    let without = removed(&down, "10.0.0.12");
    assert_eq!(addresses(&without), ["10.0.0.11"]);
    assert_eq!(addresses(&removed(&without, "10.0.0.11")), [""; 0]);
    let mut stale = valid();
    let entry = json!([{"name": "a", "properties": {"ipAddress": "10.0.0.11"}}]);
    set(&mut stale, &at(LISTED), entry);
    let answered = json!([{"id": "networkInterfaces/nic-a/ipConfigurations/ip"}]);
    set(&mut stale, &at("backendAddressPools/0/properties/backendIPConfigurations"), answered);
    set(&mut stale, "/resources/-", crate::config::tests::interface("nic-a", "10.0.0.12"));
    let unbound =
        "/resources/3/properties/ipConfigurations/0/properties/loadBalancerBackendAddressPools";
    set(&mut stale, unbound, json!([]));
    assert_eq!(addresses(&removed(&stale, "a")), [""; 0]);
}

#[test]
fn a_change_of_a_member_can_be_meant_for_one_version_of_it() {
    let change = |document: &Value, member: &str, if_match: &IfMatch| {
        apply(document, Edit::SetMember(named(member), state(AdminState::Up)), if_match)
    };
    let entry = format!("{POOL}/loadBalancerBackendAddresses/b");
    let interface = "networkInterfaces/nic-b/ipConfigurations/ip".to_owned();
    for (document, entry) in [(valid(), entry), (with_interfaces(), interface)] {
        let now = find(&document, &id(&entry)).expect("it").etag();
        assert!(change(&document, "10.0.0.12", &IfMatch::Etag(now.clone())).is_ok());
        assert!(change(&document, "10.0.0.12", &IfMatch::Existing).is_ok());
        let stale = change(&document, "10.0.0.12", &IfMatch::Etag("0".into()));
        assert_eq!(stale, Err(EditError::PreconditionFailed { id: entry, now }));
    }
    let pool = find(&valid(), &id(POOL)).expect("it").etag();
    let add = |etag: &str| {
        apply(&valid(), Edit::AddMember(new("c", "10.0.0.13")), &IfMatch::Etag(etag.to_owned()))
    };
    assert!(add(&pool).is_ok());
    assert!(matches!(add("0"), Err(EditError::PreconditionFailed { .. })));
}

proptest! {
    #[test]
    fn who_came_and_went_leaves_the_document_as_it_was(
        names in prop::collection::btree_set("[c-z][a-z0-9_.-]{0,6}[a-z0-9_]", 1..8),
        order in any::<prop::sample::Index>(),
        weight in prop::option::of(1..=100_u16),
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let mut edited = valid();
        for (number, name) in names.iter().enumerate() {
            let settings = MemberSettings { weight, admin_state: None };
            let member = NewMember { settings, ..new(name, &format!("10.0.1.{}", number + 1)) };
            edited = edit(&edited, Edit::AddMember(member)).expect("added");
        }
        prop_assert_eq!(addresses(&edited).len(), 2 + names.len());
        let first = order.index(names.len());
        for number in (first..names.len()).chain(0..first) {
            let by_address = format!("10.0.1.{}", number + 1);
            let name = if number % 2 == 0 { &names[number] } else { &by_address };
            edited = removed(&edited, name);
        }
        prop_assert_eq!(edited.to_string(), valid().to_string());
    }
}
