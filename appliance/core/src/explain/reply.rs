//! STAND-IN for api types until they are on main.
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Explanation {
    pub verdict: String,
    pub reason: Option<String>,
    pub worker: u8,
    pub is_known_flow: bool,
    pub load_balancer: Option<String>,
    pub frontend: Option<String>,
    pub rule: Option<String>,
    pub member: Option<String>,
    pub translated: Option<Translated>,
    pub next_hop: Option<NextHop>,
    pub steps: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Translated {
    pub source: String,
    pub source_port: Option<u16>,
    pub destination: String,
    pub destination_port: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NextHop {
    pub port: String,
    pub address: String,
    pub mac: String,
}
