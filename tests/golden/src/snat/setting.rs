//! Under which outbound rule does a trial begin?

use proptest::prelude::*;

use crate::document::Document;

/// What is chosen before the first step.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How many workers there are.
    pub workers: u8,
    /// `allocatedOutboundPorts`.
    pub ports: u32,
    /// Whether the timers are others than Azure's.
    pub custom_timers: bool,
    /// `enableTcpReset`.
    pub tcp_reset: bool,
}

/// Milliseconds of silence that end a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timers {
    pub opening: u64,
    pub established: u64,
    pub closing: u64,
    pub reset: u64,
    pub udp: u64,
    pub icmp: u64,
}

impl Setting {
    /// Any of them.
    pub fn any() -> impl Strategy<Value = Self> {
        let workers = prop::sample::select(vec![1u8, 2, 4, 16]);
        let ports = prop::sample::select(vec![8u32, 16, 64]);
        (workers, ports, any::<bool>()).prop_map(|(workers, ports, tcp_reset)| Self {
            workers,
            ports,
            custom_timers: false,
            tcp_reset,
        })
    }

    /// What differs from `base.json`: paths and values.
    #[must_use]
    pub fn changes(&self) -> Vec<(String, String)> {
        let rule = |name: &str| format!("outboundRules/internet/{name}");
        vec![
            (rule("allocatedOutboundPorts"), self.ports.to_string()),
            (rule("enableTcpReset"), self.tcp_reset.to_string()),
        ]
    }

    /// The configuration.
    ///
    /// # Panics
    /// When a path leads nowhere.
    #[must_use]
    pub fn document(&self) -> Document {
        let mut document = Document::read("base.json");
        for (path, value) in self.changes() {
            document.set(&path, &value).expect("a path of the document");
        }
        document
    }

    /// How long flows may be silent (behaviour.md §4.5).
    pub(super) const fn timers(&self) -> Timers {
        Timers {
            opening: 32_000,
            established: 240_000,
            closing: 240_000,
            reset: 15_000,
            udp: 240_000,
            icmp: 60_000,
        }
    }
}
