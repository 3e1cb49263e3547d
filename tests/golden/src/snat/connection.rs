//! How far has a TCP connection come, as somebody sees it who stands between its ends?

use super::traffic::Segment;

/// What was seen of a connection that a member opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Connection {
    /// The host outside has acknowledged something.
    answered: bool,
    /// Behind that, the member has.
    confirmed: bool,
    member_has_acknowledged: bool,
    fin_of_member: bool,
    fin_of_host: bool,
    reset: bool,
}

/// Which of the timers of a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Opening,
    Established,
    Closing,
    Reset,
}

impl Connection {
    pub(super) fn note(&mut self, segment: Segment, is_members: bool) {
        if segment.resets() {
            // Whoever has acknowledged nothing yet has told nobody what it expects.
            let receiver_is_known =
                if is_members { self.answered } else { self.member_has_acknowledged };
            self.reset |= segment == Segment::Reset || !receiver_is_known;
            return;
        }
        if segment.acknowledges() {
            self.confirmed |= is_members && self.answered;
            self.answered |= !is_members;
            self.member_has_acknowledged |= is_members;
        }
        if segment == Segment::Fin {
            self.fin_of_member |= is_members;
            self.fin_of_host |= !is_members;
        }
    }

    pub(super) const fn phase(&self) -> Phase {
        if self.reset {
            Phase::Reset
        } else if self.fin_of_member || self.fin_of_host {
            Phase::Closing
        } else if self.confirmed {
            Phase::Established
        } else {
            Phase::Opening
        }
    }

    /// Whether a SYN of the member begins a new connection.
    pub(super) const fn is_over(&self) -> bool {
        self.reset || self.fin_of_member && self.fin_of_host
    }
}
