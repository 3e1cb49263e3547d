//! Which methods are there, and how are their parameters read?
//!
//! One table: name, parameters, whether it changes something, and the shape that errors show. All
//! else is made from it. Not here: what a method does (the shell), what it answers (`reply`).

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::change::{
    AddMember, Apply, Delete, Put, RemoveMember, Rollback, SetMember, SwapPublicIpAddresses,
};
use super::error::{Error, ErrorCode};
use super::event::Subscribe;
use super::explanation::Explain;
use super::listing::{Flows, Snat};
use super::mapping::QueryInboundNatRulePortMapping;
use super::plan::PlanFor;
use super::reply::{Get, List};

macro_rules! methods {
    (
        with parameters {
            $(
                $(#[$about:meta])*
                $variant:ident($parameters:ty) = $name:literal $effect:ident $shape:literal;
            )+
        }
        without {
            $($(#[$bare_about:meta])* $bare:ident = $bare_name:literal;)+
        }
    ) => {
        /// What is asked.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Method {
            $($(#[$about])* $variant($parameters),)+
            $($(#[$bare_about])* $bare,)+
        }

        impl Method {
            /// The names of all methods, as errors list them.
            pub const NAMES: &[&str] = &[$($name,)+ $($bare_name,)+];

            /// The name on the wire.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                    $(Self::$bare => $bare_name,)+
                }
            }

            /// Whether it may change something, as opposed to reading.
            #[must_use]
            pub const fn changes(&self) -> bool {
                match self {
                    $(Self::$variant(_) => Effect::$effect.changes(),)+
                    $(Self::$bare => false,)+
                }
            }

            /// Reads the method that has this name.
            ///
            /// # Errors
            /// There is no such method, or the parameters do not suit it.
            pub(super) fn read(name: &str, parameters: Option<Value>) -> Result<Self, Error> {
                match name {
                    $($name => read(parameters, $shape).map(Self::$variant),)+
                    $($bare_name => expect_none(name, parameters).map(|()| Self::$bare),)+
                    unknown => Err(unknown_method(unknown)),
                }
            }

            /// The parameters on the wire; nothing for a method that takes none.
            pub(super) fn parameters(&self) -> Option<Value> {
                match self {
                    $(Self::$variant(parameters) => some(json!(parameters)),)+
                    $(Self::$bare => None,)+
                }
            }
        }
    };
}

methods! {
    with parameters {
        /// Replace the configuration; answered by `Applied` or refused with problems.
        Apply(Apply) = "apply" Changes
            "apply takes {\"configuration\": {…}, \"ifMatch\": an etag, \"dryRun\": true or false}";
        /// Put a stored configuration in force again; answered by `Applied`.
        Rollback(Rollback) = "rollback" Changes
            "rollback takes {\"to\": a number of `history`, \"ifMatch\": an etag, \"dryRun\": true \
             or false}";
        /// Replace or add one resource; answered by `Applied`.
        Put(Put) = "put" Changes
            "put takes {\"id\": …, \"resource\": {…}, \"ifMatch\": an etag or \"*\", \"dryRun\": \
             true or false}";
        /// Take one resource out; answered by `Applied`.
        Delete(Delete) = "delete" Changes
            "delete takes {\"id\": …, \"ifMatch\": an etag or \"*\", \"dryRun\": true or false}";
        /// Give a pool one more member; answered by `Applied`.
        AddMember(AddMember) = "addMember" Changes
            "addMember takes {\"pool\": an id, \"name\": …, \"ipAddress\": …, \"adminState\": \
             \"None\", \"Up\" or \"Down\", \"weight\": 1 to 100, \"virtualNetwork\": an id, \
             \"ifMatch\": an etag, \"dryRun\": true or false}";
        /// Take a member out of a pool; answered by `Applied`.
        RemoveMember(RemoveMember) = "removeMember" Changes
            "removeMember takes {\"pool\": an id, \"member\": a name or an address, \"ifMatch\": an \
             etag, \"dryRun\": true or false}";
        /// Change what an operator says of a member; answered by `Applied`.
        SetMember(SetMember) = "setMember" Changes
            "setMember takes {\"pool\": an id, \"member\": a name or an address, \"adminState\": \
             \"None\", \"Up\" or \"Down\", \"weight\": 1 to 100, \"ifMatch\": an etag, \"dryRun\": \
             true or false}";
        /// Give frontends the public addresses of others; answered by `Applied`.
        SwapPublicIpAddresses(SwapPublicIpAddresses) = "swapPublicIpAddresses" Changes
            "swapPublicIpAddresses takes {\"frontendIPConfigurations\": [{\"id\": …, \"properties\": \
             {\"publicIPAddress\": {\"id\": …}}}], \"ifMatch\": an etag, \"dryRun\": true or false}";
        /// The configuration in force, answered by `Current`; or the resource with this id,
        /// answered by `Resource`.
        Get(Get) = "get" Reads
            "get takes {\"id\": the id of a resource}, or nothing for everything";
        /// The resources of a collection; answered by `Resources`.
        List(List) = "list" Reads "list takes {\"collection\": such as \"loadBalancers\"}";
        /// Say what a configuration would change; answered by `Plan`.
        Plan(PlanFor) = "plan" Reads
            "plan takes {\"configuration\": {…}, \"ifMatch\": an etag}";
        /// Say what would become of a packet, and why; answered by `Explanation`.
        Explain(Explain) = "explain" Reads
            "explain takes {\"protocol\": \"Tcp\" or \"Udp\", \"source\": …, \"sourcePort\": …, \
             \"destination\": …, \"destinationPort\": …, \"port\": the name of the port it comes \
             in by}";
        /// Live flows; answered by `FlowList`.
        Flows(Flows) = "flows" Reads
            "flows takes {\"protocol\", \"source\", \"sourcePort\", \"destination\", \
             \"destinationPort\", \"rule\", \"member\", \"worker\", \"limit\", \"cursor\"}, all of \
             them optional";
        /// Outbound ports; answered by `SnatList`.
        Snat(Snat) = "snat" Reads
            "snat takes {\"rule\", \"member\", \"destinations\": true or false, \"history\": true or \
             false, \"limit\", \"cursor\"}, all of them optional";
        /// Which frontend ports lead to a member; answered by `PortMappings`.
        QueryInboundNatRulePortMapping(QueryInboundNatRulePortMapping) =
            "queryInboundNatRulePortMapping" Reads
            "queryInboundNatRulePortMapping takes {\"backendAddressPool\": an id, \"ipAddress\": … or \
             \"ipConfiguration\": {\"id\": …}}";
        /// Be told of events on this connection; answered by `Subscribed`.
        Subscribe(Subscribe) = "subscribe" Reads
            "subscribe takes {\"events\": some of \"health\", \"configuration\" and \"snat\"}, or \
             nothing for all";
    }
    without {
        /// The stored configurations; answered by `History`.
        History = "history";
        /// What an operator looks at first; answered by `Status`.
        Status = "status";
        /// Every counter; answered by `Stats`.
        Stats = "stats";
        /// State and reason of every member of every rule; answered by `Health`.
        Health = "health";
        /// What is wrong with the appliance and its surroundings; answered by `Diagnosis`.
        Diagnose = "diagnose";
        /// Name and versions; answered by `Version`.
        Version = "version";
    }
}

/// What a method may do.
#[derive(Clone, Copy)]
enum Effect {
    Changes,
    Reads,
}

impl Effect {
    const fn changes(self) -> bool {
        matches!(self, Self::Changes)
    }
}

/// Parameters, if there are any.
fn some(parameters: Value) -> Option<Value> {
    Some(parameters).filter(|it| it.as_object().is_none_or(|fields| !fields.is_empty()))
}

/// Reads parameters by name. Unknown ones are refused: a misspelt `dryRun` must not become a
/// change.
fn read<T: DeserializeOwned>(parameters: Option<Value>, shape: &str) -> Result<T, Error> {
    let fields = match parameters {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(fields @ Value::Object(_)) => fields,
        // JSON-RPC also knows parameters by position, which nobody can read.
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(unsuitable(shape));
        }
    };
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let place = error.path().to_string();
        let why = error.into_inner();
        unsuitable(match place.as_str() {
            "." => format!("{shape}; {why}"),
            field => format!("{shape}; {field}: {why}"),
        })
    })
}

fn expect_none(name: &str, parameters: Option<Value>) -> Result<(), Error> {
    let empty = match &parameters {
        None | Some(Value::Null) => true,
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Array(values)) => values.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    };
    if empty { Ok(()) } else { Err(unsuitable(format!("{name} takes no params"))) }
}

fn unknown_method(name: &str) -> Error {
    let known = Method::NAMES.join(", ");
    let text = format!("there is no method {name:?}; there are {known}");
    Error::new(ErrorCode::MethodNotFound, text)
}

fn unsuitable(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidParameters, message)
}
