//! Do configurations load that others write: Azure's templates (behaviour.md §11) and its SDK?

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Each example, the codes of its errors, and the features of it that this version lacks.
const TEMPLATES: [(&str, &[&str], &[&str]); 10] = [
    ("load-balancer-standard-create", &[], &[SECURITY_GROUPS]),
    ("internal-loadbalancer-create-haports", &[], &["HA ports", "Addresses that Azure chooses"]),
    // The template builds ids of inbound NAT rules with a segment too many.
    (
        "load-balancer-ipv6-create",
        &["InvalidResourceReference"],
        &["Inbound NAT rules", "IPv6 frontends and members", BASIC],
    ),
    ("loadbalancer-with-multivip", &[], &[BASIC]),
    ("multi-vmss-linux-lb-zones", &[], &["Inbound NAT pools"]),
    ("vmss-flexible-orchestration-quickstart", &[], &[]),
    ("haproxy-redundant-floatingip-ubuntu", &[], &["Inbound NAT rules", "Floating IP", BASIC]),
    ("nfs-ha-cluster-ubuntu", &[], &[BASIC]),
    ("centos-2nics-lb-cluster", &[], &["Inbound NAT rules", BASIC]),
    ("2fe-lb80-rdp-1be-nsg-rdp", &[], &["Inbound NAT rules", BASIC, SECURITY_GROUPS]),
];

const BASIC: &str = "The end of flows when all members of a Basic load balancer are down";
const SECURITY_GROUPS: &str = "Network security groups of subnets and interfaces";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

/// The codes of what is wrong, and the features that are lacking.
fn told(found: &Examined) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (lacking, wrong): (Vec<_>, Vec<_>) = found
        .problems
        .iter()
        .map(|it| &it.problem)
        .partition(|problem| problem.code == "NotYetSupportedByWeir");
    let features = lacking.into_iter().filter_map(|problem| {
        problem.message.strip_prefix("Not in this version: ")?.split(". ").next()
    });
    (wrong.into_iter().map(|problem| problem.code.as_ref()).collect(), features.collect())
}

#[test]
fn templates_load_or_fail_for_the_stated_reason() {
    let folder = root().join("docs/examples/azure");
    for (name, errors, lacking) in TEMPLATES {
        let text = fs::read(folder.join(format!("{name}.json"))).expect("an example");
        let found = examine(vec![Source { name: name.to_owned(), text }]);
        let expected = (errors.iter().copied().collect(), lacking.iter().copied().collect());
        assert_eq!(told(&found), expected, "{name}: {:#?}", found.problems);
        assert_eq!(found.configuration.is_some(), errors.is_empty() && lacking.is_empty());
        let unknown = found.warnings.iter().find(|it| it.problem.code == "UnknownProperty");
        assert_eq!(unknown, None, "{name}");
    }
    assert_eq!(files_of(&folder).len(), TEMPLATES.len());
}

#[test]
fn what_templates_misspell_is_said_back_as_azure_spells_it() {
    let path = root().join("docs/examples/azure/multi-vmss-linux-lb-zones.json");
    let text = fs::read(path).expect("an example");
    let found = examine(vec![Source { name: String::new(), text }]);
    let properties = &found.echo["resources"][2]["properties"];
    let rule = &properties["loadBalancingRules"][0]["properties"];
    assert!(rule["backendAddressPool"]["id"].is_string(), "{properties:#}");
    assert_eq!(properties["inboundNatPools"][2]["properties"]["frontendPortRangeStart"], 50_300);
}

#[test]
fn bodies_are_accepted_as_the_sdk_puts_them_on_the_wire() {
    let folder = root().join("tests/azure/sdk");
    let mut sources = Vec::new();
    for kind in files_of(&folder).into_iter().filter(|path| path.is_dir()) {
        for path in files_of(&kind) {
            let text = fs::read(&path).expect("a body");
            sources.push(Source { name: path.display().to_string(), text });
        }
    }
    assert!(sources.len() >= 11);
    let found = examine(sources);
    // The SDK never sends the prefix of a public IP prefix, which Azure chooses.
    let lacking = [
        "Addresses that Azure chooses",
        "HA ports",
        "Floating IP",
        "HTTPS probes",
        "Draining with a reset",
        "Inbound NAT rules",
        BASIC,
        SECURITY_GROUPS,
    ];
    assert_eq!(told(&found), (BTreeSet::new(), lacking.into_iter().collect()));
    let unknown = found.warnings.iter().find(|it| it.problem.code == "UnknownProperty");
    assert_eq!(unknown, None);
}
