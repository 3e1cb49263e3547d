//! Who is in a pool, how is it, and how far is one that is leaving?

use weir_core::api::PortMappings;

use super::number::short;
use super::style::{GOOD, ODD, paint};
use super::table::{Cell, LEFT, RIGHT, Table};
use super::{counted, state};
use crate::commands::drain::Drained;
use crate::commands::members::{Member, PoolMembers};

/// The members of a pool.
pub(crate) fn members(of: &PoolMembers) -> String {
    if of.members.is_empty() {
        return format!("{} has no members.\n", of.pool);
    }
    let mut table = Table::new(
        "  ",
        [
            ("NAME", LEFT),
            ("ADDRESS", LEFT),
            ("ADMIN STATE", LEFT),
            ("WEIGHT", RIGHT),
            ("STATE", LEFT),
            ("FLOWS", RIGHT),
        ],
    );
    for member in &of.members {
        table.row([
            Cell::from(member.name.as_deref().unwrap_or("-")),
            member.address.as_str().into(),
            admin_state(member),
            member.weight.to_string().into(),
            state(member.state.as_deref().unwrap_or("-")),
            short(member.flows).into(),
        ]);
        if let (Some("Down"), Some(reason)) = (member.state.as_deref(), &member.reason) {
            table.note(reason);
        }
    }
    table.render()
}

fn admin_state(member: &Member) -> Cell {
    match member.admin_state.as_str() {
        "None" => "None".into(),
        set => Cell::styled(set, ODD),
    }
}

/// How far a member is that leaves, or that comes back.
pub(crate) fn drained(drained: &Drained) -> String {
    let Drained { pool, address, admin_state, changed, flows, rules_without_probe } = drained;
    if admin_state != "Down" {
        let text = if *changed {
            "gets new flows again if its probes find it up"
        } else {
            "was not set to Down or Up; nothing has changed"
        };
        return format!("{address} of {pool}\n{text}.\n");
    }
    if !rules_without_probe.is_empty() {
        let warning = paint(ODD, &without_probe(rules_without_probe));
        let left = counted(usize::try_from(*flows).unwrap_or(usize::MAX), "flow");
        return format!("{address} of {pool}\nis set to Down and has {left}.\n{warning}\n");
    }
    let was = if *changed { "gets no new flows" } else { "got no new flows before either" };
    let left = match flows {
        0 => paint(GOOD, "None is left: it can be taken out."),
        some => {
            let count = counted(usize::try_from(*some).unwrap_or(usize::MAX), "flow");
            format!("{} left: --wait SECONDS waits for the end.", paint(ODD, &count))
        }
    };
    format!("{address} of {pool}\n{was}. {left}\n")
}

/// That these rules do not ask what a member is set to.
pub(crate) fn without_probe(rules: &[String]) -> String {
    let names: Vec<_> = rules.iter().map(|rule| format!("'{rule}'")).collect();
    let (rules, has, goes) =
        if rules.len() == 1 { ("rule", "has", "goes") } else { ("rules", "have", "go") };
    let names = names.join(", ");
    format!("Warning: {rules} {names} {has} no probe and {goes} on sending it new flows.")
}

/// The ports by which a member is reached.
pub(crate) fn mappings(found: &PortMappings) -> String {
    if found.inbound_nat_rule_port_mappings.is_empty() {
        return "No inbound NAT rule leads there.\n".into();
    }
    let mut table = Table::new(
        "  ",
        [
            ("INBOUND NAT RULE", LEFT),
            ("PROTOCOL", LEFT),
            ("FRONTEND PORT", RIGHT),
            ("BACKEND PORT", RIGHT),
        ],
    );
    for mapping in &found.inbound_nat_rule_port_mappings {
        table.row([
            mapping.inbound_nat_rule_name.clone(),
            mapping.protocol.clone(),
            mapping.frontend_port.to_string(),
            mapping.backend_port.to_string(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::golden::assert_golden;
    use super::super::style::plain;
    use super::*;

    fn member(name: Option<&str>, address: &str, state: &str) -> Member {
        Member {
            name: name.map(str::to_owned),
            address: address.to_owned(),
            admin_state: "None".to_owned(),
            weight: 1,
            state: Some(state.to_owned()),
            ..Member::default()
        }
    }

    #[test]
    fn a_pool_shows_what_an_operator_said_and_what_probes_found() {
        let reason = Some("Down_Probe_TcpTimeout".to_owned());
        let members_of_pool = vec![
            Member { flows: 12_345, ..member(Some("server-1"), "10.0.0.11", "Up") },
            Member { reason, weight: 100, ..member(Some("server-2"), "10.0.0.12", "Down") },
            Member { admin_state: "Down".into(), ..member(None, "2001:db8:0:1:2:3:4:5", "Up") },
        ];
        let page = plain(&members(&PoolMembers { pool: "p".into(), members: members_of_pool }));
        assert_golden("members", &page);
        assert_eq!(
            members(&PoolMembers { pool: "p".into(), members: Vec::new() }),
            "p has no members.\n"
        );
    }

    #[test]
    fn a_drain_says_how_many_flows_are_left_and_what_to_do() {
        let left = |flows, changed, admin_state: &str| {
            plain(&drained(&Drained {
                pool: "web".into(),
                address: "10.0.0.11".into(),
                admin_state: admin_state.into(),
                changed,
                flows,
                rules_without_probe: Vec::new(),
            }))
        };
        assert_eq!(
            left(3, true, "Down"),
            "10.0.0.11 of web\ngets no new flows. 3 flows left: --wait SECONDS waits for the end.\n"
        );
        assert!(left(0, false, "Down").contains("None is left: it can be taken out."));
        assert!(left(3, true, "None").contains("new flows again"));
    }

    #[test]
    fn mappings_name_rule_and_ports() {
        let found = serde_json::from_value(json!({"inboundNatRulePortMappings": [
            {"inboundNatRuleName": "ssh", "protocol": "Tcp", "frontendPort": 50_001,
             "backendPort": 22}
        ]}));
        let page = plain(&mappings(&found.expect("mappings")));
        assert!(page.ends_with("  ssh               Tcp               50001            22\n"));
        assert_eq!(mappings(&PortMappings::default()), "No inbound NAT rule leads there.\n");
    }
}
