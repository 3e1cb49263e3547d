//! What does a `Microsoft.Network/networkSecurityGroups` resource allow?
//!
//! Not here: which packets that is (the data path), the rules that every group ends with.

use crate::units::Prefix;

use super::address::read_prefix;
use super::arm::{Field, Object};
use super::reference::Target;
use super::resource::{Resource, Written, children};
use crate::limits::{SECURITY_RULE_PRIORITY_MAX, SECURITY_RULES_MAX};

/// How network security groups are referred to.
pub(super) const TARGET: Target<'static> = Target { kind: "networkSecurityGroups", parent: None };

/// One network security group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSecurityGroup {
    /// Its name.
    pub name: String,
    /// In document order; the lowest priority that matches decides.
    pub rules: Vec<SecurityRule>,
}

/// One rule of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityRule {
    /// Its name, unique in the group.
    pub name: String,
    /// 100 to 4096, unique for its direction.
    pub priority: u16,
    /// Whether it looks at what enters a member or at what leaves it.
    pub direction: Direction,
    /// Whether what matches may pass.
    pub allow: bool,
    /// Which packets it looks at.
    pub protocol: SecurityProtocol,
    /// Whom they come from.
    pub sources: Vec<AddressMatch>,
    /// From which ports, first and last.
    pub source_ports: Vec<(u16, u16)>,
    /// Whom they go to.
    pub destinations: Vec<AddressMatch>,
    /// To which ports, first and last.
    pub destination_ports: Vec<(u16, u16)>,
}

/// Whether a rule looks at what enters a member or at what leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// What enters.
    Inbound,
    /// What leaves.
    Outbound,
}

/// Protocols that a rule can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityProtocol {
    /// All of them.
    Any,
    /// IP protocol 6.
    Tcp,
    /// IP protocol 17.
    Udp,
    /// IP protocol 1, and 58 of IPv6.
    Icmp,
    /// IP protocol 50.
    Esp,
    /// IP protocol 51.
    Ah,
}

/// Addresses that a rule can name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressMatch {
    /// All of them.
    Any,
    /// Those of a prefix.
    Prefix(Prefix),
    /// Those of a service tag such as `VirtualNetwork`.
    Tag(String),
    /// Those of an application security group, by its id.
    ApplicationGroup(String),
}

/// Reads one group.
pub(super) fn read(resource: &Resource<'_>) -> Option<NetworkSecurityGroup> {
    let properties = &resource.properties;
    let rules = children(properties, "securityRules", read_rule);
    properties.ignore(&["defaultSecurityRules", "flushConnection", "networkInterfaces"]);
    properties.ignore(&["subnets", "flowLogs"]);
    if rules.len() > SECURITY_RULES_MAX {
        let message = format!("A group has at most {SECURITY_RULES_MAX} rules. Merge some.");
        properties.error_at("securityRules", "LimitExceeded", message);
    }
    refuse_same_priority(&rules);
    let rules: Option<Vec<_>> = rules.into_iter().map(|rule| rule.meaning).collect();
    Some(NetworkSecurityGroup { name: resource.name.clone(), rules: rules? })
}

fn read_rule(resource: &Resource<'_>) -> Option<SecurityRule> {
    let properties = &resource.properties;
    let priority = properties
        .required("priority")
        .and_then(|field| field.integer(100..=SECURITY_RULE_PRIORITY_MAX));
    let direction = properties.required("direction").and_then(|field| {
        field.choice(&[("Inbound", Direction::Inbound), ("Outbound", Direction::Outbound)])
    });
    let allow = properties
        .required("access")
        .and_then(|field| field.choice(&[("Allow", true), ("Deny", false)]));
    let protocol = properties.required("protocol").and_then(|field| read_protocol(&field));
    let groups = "sourceApplicationSecurityGroups";
    let sources =
        read_addresses(properties, "sourceAddressPrefix", "sourceAddressPrefixes", groups);
    let source_ports = read_ports(properties, "sourcePortRange", "sourcePortRanges");
    let groups = "destinationApplicationSecurityGroups";
    let destinations = read_addresses(
        properties,
        "destinationAddressPrefix",
        "destinationAddressPrefixes",
        groups,
    );
    let destination_ports = read_ports(properties, "destinationPortRange", "destinationPortRanges");
    properties.ignore(&["description"]);
    Some(SecurityRule {
        name: resource.name.clone(),
        priority: priority?,
        direction: direction?,
        allow: allow?,
        protocol: protocol?,
        sources: sources?,
        source_ports: source_ports?,
        destinations: destinations?,
        destination_ports: destination_ports?,
    })
}

