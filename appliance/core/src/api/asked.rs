//! Which change of the configuration, or which of its facts, does a request ask for?
//!
//! Not here: how requests are spelt (`change`, `mapping`), how a change is made (`config::edit`).

use std::net::IpAddr;

use serde_json::Value;

use super::change::{
    AddMember, Delete, FrontendAddress, Put, RemoveMember, SetMember, SwapPublicIpAddresses,
};
use super::error::{Error, ErrorCode};
use super::mapping::{PortMapping, PortMappings, QueryInboundNatRulePortMapping};
use super::reply::{Reply, Success};
use crate::config::edit::{
    self, Edit, EditError, IdError, IfMatch, MemberName, MemberSettings, NewMember, ResourceId,
};
use crate::config::{
    AdminState, Configuration, InboundNatRulePortMapping, PortMappingError, PortMappingQuery,
    port_mappings,
};

/// A change of a part of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// What is to change.
    pub edit: Edit,
    /// Which version of it must be there when its turn comes.
    pub if_match: IfMatch,
    /// Whether only to check.
    pub dry_run: bool,
}

impl Asked {
    fn new(edit: Edit, if_match: Option<&str>, dry_run: bool) -> Self {
        Self { edit, if_match: IfMatch::of(if_match), dry_run }
    }
}

impl TryFrom<Put> for Asked {
    type Error = Error;

    fn try_from(asked: Put) -> Result<Self, Error> {
        let edit = Edit::Put(ResourceId::parse(&asked.id)?, Value::Object(asked.resource));
        Ok(Self::new(edit, asked.if_match.as_deref(), asked.dry_run))
    }
}

impl TryFrom<Delete> for Asked {
    type Error = Error;

    fn try_from(asked: Delete) -> Result<Self, Error> {
        let edit = Edit::Delete(ResourceId::parse(&asked.id)?);
        Ok(Self::new(edit, asked.if_match.as_deref(), asked.dry_run))
    }
}

impl TryFrom<AddMember> for Asked {
    type Error = Error;

    fn try_from(asked: AddMember) -> Result<Self, Error> {
        let edit = Edit::AddMember(NewMember {
            pool: ResourceId::parse(&asked.pool)?,
            settings: settings(asked.admin_state.as_deref(), asked.weight)?,
            name: asked.name,
            ip_address: asked.ip_address,
            virtual_network: asked.virtual_network,
        });
        Ok(Self::new(edit, asked.if_match.as_deref(), asked.dry_run))
    }
}

impl TryFrom<RemoveMember> for Asked {
    type Error = Error;

    fn try_from(asked: RemoveMember) -> Result<Self, Error> {
        let pool = ResourceId::parse(&asked.pool)?;
        let edit = Edit::RemoveMember(MemberName { pool, member: asked.member });
        Ok(Self::new(edit, asked.if_match.as_deref(), asked.dry_run))
    }
}

impl TryFrom<SetMember> for Asked {
    type Error = Error;

    fn try_from(asked: SetMember) -> Result<Self, Error> {
        let pool = ResourceId::parse(&asked.pool)?;
        let settings = settings(asked.admin_state.as_deref(), asked.weight)?;
        let edit = Edit::SetMember(MemberName { pool, member: asked.member }, settings);
        Ok(Self::new(edit, asked.if_match.as_deref(), asked.dry_run))
    }
}

impl TryFrom<SwapPublicIpAddresses> for Asked {
    type Error = Error;

    fn try_from(asked: SwapPublicIpAddresses) -> Result<Self, Error> {
        let wanted = asked.frontend_ip_configurations.into_iter().map(|it: FrontendAddress| {
            let frontend = ResourceId::parse(&it.id)?;
            let public_address = it.properties.public_ip_address.id;
            Ok::<_, Error>(edit::FrontendAddress { frontend, public_address })
        });
        let edit = Edit::SwapPublicAddresses(wanted.collect::<Result<_, _>>()?);
        Ok(Self::new(edit, asked.if_match.as_deref(), asked.dry_run))
    }
}

impl QueryInboundNatRulePortMapping {
    /// The answer of a configuration.
    ///
    /// # Errors
    /// The request names nobody, or somebody who is not there.
    pub fn answer(&self, configuration: &Configuration) -> Reply {
        let pool = ResourceId::parse(&self.backend_address_pool)?;
        let query = match (&self.ip_address, &self.ip_configuration) {
            (Some(address), None) => PortMappingQuery::IpAddress(parse_address(address)?),
            (None, Some(it)) => PortMappingQuery::IpConfiguration(ResourceId::parse(&it.id)?),
            (Some(_), Some(_)) | (None, None) => {
                return Err(unsuitable("give `ipAddress` or `ipConfiguration`, one of the two"));
            }
        };
        let found = port_mappings(configuration, &pool, &query)?.into_iter();
        let inbound_nat_rule_port_mappings = found.map(PortMapping::from).collect();
        Ok(Success::PortMappings(PortMappings { inbound_nat_rule_port_mappings }))
    }
}

impl From<InboundNatRulePortMapping> for PortMapping {
    fn from(mapping: InboundNatRulePortMapping) -> Self {
        Self {
            inbound_nat_rule_name: mapping.rule,
            protocol: mapping.protocol.name().to_owned(),
            frontend_port: mapping.frontend_port,
            backend_port: mapping.backend_port,
        }
    }
}

impl From<IdError> for Error {
    fn from(error: IdError) -> Self {
        unsuitable(error.to_string())
    }
}

impl From<EditError> for Error {
    fn from(error: EditError) -> Self {
        let code = match error {
            EditError::NotFound(_) => ErrorCode::NotFound,
            EditError::PreconditionFailed { .. } => ErrorCode::PreconditionFailed,
            EditError::Unsuitable(_) => ErrorCode::InvalidParameters,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PortMappingError> for Error {
    fn from(error: PortMappingError) -> Self {
        let code = match error {
            PortMappingError::NotFound(_) => ErrorCode::NotFound,
            PortMappingError::AnotherResource { .. } => ErrorCode::InvalidParameters,
        };
        Self::new(code, error.to_string())
    }
}

fn settings(admin_state: Option<&str>, weight: Option<u16>) -> Result<MemberSettings, Error> {
    let named = |name: &str| {
        let text = || format!("`{name}` is no `adminState`; write None, Up or Down");
        AdminState::named(name).ok_or_else(|| unsuitable(text()))
    };
    Ok(MemberSettings { admin_state: admin_state.map(named).transpose()?, weight })
}

fn parse_address(text: &str) -> Result<IpAddr, Error> {
    let why = || format!("`{text}` is no IP address; write one such as 10.0.0.11");
    text.trim().parse().map_err(|_| unsuitable(why()))
}

fn unsuitable(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidParameters, message)
}

#[cfg(test)]
mod tests;
