//! Whose outbound ports run out, towards whom, since when, and what is to be done?
//!
//! ```text
//!   each second:  ports in use, flows refused ─► Watch ──► an event, a line of the log
//!      (uses)          │                          ▲
//!                      └──────► History           │ who and towards whom
//!   each note of a worker ────► Destinations ─────┘
//! ```
//!
//! Ports run out towards one destination at a time: a port serves any number of them. So what
//! counts is not how many are in use but that a flow found none. Workers count exactly how many
//! flows they refuse, and note towards whom as far as there is room.
//!
//! Not here: who is told (`control::events`), which ports there are (`control::listings`).

mod destinations;
mod history;
mod uses;
mod watch;
mod words;

use std::rc::Rc;

use weir_core::limits::{SNAT_EVENTS_PER_SECOND_MAX, SNAT_HISTORIES_MAX, SNAT_SCARCE_MEMBERS_MAX};
use weir_core::path::{Exhaustion, ExhaustionKind};
use weir_core::units::{Address, MemberId, Transport};

use destinations::Destinations;
pub(in crate::control) use destinations::Towards;
use history::Sample;
pub(in crate::control) use history::{History, Series};
#[cfg(test)]
pub(in crate::control) use uses::member_ports;
pub(in crate::control) use uses::used;
use watch::{Reading, Watch};
pub(in crate::control) use watch::{WARNING_PERCENT, Word};
pub(in crate::control) use words::{remedy, written};

/// Where a member's outbound ports come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Source {
    /// The id of the outbound rule or load-balancing rule that gives them.
    pub(in crate::control) rule: String,
    /// The outbound addresses, in the order in which they are used.
    pub(in crate::control) addresses: Vec<Address>,
    /// Whether it is an outbound rule, which says how many.
    pub(in crate::control) is_outbound_rule: bool,
    /// Whether members get further ones when they need them.
    pub(in crate::control) grows: bool,
}

/// How the ports of one member stand, for one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct MemberPorts {
    /// The member.
    pub(in crate::control) id: MemberId,
    /// Its address.
    pub(in crate::control) member: Address,
    /// Whose ports.
    pub(in crate::control) protocol: Transport,
    /// Where they come from.
    pub(in crate::control) source: Rc<Source>,
    /// Ports in use.
    pub(in crate::control) used: u32,
    /// Ports that the member has.
    pub(in crate::control) allocated: u32,
    /// Flows that found none, as workers have counted since they started.
    pub(in crate::control) refused: u64,
}

/// What there is to say of one member's ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::control) struct Told {
    /// How they stand, in a word.
    pub(in crate::control) word: Word,
    /// How they stand.
    pub(in crate::control) of: MemberPorts,
    /// Flows refused since they became scarce.
    pub(in crate::control) refused: u64,
    /// Towards whom they are scarce, the first few.
    pub(in crate::control) towards: Vec<Towards>,
}

/// What is known of all members' ports.
#[derive(Debug, Default)]
pub(in crate::control) struct Scarcity {
    /// By member and protocol (`place`).
    known: Vec<Option<Known>>,
    histories: usize,
    with_destinations: usize,
}

/// What is known of one member's ports, for one protocol.
#[derive(Debug)]
struct Known {
    member: Address,
    source: Rc<Source>,
    /// When it was last among the uses.
    seen_ms: u64,
    /// What workers had counted then.
    counted: u64,
    /// What they had counted before the member had these ports.
    refused_before: u64,
    ran_low: bool,
    watch: Watch,
    towards: Option<Box<Destinations>>,
    history: Option<Box<History>>,
}

impl Scarcity {
    /// Takes in what a worker noted.
    pub(in crate::control) fn note(&mut self, noted: Exhaustion) {
        let Exhaustion { member, protocol, remote, kind } = noted;
        let known = self.known.get_mut(place(member, protocol)).and_then(Option::as_mut);
        if let (Some(known), ExhaustionKind::RunningLow) = (known, kind) {
            known.ran_low = true;
        }
        if let Some(destinations) = self.destinations(member, protocol) {
            match kind {
                ExhaustionKind::Exhausted => destinations.refused(remote),
                ExhaustionKind::RunningLow => destinations.ran_low(remote),
            }
        }
    }

    /// Takes in how all ports stand at `now_ms`, milliseconds on a clock that does not go back,
    /// and returns what there is to say: what was told longest ago first, and no more than there
    /// is room for. Who is not among the uses is forgotten.
    pub(in crate::control) fn observe(&mut self, uses: &[MemberPorts], now_ms: u64) -> Vec<Told> {
        let mut due = Vec::new();
        for one in uses {
            let known = self.take_in(one, now_ms);
            due.extend(known.watch.due(now_ms).map(|word| (known.watch.told_ms(), word, one)));
        }
        self.forget(now_ms);
        due.sort_by_key(|(told_ms, ..)| *told_ms);
        due.truncate(SNAT_EVENTS_PER_SECOND_MAX);
        due.into_iter().map(|(_, word, one)| self.tell(word, one, now_ms)).collect()
    }

