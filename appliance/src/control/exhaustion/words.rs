//! What is said of a member whose outbound ports run out, and what can be done about it?
//!
//! Not here: when it is said (`watch`), how it looks on a terminal (`weirctl`).

use weir_core::api::{ScarceTowards, SnatPorts};

use super::destinations::Towards;
use super::watch::Word;
use super::{MemberPorts, Source, Told};

impl Word {
    /// What Weir calls it.
    pub(in crate::control) const fn level(self) -> &'static str {
        match self {
            Self::Warning => "Warning",
            Self::Exhausted => "Exhausted",
            Self::Recovered => "Recovered",
        }
    }

    /// What Azure calls it (behaviour.md §8.3), which has no word for the end.
    pub(in crate::control) const fn health_event_type(self) -> Option<&'static str> {
        match self {
            Self::Warning => Some("HighSnatPortUsage"),
            Self::Exhausted => Some("SnatPortExhaustion"),
            Self::Recovered => None,
        }
    }
}

impl Told {
    /// As an event.
    pub(in crate::control) fn event(&self) -> SnatPorts {
        let Self { word, of, refused, towards } = self;
        SnatPorts {
            level: word.level().to_owned(),
            health_event_type: word.health_event_type().map(str::to_owned),
            rule: of.source.rule.clone(),
            addresses: of.source.addresses.iter().map(ToString::to_string).collect(),
            member: of.member.to_string(),
            protocol: of.protocol.to_string(),
            ports_used: of.used,
            ports_allocated: of.allocated,
            flows_refused: *refused,
            destinations: towards.iter().map(shown).collect(),
            remedy: match word {
                Word::Warning | Word::Exhausted => remedy(of, towards),
                Word::Recovered => String::new(),
            },
        }
    }

    /// As a line of the log.
    pub(in crate::control) fn line(&self) -> String {
        let Self { word, of, refused, towards } = self;
        let MemberPorts { member, protocol, used, allocated, source, .. } = of;
        let name = word.health_event_type().map(|it| format!(" ({it})")).unwrap_or_default();
        let mut line = match word {
            Word::Warning => format!("{member} runs out of {protocol} ports{name}"),
            Word::Exhausted => format!("{member} had {refused} {protocol} flows refused{name}"),
            Word::Recovered => format!("{member} has plenty of {protocol} ports again"),
        };
        line += &format!(": {used} of {allocated} in use, by {}", source.rule);
        if *word == Word::Recovered {
            return line;
        }
        if !towards.is_empty() {
            let towards: Vec<_> = towards.iter().map(written).collect();
            line += &format!(", towards {}", towards.join(", "));
        }
        line + ". " + &remedy(of, towards)
    }
}

/// What can be done, in one or two sentences.
pub(in crate::control) fn remedy(of: &MemberPorts, towards: &[Towards]) -> String {
    let Source { rule, is_outbound_rule, grows, .. } = &*of.source;
    let own = match (is_outbound_rule, grows) {
        (false, _) => format!(
            "give its pool an outbound rule with allocatedOutboundPorts: {rule} only gives the \
             default"
        ),
        (true, false) => format!(
            "raise allocatedOutboundPorts of {rule}, add a frontend to it, or set its \
             enableOnDemandPorts"
        ),
        (true, true) => {
            format!("raise maximumOutboundPorts of {rule}, or add a frontend to it")
        }
    };
    let all: u64 = towards.iter().map(|it| it.refused).sum();
    let reuse = match towards.first() {
        Some(most) if towards.len() == 1 || most.refused * 2 > all => format!(
            "Have the member reuse its connections to {}: a port serves any number of \
             destinations, but of each only one at a time",
            end(most)
        ),
        _ => "Have the member reuse connections: a port serves any number of destinations, but of \
              each only one at a time"
            .to_owned(),
    };
    format!("{reuse}. Or {own}.")
}

/// A destination as a person writes it, with what was refused.
pub(in crate::control) fn written(towards: &Towards) -> String {
    match towards.refused {
        0 => end(towards),
        refused => format!("{} ({refused})", end(towards)),
    }
}

fn end(towards: &Towards) -> String {
    let (address, port) = towards.remote;
    match port {
        0 => address.to_string(),
        port => std::net::SocketAddr::new(address.to_ip(), port).to_string(),
    }
}

fn shown(towards: &Towards) -> ScarceTowards {
    ScarceTowards {
        destination: towards.remote.0.to_string(),
        destination_port: towards.remote.1,
        flows_refused: towards.refused,
    }
}
