//! Which frontend ports lead to a member by inbound NAT rules? (Azure's
//! `queryInboundNatRulePortMapping`.)

use serde::{Deserialize, Serialize};

use super::change::SubResource;

/// `queryInboundNatRulePortMapping`: list the ports that lead to one member of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryInboundNatRulePortMapping {
    /// The pool's id.
    pub backend_address_pool: String,
    /// The member's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// The member's IP configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_configuration: Option<SubResource>,
}

/// The reply to `queryInboundNatRulePortMapping`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortMappings {
    /// One for each rule that leads to the member.
    pub inbound_nat_rule_port_mappings: Vec<PortMapping>,
}

/// The port of one inbound NAT rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PortMapping {
    /// The rule's name.
    pub inbound_nat_rule_name: String,
    /// `Tcp`, `Udp` or `All`.
    pub protocol: String,
    /// The port that clients use.
    pub frontend_port: u16,
    /// The port of the member.
    pub backend_port: u16,
}
