//! What may an outbound rule say beyond Azure's model?
//!
//! Not here: the rule itself (`outbound_rule`).

use super::outbound_rule::read_ports;
use crate::config::arm::{Field, Object};
use crate::limits::{
    IDLE_TIMEOUT_MINUTES_MAX, QUERY_TIMEOUT_SECONDS_MIN, SNAT_GRANULE, SNAT_PORTS,
    TRANSITORY_TIMEOUT_SECONDS_MAX,
};

/// What an outbound rule may say beyond Azure's model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundExtensions {
    /// Whether a member's address and port keep their outbound address and port towards every
    /// destination (RFC 4787 §4.1).
    pub enable_endpoint_independent_mapping: bool,
    /// Whether ICMP echo requests are translated, by their identifiers (RFC 5508 §3.1).
    pub enable_icmp_echo: bool,
    /// Whether a member whose ports are nearly used up gets further ones of those that nobody has.
    pub enable_on_demand_ports: bool,
    /// The most ports that a member may then have: a multiple of 8, at least the rule's
    /// `allocated_outbound_ports` and at most 64,000.
    pub maximum_outbound_ports: u32,
    /// Whether a flow that finds no port is refused by RST or ICMP instead of dropped in silence.
    pub reject_when_exhausted: bool,
    /// When a silent TCP flow ends whose handshake is not complete: 1 to 240.
    pub tcp_opening_timeout_seconds: u32,
    /// When a silent TCP flow ends in which either side has sent a FIN: 1 to 7,200.
    pub tcp_fin_timeout_seconds: u32,
    /// When a silent TCP flow ends in which a RST was seen: 1 to 240.
    pub tcp_reset_timeout_seconds: u32,
    /// When a silent UDP mapping ends: 10 to 7,200; absent: as `idle_timeout_minutes` says.
    pub udp_idle_timeout_seconds: Option<u32>,
    /// When a silent ICMP query mapping ends: 10 to 7,200.
    pub icmp_query_timeout_seconds: u32,
}

impl Default for OutboundExtensions {
    /// What Azure does (behaviour.md §4.4 to §4.6).
    fn default() -> Self {
        Self {
            enable_endpoint_independent_mapping: false,
            enable_icmp_echo: false,
            enable_on_demand_ports: false,
            maximum_outbound_ports: SNAT_PORTS,
            reject_when_exhausted: false,
            tcp_opening_timeout_seconds: 32,
            tcp_fin_timeout_seconds: 240,
            tcp_reset_timeout_seconds: 15,
            udp_idle_timeout_seconds: None,
            icmp_query_timeout_seconds: 60,
        }
    }
}

/// Reads the extensions of a rule that gives each member so many ports, if that could be read.
pub(super) fn read(extensions: &Object<'_>, allocated: Option<u32>) -> Option<OutboundExtensions> {
    let azure = OutboundExtensions::default();
    let flag = |name| extensions.or(name, false, Field::boolean);
    let seconds = |name, default, least, most| {
        extensions.or(name, default, |field| field.integer(least..=most))
    };
    let independent = flag("enableEndpointIndependentMapping");
    let icmp_echo = flag("enableIcmpEcho");
    let on_demand = flag("enableOnDemandPorts");
    let maximum = extensions.maybe("maximumOutboundPorts", read_maximum);
    let reject = flag("rejectWhenExhausted");
    // A handshake, and what a reset leaves behind, is over after four minutes at the latest
    // (RFC 5382, REQ-5). The other times end where the timing wheel does.
    let transitory = |name, default| seconds(name, default, 1, TRANSITORY_TIMEOUT_SECONDS_MAX);
    let opening = transitory("tcpOpeningTimeoutInSeconds", azure.tcp_opening_timeout_seconds);
    let fin = seconds("tcpFinTimeoutInSeconds", azure.tcp_fin_timeout_seconds, 1, LONGEST);
    let reset = transitory("tcpResetTimeoutInSeconds", azure.tcp_reset_timeout_seconds);
    let udp = extensions.maybe("udpIdleTimeoutInSeconds", |field| {
        field.integer(QUERY_TIMEOUT_SECONDS_MIN..=LONGEST)
    });
    let name = "icmpQueryTimeoutInSeconds";
    let icmp = seconds(name, azure.icmp_query_timeout_seconds, QUERY_TIMEOUT_SECONDS_MIN, LONGEST);
    extensions.finish_strictly();
    Some(OutboundExtensions {
        enable_endpoint_independent_mapping: independent?,
        enable_icmp_echo: icmp_echo?,
        enable_on_demand_ports: on_demand?,
        maximum_outbound_ports: check_maximum(extensions, maximum?, on_demand?, allocated)?,
        reject_when_exhausted: reject?,
        tcp_opening_timeout_seconds: opening?,
        tcp_fin_timeout_seconds: fin?,
        tcp_reset_timeout_seconds: reset?,
        udp_idle_timeout_seconds: udp?,
        icmp_query_timeout_seconds: icmp?,
    })
}

fn read_maximum(field: &Field<'_>) -> Option<u32> {
    read_ports(field, u32::from(SNAT_GRANULE), "MaximumOutboundPortsNotMultipleOfEight")
}

/// A maximum is one of ports on demand, and leaves every member what it has without demand.
fn check_maximum(
    extensions: &Object<'_>,
    written: Option<u32>,
    on_demand: bool,
    allocated: Option<u32>,
) -> Option<u32> {
    const NAME: &str = "maximumOutboundPorts";
    let Some(maximum) = written else { return Some(SNAT_PORTS) };
    if !on_demand {
        let message = "Without ports on demand a member has what is allocated to it. Set \
                       `enableOnDemandPorts` to true, or remove the maximum.";
        extensions.error_at(NAME, "MaximumOutboundPortsRequiresOnDemandPorts", message);
        return None;
    }
    if let Some(allocated) = allocated.filter(|allocated| *allocated > maximum) {
        let message = format!(
            "Each member has {allocated} ports from the start, which is more than {maximum}. \
             Write at least {allocated}, or allocate fewer."
        );
        extensions.error_at(NAME, "MaximumOutboundPortsBelowAllocation", message);
        return None;
    }
    Some(maximum)
}

/// The longest time that the timing wheel of a worker holds.
const LONGEST: u32 = IDLE_TIMEOUT_MINUTES_MAX * 60;
