//! How does `explain` answer?
//!
//! On a thread aside, one question at a time: the packet goes through the path of the snapshot in
//! force on a worker of its own. Not here: what becomes of it, and the words
//! (`weir_core::explain`).

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use weir_core::api::{Error, ErrorCode, Explain, Reply, Success};
use weir_core::config::Checked;
use weir_core::explain::{self, Names, Question, Segment};
use weir_core::policy::Snapshot;
use weir_core::units::{Address, PortId, Transport};

use super::Running;
use super::answers::send;

impl Running {
    /// Explains what would become of a packet.
    pub(super) fn explain(&self, asked: &Explain, reply: oneshot::Sender<Reply>) {
        let question = match self.question(asked) {
            Ok(question) => question,
            Err(error) => return send(reply, Err(error)),
        };
        let (snapshot, checked) = (Arc::clone(self.lane.published()), Arc::clone(&self.checked));
        let aside = Arc::clone(&self.aside);
        tokio::task::spawn_local(async move {
            let turn = aside.acquire_owned().await;
            let told = tokio::task::spawn_blocking(move || {
                let told = explanation(&snapshot, &checked, &question);
                drop(turn);
                told
            });
            let stopping = |_| Err(Error::new(ErrorCode::Internal, "weir is stopping"));
            send(reply, told.await.unwrap_or_else(stopping));
        });
    }

    /// What is asked, in the terms of the path.
    fn question(&self, asked: &Explain) -> Result<Question, Error> {
        let protocol = protocol(&asked.protocol)?;
        let source = (address("source", &asked.source)?, asked.source_port);
        let destination = (address("destination", &asked.destination)?, asked.destination_port);
        if source.0.is_v4() != destination.0.is_v4() {
            let text = "source and destination are of different families, which no packet is";
            return Err(unsuitable(text));
        }
        let ingress = self.ingress(asked.port.as_deref(), source.0)?;
        let queues = self.ports.get(ingress.index()).map_or(1, |port| port.rx_queues);
        let owner = &self.lane.published().owner;
        let receiver = explain::receiver(owner, source, destination, queues);
        let segment = Segment::Opening;
        Ok(Question { protocol, source, destination, ingress, receiver, segment })
    }

    /// The port with this name; without one, that by which routes lead back to `source`.
    fn ingress(&self, name: Option<&str>, source: Address) -> Result<PortId, Error> {
        let ports = &self.checked.configuration.appliance.ports;
        let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        let known = names.join(", ");
        let Some(name) = name else {
            let port = explain::port_towards(self.lane.published(), source);
            return port.filter(|port| port.index() < names.len()).ok_or_else(|| {
                unsuitable(format!(
                    "no route leads to {source}, so that its packets may come in by any port: name \
                     it in `port`; there are {known}"
                ))
            });
        };
        let position = names.iter().position(|it| *it == name);
        let position = position.and_then(|it| u8::try_from(it).ok());
        let unknown = || unsuitable(format!("there is no port '{name}'; there are {known}"));
        position.map(PortId).ok_or_else(unknown)
    }
}

fn explanation(snapshot: &Snapshot, checked: &Checked, question: &Question) -> Reply {
    let course = explain::follow(snapshot, question).ok_or_else(|| {
        Error::new(ErrorCode::Busy, "no configuration is in force yet: try again in a moment")
    })?;
    let names = Names::of(&checked.configuration, snapshot, &course);
    Ok(Success::Explanation(Box::new(explain::explanation(snapshot, &course, &names))))
}

/// Without regard to case, as everywhere in Azure.
fn protocol(text: &str) -> Result<Transport, Error> {
    [Transport::Tcp, Transport::Udp]
        .into_iter()
        .find(|it| it.to_string().eq_ignore_ascii_case(text))
        .ok_or_else(|| unsuitable(format!("protocol: '{text}' is neither Tcp nor Udp")))
}

fn address(field: &str, text: &str) -> Result<Address, Error> {
    let address: Result<IpAddr, _> = text.parse();
    address
        .map(Address::from)
        .map_err(|_| unsuitable(format!("{field}: '{text}' is no IP address")))
}

fn unsuitable(text: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidParameters, text)
}
