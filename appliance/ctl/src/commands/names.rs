//! How are resources named at a prompt?
//!
//! `web/servers` is short for `loadBalancers/web/backendAddressPools/servers` where a pool is
//! meant. Everything else is an id, which the appliance reads.

use weir_core::config::Kind;

/// The id of a pool.
pub(super) fn pool(written: &str) -> String {
    child(written, "backendAddressPools")
}

/// The id of a frontend.
pub(super) fn frontend(written: &str) -> String {
    child(written, "frontendIPConfigurations")
}

/// The id of a load-balancing rule.
pub(super) fn rule(written: &str) -> String {
    child(written, "loadBalancingRules")
}

/// The id of an outbound rule.
pub(super) fn outbound_rule(written: &str) -> String {
    child(written, "outboundRules")
}

/// The last name of an id.
pub(super) fn last(id: &str) -> &str {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or(id)
}

/// The load balancer in the id of one of its children.
pub(super) fn owner(id: &str) -> Option<&str> {
    id.trim_end_matches('/').rsplit('/').nth(2)
}

/// `interface/ipConfiguration`, from the id of an interface's IP configuration.
pub(super) fn ip_configuration(id: &str) -> Option<String> {
    Some(format!("{}/{}", owner(id)?, last(id)))
}

fn child(written: &str, collection: &str) -> String {
    match written.split_once('/') {
        Some((balancer, name))
            if !balancer.is_empty()
                && !name.is_empty()
                && !name.contains('/')
                && Kind::named(balancer).is_none() =>
        {
            format!("loadBalancers/{balancer}/{collection}/{name}")
        }
        Some(_) | None => written.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_are_short_for_an_id_and_an_id_stays() {
        let id = "loadBalancers/web/backendAddressPools/servers";
        for (written, expected) in [
            ("web/servers", id),
            (id, id),
            ("/subscriptions/s/resourceGroups/r", "/subscriptions/s/resourceGroups/r"),
            // What names something else is refused by the appliance, which says why.
            ("loadBalancers/web", "loadBalancers/web"),
            ("web", "web"),
            ("web/", "web/"),
        ] {
            assert_eq!(pool(written), expected);
        }
        assert_eq!(frontend("web/public"), "loadBalancers/web/frontendIPConfigurations/public");
        assert_eq!(rule("web/http"), "loadBalancers/web/loadBalancingRules/http");
        assert_eq!(outbound_rule("web/out"), "loadBalancers/web/outboundRules/out");
        assert_eq!((last(id), owner(id)), ("servers", Some("web")));
        let id = "/x/networkInterfaces/nic/ipConfigurations/ip";
        assert_eq!(ip_configuration(id).as_deref(), Some("nic/ip"));
        assert_eq!((owner("web"), ip_configuration("ip")), (None, None));
    }
}
