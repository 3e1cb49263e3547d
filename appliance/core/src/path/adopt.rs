//! How does a worker come to a flow that another one told of?
//!
//! For workers that only show what would happen. Not here: how owners tell of their flows
//! (`listing`).

use super::listing::{FlowView, Through};
use super::worker::{Now, Worker};
use crate::flow::{Entry, IDLE_TICKS_MAX, key};
use crate::policy::Snapshot;
use crate::units::Transport;

impl Worker {
    /// Takes in a flow as its owner sees it, as valid as it is there. Returns whether there was
    /// room.
    pub fn adopt(&mut self, snapshot: &Snapshot, now: Now, view: &FlowView) -> bool {
        let FlowView { source, destination, translated, member, tcp, .. } = *view;
        let deadline = now.tick().after(IDLE_TICKS_MAX);
        let entry = |key, target, port| {
            let mut entry = Entry::new(key, target, port, tcp, now.tick(), snapshot.generation);
            if view.protocol == Transport::Udp {
                entry.admit(view.destination.1);
            }
            entry
        };
        match view.through {
            Through::Rule(rule) => {
                let key = key::inbound(source.0, source.1, rule);
                let home = self.flows.home(&key);
                self.flows.insert(entry(key, member.0, 0), home, deadline).is_ok()
            }
            Through::OutboundAddress(address) => {
                let (protocol, far) = (view.protocol, destination);
                let forth = key::outbound(protocol, member, source.1, far.0, far.1);
                let back = key::outbound_reply(protocol, address, translated.1, far.0, far.1);
                let homes = [forth, back].map(|key| self.flows.home(&key));
                let first = (entry(forth, address.0, translated.1), homes[0]);
                let second = (entry(back, member.0, source.1), homes[1]);
                self.flows.insert_pair(first, second, deadline).is_ok()
            }
        }
    }
}
