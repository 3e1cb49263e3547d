//! How do messages reach a collector?
//!
//! By UDP, from a socket of the machine's own kernel. What a collector did not take is known
//! afterwards, if at all: its host refuses the datagram when nobody listens there. Templates are
//! told with the first message, by period, and after each refusal.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::event::Event;
use super::ipfix::Messages;

/// How long the kernel may take to send a datagram.
const SEND_WITHIN: Duration = Duration::from_secs(1);

/// A collector and what is on the way to it.
#[derive(Debug)]
pub(super) struct Collector {
    address: SocketAddr,
    socket: Option<UdpSocket>,
    messages: Messages,
    template_refresh_ms: u64,
    /// When templates are to be told, in milliseconds since 1970.
    templates_due_ms: u64,
    /// Records of the datagram that was sent last: a refusal that comes back is about them.
    last: u64,
    /// What became of records since `flush`.
    outcome: Outcome,
}

/// What became of records.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) written: u64,
    pub(super) failed: u64,
    pub(super) error: Option<io::Error>,
}

impl Collector {
    pub(super) fn new(address: SocketAddr, observation_domain_id: u32, refresh: u32) -> Self {
        Self {
            address,
            socket: None,
            messages: Messages::new(observation_domain_id, std::process::id()),
            template_refresh_ms: u64::from(refresh) * 1000,
            templates_due_ms: 0,
            last: 0,
            outcome: Outcome::default(),
        }
    }

    /// Takes a record in; what it makes full is sent.
    pub(super) fn push(&mut self, event: &Event, now_ms: u64) {
        self.refresh(now_ms);
        if !self.messages.push(event) {
            self.send(now_ms);
            self.refresh(now_ms);
            // There is room for one in every message.
            let _has_room = self.messages.push(event);
        }
    }

    /// Sends what waits, and says what became of everything since this was last asked.
    pub(super) fn flush(&mut self, now_ms: u64) -> Outcome {
        self.refresh(now_ms);
        self.settle();
        self.send(now_ms);
        std::mem::take(&mut self.outcome)
    }

    /// Says what became of the rest.
    pub(super) fn finish(&mut self, now_ms: u64) -> Outcome {
        self.send(now_ms);
        self.settle();
        std::mem::take(&mut self.outcome)
    }

    /// Puts templates in where they are due.
    fn refresh(&mut self, now_ms: u64) {
        // A clock that was set back must not keep them for longer than the period.
        let is_early = self.templates_due_ms > now_ms
            && self.templates_due_ms - now_ms <= self.template_refresh_ms;
        if self.messages.is_empty() && !is_early {
            self.messages.push_templates();
            self.templates_due_ms = now_ms + self.template_refresh_ms;
        }
    }

    fn send(&mut self, now_ms: u64) {
        if self.messages.is_empty() {
            return;
        }
        self.settle();
        let records = u64::from(self.messages.records());
        #[allow(clippy::cast_possible_truncation, reason = "RFC 7011 §3.1: modulo 2^32")]
        let seconds = (now_ms / 1000) as u32;
        let Self { messages, socket, address, .. } = self;
        let sent = messages.finish(seconds, |bytes| {
            if socket.is_none() {
                *socket = Some(connect(*address)?);
            }
            socket.as_ref().map_or(Ok(0), |socket| socket.send(bytes))
        });
        match sent {
            Ok(_) => self.last = records,
            Err(error) => self.fail(records, error),
        }
    }

    /// Takes in whether anybody took the last datagram.
    fn settle(&mut self) {
        let refusal = self.socket.as_ref().and_then(|socket| socket.take_error().ok().flatten());
        let records = std::mem::take(&mut self.last);
        match refusal {
            Some(error) => self.fail(records, error),
            None => self.outcome.written += records,
        }
    }

    fn fail(&mut self, records: u64, error: io::Error) {
        self.outcome.failed += records;
        self.outcome.error = Some(error);
        self.templates_due_ms = 0;
    }
}

fn connect(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_write_timeout(Some(SEND_WITHIN))?;
    socket.connect(address)?;
    Ok(socket)
}