    /// Flows refused to a member since it has ports.
    pub(in crate::control) fn refused(&self, member: MemberId, protocol: Transport) -> u64 {
        let known = self.known(member, protocol);
        known.map_or(0, |known| known.counted - known.refused_before)
    }

    /// Flows refused to a member since its ports became scarce, and towards whom; nothing while
    /// they are plenty.
    pub(in crate::control) fn incident(
        &self,
        member: MemberId,
        protocol: Transport,
    ) -> Option<(u64, Vec<Towards>)> {
        let known = self.known(member, protocol).filter(|known| !known.watch.is_normal())?;
        Some((known.watch.refused(), known.most()))
    }

    /// How it was; none if nothing was.
    pub(in crate::control) fn history(
        &self,
        member: MemberId,
        protocol: Transport,
    ) -> Option<&History> {
        self.known(member, protocol)?.history.as_deref()
    }

    fn known(&self, member: MemberId, protocol: Transport) -> Option<&Known> {
        self.known.get(place(member, protocol))?.as_ref()
    }

    /// Takes in how one member's ports stand.
    fn take_in(&mut self, one: &MemberPorts, now_ms: u64) -> &mut Known {
        let place = place(one.id, one.protocol);
        if self.known.len() <= place {
            self.known.resize_with(place + 1, || None);
        }
        let slot = &mut self.known[place];
        let is_same =
            |known: &Known| known.member == one.member && known.source.rule == one.source.rule;
        if !slot.as_ref().is_some_and(is_same)
            && let Some(gone) = slot.take()
        {
            self.histories -= usize::from(gone.history.is_some());
            self.with_destinations -= usize::from(gone.towards.is_some());
        }
        let known = slot.get_or_insert_with(|| Known::new(one));
        let refused = one.refused.saturating_sub(known.counted);
        known.counted = known.counted.max(one.refused);
        known.seen_ms = now_ms;
        if !Rc::ptr_eq(&known.source, &one.source) {
            known.source = Rc::clone(&one.source);
        }
        let (used, allocated) = (one.used, one.allocated);
        let ran_low = std::mem::take(&mut known.ran_low);
        known.watch.take_in(Reading { used, allocated, refused, ran_low }, now_ms);
        if known.history.is_none()
            && (used > 0 || refused > 0)
            && self.histories < SNAT_HISTORIES_MAX
        {
            known.history = Some(Box::default());
            self.histories += 1;
        }
        if let Some(history) = &mut known.history {
            let refused = u32::try_from(refused).unwrap_or(u32::MAX);
            history.take_in(Sample { used, allocated, refused }, now_ms);
        }
        known
    }

    /// Forgets who is gone, and what is not worth keeping.
    fn forget(&mut self, now_ms: u64) {
        for slot in &mut self.known {
            let Some(known) = slot else { continue };
            let is_gone = known.seen_ms != now_ms;
            let is_dull = known.history.as_ref().is_some_and(|it| !it.is_eventful());
            if known.history.is_some() && (is_gone || is_dull) {
                known.history = None;
                self.histories -= 1;
            }
            if known.towards.is_some() && (is_gone || known.is_over()) {
                known.towards = None;
                self.with_destinations -= 1;
            }
            if is_gone {
                *slot = None;
            }
        }
    }

    fn tell(&mut self, word: Word, one: &MemberPorts, now_ms: u64) -> Told {
        let of = one.clone();
        let known = self.known.get_mut(place(one.id, one.protocol)).and_then(Option::as_mut);
        let Some(known) = known else {
            return Told { word, of, refused: 0, towards: Vec::new() };
        };
        let (refused, towards) = (known.watch.refused(), known.most());
        known.watch.tell(word, now_ms);
        Told { word, of, refused, towards }
    }

    /// Where a member's destinations are counted; nowhere if it is not known, or if so many
    /// others lack ports that there is no room.
    fn destinations(&mut self, member: MemberId, protocol: Transport) -> Option<&mut Destinations> {
        let known = self.known.get_mut(place(member, protocol))?.as_mut()?;
        if known.towards.is_none() {
            if self.with_destinations >= SNAT_SCARCE_MEMBERS_MAX {
                return None;
            }
            self.with_destinations += 1;
        }
        Some(known.towards.get_or_insert_default())
    }
}

impl Known {
    fn new(one: &MemberPorts) -> Self {
        Self {
            member: one.member,
            source: Rc::clone(&one.source),
            seen_ms: 0,
            counted: one.refused,
            refused_before: one.refused,
            ran_low: false,
            watch: Watch::default(),
            towards: None,
            history: None,
        }
    }

    /// Towards whom ports are scarce, the first few.
    fn most(&self) -> Vec<Towards> {
        self.towards.as_ref().map_or_else(Vec::new, |it| it.most(DESTINATIONS_NAMED))
    }

    /// Whether its destinations matter to nobody any more.
    fn is_over(&self) -> bool {
        self.watch.is_normal()
    }
}

/// Where a member's ports are known, for one protocol.
const fn place(member: MemberId, protocol: Transport) -> usize {
    member.index() * Transport::COUNT + protocol.index()
}

/// Destinations that an event, a finding or a line names.
const DESTINATIONS_NAMED: usize = 5;

#[cfg(test)]
mod tests;
