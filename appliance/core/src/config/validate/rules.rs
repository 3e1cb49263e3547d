//! Is it clear for every packet of a member which rule it belongs to (behaviour.md §1.10, V2 to V4,
//! V21)?
//!
//! Not here: outbound rules (`outbound`), ports of frontends (`frontend_ports`).

use std::collections::HashMap;
use std::net::IpAddr;

use super::{is_made_from_a_pool, members_of, nat_pool_names, readable};
use crate::config::arm::{Object, Place};
use crate::config::load_balancer::{Draft, InboundNatTarget};
use crate::units::Transport;

/// What a rule sends to members: packets to one port of theirs.
struct Delivery<'d, 'a> {
    name: &'d str,
    /// Position in the load balancer's frontends.
    frontend: usize,
    to: Receiver,
    transports: &'static [Transport],
    port: u16,
    /// Whether packets keep the frontend's address, which then tells rules apart.
    floats: bool,
    properties: &'d Object<'a>,
}

enum Receiver {
    Pool(usize),
    Member(IpAddr),
}

/// Checks the rules of each load balancer, then across them. Returns the places of rules that share
/// a member's port with a rule of the other type.
pub(super) fn validate<'a>(load_balancers: &[Draft<'a>]) -> Vec<Place<'a>> {
    let deliveries: Vec<Vec<Delivery<'_, 'a>>> = load_balancers.iter().map(deliveries).collect();
    for (draft, deliveries) in load_balancers.iter().zip(&deliveries) {
        refuse_same_backend_port(draft, deliveries);
    }
    refuse_same_member_port(load_balancers, &deliveries)
}

fn deliveries<'d, 'a>(draft: &'d Draft<'a>) -> Vec<Delivery<'d, 'a>> {
    let rules = readable(draft).filter(|(_, rule)| !rule.is_for_ha_ports());
    let rules = rules.map(|(written, rule)| Delivery {
        name: &rule.name,
        frontend: rule.frontend,
        to: Receiver::Pool(rule.pool),
        transports: rule.protocol.transports(),
        port: rule.backend_port,
        floats: rule.enable_floating_ip,
        properties: &written.resource.properties,
    });
    let made = nat_pool_names(draft);
    let nat_rules = draft.inbound_nat_rules.iter().filter_map(move |written| {
        let rule = &written.meaning.as_ref()?.rule;
        let to = match rule.target {
            InboundNatTarget::Pool { pool, .. } => Receiver::Pool(pool),
            InboundNatTarget::Member { address, .. } => Receiver::Member(address?),
        };
        (!is_made_from_a_pool(&rule.name, &made)).then(|| Delivery {
            name: &rule.name,
            frontend: rule.frontend,
            to,
            transports: rule.protocol.transports(),
            port: rule.backend_port,
            floats: rule.enable_floating_ip,
            properties: &written.resource.properties,
        })
    });
    rules.chain(nat_rules).collect()
}

impl Delivery<'_, '_> {
    /// What tells packets apart beside protocol and port: their destination, where it is kept.
    fn destination(&self) -> Option<usize> {
        self.floats.then_some(self.frontend)
    }
}

/// Rules V2, V4 and V21.
fn refuse_same_backend_port(draft: &Draft<'_>, deliveries: &[Delivery<'_, '_>]) {
    let mut known = HashMap::new();
    for delivery in deliveries {
        let Receiver::Pool(pool) = delivery.to else { continue };
        for transport in delivery.transports {
            let key = (pool, *transport, delivery.port, delivery.destination());
            let Some(first) = known.get(&key) else {
                known.insert(key, delivery.name);
                continue;
            };
            let pool = draft.pools.get(pool).map_or("", |pool| &pool.resource.name);
            delivery.properties.error_at(
                "backendPort",
                "RulesUseSameBackendPortProtocolAndPool",
                format!(
                    "Rules `{first}` and `{}` both use {transport} port {} of pool `{pool}`. Use \
                     another backend port.",
                    delivery.name, delivery.port
                ),
            );
            break;
        }
    }
}

/// Who serves a member's port already.
#[derive(Clone, Copy)]
struct First<'d> {
    load_balancer: usize,
    pool: Option<usize>,
    name: &'d str,
    public: bool,
}

/// A member's port, and what else tells packets to it apart.
type MemberPort = (IpAddr, Transport, u16, Option<(usize, usize)>);

/// Rule V3: a member's answer must name one frontend. Azure allows a public and an internal load
/// balancer to share the port of a member; these places are returned.
fn refuse_same_member_port<'a>(
    load_balancers: &[Draft<'a>],
    deliveries: &[Vec<Delivery<'_, 'a>>],
) -> Vec<Place<'a>> {
    let mut known: HashMap<MemberPort, First<'_>> = HashMap::new();
    let mut shared = Vec::new();
    for (position, (draft, deliveries)) in load_balancers.iter().zip(deliveries).enumerate() {
        for delivery in deliveries {
            let frontend = draft.frontends.get(delivery.frontend);
            let Some(frontend) = frontend.and_then(|frontend| frontend.meaning.as_ref()) else {
                continue;
            };
            let pool = match delivery.to {
                Receiver::Pool(pool) => Some(pool),
                Receiver::Member(_) => None,
            };
            let (name, public) = (delivery.name, frontend.public());
            let own = First { load_balancer: position, pool, name, public };
            match clash(draft, delivery, own, &mut known) {
                Some((_, first)) if first.public != public => {
                    shared.push(delivery.properties.place_of("backendPort"));
                }
                Some(((address, transport, port, _), first)) => delivery.properties.error_at(
                    "backendPort",
                    "RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig",
                    format!(
                        "Member {address} already serves rule `{}` on {transport} port {port}. Use \
                         another backend port.",
                        first.name
                    ),
                ),
                None => {}
            }
        }
    }
    shared
}

/// The first port of a member that somebody else has; otherwise all become known as one's own.
fn clash<'d>(
    draft: &Draft<'_>,
    delivery: &Delivery<'_, '_>,
    own: First<'d>,
    known: &mut HashMap<MemberPort, First<'d>>,
) -> Option<(MemberPort, First<'d>)> {
    let addresses: Vec<IpAddr> = match delivery.to {
        Receiver::Pool(pool) => members_of(draft, pool).map(|member| member.address).collect(),
        Receiver::Member(address) => vec![address],
    };
    let destination = delivery.destination().map(|frontend| (own.load_balancer, frontend));
    for address in addresses {
        for transport in delivery.transports {
            let key = (address, *transport, delivery.port, destination);
            let first = *known.entry(key).or_insert(own);
            let of_one_pool = own.pool.is_some()
                && (first.load_balancer, first.pool) == (own.load_balancer, own.pool);
            // Two rules of one pool were told so by rule V2.
            if !of_one_pool && !std::ptr::eq(first.name, own.name) {
                return Some((key, first));
            }
        }
    }
    None
}
