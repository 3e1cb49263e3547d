//! How does `explain` answer?
//!
//! The owner of its flow is asked first, if there may be one. Then, on a thread aside, one question
//! at a time, the packet goes through the path of the snapshot in force. Not here: what becomes of
//! it, and the words (`weir_core::explain`).

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::oneshot;
use weir_core::api::{Error, ErrorCode, Explain, Reply, Success};
use weir_core::config::Checked;
use weir_core::explain::{self, Names, Question, Segment};
use weir_core::path::FlowView;
use weir_core::policy::Snapshot;
use weir_core::units::{Address, PortId, Transport, WorkerId};

use super::answers::send;
use super::inquiries::{Inquirer, Unanswered};
use super::{Running, listings};

impl Running {
    /// Explains what would become of a packet.
    pub(super) fn explain(&self, asked: &Explain, reply: oneshot::Sender<Reply>) {
        let question = match self.question(asked) {
            Ok(question) => question,
            Err(error) => return send(reply, Err(error)),
        };
        let asking = Asking {
            question,
            snapshot: Arc::clone(self.lane.published()),
            checked: Arc::clone(&self.checked),
        };
        let (aside, inquirer) = (Arc::clone(&self.plans.explaining), self.inquirer.clone());
        tokio::task::spawn_local(async move {
            let known = asking.ask_owners(&inquirer).await;
            let turn = aside.acquire_owned().await;
            let told = tokio::task::spawn_blocking(move || {
                let told = asking.answer(known);
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

/// A question under the configuration in force.
struct Asking {
    question: Question,
    snapshot: Arc<Snapshot>,
    checked: Arc<Checked>,
}

/// The flow that its owner knows, or who did not say whether there is one.
type Known = Result<Option<(WorkerId, FlowView)>, Unanswered>;

impl Asking {
    /// Asks those who may have the packet's flow.
    async fn ask_owners(&self, inquirer: &Inquirer) -> Known {
        for (owner, key) in explain::owners(&self.snapshot, &self.question) {
            if let Some(flow) = inquirer.find(owner, key).await? {
                return Ok(Some((owner, flow)));
            }
        }
        Ok(None)
    }

    fn answer(self, known: Known) -> Reply {
        let (known, unanswered) = match known {
            Ok(known) => (known, None),
            Err(unanswered) => (None, Some(unanswered)),
        };
        let segment = if known.is_some() { Segment::Further } else { Segment::Opening };
        let question = Question { segment, ..self.question };
        let (configuration, snapshot) = (&self.checked.configuration, &*self.snapshot);
        let flow = known.as_ref().map(|(_, flow)| flow);
        let course = explain::follow(snapshot, &question, flow).ok_or_else(|| {
            Error::new(ErrorCode::Busy, "no configuration is in force yet: try again in a moment")
        })?;
        let names = Names::of(configuration, snapshot, &course);
        let mut told = explain::explanation(snapshot, &course, &names);
        if let Some((owner, flow)) = &known {
            let names = listings::Names::of(configuration, snapshot);
            let flow = names.flow(*owner, flow);
            told.load_balancer = told.load_balancer.or_else(|| flow.load_balancer.clone());
            told.rule = told.rule.or_else(|| flow.rule.clone());
            told.flow = Some(flow);
        }
        if let Some(why) = unanswered {
            told.steps.insert(0, format!("This is told as of a new flow, since {why}."));
        }
        Ok(Success::Explanation(Box::new(told)))
    }
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
