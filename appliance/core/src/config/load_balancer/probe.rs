//! How is a member's health asked for (behaviour.md §1.6, §3)?
//!
//! Not here: what an answer means (`health`).

use super::{Sku, require_standard};
use crate::config::arm::{Field, Object};
use crate::config::resource::Resource;
use crate::limits::{
    HTTP_PROBE_TIMEOUT_MILLISECONDS_MAX, PROBE_INTERVAL_MILLISECONDS_MIN,
    PROBE_INTERVAL_SECONDS_MAX, PROBE_PATH_LENGTH_MAX, PROBE_TIMEOUT_MILLISECONDS_MIN,
};

/// One health probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its name, unique in the load balancer.
    pub name: String,
    /// What is asked.
    pub protocol: ProbeProtocol,
    /// The member's port, independent of the ports of rules.
    pub port: u16,
    /// Time from the start of one probe to the next.
    pub interval_milliseconds: u32,
    /// Time after which no answer is a failure; at most the interval.
    pub timeout_milliseconds: u32,
    /// Results in a row that change the state: 1 to 100.
    pub threshold: u32,
    /// Azure's older count, kept to be echoed; the threshold decides (behaviour.md §3.3).
    pub number_of_probes: u32,
    /// What happens when every member of a pool is down.
    pub no_healthy_backends: NoHealthyBackends,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeProtocol {
    /// Whether a connection can be opened.
    Tcp,
    /// Whether a GET is answered with 200.
    Http {
        /// The path, beginning with `/`.
        path: String,
    },
}

/// Who gets new flows when every member is down (behaviour.md §3.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoHealthyBackends {
    /// Nobody.
    #[default]
    AllProbedDown,
    /// Everybody.
    AllProbedUp,
}

/// A probe while it is checked.
pub(in crate::config) struct ProbeDraft {
    pub(in crate::config) probe: Probe,
    /// Whether the GET goes through TLS.
    pub(in crate::config) https: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Tcp,
    Http,
    Https,
}

/// Ports that Azure's HTTP prober refuses (behaviour.md §1.10, V23).
const HTTP_PORTS_REFUSED: [u16; 9] = [19, 21, 25, 70, 110, 119, 143, 220, 993];

/// `numberOfProbes` when none is written: that of Azure's Terraform provider (behaviour.md §1.6).
const NUMBER_OF_PROBES_DEFAULT: u32 = 2;

/// Reads one probe.
pub(super) fn read(resource: &Resource<'_>, sku: Sku) -> Option<ProbeDraft> {
    let properties = &resource.properties;
    let kind = properties.required("protocol").and_then(|field| {
        field.choice(&[("Tcp", Kind::Tcp), ("Http", Kind::Http), ("Https", Kind::Https)])
    });
    if kind == Some(Kind::Https) {
        require_standard(sku, properties, "protocol", "An HTTPS probe");
    }
    let port = properties.required("port").and_then(|field| field.integer(1..=u16::MAX));
    let protocol = read_protocol(properties, kind, port);
    let seconds = properties
        .or("intervalInSeconds", 15, |field| field.integer(5..=PROBE_INTERVAL_SECONDS_MAX));
    let threshold = properties.or("probeThreshold", 1, |field| field.integer(1..=100));
    let number_of_probes = properties
        .or("numberOfProbes", NUMBER_OF_PROBES_DEFAULT, |field| field.integer(1..=1_000_000));
    let no_healthy_backends =
        properties.or("noHealthyBackendsBehavior", NoHealthyBackends::AllProbedDown, |field| {
            field.choice(&[
                ("AllProbedDown", NoHealthyBackends::AllProbedDown),
                ("AllProbedUp", NoHealthyBackends::AllProbedUp),
            ])
        });
    properties.ignore(&["loadBalancingRules"]);
    let times = read_times(&resource.extensions(), seconds.map(|seconds| seconds * 1000), kind);
    let (interval_milliseconds, timeout_milliseconds) = times?;
    let probe = Probe {
        name: resource.name.clone(),
        protocol: protocol?,
        port: port?,
        interval_milliseconds,
        timeout_milliseconds,
        threshold: threshold?,
        number_of_probes: number_of_probes?,
        no_healthy_backends: no_healthy_backends?,
    };
    Some(ProbeDraft { probe, https: kind == Some(Kind::Https) })
}

/// Interval and timeout in milliseconds, by Azure's rule (behaviour.md §3.2) and the extensions.
fn read_times(
    extensions: &Object<'_>,
    interval: Option<u32>,
    kind: Option<Kind>,
) -> Option<(u32, u32)> {
    let longest = PROBE_INTERVAL_SECONDS_MAX * 1000;
    let interval = extensions
        .maybe("intervalInMilliseconds", |field| {
            field.integer(PROBE_INTERVAL_MILLISECONDS_MIN..=longest)
        })
        .and_then(|extension| extension.or(interval));
    let limit = interval.map(|interval| match kind {
        Some(Kind::Http | Kind::Https) => interval.min(HTTP_PROBE_TIMEOUT_MILLISECONDS_MAX),
        Some(Kind::Tcp) | None => interval,
    });
    let timeout = extensions
        .maybe("timeoutInMilliseconds", |field| {
            field.integer(PROBE_TIMEOUT_MILLISECONDS_MIN..=limit.unwrap_or(longest))
        })
        .and_then(|extension| extension.or(limit));
    extensions.finish_strictly();
    Some((interval?, timeout?))
}

fn read_protocol(
    properties: &Object<'_>,
    kind: Option<Kind>,
    port: Option<u16>,
) -> Option<ProbeProtocol> {
    let written = properties.optional("requestPath");
    match kind? {
        Kind::Tcp => {
            let written = written.filter(|field| field.text() != Some(""));
            if let Some(field) = written {
                field.error(
                    "RequestPathNotAllowed",
                    "A Tcp probe asks for no path. Remove `requestPath`, or use Http.",
                );
                return None;
            }
            Some(ProbeProtocol::Tcp)
        }
        Kind::Http | Kind::Https => {
            refuse_http_port(properties, port);
            let field = properties.required("requestPath")?;
            Some(ProbeProtocol::Http { path: read_path(&field)? })
        }
    }
}

fn refuse_http_port(properties: &Object<'_>, port: Option<u16>) {
    if port.is_some_and(|port| HTTP_PORTS_REFUSED.contains(&port)) {
        properties.error_at(
            "port",
            "HttpProbePortNotSupported",
            format!("HTTP probes never use the ports {HTTP_PORTS_REFUSED:?}. Choose another port."),
        );
    }
}

/// A path goes into a request line: only visible ASCII, and nothing that could end the line.
fn read_path(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if text.is_empty() || text.len() > PROBE_PATH_LENGTH_MAX || !visible {
        field.error(
            "InvalidRequestPath",
            format!(
                "Give a path such as /health of 1 to {PROBE_PATH_LENGTH_MAX} visible ASCII \
                 characters without `#`."
            ),
        );
        return None;
    }
    Some(if text.starts_with('/') { text.to_owned() } else { format!("/{text}") })
}
