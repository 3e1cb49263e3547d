//! Which packets do members and hosts outside send each other here?

use std::net::SocketAddrV4;

use weir_core::units::Transport;

/// A TCP segment, as far as anybody between its ends can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Opens, or opens again.
    Syn,
    /// The answer to it.
    SynAck,
    /// In mid-stream.
    Ack,
    /// The sender has nothing more to say.
    Fin,
    /// A reset with the number that its receiver expects.
    Reset,
    /// A reset with a number far beyond, as somebody guesses it who does not see the connection.
    ResetFarAhead,
    /// A reset with a number that its receiver has long acknowledged.
    ResetBehind,
}

/// Sequence numbers of the side that opens begin here, and wrap around soon.
const OPENER: u32 = u32::MAX - 3;
/// And those of the other side.
const RESPONDER: u32 = 5_000;
/// Further ahead than any window that is honoured.
const FAR: u32 = 1 << 21;

impl Segment {
    /// Whether it is a reset, of whatever number.
    #[must_use]
    pub const fn resets(self) -> bool {
        matches!(self, Self::Reset | Self::ResetFarAhead | Self::ResetBehind)
    }

    /// Whether it acknowledges something.
    #[must_use]
    pub const fn acknowledges(self) -> bool {
        matches!(self, Self::SynAck | Self::Ack | Self::Fin)
    }

    /// Flags and numbers as a packet's line has them.
    fn words(self, is_openers: bool) -> String {
        let (first, other) = if is_openers { (OPENER, RESPONDER) } else { (RESPONDER, OPENER) };
        let (next, expected) = (first.wrapping_add(1), other.wrapping_add(1));
        match self {
            Self::Syn => format!("SYN seq {first}"),
            Self::SynAck => format!("SYN ACK seq {first} ack {expected}"),
            Self::Ack => format!("ACK seq {next} ack {expected}"),
            Self::Fin => format!("FIN ACK seq {next} ack {expected}"),
            Self::Reset => format!("RST seq {next}"),
            Self::ResetFarAhead => format!("RST seq {}", next.wrapping_add(FAR)),
            Self::ResetBehind => format!("RST seq {}", next.wrapping_sub(2)),
        }
    }
}

/// A packet between a member and a host outside. ICMP echo has its identifier for a port, the
/// same at both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its protocol.
    pub protocol: Transport,
    /// Where it comes from.
    pub source: SocketAddrV4,
    /// Where it goes.
    pub destination: SocketAddrV4,
    /// What it says, if it is of TCP.
    pub segment: Segment,
}

impl Packet {
    /// The line that stands for it.
    #[must_use]
    pub fn line(&self, is_members: bool) -> String {
        let Self { source, destination, .. } = self;
        match self.protocol {
            Transport::Tcp => {
                format!("tcp {source} -> {destination} {}", self.segment.words(is_members))
            }
            Transport::Udp => format!("udp {source} -> {destination} payload 9"),
            Transport::Icmp => {
                let kind = if is_members { 8 } else { 0 };
                let identifier = if is_members { source.port() } else { destination.port() };
                let (source, destination) = (source.ip(), destination.ip());
                format!(
                    "icmp {source} -> {destination} type {kind} rest {:#x}",
                    u32::from(identifier) << 16 | 7
                )
            }
        }
    }
}
