//! How long may a flow be silent?

use super::tcp::TcpState;
use crate::limits::IDLE_TIMEOUT_MINUTES_MAX;
use crate::units::ticks_of_seconds;

/// The longest time that any flow may be silent.
pub const IDLE_TICKS_MAX: u32 = ticks_of_seconds(IDLE_TIMEOUT_MINUTES_MAX * 60);

/// A handshake that is not completed: five retransmissions of a SYN with the usual back-off
/// (RFC 6298) fit.
const OPENING: u32 = ticks_of_seconds(32);
/// After both FINs an inbound record stays for a retransmitted FIN and its answer. A late segment
/// still finds its way by the hash.
const INBOUND_CLOSED: u32 = ticks_of_seconds(10);
/// After a RST an inbound record stays for what is under way.
const INBOUND_RESET: u32 = ticks_of_seconds(2);
/// Ticks of silence that end an inbound TCP flow of a rule with idle timeout `idle`.
#[must_use]
pub const fn inbound_ticks(state: TcpState, idle: u32) -> u32 {
    if state.is_reset() {
        shorter(INBOUND_RESET, idle)
    } else if state.is_closed() {
        shorter(INBOUND_CLOSED, idle)
    } else if state.is_opening() {
        shorter(OPENING, idle)
    } else {
        idle
    }
}

const fn shorter(one: u32, other: u32) -> u32 {
    if one < other { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::super::tcp::Side;
    use super::*;
    use crate::wire::tcp::{ACK, FIN, RST, SYN};

    #[test]
    fn silence_is_borne_as_long_as_the_table_says() {
        let idle = ticks_of_seconds(240 * 60);
        let open = TcpState::ESTABLISHED;
        let fin = open.after(Side::Opener, FIN | ACK);
        let closed = fin.after(Side::Responder, FIN | ACK);
        let reset = open.after(Side::Responder, RST);
        let opening = TcpState::NEW.after(Side::Opener, SYN);
        for (state, seconds) in
            [(opening, 32), (open, 240 * 60), (fin, 240 * 60), (closed, 10), (reset, 2)]
        {
            assert_eq!(inbound_ticks(state, idle), ticks_of_seconds(seconds), "{state:?}");
        }
        assert_eq!(inbound_ticks(closed, 8), 8, "a shorter idle timeout counts");
    }
}