fn read_protocol(field: &Field<'_>) -> Option<SecurityProtocol> {
    field.choice(&[
        ("*", SecurityProtocol::Any),
        ("Tcp", SecurityProtocol::Tcp),
        ("Udp", SecurityProtocol::Udp),
        ("Icmp", SecurityProtocol::Icmp),
        ("Esp", SecurityProtocol::Esp),
        ("Ah", SecurityProtocol::Ah),
    ])
}

/// What is written as one value, as a list, or (when Azure answers) as both with one empty.
fn one_or_several<'a>(
    properties: &Object<'a>,
    one: &'static str,
    several: &'static str,
) -> Vec<Field<'a>> {
    let listed = properties.list(several);
    let single = properties.optional(one);
    if listed.is_empty() { single.into_iter().collect() } else { listed }
}

fn read_addresses(
    properties: &Object<'_>,
    one: &'static str,
    several: &'static str,
    groups: &'static str,
) -> Option<Vec<AddressMatch>> {
    let fields = one_or_several(properties, one, several);
    let groups: Vec<_> = super::reference::list(properties, groups)
        .iter()
        .map(|group| AddressMatch::ApplicationGroup(group.id().to_owned()))
        .collect();
    if fields.is_empty() && groups.is_empty() {
        properties.error_at(one, "MissingProperty", format!("`{one}` is missing. Add it."));
        return None;
    }
    let found: Vec<_> = fields.iter().map(read_address).collect();
    let found: Option<Vec<_>> = found.into_iter().collect();
    Some(found?.into_iter().chain(groups).collect())
}

/// A star, an address, a prefix, or else the name of a service tag.
fn read_address(field: &Field<'_>) -> Option<AddressMatch> {
    let text = field.text()?;
    if text == "*" {
        return Some(AddressMatch::Any);
    }
    if let Ok(address) = text.parse() {
        let length = if text.contains(':') { 128 } else { 32 };
        return Prefix::new(address, length).map(AddressMatch::Prefix);
    }
    if text.contains('/') {
        return read_prefix(field).map(AddressMatch::Prefix);
    }
    let is_tag = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.');
    if !is_tag {
        field.error(
            "SecurityRuleInvalidAddressPrefix",
            format!("`{text}` is no address, prefix or service tag. Write one, or `*`."),
        );
        return None;
    }
    Some(AddressMatch::Tag(text.to_owned()))
}

fn read_ports(
    properties: &Object<'_>,
    one: &'static str,
    several: &'static str,
) -> Option<Vec<(u16, u16)>> {
    let fields = one_or_several(properties, one, several);
    if fields.is_empty() {
        properties.error_at(one, "MissingProperty", format!("`{one}` is missing. Add it."));
        return None;
    }
    let ranges: Vec<_> = fields.iter().map(read_port_range).collect();
    ranges.into_iter().collect()
}

fn read_port_range(field: &Field<'_>) -> Option<(u16, u16)> {
    if let Some(number) = field.number() {
        let port = u16::try_from(number).ok();
        return port.map(|port| (port, port)).or_else(|| refuse_ports(field, &number.to_string()));
    }
    let text = field.text()?;
    if text == "*" {
        return Some((0, u16::MAX));
    }
    let range = text
        .split_once('-')
        .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    range.filter(|(first, last)| first <= last).or_else(|| refuse_ports(field, text))
}

fn refuse_ports(field: &Field<'_>, text: &str) -> Option<(u16, u16)> {
    field.error(
        "SecurityRuleInvalidPortRange",
        format!("`{text}` is no port range. Write a port, first-last, or `*`."),
    );
    None
}

/// Priorities are unique for each direction.
fn refuse_same_priority(rules: &[Written<'_, SecurityRule>]) {
    let mut known = std::collections::HashMap::new();
    for written in rules {
        let Some(rule) = &written.meaning else { continue };
        let first = *known.entry((rule.direction, rule.priority)).or_insert(rule);
        if !std::ptr::eq(first, rule) {
            written.resource.properties.error_at(
                "priority",
                "SecurityRuleConflict",
                format!(
                    "Rule `{}` has priority {} in this direction already. Choose another one.",
                    first.name, rule.priority
                ),
            );
        }
    }
}
