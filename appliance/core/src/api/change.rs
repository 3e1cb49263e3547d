//! How is a change of the configuration asked for, and what does its author hear?
//!
//! Every one may carry `ifMatch`, the etag that what it changes must have when its turn comes, and
//! `dryRun`: only check; change nothing. Not here: how a change is made (`config::edit`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `apply`: replace the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// The configuration document, as written.
    pub configuration: Map<String, Value>,
    /// The etag that the configuration in force must have; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `rollback`: put a stored configuration in force again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollback {
    /// Its number; that before the one in force when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// The etag that the configuration in force must have; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `put`: replace or add one resource or child resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Put {
    /// The resource's id, relative or absolute.
    pub id: String,
    /// What it becomes.
    pub resource: Map<String, Value>,
    /// The etag that it must have, or `*` if it must be there; anything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `delete`: take one resource or child resource out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delete {
    /// The resource's id, relative or absolute.
    pub id: String,
    /// The etag that it must have, or `*` if it must be there; anything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `addMember`: give a pool one more address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddMember {
    /// The pool's id.
    pub pool: String,
    /// The member's name, which no other member of the pool has.
    pub name: String,
    /// Where its traffic goes.
    pub ip_address: String,
    /// `None`, `Up` or `Down`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state: Option<String>,
    /// Its share of new flows, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// The id of the virtual network that the address lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_network: Option<String>,
    /// The etag that the pool must have; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `removeMember`: take one member out of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoveMember {
    /// The pool's id.
    pub pool: String,
    /// The member's name or address.
    pub member: String,
    /// The etag that the member must have; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `setMember`: change what an operator says of a member; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetMember {
    /// The pool's id.
    pub pool: String,
    /// The member's name or address.
    pub member: String,
    /// `None`, `Up` or `Down`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin_state: Option<String>,
    /// Its share of new flows, 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// The etag that the member must have; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// `swapPublicIpAddresses`: give frontends the public addresses of others, all at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwapPublicIpAddresses {
    /// Which frontend gets which address.
    #[serde(rename = "frontendIPConfigurations")]
    pub frontend_ip_configurations: Vec<FrontendAddress>,
    /// The etag that the configuration in force must have; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<String>,
    /// Only check; change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// The address that one frontend gets, as Azure's body spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrontendAddress {
    /// The frontend's id.
    pub id: String,
    /// What it gets.
    pub properties: FrontendAddressProperties,
}

/// The `properties` of a frontend that gets an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrontendAddressProperties {
    /// The public IP address.
    #[serde(rename = "publicIPAddress")]
    pub public_ip_address: SubResource,
}

/// A reference to a resource, as Azure writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubResource {
    /// The resource's id.
    pub id: String,
}

/// The reply to every method that changes something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Applied {
    /// The generation in force after the call; unchanged by a dry run.
    pub generation: u32,
    /// Whether anything changed, or would change in a dry run.
    pub changed: bool,
    /// The number under which it is stored; `null` after a dry run, or when it could not be stored.
    pub number: Option<u64>,
    /// What is acceptable, but perhaps not meant.
    pub warnings: Vec<Problem>,
    /// From request to publication.
    pub milliseconds: u64,
}

/// The `data` of the error that refuses a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Refusal {
    /// All problems, in the order of the document.
    pub problems: Vec<Problem>,
}

/// One problem or warning of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Problem {
    /// Where in the document: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Which kind, as a word that programs can compare.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
}
