//! How do the outbound ports of all members stand?
//!
//! The snapshot deals the ports, and their owners count those in use.

use std::rc::Rc;

use weir_core::config::{LoadBalancer, OutboundRule};
use weir_core::units::{Address, Transport};

use super::{MemberPorts, Source};
use crate::control::Running;

impl Running {
    /// The ports of every member that has some, for each protocol, in the order of the
    /// configuration.
    pub(in crate::control) fn member_ports(&self) -> Vec<MemberPorts> {
        let mut uses = Vec::new();
        for load_balancer in &self.checked.configuration.load_balancers {
            for rule in &load_balancer.outbound_rules {
                let source = Rc::new(source(load_balancer, rule));
                for member in &load_balancer.pools[rule.pool].members {
                    for protocol in rule.protocol.transports() {
                        uses.extend(self.port_use(member.address.into(), *protocol, &source));
                    }
                }
            }
        }
        uses
    }

    /// The ports that a source gives to a member, if it does.
    fn port_use(
        &self,
        member: Address,
        protocol: Transport,
        source: &Rc<Source>,
    ) -> Option<MemberPorts> {
        let snapshot = self.lane.published();
        let id = snapshot.hosts.get(member).as_member()?;
        let mapping = snapshot.mappings.get(snapshot.member(id)?.mapping(protocol)? as usize)?;
        let translated = snapshot.outbound_addresses.get(mapping.address.index())?;
        source.addresses.contains(&translated.address).then(|| MemberPorts {
            id,
            member,
            protocol,
            source: Rc::clone(source),
            used: self.ports_used(id, protocol),
            allocated: mapping.ports.into(),
            refused: 0,
        })
    }
}

fn source(load_balancer: &LoadBalancer, rule: &OutboundRule) -> Source {
    let addresses = rule.frontends.iter().map(|it| load_balancer.frontends[*it].address.into());
    Source {
        rule: format!("loadBalancers/{}/outboundRules/{}", load_balancer.name, rule.name),
        addresses: addresses.collect(),
        is_outbound_rule: true,
        grows: rule.extensions.enable_on_demand_ports,
    }
}
