//! How is it asked what would become of a packet?

use weir_core::api::{Explain, Explanation, Method};

use crate::arguments::{ExplainArguments, Protocol};
use crate::failure::Failure;
use crate::render;
use crate::session::Session;

/// Explains one packet.
pub(super) fn run(session: &Session<'_>, packet: ExplainArguments) -> Result<(), Failure> {
    let ExplainArguments { protocol, source, destination, port } = packet;
    let explain = Explain {
        protocol: word(protocol),
        source: source.ip().to_string(),
        source_port: source.port(),
        destination: destination.ip().to_string(),
        destination_port: destination.port(),
        port,
    };
    session.show::<Explanation>(Method::Explain(explain.clone()), |explanation| {
        render::explanation(&explain, explanation)
    })
}

/// Azure's word.
pub(super) fn word(protocol: Protocol) -> String {
    match protocol {
        Protocol::Tcp => "Tcp",
        Protocol::Udp => "Udp",
    }
    .to_owned()
}
