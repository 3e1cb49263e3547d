//! How far has a TCP connection come, as far as both directions' flags tell?

use crate::wire::tcp::{ACK, FIN, RST};

/// Who sent a segment, seen from the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The side that sent the first SYN.
    Opener,
    /// The side that answered it.
    Responder,
}

/// What has been seen of a connection. Grows only, so that reordering does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpState(u8);

impl TcpState {
    /// Nothing but the opening segment.
    pub const NEW: Self = Self(0);
    /// A connection that was met in mid-stream.
    pub const ESTABLISHED: Self = Self(Self::ANSWERED | Self::CONFIRMED);

    const ANSWERED: u8 = 1;
    const CONFIRMED: u8 = 2;
    const OPENER_FIN: u8 = 4;
    const RESPONDER_FIN: u8 = 8;
    const RESET: u8 = 16;

    /// The state after a segment with `flags` from `side`.
    #[must_use]
    #[inline]
    pub const fn after(self, side: Side, flags: u8) -> Self {
        let mut state = self.0;
        if flags & ACK != 0 {
            match side {
                Side::Responder => state |= Self::ANSWERED,
                Side::Opener if state & Self::ANSWERED != 0 => state |= Self::CONFIRMED,
                Side::Opener => {}
            }
        }
        if flags & (FIN | RST) != 0 {
            if flags & RST != 0 {
                state |= Self::RESET;
            }
            if flags & FIN != 0 {
                state |= match side {
                    Side::Opener => Self::OPENER_FIN,
                    Side::Responder => Self::RESPONDER_FIN,
                };
            }
        }
        Self(state)
    }

    /// Both records of an outbound flow seen as one.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the handshake is complete and nobody has begun to close.
    #[must_use]
    pub const fn is_established(self) -> bool {
        self.0 == Self::ANSWERED | Self::CONFIRMED
    }

    /// Whether the handshake has not been completed.
    #[must_use]
    pub const fn is_opening(self) -> bool {
        self.0 & Self::CONFIRMED == 0 && !self.is_reset()
    }

    /// Whether either side has sent a FIN.
    #[must_use]
    pub const fn is_closing(self) -> bool {
        self.0 & (Self::OPENER_FIN | Self::RESPONDER_FIN) != 0
    }

    /// Whether both sides have sent a FIN.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        const BOTH: u8 = TcpState::OPENER_FIN | TcpState::RESPONDER_FIN;
        self.0 & BOTH == BOTH
    }

    /// Whether a RST was seen.
    #[must_use]
    pub const fn is_reset(self) -> bool {
        self.0 & Self::RESET != 0
    }

    /// What is told of the connection: the furthest that it has come.
    #[must_use]
    pub const fn name(self) -> &'static str {
        if self.is_reset() {
            "Reset"
        } else if self.is_closed() {
            "Closed"
        } else if self.is_closing() {
            "Closing"
        } else if self.is_opening() {
            "Opening"
        } else {
            "Established"
        }
    }

    /// Whether a SYN may begin a new connection on the same tuple (RFC 6191 in spirit).
    #[must_use]
    pub const fn may_be_reopened(self) -> bool {
        self.is_closed() || self.is_reset()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tcp::SYN;

    fn after(segments: &[(Side, u8)]) -> TcpState {
        segments.iter().fold(TcpState::NEW, |state, (side, flags)| state.after(*side, *flags))
    }

    #[test]
    fn a_whole_life_passes_through_every_state() {
        use Side::{Opener, Responder};
        let life = [
            (Opener, SYN),
            (Responder, SYN | ACK),
            (Opener, ACK),
            (Responder, FIN | ACK),
            (Opener, FIN | ACK),
        ];
        assert!(after(&life[..1]).is_opening());
        assert!(after(&life[..2]).is_opening());
        assert!(after(&life[..3]).is_established());
        assert!(after(&life[..4]).is_closing() && !after(&life[..4]).is_closed());
        assert!(after(&life).is_closed() && after(&life).may_be_reopened());
        let names: Vec<_> = (1..=5).map(|steps| after(&life[..steps]).name()).collect();
        assert_eq!(names, ["Opening", "Opening", "Established", "Closing", "Closed"]);
    }

    #[test]
    fn an_acknowledgement_without_an_answer_opens_nothing() {
        assert!(after(&[(Side::Opener, SYN), (Side::Opener, ACK)]).is_opening());
    }

    #[test]
    fn a_reset_ends_whatever_was() {
        let refused = after(&[(Side::Opener, SYN), (Side::Responder, RST | ACK)]);
        assert!(refused.may_be_reopened());
        assert_eq!(refused.name(), "Reset");
    }
}
